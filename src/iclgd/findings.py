"""The findings of each kind of summary as rows of a short table."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Finding:
    """One line: where it comes from, what was measured, and the estimate with its band."""

    figure: str
    where: str
    what: str
    estimate: float | None
    low: float | None
    high: float | None


def rows(kind: str, figure: str, summary: pl.DataFrame) -> list[Finding]:
    """The findings of one summary; kinds whose message is the whole curve have none."""
    find = {
        "agreement": _agreement,
        "size": _agreement,
        "scale": _scale,
        "order": _order,
        "sparsity": _sparsity,
        "checkpoints": _checkpoints,
    }.get(kind)
    return find(figure, summary) if find else []


def layout(found: list[Finding]) -> list[str]:
    """The table as aligned lines of text, a blank line between figures."""
    if not found:
        return ["  (no figure of a kind that is summed up here)"]
    wide = [max(len(getattr(f, field)) for f in found) for field in ("figure", "where", "what")]
    lines, last = [], None
    for f in found:
        if last not in (None, f.figure):
            lines.append("")
        last = f.figure
        value = "-" if f.estimate is None else f"{f.estimate:.3g}"
        band = "" if f.low is None else f"  [{f.low:.3g}, {f.high:.3g}]"
        lines.append(
            f"  {f.figure:<{wide[0]}}  {f.where:<{wide[1]}}  {f.what:<{wide[2]}}  {value}{band}"
        )
    return lines


def _finding(figure: str, where: str, what: str, row: dict) -> Finding:
    return Finding(figure, where, what, row["estimate"], row["low"], row["high"])


def _where(row: dict) -> str:
    return f"{row['model']}, {row['task']}, N = {row['shots']}"


def _agreement(figure: str, summary: pl.DataFrame) -> list[Finding]:
    found = []
    settings = ["model", "task", "design", "shots"]
    for _, part in summary.group_by(settings, maintain_order=True):
        chosen = part.filter("chosen").sort("b")
        where = _where(part.row(0, named=True))
        itself = chosen.filter(pl.col("metric") == "accuracy_a")
        if not itself.is_empty():
            found.append(_finding(figure, where, "accuracy of ICL", itself.row(0, named=True)))
        for metric, name in (
            ("accuracy_b", "accuracy of"),
            ("token_overlap", "token overlap of ICL with"),
        ):
            for row in chosen.filter(pl.col("metric") == metric).iter_rows(named=True):
                at = f" at epoch {row['epoch']}" if row["epoch"] else ""
                found.append(_finding(figure, where, f"{name} {row['b']}{at}", row))
    return found


def _scale(figure: str, summary: pl.DataFrame) -> list[Finding]:
    chosen = summary.filter((pl.col("metric") == "accuracy") & pl.col("chosen"))
    return [
        _finding(figure, _where(row), f"accuracy of {row['learner']}", row)
        for row in chosen.sort("task", "learner", "shots").iter_rows(named=True)
    ]


def _order(figure: str, summary: pl.DataFrame) -> list[Finding]:
    last = summary.filter(pl.col("epoch") == pl.col("epoch").max().over("learner", "model", "task"))
    wanted = last.filter(pl.col("measure").is_in(["sen", "pattern_cosine"]))
    names = {"sen": "Sen of", "pattern_cosine": "cosine of ICL's changes with"}
    return [
        _finding(figure, _where(row), f"{names[row['measure']]} {row['learner']}", row)
        for row in wanted.sort("measure", "learner", descending=[True, False]).iter_rows(named=True)
        if row["estimate"] is not None
    ]


def _sparsity(figure: str, summary: pl.DataFrame) -> list[Finding]:
    largest = summary.filter((pl.col("measure") == "share") & (pl.col("threshold") == 1e-3))
    return [
        _finding(
            figure,
            row["model"],
            f"share of W_{row['matrix'].upper()} below 0.001 (needed: {row['required']:.4f})",
            row,
        )
        for row in largest.sort("model", "matrix").iter_rows(named=True)
    ]


def _checkpoints(figure: str, summary: pl.DataFrame) -> list[Finding]:
    found = []
    accuracy = summary.filter(pl.col("measure") == "accuracy").sort("step")
    for (model, task), part in accuracy.group_by("model", "task", maintain_order=True):
        for row in (part.row(0, named=True), part.row(-1, named=True)):
            found.append(
                _finding(figure, f"{model}, {task}", f"accuracy of ICL, {row['revision']}", row)
            )
    return found
