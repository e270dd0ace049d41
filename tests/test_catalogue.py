"""Bad configurations are refused before any job, with key, value and the nearest name."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from iclgd.study import checks, jobs, names, pairing, sizes, taskfiles
from iclgd.study.config import ConfigError, override, simplify

ROOT = Path(__file__).parents[1]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(path: str, value):
    """The default configuration with one value replaced (or added)."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split("/")
    place = config
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return config


def test_the_shipped_configurations_are_valid():
    paths = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
    assert len(paths) >= 4
    for path in paths:
        checks.check(yaml.safe_load(path.read_text()), ROOT)


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
    "learners/gd/rate": (
        0.1,
        "learners.gd: exactly one of rate, rates is needed, found rate, rates",
    ),
    "learners/gd/train": (
        {"layers": [1]},
        "learners.gd.train: both 'layers' and 'matrices' are needed",
    ),
    "learners/icl/rate": (0.1, "learners.icl: key 'rate' has no meaning here"),
    "learners/icl-reordered/reference": ("icll", "'icll' is no learner (did you mean 'icl'?)"),
    "learners/x": ({}, "learners.x: key 'method' (icl, gd or bayes) or 'reference' is missing"),
    "models/llama-small": ({"path": "models/none"}, "'models/none' is no model folder"),
    "models/two": (
        {"path": "a", "hub": "b"},
        "models.two: exactly one of path, hub, pretrain, of, construct is needed",
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
        "at most one of softmax, causal, mix, rotate, found softmax, causal",
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
    "models/llama-live/revisions": (["step7"], "models.llama-live.revisions: 'step7' is not saved"),
    "tasks/topic2/prompt": ("{text} :", "'{text} :': {label} must stand in it exactly once"),
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
    "tasks/topic2/generate/length": (5, "tasks.topic2.generate: key 'length' has no meaning"),
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
    "learners/gd/cut": (0.3, "learners.gd: cut belongs to monotone, not to sgd"),
    "learners/gd/grow": (0.9, "learners.gd.grow: 0.9: it is less than the minimum of 1"),
    "learners/sgd-4/optimiser": (
        "monotone",
        "learners.sgd-4: design 'n8-orders': batch 4 of 8 demonstrations: optimiser monotone "
        "judges a step by the loss of all of them; leave 'batch' out",
    ),
    "learners/gd-replicate": (
        {"reference": "gd-v-middle", "shift": "order"},
        "learners.gd-replicate.reference: 'gd-v-middle' trains on one order of each draw "
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
    "figurs": ({}, "top level: unknown key 'figurs' (did you mean 'figures'?)"),
}


@pytest.mark.parametrize("path", BAD)
def test_a_bad_value_is_named(path):
    value, message = BAD[path]
    with pytest.raises(ConfigError) as caught:
        checks.check(changed(path, value), ROOT)
    assert message in str(caught.value)


def replicated(*pair: str) -> dict:
    """The default configuration with a replicate of a family of GD in one figure."""
    config = changed("learners/gd/orders", 2)
    config["learners"]["gd-replicate"] = {"reference": "gd", "shift": "order"}
    config["figures"] = {"depth": {**config["figures"]["depth"], "pairs": [list(pair)]}}
    return config


@pytest.mark.parametrize("first", ["gd", "gd@0.03"])
def test_a_replicate_of_a_family_is_compared_rate_by_rate(first):
    config = replicated(first, "gd-replicate")
    checks.check(config, ROOT)
    pairs = {pair[3:] for pair in pairing.compared(config, config["figures"]["depth"])}
    rates = ["gd@0.01", "gd@0.03", "gd@0.1"] if first == "gd" else [first]
    assert pairs == {(rate, "gd-replicate") for rate in rates}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            ("gd@0.03", "gd-replicate@0.03"),
            "'gd-replicate@0.03' is a reference of 'gd', which stands second and takes its rate "
            "from the first, as in [gd@0.03, gd-replicate]",
        ),
        (("gd-replicate", "gd"), "as in [gd, gd-replicate]"),
        (("gd-adam", "gd-replicate"), "'gd-replicate' is a reference of 'gd', not of 'gd-adam'"),
        (("gd@0.3", "gd-replicate"), "'gd@0.3' is not in the catalogue (known: gd@0.01"),
    ],
)
def test_a_pair_that_is_no_replicate_is_refused(pair, message):
    with pytest.raises(ConfigError) as caught:
        checks.check(replicated(*pair), ROOT)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/b", "/x", ".x", "-x", "a b", "a\n", "a\0", "a;b", "a@b", "a*"),
        *("аdam", "ａ", "é", "a\u202e", "a--b", "x.json", "x.curves", "x.accuracy", "x" * 51),
    ],
)
@pytest.mark.parametrize(
    "catalogue_of", ["models", "tasks", "demonstrations", "learners", "figures"]
)
def test_a_name_is_no_path(catalogue_of, name):
    config = copy.deepcopy(DEFAULT)
    config[catalogue_of][name] = next(iter(DEFAULT[catalogue_of].values()))
    with pytest.raises(ConfigError, match=r"^config: .*must be|no file name") as caught:
        checks.check(config, ROOT)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "revision", ["../../x", "..", "a/b", "a\n", "", "x" * 65, "a--b", "a.json"]
)
def test_a_revision_is_no_path(revision):
    with pytest.raises(ConfigError, match=r"models\.x\.revisions\.0: the revision '"):
        checks.check(changed("models/x", {"hub": "a/b", "revisions": [revision]}), ROOT)


