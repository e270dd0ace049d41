"""What the report says, from tables to what its template shows: texts, rows and links.

Pure functions; the template escapes whatever it is given, so texts from outside stay as they are.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import polars as pl

from iclgd import agreement, cells, tables, theme

FORMATS = {
    "html": "interactive page",
    "pdf": "PDF",
    "svg": "SVG",
    "png": "PNG",
    "tex": "LaTeX table",
}
PACKAGES = """torch transformers tokenizers safetensors peft numpy scipy polars altair
vl-convert-python snakemake""".split()
CLAIM = [
    "verdict",
    "claim",
    "paper",
    "place",
    "estimate",
    "reference",
    "quantity",
    "model",
    "task",
    "shots",
    "learner",
    "figure",
    "p_holm",
    "draws",
    "queries",
    "mde",
]
HEADINGS = {
    "estimate": "here [95 %]",
    "reference": "in the paper",
    "quantity": "decided by",
    "shots": "N",
    "p_holm": "p (Holm)",
    "mde": "smallest detectable",
}
# Folders of tables, with the kinds of figures that need them ("" for all).
_ASKED = "agreement shots size depth scale order variance attention checkpoints controls dose"
_PAIRED = "agreement shots size depth controls dose"
FOLDERS = {
    "models": ("manifests and weights of the models", ""),
    "tasks": ("what is asked: prompts, answers, splits", _ASKED),
    "demonstrations": ("what was shown, in which draw and order", _ASKED),
    "logits": ("next-token distributions of every learner", _ASKED),
    "agreement": ("every metric, query by query", _PAIRED),
    "attention": ("inside attention, layer by layer", "attention"),
    "sparsity": ("weights below thresholds, and circuits", "sparsity"),
    "drift": ("how far weights moved", "checkpoints"),
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
    """Python and the packages that matter, as this step has them."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed where this page was made"
    return found


def models(manifests: list[dict]) -> list[list[str]]:
    """Where every model comes from and what it is, header first."""
    head = ["model", "source", "commit", "architecture", "layers", "weights", "dtype"]
    found = [[*head, "SHA-256 of the weights"]]
    for one in manifests:
        source = ", ".join(f"{key}: {value}" for key, value in one["source"].items())
        shape = [one["architecture"], str(one["layers"]), f"{one['weights']:,}", one["dtype"]]
        found.append([one["model"], source, one["commit"] or "", *shape, one["sha256"]])
    return found


def alt(title: str, across: list[str], up: list[str]) -> str:
    """A sentence about a figure for those who do not see it: its title and its axes."""
    axes = [
        f"{direction}: {', '.join(titles)}"
        for direction, titles in (("vertically", up), ("horizontally", across))
        if titles
    ]
    return ". ".join([title, *(f"Plotted {one}" for one in axes)]) + "."


# --- claims -------------------------------------------------------------------------------


def claims(table: pl.DataFrame) -> list[dict[str, tuple[str, float | str | None]]]:
    """Each claim (``results/summary/claims.parquet``) as text and sort key by column of CLAIM."""
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


# --- cells --------------------------------------------------------------------------------


def explorer(table: pl.DataFrame, labels: dict[str, str]) -> list[dict]:
    """The cells (`tables.CELLS`) as the explorer's script reads them: choices, then contents.

    Shared tokens are those among the ten likeliest of both sides.
    """
    places = list(cells.PLACES)
    order = pl.col("place").replace_strict(places, range(len(places)), return_dtype=pl.Int32)
    found = []
    keys = ["model", "task", "shots", "design", "a", "b", "epoch"]
    for row in table.sort(*keys, order, "draw", "order", "example").iter_rows(named=True):
        learner = theme.label(row["b"], labels)
        likely = zip(row["rank_a"], row["rank_b"], strict=True)
        ranks = [[rank is not None and rank <= agreement.K for rank in pair] for pair in likely]
        key = [f"{name} {row[name]}" for name in ("draw", "order")]
        found.append(
            {
                "model": theme.label(row["model"], labels),
                "task": theme.label(row["task"], labels),
                "N": f"{row['shots']} ({row['design']})",
                "learner": f"{learner}, epoch {row['epoch']}" if row["epoch"] else learner,
                "query": f"{row['place']}: TV {row['tv']:.3g} "
                f"(query {row['example']}, {', '.join(key)})",
                "icl": theme.label(row["a"], labels),
                "tokens": [
                    [token, p, q, *likely]
                    for token, p, q, likely in zip(
                        *(row[name] for name in ("tokens", "probability_a", "probability_b")),
                        ranks,
                        strict=True,
                    )
                ],
            }
            | {name: row[name] for name in ("tv", "token_overlap", "instruction", "text", "answer")}
            | {name: row[name] for name in ("answer_token", "demonstrations", "demonstrations_b")}
        )
    return found


def summary(kinds: dict[str, str], manifests: list[dict], cell: pl.DataFrame) -> str:
    """One sentence of what this study is made of."""
    parts = [
        f"{len({one['model'].split('@')[0] for one in manifests})} models",
        f"{len(kinds)} figures",
    ]
    if not cell.is_empty():
        parts.insert(1, f"{cell['task'].n_unique()} tasks with {_range(cell['shots'])} demonstrations")
    return ", ".join(parts)


def _range(numbers: pl.Series) -> str:
    least, most = numbers.min(), numbers.max()
    return str(least) if least == most else f"{least} to {most}"


def read_cells(path: Path) -> pl.DataFrame:
    """The table of cells; InputError if it is none."""
    return tables.read(path, tables.CELLS)
