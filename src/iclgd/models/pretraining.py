"""Pretraining of the small built-in models, until a criterion is met.

In-context learning appears in a phase change whose moment depends on seed and machine, so
the learning rate stays constant (after a warm-up) until a held-out probe meets the criterion
or the cap is reached, and only then decays to zero.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from iclgd.io.cli import InputError
from iclgd.models import attention, float64
from iclgd.tasks import ginc, synthetic

# What is probed, with the accuracy of guessing (GINC: without demonstrations).
PROBES = {
    "2way": ("2 topics", 1 / 2),
    "4way": ("4 topics", 1 / 4),
    "pair": ("pairs (same topic or not)", 1 / 2),
    "ginc": ("GINC", None),
}
LANGUAGE = synthetic.Mixture()
OBJECTIVES = ("next-token", "label")
DTYPES = ("float32", "float64")
PROBE_COUNT = 256  # prompts a probe while training; FINAL_COUNT of the finished model
FINAL_COUNT = 512
PROBE_SEED = 2**31  # unlike the seed of any recipe: those are small


@dataclass(frozen=True)
class Recipe:
    """How a built-in model is pretrained: an entry's keys, with their defaults.

    ``shape``: keywords of the Hugging Face config, ``model_type`` among them. ``objective``:
    ``next-token`` (every token of a document) or ``label`` (its tags alone, which makes a
    document a prompt at each of its lengths: the ICL objective of Garg et al. 2022, eq. 2, and
    of Shen et al. 2024, section 3), after ``language_steps`` of predicting every token.
    ``context``: tokens a document; ``batch``: documents a step; ``rate``: AdamW's, after
    ``warmup`` steps. ``accuracy``: the criterion, accuracy over the label words on the probe of
    4 classes and 8 demonstrations (GINC alone: on its probe), or None: train to the cap.
    ``steps``: the cap. ``decay``: steps of linear decay after criterion or cap, on top of them.
    ``probe_every``: steps between probes. ``checkpoints``: steps whose weights are kept too;
    they need a known end, so no criterion. ``attention_momentum``: eta of momentum attention
    (Dai et al. 2023); 0 is plain attention through the same code, null the model's own.
    ``dtype``: of weights and of all that is computed (`float64`); the first weights are the same.
    """

    shape: dict
    seed: int
    mixture: synthetic.Mixture
    objective: str = "next-token"
    language_steps: int = 0
    context: int = 64
    batch: int = 32
    rate: float = 6e-3
    warmup: int = 100
    steps: int = 10_000
    decay: int = 2_000
    accuracy: float | None = None
    probe_every: int = 200
    checkpoints: tuple[int, ...] = ()
    attention_momentum: float | None = None
    dtype: str = "float32"


def _known(given: dict, known: set[str], where: str) -> None:
    if unknown := sorted(set(given) - known):
        known = ", ".join(sorted(known))
        raise InputError(f"{where}: unknown {', '.join(unknown)}; known are {known}")


def read_entry(entry: dict) -> Recipe:
    """The recipe of a ``pretrain:`` entry. Raises InputError that names what is wrong."""
    _known(entry, {field.name for field in fields(Recipe)}, "pretrain")
    if missing := {"shape", "seed", "mixture"} - set(entry):
        raise InputError(f"pretrain: needs {' and '.join(sorted(missing))}")
    mixture = entry["mixture"]
    _known(mixture, {field.name for field in fields(synthetic.Mixture)}, "mixture")
    lists = {"topics": tuple(mixture["topics"])} if "topics" in mixture else {}
    recipe = Recipe(
        **entry
        | {
            "mixture": synthetic.Mixture(**mixture | lists),
            "checkpoints": tuple(entry.get("checkpoints", ())),
        }
    )
    if recipe.objective not in OBJECTIVES:
        raise InputError(f"objective {recipe.objective!r}: it is one of {', '.join(OBJECTIVES)}")
    if recipe.checkpoints and recipe.accuracy is not None:
        raise InputError("checkpoints need a known end: leave accuracy out, or checkpoints")
    if recipe.dtype not in DTYPES:
        raise InputError(f"dtype {recipe.dtype!r}: it is one of {', '.join(DTYPES)}")
    if not 0 <= (recipe.attention_momentum or 0) < 1:
        raise InputError(f"attention_momentum {recipe.attention_momentum}: it is in [0, 1)")
    if recipe.objective == "label" and recipe.mixture.ginc:
        raise InputError("mixture: GINC has no labels to train on; leave ginc or objective out")
    last = recipe.steps + recipe.decay
    if any(step not in range(last + 1) for step in recipe.checkpoints):
        raise InputError(f"checkpoints lie between 0 and steps + decay = {last}")
    return recipe


def build_model(recipe: Recipe):
    """A model of the recipe's shape, initialised from its seed, for the made-up language."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    shape = dict(recipe.shape)
    kind = shape.pop("model_type", None)
    if kind not in CONFIG_MAPPING:
        raise InputError(f"shape: model_type {kind!r} is not one that transformers knows")
    config = CONFIG_MAPPING[kind]
    _known(shape, {*config().to_dict(), *config.attribute_map}, "shape")
    if recipe.attention_momentum is not None:
        shape["attention_momentum"] = recipe.attention_momentum
    torch.manual_seed(recipe.seed)
    ours = {"vocab_size": len(synthetic.VOCABULARY), "bos_token_id": synthetic.BOS}
    ours |= {"eos_token_id": None, "pad_token_id": None}
    try:
        model = AutoModelForCausalLM.from_config(config(**shape, **ours))
    except Exception as error:  # transformers may raise anything
        said = " ".join(str(error).split())
        raise InputError(f"shape: {kind} cannot be built of {shape}: {said}") from error
    attention.activate(model)
    model = model.to(getattr(torch, recipe.dtype))
    float64.complete(model)
    return model