def test_the_longest_names_fit_a_file_name():
    longest = f"{'x' * 50}@{'x' * 64}"
    assert len(f".{longest}--{longest}.parquet.partial") <= 255


def test_a_study_fits_the_command_line_of_its_report():
    config = copy.deepcopy(DEFAULT)
    for name in range(9):
        checks.check(config, ROOT)
        config["tasks"][f"long{name}"] = {**config["tasks"]["topic4"], "instruction": "x" * 9999}
    with pytest.raises(ConfigError, match="all entries are too long for the command"):
        checks.check(config, ROOT)


@pytest.mark.parametrize(
    "hub", ["../x", "a/b/c", "/x", "a b", "-a", "a--b", "a/..", "x.git", "a\n"]
)
def test_an_address_on_the_hub_is_no_path(hub):
    with pytest.raises(ConfigError, match=r"models\.x\.hub: the address '"):
        checks.check(changed("models/x", {"hub": hub}), ROOT)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202e", "\u200b", "\u2028", "\t"])
@pytest.mark.parametrize("path", ["models/gptj/label", "figures/order/title"])
def test_what_readers_see_is_printable(path, text):
    with pytest.raises(ConfigError, match="characters that do not print") as caught:
        checks.check(changed(path, text), ROOT)
    assert str(caught.value).isprintable()


def test_prompts_with_more_than_fields_are_refused():
    for part in ("{text.__class__}", "{text[0]}", "{0}", "{}", "{text!r}", "{text:>1000000000}"):
        with pytest.raises(ConfigError, match="the name of a field alone may stand"):
            checks.check(changed("tasks/topic2/prompt", part + " {label}"), ROOT)
    checks.check(changed("tasks/topic2/prompt", "{{{text}}} : {label}"), ROOT)


RUNS = {"tasks": ["topic4"], "demonstrations": ["n1"]}


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        # One demonstration has one order.
        (
            {"kind": "agreement", "models": ["gptj"], "pairs": [["icl", "icl-reordered"]]},
            "x: nothing",
        ),
        # Of controls references are not shown.
        (
            {
                "kind": "controls",
                "models": ["llama-large-random"],
                "pairs": [["icl", "icl-redrawn"]],
            },
            "x: nothing is left to compare: references need designs with 'orders: 2'",
        ),
        ({"kind": "agreement", "models": ["gptj"], "pairs": [["icl", "gd"]]}, None),
    ],
)
def test_a_figure_with_nothing_to_compare_is_named(figure, message):
    config = changed("figures/x", {**figure, **RUNS})
    config["figures"] = {"x": config["figures"]["x"]}
    if message is None:
        checks.check(config, ROOT)
        config["figures"]["verdict"] = {"kind": "equivalence", "of": ["x"]}
        message = "figures.verdict.of: no design there has 'orders: 2' or more"
    with pytest.raises(ConfigError, match=message):
        checks.check(config, ROOT)


