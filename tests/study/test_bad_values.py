"""Bad configurations are refused before any job, with key, value and the nearest name."""

import pytest
import yaml
from support.configurations import ROOT, changed

from iclgd.study import checks
from iclgd.study.config import ConfigError


def test_the_shipped_configurations_are_valid():
    paths = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
    assert len(paths) >= 4
    for path in paths:
        checks.check(yaml.safe_load(path.read_text()), ROOT)


LIVE = yaml.safe_load((ROOT / "config/thorough.yaml").read_text())["models"]["llama-live"]
BAD = {
    "learners/gd/epocs": (3, "learners.gd: unknown key 'epocs' (did you mean 'epochs'?)"),
    "learners/gd/rates": (
        ["1e-4"],
        "learners.gd.rates.0: '1e-4' is text, number is needed; write 0.0001",
    ),
    "learners/gd/optimiser": (
        "sdg",
        "learners.gd.optimiser: 'sdg' is not valid (did you mean 'sgd'?)",
    ),
    "learners/gd/epochs": (0, "learners.gd.epochs: 0: it is less than the minimum of 1"),
    "learners/gd-fixed/rate": (
        0.1,
        "learners.gd-fixed: exactly one of rate, rates is needed, found rate, rates",
    ),
    "learners/gd/train": (
        {"layers": [1]},
        "learners.gd.train: both 'layers' and 'matrices' are needed",
    ),
    "learners/icl/rate": (0.1, "learners.icl: key 'rate' has no meaning here"),
    "learners/icl-reordered/reference": ("icll", "'icll' is no learner (did you mean 'icl'?)"),
    "learners/x": (
        {},
        "x: key 'method' (one of icl, gd, tangent, kernel, distil, vector, patch, bayes, solver)",
    ),
    "models/llama-small": ({"path": "models/none"}, "'models/none' is no model folder"),
    "models/two": (
        {"path": "a", "hub": "b"},
        "models.two: exactly one of path, hub, package, pretrain, of, construct is needed",
    ),
    "models/of-none": (
        {"of": "llama-larg", "control": "random"},
        "models.of-none.of: 'llama-larg' is not in the catalogue, or derived itself "
        "(did you mean 'llama-large'?)",
    ),
    "models/of-derived": (
        {"of": "llama-large-random", "control": "random"},
        "models.of-derived.of: 'llama-large-random' is not in the catalogue, or derived itself",
    ),
    "models/uncontrolled": (
        {"of": "gptj"},
        "models.uncontrolled: key 'control' is missing beside 'of'",
    ),
    "tasks/both": (
        {"of": "topic4", "control": "labels", "prompt": "{text} : {label}"},
        "tasks.both: key 'prompt' has no meaning beside 'of'",
    ),
    "tasks/no-texts": (
        {"of": "topic4", "control": "texts"},
        "tasks.no-texts: 'texts', the other task, belongs to 'control: texts'",
    ),
    "models/construction/construct": (
        {"layers": 2},
        "models.construction.construct: exactly one of rate, train is needed, found none",
    ),
    "models/construction/construct/softmax": (
        0.5,
        "models.construction.construct.softmax: 0.5: it is not of type 'array'",
    ),
    "models/construction-softmax/construct/softmax": (
        [1.5],
        "construct.softmax.0: 1.5: it is greater than the maximum of 1",
    ),
    "models/construction-softmax/construct/causal": (
        [1],
        "noise, mix, rotate, precondition, kernel, loss, found softmax, causal",
    ),
    "models/construction-trained/construct/toward": (
        "linear-attenion",
        "'linear-attenion' (did you mean 'linear-attention'?)",
    ),
    "models/linear-attention/construct/layers": (3, "'linear-attention' has another number of"),
    "models/construction/construct/toward": (
        "linear-attention",
        "'mix' and 'toward', the model that is mixed in, belong together",
    ),
    "models/a b": ({"hub": "b"}, "the name 'a b' must be letters, digits"),
    "models/gptj/dtype": (
        "fp32",
        "models.gptj.dtype: 'fp32' is not valid (did you mean 'float32'?)",
    ),
    "models/live": (
        {**LIVE, "revisions": ["step7"]},
        "models.live.revisions: 'step7' is not saved",
    ),
    "tasks/topic4/prompt": ("{text} :", "'{text} :': {label} must stand in it exactly once"),
    "tasks/mine": (
        {"files": "data/none.jsonl", "prompt": "{text} {label}", "labels": {"0": "a", "1": "b"}},
        "tasks.mine.files: 'data/none.jsonl' does not exist",
    ),
    "tasks/bare": (
        {"files": "README.md", "prompt": "{text} {label}"},
        "tasks.bare: key 'labels' is missing",
    ),
    "demonstrations/n1/orders": (2, "demonstrations.n1.orders: 2 orders, but 1 shots have 1"),
    "demonstrations/n8/orders": ("all", "demonstrations.n8.orders: 'all' means 8! orders"),
    "demonstrations/n8/first": (
        -1,
        "demonstrations.n8.first: -1: it is less than the minimum of 0",
    ),
    "demonstrations/n8/shots": (5000, "design 'n8' shows 5000 demonstrations, task "),
    "figures/agreement/models": (
        ["llama-larg"],
        "'llama-larg' is not in the catalogue (did you mean 'llama-large'?)",
    ),
    "figures/agreement/pairs": (
        [["icl", "dg"]],
        "figures.agreement.pairs: 'dg' is not in the catalogue",
    ),
    "figures/shots/pairs": (
        [["gd", "icl-reordered"]],
        "figures.shots.pairs: 'icl-reordered' is a reference of 'icl', not of 'gd'",
    ),
    "figures/agreement/kind": (
        "agrement",
        "figures.agreement.kind: 'agrement' is not valid (did you mean 'agreement'?)",
    ),
    "learners/bayes": (
        {"method": "bayes", "rate": 0.1},
        "learners.bayes: key 'rate' has no meaning here",
    ),
    "learners/icl/imagined": (2, "learners.icl.imagined: 2: it is greater than the maximum of 1"),
    "learners/gd/imagined": (
        1,
        "learners.gd: key 'imagined' has no meaning here",
    ),
    "tasks/topic4/generate/length": (5, "tasks.topic4.generate: key 'length' has no meaning"),
    "figures/agreement/learners": (["icl"], "key 'learners' has no meaning for kind 'agreement'"),
    "figures/attention/learners": (
        ["gd-kv", "icl"],
        "figures.attention.learners: a learner of method icl is needed, then others of gd",
    ),
    "learners/gd-kv-block/loss": ("squared", "causal: the squared loss has no layers"),
    "learners/gd-orders/causal": ("block", "causal: it needs 'train' with 'layers' and 'matrices'"),
    "figures/equivalence/of": (
        ["agrement"],
        "figures.equivalence.of: 'agrement' is no figure with pairs (did you mean 'agreement'?)",
    ),
    "figures/nearest/of": (["sparsity"], "figures.nearest.of: 'sparsity' is no figure with pairs"),
    "figures/errors/pairs": ([["icl", "gd"]], "key 'pairs' has no meaning for kind 'errors'"),
    "figures/nearest/models": (["gptj"], "key 'models' has no meaning for kind 'nearest'"),
    "figures/claims": (
        {"kind": "sparsity", "models": ["gptj"]},
        "figures.claims: results/STUDY/summary has a table of this name of its own",
    ),
    "figures/order": (None, "config: figures.order: nothing stands there"),
    "models/home": (
        {"path": "~/gpt2"},
        "'~/gpt2' is no model folder (there is no config.json that holds a map); '~' is read by "
        "shells alone: write the folder in full",
    ),
    "tasks/home": (
        {"files": "~/x.csv", "prompt": "{text} {label}", "labels": {"0": "a", "1": "b"}},
        "tasks.home.files: '~/x.csv' does not exist; '~' is read by shells alone",
    ),
    "figures/new": ({"kind": "order", "models": ["gptj"]}, "figures.new: key 'tasks' is missing"),
    "learners/gd/stall": (1, "learners.gd.stall: 1: it is not less than 1"),
    "learners/gd/until": (0, "learners.gd.until: 0: it is not greater than 0"),
    "learners/gd/unil": (0.1, "learners.gd: unknown key 'unil' (did you mean 'until'?)"),
    "learners/gd-fixed/cut": (0.3, "learners.gd-fixed: cut belongs to monotone, not to sgd"),
    "learners/gd/grow": (0.9, "learners.gd.grow: 0.9: it is less than the minimum of 1"),
    "learners/sgd-4/optimiser": (
        "monotone",
        "learners.sgd-4: design 'n8-orders': batch 4 of 8 demonstrations: optimiser monotone "
        "judges a step by the loss of all of them; leave 'batch' out",
    ),
    "learners/gd-replicate": (
        {"reference": "gd-fixed", "shift": "order"},
        "learners.gd-replicate.reference: 'gd-fixed' trains on one order of each draw "
        "('orders: 1'), so that there is no other to compare it with: give it 'orders: 2' or more",
    ),
    "learners/of-a-rate": (
        {"reference": "gd@0.03", "shift": "order"},
        "'gd@0.03' is no learner (write 'gd': each of its rates is compared with itself)",
    ),
    "learners/of-a-reference": (
        {"reference": "icl-reordered", "shift": "draw"},
        "'icl-reordered' is a reference itself, of 'icl'",
    ),
    "figures/depth/pairs": (
        [["icl-reordered", "icl"]],
        "'icl-reordered' is a reference of 'icl', which stands second and takes its rate from the "
        "first, as in [icl, icl-reordered]",
    ),
    "figures/fixed/pairs": (
        [["icl", "icl-redrawn"]],
        "'icl-redrawn' has other demonstrations, which in task 'topic4' have other label words",
    ),
    "tasks/topic4/generate/mixed": (2, "tasks.topic4.generate.mixed: 2: it is greater than"),
    "tasks/pairs/generate/held_out": (4, "tasks.pairs.generate: key 'held_out' has no meaning"),
    "tasks/topic4-texts/share": (
        0.5,
        "'share', that of wrong labels, belongs to 'control: labels' or 'flipped'",
    ),
    "tasks/flipped": (
        {"of": "topic4", "control": "flipped"},
        "tasks.flipped: key 'share' is missing (of 'control: flipped')",
    ),
    "tasks/words": (
        {"of": "topic16", "control": "abstract"},
        "tasks.words: 16 labels, but only 0 abstract words ('control: abstract')",
    ),
    "learners/solving": ({"method": "solver"}, "learners.solving: key 'solver' is missing"),
    "learners/voting": (
        {"method": "solver", "solver": "vote", "temperature": 1.0},
        "learners.voting: temperature is no setting of solver vote (it has decay)",
    ),
    "learners/instead": (
        {"method": "icl", "model": "llama-larg"},
        "learners.instead.model: 'llama-larg' (did you mean 'llama-large'?)",
    ),
    "learners/gd-functions/kernel": (
        "cubic",
        "learners.gd-functions.kernel: 'cubic' is not valid (known: linear,",
    ),
    "learners/gd-functions/rate": (
        1.0,
        "learners.gd-functions: exactly one of rate, rates is needed",
    ),
    "learners/gd-functions/rates": (
        [1.0, 1.0000001],
        "gd-functions.rates: two of them go by the name",
    ),
    "learners/gd-functions/loss": ("all", "gd-functions.loss: a kernel has one of label, squared"),
    "learners/gd-functions/batch": (2, "learners.gd-functions: key 'batch' has no meaning here"),
    "learners/gd-functions/step": ("newton", "'step: newton' has no rate"),
    "learners/gd-functions/ridge": (0.1, "'ridge' is of 'step: newton' with the loss label"),
    "learners/newton-last/plus": (
        0.5,
        "'step: newton' needs kernel linear or exp, and has no plus",
    ),
    "learners/newton-last/layer": ("unembeding", "learners.newton-last.layer: "),
    "learners/centroid/layer": ("unembedding", "'unembedding' is of method kernel alone"),
    "learners/gd-functions/plus": (
        1.0,
        "'plus' moves the inputs of a linear kernel, not of softmax",
    ),
    "learners/gd-label/kernel": ("exp", "learners.gd-label: key 'kernel' has no meaning here"),
    "learners/space": (
        {"method": "kernel", "rate": 1.0},
        "learners.space: key 'kernel' is missing",
    ),
    "models/construction-label/construct/layers": (2, "'loss: label' needs 'layers: 1' and 'rate'"),
    "models/construction-label/construct/kernel": ("exp", "kernel, loss, found kernel, loss"),
    "figurs": ({}, "top level: unknown key 'figurs' (did you mean 'figures'?)"),
}


@pytest.mark.parametrize("path", BAD)
def test_a_bad_value_is_named(path):
    value, message = BAD[path]
    with pytest.raises(ConfigError) as caught:
        checks.check(changed(path, value), ROOT)
    assert message in str(caught.value)