@torch.no_grad()
def probe_accuracies(model, count: int, mixture: synthetic.Mixture = LANGUAGE) -> dict[str, float]:
    """Accuracy over the label words on ``count`` held-out prompts of each part of ``mixture``.

    Keys: ``accuracy_{classes}way_{shots}shot`` (topics), ``accuracy_pair_{shots}shot`` and
    ``accuracy_ginc_{shots}shot``, for which all words are label words.
    """
    training = model.training
    model.eval()
    kinds = {
        **{f"{c}way_{n}shot": (synthetic.probe, (n, c)) for c in (2, 4) for n in (0, 1, 2, 4, 8)},
        **{f"pair_{n}shot": (synthetic.pair_probe, (n,)) for n in (0, 8)},
    }
    if mixture.ginc == 1:
        kinds.clear()
    if mixture.ginc:
        kinds |= {f"ginc_{n}shot": (ginc.probe, (n, ginc.LENGTH)) for n in (0, 1, 2, 4, 8)}
    accuracies = {}
    for i, (name, (draw, sizes)) in enumerate(kinds.items()):
        rng = np.random.default_rng([PROBE_SEED, i])
        tokens, answer, labels = map(torch.as_tensor, draw(rng, count, *sizes))
        logits = model(input_ids=tokens, use_cache=False).logits[:, -1]
        chosen = labels.gather(1, logits.gather(1, labels).argmax(1, keepdim=True))[:, 0]
        accuracies[f"accuracy_{name}"] = (chosen == answer).double().mean().item()
    model.train(training)
    return accuracies


def loss_on(model, tokens: Tensor, is_tag: Tensor, objective: str) -> Tensor:
    """Mean cross-entropy (nats) of the tokens [batch, context] that the objective counts.

    ``label`` counts the tags (``is_tag``) alone: each is the answer of the prompt before it.
    """
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    targets = tokens[:, 1:]
    if objective == "label":
        counted = is_tag[:, 1:]
        return cross_entropy(logits[counted], targets[counted])
    return cross_entropy(logits.flatten(0, 1), targets.flatten())