def test_settings_of_the_command_line_are_read_as_files_are():
    config = {"learners": {"gd": {"rates": ["0.02"], "epochs": 3}}, "tasks": {"t": {"files": "x"}}}
    settings = ['learners={"gd": {"rates": [0.02, 1e-3], "label": "1"}}', "tasks={t: {queries: 8}}"]
    override(config, settings)
    gd = {"rates": [0.02, 0.001], "epochs": 3, "label": "1"}
    assert config == {"learners": {"gd": gd}, "tasks": {"t": {"files": "x", "queries": 8}}}
    for wrong in ("{", "[1", "{a: b: c}", "9" * 5000):
        with pytest.raises(ConfigError, match=r"^config: --config tasks: neither JSON nor"):
            override(config, [f"tasks={wrong}"])


@pytest.mark.parametrize(
    ("path", "simple"),
    [
        *(
            ("models/a/", "models/a"),
            ("./models//a", "models/a"),
            ("/x/a//", "/x/a"),
            ("a b/", "a b"),
        ),
        *(("models/a", "models/a"), ("a/../b", "a/../b"), ("a/.", "a")),
    ],
)
def test_a_folder_is_spelled_one_way(path, simple):
    config = {"models": {"a": {"path": path}, "b": {"hub": "x//y"}}}
    simplify(config)
    assert config == {"models": {"a": {"path": simple}, "b": {"hub": "x//y"}}}


def test_a_layer_outside_the_model_is_named():
    config = changed("learners/gd-v-deep/train", {"layers": [17], "matrices": ["v"]})
    with pytest.raises(ConfigError, match=r"17 is outside model 'llama-large'"):
        checks.check(config, ROOT)


def test_lists_expand_to_names_with_values():
    entry = {"method": "gd", "rates": [1.0e-3, 0.1]}
    assert names.expand("gd", entry) == ["gd@0.001", "gd@0.1"]
    assert names.expand_all(["gd", "icl"], {"gd": entry, "icl": {}}) == [
        "gd@0.001",
        "gd@0.1",
        "icl",
    ]
    assert jobs.learner({"learners": {"gd": entry}}, "gd@0.001") == {"rate": 0.001}


def test_a_list_of_departures_makes_one_model_of_each():
    entry = {"construct": {"layers": 2, "rate": 1, "softmax": [0.3, 1]}, "label": "L"}
    assert names.expand("soft", entry) == ["soft@0.3", "soft@1"]
    expected = {"construct": {"layers": 2, "rate": 1, "softmax": 0.3}}
    assert jobs.model({"models": {"soft": entry}}, "soft@0.3") == expected
    assert sizes.layer_count(entry, ROOT) == 2


def test_a_block_of_draws_leaves_earlier_blocks_alone():
    assert pairing.blocks({"draws": 5}) == ["0-4"]
    assert pairing.blocks({"draws": 12}) == ["0-4", "5-9", "10-11"]
    assert pairing.blocks({"draws": 4, "block": 2}) == ["0-1", "2-3"]


def test_labels_for_readers_never_reach_a_job():
    entry = jobs.model({"models": {"m": {"path": "p", "label": "L", "revisions": ["a"]}}}, "m@a")
    assert entry == {"path": "p", "revision": "a"}


def test_the_bayesian_reader_reads_its_own_language_only():
    config = changed("learners/bayes", {"method": "bayes"})
    config["figures"]["agreement"]["pairs"] = [["icl", "bayes"]]
    with pytest.raises(ConfigError, match="'bayes' reads tasks of kind 'ginc' only"):
        checks.check(config, ROOT)


# --- rows of local files ------------------------------------------------------------------

ROWS = [{"text": f"film {i}", "mood": i % 2} for i in range(12)]


