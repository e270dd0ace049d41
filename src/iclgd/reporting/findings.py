"""Tables of findings: the cells that the kinds of figures fill, and their words for readers.

A kind of figure is a module of `kinds`: ``findings(summary)`` gives its table, header first, and
``BRACKETS`` says what stands in brackets after a value.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from types import ModuleType

import polars as pl

from iclgd.io import parquet, text
from iclgd.reporting import style

Row = list[str]
MODEL = ["model", "task", "N"]
NAMES = ("model", "task", "departure")
USUAL = "95 % intervals over draws and queries"


def of(kind: ModuleType, path: Path, labels: dict[str, str]) -> tuple[list[Row], str]:
    """The findings of a summary in readers' words, and what stands in their brackets."""
    head, *rows = kind.findings(parquet.read(path))
    rows = [[_word(*cell, labels) for cell in zip(head, row, strict=True)] for row in rows]
    return [head, *rows], kind.BRACKETS


def _word(column: str, cell: str, labels: dict[str, str]) -> str:
    """A name with what follows it (", epoch 5") by its label; all else as it is."""
    name, comma, rest = cell.partition(", ")
    if column == "learner":
        return style.label(name, labels) + comma + rest
    if column in NAMES:  # after the @ comes a revision or a dose
        base, at, value = name.partition("@")
        return f"{labels.get(base, base)}{' ' if at else ''}{value}"
    return cell


def figure(summary: Path, figures: Container[str]) -> str:
    """The figure of a summary: ``order.order.parquet`` is of ``order``; names may have dots."""
    name = summary.name.removesuffix(".parquet")
    return name if name in figures else name.rpartition(".")[0]


def models(manifests: Iterable[dict]) -> list[Row]:
    """Which models learned in context, header first; checkpoints have a table of their own."""
    found = [["model", "weights", "in-context learning, by its probes"]]
    for manifest in manifests:
        if "@" not in manifest["model"]:
            learned = (manifest["in_context_learning"] or "not probed").replace(
                " with 8 demonstrations", ""
            )
            found.append([manifest["model"], f"{manifest['weights']:,}", text.plain(learned)])
    return found


def layout(rows: list[Row]) -> list[str]:
    """Rows as lines of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def value(rows: pl.DataFrame, decimals: int = 2) -> str:
    """The estimate of the only row with its interval, or a dash."""
    if rows.is_empty() or rows["estimate"][0] is None:
        return "-"
    row, form = rows.row(0, named=True), f"z.{decimals}f"
    ends = "" if row["high"] is None else f" [{row['low']:{form}}, {row['high']:{form}}]"
    return f"{row['estimate']:{form}}{ends}"


def short(value: float | None) -> str:
    """Two significant digits, or a dash."""
    return "-" if value is None else f"{value:.2g}"


def interval(row: dict, digits: int = 2) -> str:
    """An estimate and its interval to so many significant digits, for what may be very small."""
    if row["estimate"] is None:
        return "-"
    low, high = row["low"], row["high"]
    ends = "" if high is None else f" [{low:.{digits}g}, {high:.{digits}g}]"
    return f"{row['estimate']:.{digits}g}{ends}"


def at(learner: str, epoch: int) -> str:
    """A learner with the epoch at which it is shown; a learner that trains nothing has none."""
    return f"{learner}, epoch {epoch}" if epoch else learner