def documents(rng: np.random.Generator, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """One batch of the recipe's documents and where their tags are, [batch, context] each."""
    tokens, is_tag = synthetic.documents(rng, recipe.batch, recipe.context, recipe.mixture)
    if recipe.mixture.ginc:
        rows = rng.random(recipe.batch) < recipe.mixture.ginc
        tokens[rows] = ginc.documents(rng, rows.sum(), recipe.context)
        is_tag[rows] = False
    return tokens, is_tag


def pretrain(
    model, recipe: Recipe, save: Callable[[int], None] = lambda step: None
) -> Iterator[dict]:
    """Train ``model`` in place; yield one row a probe, and call ``save`` at the checkpoints.

    A row has ``step, tokens, loss`` (mean over the steps since the row before, null at first)
    and the accuracies of ``probe_accuracies``; the last one describes the finished model.
    Raises FloatingPointError on a loss that is not finite.
    """
    rng = np.random.default_rng(recipe.seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    model.train()
    end, losses = None, []
    criterion = f"accuracy_{'ginc' if recipe.mixture.ginc == 1 else '4way'}_8shot"
    if recipe.accuracy is None:
        end = recipe.steps + recipe.decay
    for step in range(recipe.steps + recipe.decay + 1):
        if step in recipe.checkpoints:
            save(step)
        if step % recipe.probe_every == 0 or step == end:
            row = {
                "step": step,
                "tokens": step * recipe.batch * recipe.context,
                "loss": float(np.mean(losses)) if losses else None,
            }
            count = FINAL_COUNT if step == end else PROBE_COUNT
            row |= probe_accuracies(model, count, recipe.mixture)
            losses.clear()
            yield row
            met = recipe.accuracy is not None and row[criterion] >= recipe.accuracy
            if end is None and (met or step >= recipe.steps):
                end = step + recipe.decay
        if step == end:
            return
        scale = min(1.0, (step + 1) / recipe.warmup)
        if end is not None:
            scale = min(scale, (end - step) / recipe.decay)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * scale
        tokens, is_tag = documents(rng, recipe)
        objective = recipe.objective if step >= recipe.language_steps else "next-token"
        loss = loss_on(model, torch.as_tensor(tokens), torch.as_tensor(is_tag), objective)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"loss is {loss.item()} at step {step}")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())


def save_model(model, folder: Path) -> None:
    """Write config, weights and tokenizer into ``folder`` for AutoModel and AutoTokenizer."""
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "tokenizer.json").write_text(synthetic.tokenizer_json() + "\n")
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": synthetic.SPECIAL[synthetic.BOS],
        "unk_token": synthetic.SPECIAL[synthetic.UNKNOWN],
        "model_max_length": model.config.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")


def acquired(row: dict) -> str:
    """Whether the finished model learns in context, by its probes, in plain words."""
    verdicts = []
    for name, (what, chance) in PROBES.items():
        if f"accuracy_{name}_8shot" not in row:
            continue
        accuracy = row[f"accuracy_{name}_8shot"]
        without, baseline = chance, "chance"
        if chance is None:
            without, baseline = row[f"accuracy_{name}_0shot"], "without any"
        share = (accuracy - without) / (1 - without)
        degree = "" if share >= 0.8 else "partly " if share >= 0.3 else "not "
        verdicts.append(
            f"{what}: {degree}acquired ({accuracy:.2f} with 8 demonstrations, "
            f"{baseline} {without:.2f})"
        )
    return "; ".join(verdicts)


def provenance(entry: dict, model, curve: list[dict], weights: Path) -> dict:
    """Where the weights in the file ``weights`` come from: entry, versions, hash and probes."""
    import transformers

    last = curve[-1]
    return {
        "entry": entry,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": last["step"],
        "tokens": last["tokens"],
        "probes": {name: value for name, value in last.items() if name.startswith("accuracy")},
        "probe_prompts": FINAL_COUNT,
        "in_context_learning": acquired(last),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def describe(row: dict) -> str:
    """One line of progress: step, tokens, loss and the probes with 8 demonstrations."""
    loss = "" if row["loss"] is None else f"loss {row['loss']:.3f}  "
    probes = (
        f"{n} {row[f'accuracy_{n}_8shot']:.2f}" for n in PROBES if f"accuracy_{n}_8shot" in row
    )
    return f"step {row['step']}  {row['tokens'] / 1e6:.1f}M tokens  {loss}{'  '.join(probes)}"