def check_files(folder, files: dict[str, str], **changes):
    """Check the default study with one more task, of ``files`` (names and what they hold)."""
    for name, content in files.items():
        (folder / name).write_text(content)
    paths = [str(folder / name) for name in files]
    entry = {
        "files": paths[0] if len(files) == 1 else dict(zip(SPLITS, paths, strict=True)),
        "prompt": "{text}: {label}\n",
        "labels": {"0": "bad", "1": "good"},
        "label_field": "mood",
    }
    checks.check(changed("tasks/films", {**entry, **changes}), ROOT)


SPLITS = ("train", "test")
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = "text,mood\n" + "".join(f"{row['text']},{row['mood']}\n" for row in ROWS)


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ({"a.csv": CSV}, {"prompt": "{texts}: {label}\n"}, "a.csv, line 2: no field 'texts'; it"),
        ({"a.csv": CSV}, {"label_field": "label"}, "a.csv, line 2: no field 'label'; it has text,"),
        (
            {"a.csv": CSV},
            {"labels": {"0": "a", "2": "b"}},
            "line 3: label '1' of task films",
        ),
        ({"a.csv": CSV.replace("film 3", '"film 3')}, {}, "a.csv, line 5: the quote that opens"),
        ({"a.csv": CSV.replace(",", ";")}, {}, "line 1: the columns are separated by semicolons"),
        ({"a.csv": CSV[:10]}, {}, "a.csv: there are no rows in it"),
        ({"a.txt": CSV}, {}, "a.txt: one of .jsonl, .json, .csv or .parquet is needed"),
        ({"a.jsonl": LINES, "b.jsonl": LINES[:30]}, {}, "films: no row of test has the label '1'"),
        ({"a.jsonl": LINES[:30], "b.jsonl": LINES}, {}, "films: no row of train has the label '1'"),
        ({"a.json": LINES[:30]}, {}, "task films: no row has the label word 'good'"),
        ({"a.json": json.dumps([*ROWS, 1])}, {}, "a.json, row 13: not a JSON object"),
        ({"a.parquet": ""}, {"leave_out": [0]}, "leave_out: '0' is one of the labels"),
        ({"a.json": LINES}, {"leave_out": [0.5]}, "films.leave_out.0: 0.5: it is not of type"),
        ({"a.json": LINES}, {"labels": {"0": "x", "1": "x"}}, "two labels have the word 'x'"),
    ],
)
def test_rows_of_local_files_are_checked(tmp_path, files, changes, message):
    check_files(tmp_path, {"good.csv": CSV})
    with pytest.raises(ConfigError) as caught:
        check_files(tmp_path, files, **changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith("config: tasks.films")
    assert len(str(caught.value).splitlines()) == 1


def test_generated_tasks_have_no_rows_to_leave_out():
    with pytest.raises(ConfigError, match="'leave_out' has no meaning beside 'generate'"):
        checks.check(changed("tasks/topic2/leave_out", [-1]), ROOT)


def test_of_a_large_file_the_first_rows_are_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(taskfiles, "WHOLE", 100)
    monkeypatch.setattr(taskfiles, "FIRST", 3)
    check_files(tmp_path, {"a.jsonl": LINES + "no JSON", "b.jsonl": LINES})
    check_files(tmp_path, {"a.json": json.dumps([*ROWS, 1])})
    with pytest.raises(ConfigError, match=r"a.jsonl, line 3: not a JSON object"):
        check_files(tmp_path, {"a.jsonl": LINES[:60] + "no JSON" + LINES[60:]})


def test_parquet_is_left_to_the_job_and_polars_unread(tmp_path):
    check_files(tmp_path, {"a.parquet": "no parquet"})
    path = str(ROOT / "src")
    command = [
        sys.executable,
        "-c",
        "import iclgd.study.study, sys; print('polars' in sys.modules)",
    ]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_the_rows_of_an_array_are_counted_however_it_is_laid_out(tmp_path):
    for indent in (None, 1):
        (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=indent))
        assert sizes.most_rows({"files": "a.json"}, tmp_path) == 12
    (tmp_path / "a.csv").write_text(CSV)
    assert sizes.most_rows({"files": {"train": "a.csv"}}, tmp_path) == 12
