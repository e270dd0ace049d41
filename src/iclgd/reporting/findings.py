"""Tables of findings: functions shared by all kinds of figures.

A kind of figure is a module of `kinds`: ``headline(summary, names)`` says in one line what was
found, ``findings(summary)`` returns its table, header first, ``BRACKETS`` describes the brackets
after a value, ``MEANS`` and ``MEANS_NOT`` say what follows from the figure and what does not, and
``SECTION`` is the part of the report in which it stands (`page.contents.SECTIONS`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import polars as pl

from iclgd.io import parquet, text
from iclgd.models.gguf_header import Told
from iclgd.reporting.names import Names
from iclgd.study.names import base

Row = list[str]
MODEL = ["model", "task", "N"]
NAMES = ("model", "task", "departure", "learner")  # columns of names
USUAL = "95 % intervals over draws and queries"


@dataclass(frozen=True)
class Findings:
    """Of one figure, in readers' words: ``headline`` ("" where there is nothing to say), table,
    and what the brackets in the table are."""

    headline: str
    table: list[Row]
    brackets: str


def of(kind: ModuleType, path: Path, names: Names) -> Findings:
    """The findings of a summary."""
    summary = names.with_roles(parquet.read(path))
    head, *rows = kind.findings(summary)
    rows = [[_word(*cell, names) for cell in zip(head, row, strict=True)] for row in rows]
    return Findings(kind.headline(summary, names), [head, *rows], kind.BRACKETS)


def _word(column: str, cell: str, names: Names) -> str:
    """A cell with the label of its name in place of the name (``gd@0.1, epoch 5``)."""
    name, comma, rest = cell.partition(", ")
    return names.label(name) + comma + rest if column in NAMES else cell


def figure(summary: Path, figures: Container[str]) -> str:
    """The figure of a summary: ``order.order.parquet`` is of ``order``; names may have dots."""
    name = summary.name.removesuffix(".parquet")
    return name if name in figures else name.rpartition(".")[0]


def called(manifest: dict) -> str:
    """A model's name, and in brackets what it was quantised to and that it follows instructions.

    Manifests that were made before models came from GGUF files say nothing of either.
    """
    told = Told(manifest.get("quantised"), manifest.get("instruct"))
    return told.beside(manifest["model"])


def with_models(table: list[Row], manifests: Iterable[dict]) -> list[Row]:
    """A table in which every model is `called` what it is."""
    known = {manifest["model"]: called(manifest) for manifest in manifests}
    head, *rows = table
    places = [place for place, column in enumerate(head) if column == "model"]
    for row in (rows := [list(row) for row in rows]):
        for place in places:
            row[place] = known.get(row[place], row[place])
    return [head, *rows]


def models(manifests: Iterable[dict]) -> list[Row]:
    """Which models learned in context, header first; checkpoints have a table of their own."""
    found = [["model", "weights", "in-context learning, by its probes"]]
    for manifest in manifests:
        if base(manifest["model"]) == manifest["model"]:
            learned = (manifest["in_context_learning"] or "not probed").replace(
                " with 8 demonstrations", ""
            )
            found.append([called(manifest), f"{manifest['weights']:,}", text.plain(learned)])
    return found


def layout(rows: list[Row]) -> list[str]:
    """Rows as lines of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def value(rows: pl.DataFrame, decimals: int = 2) -> str:
    """The estimate of a table of one row with its interval; a dash for none."""
    if rows.is_empty() or rows["estimate"][0] is None:
        return "-"
    row, form = rows.row(0, named=True), f"z.{decimals}f"
    ends = "" if row["high"] is None else f" [{row['low']:{form}}, {row['high']:{form}}]"
    return f"{row['estimate']:{form}}{ends}"


def short(value: float | None) -> str:
    """Two significant digits, or a dash."""
    return "-" if value is None else f"{value:.2g}"


def two(value: float) -> str:
    """Two decimals, for a share."""
    return f"{value:z.2f}"


def spread(values: Iterable[float | None], scale: float = 1.0) -> str:
    """Two significant digits of a value, or of the least and the greatest: ``0.01–0.48``.

    A dash where none is known.
    """
    known = [scale * one for one in values if one is not None]
    ends = [short(end(known, default=None)) for end in (min, max)]
    return "–".join(dict.fromkeys(ends))


def count(found: Sequence[bool], word: str) -> str:
    """``2 of 3 cases``."""
    return f"{sum(found)} of {len(found)} {word}{'' if len(found) == 1 else 's'}"


def interval(row: dict, digits: int = 2) -> str:
    """An estimate and its interval to so many significant digits, for what may be very small."""
    if row["estimate"] is None:
        return "-"
    low, high = row["low"], row["high"]
    ends = "" if high is None else f" [{low:.{digits}g}, {high:.{digits}g}]"
    return f"{row['estimate']:.{digits}g}{ends}"


def at(learner: str, epoch: int) -> str:
    """A learner and the epoch at which it is shown; learners that train nothing have no epoch."""
    return f"{learner}, epoch {epoch}" if epoch else learner
