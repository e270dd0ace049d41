"""The contents of the report's template, computed from tables: texts, rows and links.

Pure functions. The template escapes everything, so untrusted texts are passed as they are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics import agreement
from iclgd.reporting import examples
from iclgd.reporting.findings import called
from iclgd.reporting.names import Names
from iclgd.study.names import base

FORMATS = {
    "html": "interactive page",
    "pdf": "PDF",
    "svg": "SVG",
    "png": "PNG",
    "tex": "LaTeX table",
}
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "gguf", "peft", "numpy")
PACKAGES += ("scipy", "polars", "altair", "vl-convert-python", "snakemake")
# Columns of the claims table, in the order in which they are shown, with their headings.
CLAIM = {
    "verdict": "verdict",
    "claim": "claim",
    "model": "model",
    "task": "task",
    "shots": "N",
    "learner": "learner",
    "estimate": "here [interval of the test]",
    "reference": "in the paper",
    "paper": "paper",
    "place": "place",
    "quantity": "decided by",
    "figure": "figure",
    "p_holm": "p (Holm)",
    "draws": "draws",
    "queries": "queries",
    "mde": "smallest detectable",
}
KINDS = ("pretrained", "twin", "control", "construction")  # of models
# Sections of figures by the name that kinds of figures give (``SECTION``), in short and as a
# heading; verdicts stand with the answer.
SECTIONS = {
    "answers": ("Distributions", "What ICL and GD answer"),
    "order": ("Order", "What the order of demonstrations does"),
    "attention": ("Attention", "Inside attention"),
    "weights": ("Weights", "Weights, and models built to do gradient descent"),
    "growth": ("Growth", "More demonstrations, size, and training"),
}
# Columns of `EXAMPLES` that the explorer shows as they are.
SHOWN = ("tv", "token_overlap", "instruction", "demonstrations", "demonstrations_b", "text")
SHOWN += ("answer", "answer_token")
# Folders of tables, with the kinds of figures that need them ("" for all).
_PAIRED = "agreement shots size depth controls dose existence sensitivity steps"
_ASKED = f"{_PAIRED} scale order variance attention checkpoints reach updates label_dose"
FOLDERS = {
    "models": ("manifests and weights of the models", ""),
    "tasks": ("the queries: prompts, answers, splits", _ASKED),
    "demonstrations": ("the demonstrations, by draw and order", _ASKED),
    "logits": ("next-token distributions of every learner", _ASKED),
    "agreement": ("every metric, query by query", _PAIRED),
    "attention": ("inside attention, layer by layer", "attention"),
    "sparsity": ("weights below thresholds, and circuits", "sparsity"),
    "drift": ("how far weights moved", "checkpoints"),
    "reach": ("what first-order steps reach of ICL's change", "reach"),
    "updates": ("what imitates ICL beside GD's update, matrix by matrix", "updates"),
    "perplexity": ("by position in held-out documents", "twins"),
}


def link(path: str | Path, page: Path) -> str:
    """The address of a file, relative to the page."""
    return quote(os.path.relpath(path, page.parent))


def hashed(text: str) -> str:
    """The text's hash as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def folders(kinds: set[str]) -> dict[str, str]:
    """Folders of tables that figures of these kinds need, and what they hold."""
    return {
        name: what
        for name, (what, needed_by) in FOLDERS.items()
        if not needed_by or kinds & set(needed_by.split())
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the main packages, where the page was built."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed where this page was made"
    return found


def models(manifests: Iterable[dict]) -> list[list[str]]:
    """Source and properties of every model, header first."""
    head = ["model", "source", "commit", "architecture", "layers", "weights", "dtype"]
    found = [[*head, "SHA-256 of the weights"]]
    for one in manifests:
        source = ", ".join(
            f"{key}: {value if isinstance(value, str) else json.dumps(value)}"
            for key, value in one["source"].items()
        )
        shape = [one["architecture"], str(one["layers"]), f"{one['weights']:,}", one["dtype"]]
        found.append([called(one), source, one["commit"] or "", *shape, one["sha256"]])
    return found


def sections(figures: Sequence[dict]) -> list[tuple[str, str, str, list[dict]]]:
    """Name, short and full heading, and figures of every section that has any.

    Raises InputError for a kind of figure whose section is none of `SECTIONS`.
    """
    for one in figures:
        if one["section"] not in SECTIONS:
            known = ", ".join(SECTIONS)
            raise InputError(f"kind {one['kind']}: {one['section']!r} is no section ({known})")
    apart = [one for one in figures if one["kind"] != "equivalence"]
    own = {name: [one for one in apart if one["section"] == name] for name in SECTIONS}
    return [(name, *heads, own[name]) for name, heads in SECTIONS.items() if own[name]]


def alt(title: str, across: list[str], up: list[str]) -> str:
    """A figure's text alternative: its title and its axes."""
    axes = [
        f"{direction}: {', '.join(titles)}"
        for direction, titles in (("vertically", up), ("horizontally", across))
        if titles
    ]
    return ". ".join([title, *(f"Plotted {one}" for one in axes)]) + "."


# --- claims -------------------------------------------------------------------------------


def claims(
    table: pl.DataFrame, manifests: Iterable[dict]
) -> list[dict[str, tuple[str, float | str | None]]]:
    """Each claim (``claims.parquet``) as text and sort key by column of CLAIM."""
    known = {one["model"]: called(one) for one in manifests}
    table = table.with_columns(pl.col("model").replace(known))
    return [
        {name: (_claim_text(name, row), row[name]) for name in CLAIM}
        for row in table.iter_rows(named=True)
    ]


def _claim_text(name: str, row: dict) -> str:
    value = row[name]
    if name == "estimate":
        ends = "" if row["low"] is None else f" [{_short(row['low'])}, {_short(row['high'])}]"
        return _short(value) + ends
    if name == "mde" and row["underpowered"]:
        return f"{_short(value)} (underpowered)"
    return _short(value)


def _short(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# --- examples -----------------------------------------------------------------------------


def in_order(table: pl.DataFrame, models: list[str], names: Names) -> list[dict]:
    """The examples (`EXAMPLES`) in the order in which the explorer offers them.

    Models come in the order of ``models``, GD before the references.
    """
    places, families = list(examples.PLACES), names.families(table["b"])

    def order(row: dict) -> tuple:
        b, run = row["b"], (row["task"], row["shots"], row["design"], row["a"])
        learner = (names.is_reference(b), families.index(base(b)), b, row["epoch"])
        query = (places.index(row["place"]), row["draw"], row["order"], row["example"])
        return (models.index(row["model"]), *run, *learner, *query)

    return sorted(table.iter_rows(named=True), key=order)


def opened(rows: list[dict], verdicts: Iterable[pl.DataFrame]) -> int:
    """The place among `in_order` rows of the one to show first: typical, of the first test.

    ``verdicts``: summaries of equivalence. Where they have no row of a test in common with the
    examples, it is the first one.
    """
    for summary in verdicts:
        tests = summary.filter(measure="tv", factor=1.0, choice="nearest")
        tests = tests.filter("primary") if tests["primary"].any() else tests
        for test in tests.iter_rows(named=True):
            for place, row in enumerate(rows):
                same = all(row[key] == test[key] for key in ("model", "task", "design"))
                if same and base(row["b"]) == base(test["b"]) and row["place"] == "median":
                    return place
    return 0


def explorer(rows: list[dict], names: Names) -> list[dict]:
    """Rows of the examples as the explorer's script reads them: choices, then contents.

    Shared tokens are those among the ten likeliest of both sides.
    """
    found = []
    for row in rows:
        learner = names.label(row["b"])
        ranks = zip(row["rank_a"], row["rank_b"], strict=True)
        likely = [[rank is not None and rank <= agreement.K for rank in pair] for pair in ranks]
        columns = (row["tokens"], row["probability_a"], row["probability_b"], likely)
        key = f"query {row['example']}, draw {row['draw']}, order {row['order']}"
        found.append(
            {
                "model": names.label(row["model"]),
                "task": names.label(row["task"]),
                "N": f"{row['shots']} ({row['design']})",
                "learner": f"{learner}, epoch {row['epoch']}" if row["epoch"] else learner,
                "query": f"{row['place']}: TV {row['tv']:.3g} ({key})",
                "icl": names.label(row["a"]),
                "tokens": list(zip(*columns, strict=True)),
                **{name: row[name] for name in SHOWN},
            }
        )
    return found


def summary(
    manifests: Iterable[dict], summaries: Iterable[pl.DataFrame], tasks: dict[str, dict]
) -> str:
    """The size of this study in words, counted from what was run.

    ``manifests``: of all models; ``summaries``: one of each figure; ``tasks``: entries of the
    configuration. A model or task derived from another one is a control; checkpoints and doses of a
    model count as one model.
    """
    kinds = {base(one["model"]): _kind(one) for one in manifests}
    counts = Counter(kinds.values())
    named = [f"{counts[kind]} {_many(kind, counts[kind])}" for kind in KINDS if counts[kind]]
    summaries = list(summaries)
    used, shots = set(), set()
    for table in summaries:
        for name in {"task", "control"} & {*table.columns}:  # where a control is named as such
            used |= {*table[name].drop_nulls()} & {*tasks}
        shots |= {*table["shots"].drop_nulls()} if "shots" in table.columns else set()
    controls = {name for name in used if "of" in tasks[name]}
    parts = [f"{len(kinds)} {_many('model', len(kinds))} ({', '.join(named)})"]
    if used:
        plain = len(used - controls)
        of = f" and {len(controls)} {_many('control', len(controls))} of them" if controls else ""
        with_shots = f" with {_range(shots)} demonstrations" if shots else ""
        parts.append(f"{plain} {_many('task', plain)}{of}{with_shots}")
    parts.append(f"{len(summaries)} {_many('figure', len(summaries))}")
    return ", ".join(parts)


def _kind(manifest: dict) -> str:
    """What kind of model a manifest is of, one of KINDS."""
    if manifest["architecture"] == "constructed":
        return "construction"
    if "of" in manifest["source"]:
        return "control"
    momentum = (manifest.get("pretraining") or {}).get("attention_momentum")
    return "pretrained" if momentum is None else "twin"


def _many(word: str, count: int) -> str:
    return word if count == 1 or word == "pretrained" else f"{word}s"


def _range(numbers: set[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} to {most}"
