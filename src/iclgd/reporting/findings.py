"""The findings of each kind of summary as a short table."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

import polars as pl

from iclgd.io import parquet, text
from iclgd.reporting import style

Row = list[str]
MODEL = ["model", "task", "N"]
NAMES = ("model", "task", "departure")
# What the brackets behind a value are, where it is not the interval over draws and queries.
BRACKETS = {
    "depth": "95 % intervals over draws",
    "equivalence": "bounds at the level at which Holm's procedure tests them, on either side",
    "variance": "95 % intervals over draws",
    "regression": "95 % intervals over prompts",
    "twins": "95 % intervals over seeds",
    "sparsity": "the range of the layers",
}


def of(kind: str, path: Path, labels: dict[str, str]) -> tuple[list[Row], str]:
    """The findings of a summary in readers' words, and what stands in their brackets."""
    head, *rows = table(kind, parquet.read(path))
    rows = [[_word(*cell, labels) for cell in zip(head, row, strict=True)] for row in rows]
    return [head, *rows], BRACKETS.get(kind, "95 % intervals over draws and queries")


def _word(column: str, cell: str, labels: dict[str, str]) -> str:
    """A name with what follows it (", epoch 5") by its label; all else as it is."""
    name, comma, rest = cell.partition(", ")
    if column == "learner":
        return style.label(name, labels) + comma + rest
    if column in NAMES:  # what stands behind the @ is a revision or a dose
        base, at, value = name.partition("@")
        return f"{labels.get(base, base)}{' ' if at else ''}{value}"
    return cell


def figure(summary: Path, figures: Container[str]) -> str:
    """The figure of a summary: ``order.order.parquet`` is of ``order``; names may have dots."""
    name = summary.name.removesuffix(".parquet")
    return name if name in figures else name.rpartition(".")[0]


def table(kind: str, summary: pl.DataFrame) -> list[Row]:
    """The findings of one summary, header first."""
    find = {
        "agreement": _agreement,
        "size": _agreement,
        "shots": _shots,
        "depth": _depth,
        "variance": _variance,
        "equivalence": _equivalence,
        "nearest": _nearest,
        "scale": _scale,
        "order": _order,
        "attention": _attention,
        "sparsity": _sparsity,
        "controls": _controls,
        "checkpoints": _checkpoints,
        "dose": _dose,
        "regression": _regression,
        "twins": _twins,
    }[kind]
    return find(summary)


def models(manifests: Iterable[dict]) -> list[Row]:
    """Which models learned in context, header first; of checkpoints their own table speaks."""
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


def _value(rows: pl.DataFrame, decimals: int = 2) -> str:
    """The estimate of the only row with its interval, or a dash."""
    if rows.is_empty() or rows["estimate"][0] is None:
        return "-"
    row, form = rows.row(0, named=True), f"z.{decimals}f"
    ends = "" if row["high"] is None else f" [{row['low']:{form}}, {row['high']:{form}}]"
    return f"{row['estimate']:{form}}{ends}"


def _agreement(summary: pl.DataFrame) -> list[Row]:
    found = [[*MODEL, "learner", "accuracy", "token overlap with ICL", "OCS with ICL"]]
    for key, part in summary.group_by("model", "task", "shots", maintain_order=True):
        chosen = part.filter("chosen")
        place = [*map(str, key)]

        def cell(name: str, metric: str, chosen=chosen) -> str:
            return _value(chosen.filter(pl.col("b") == name, pl.col("metric") == metric))

        itself = chosen.filter(pl.col("metric") == "accuracy_a")
        found.append([*place, part["a"][0], _value(itself), "", ""])
        for name, epoch in chosen.select("b", "epoch").unique(maintain_order=True).rows():
            columns = ("accuracy_b", "token_overlap", "ocs")
            found.append([*place, _at(name, epoch), *(cell(name, metric) for metric in columns)])
    return found


def _shots(summary: pl.DataFrame) -> list[Row]:
    """Each learner with the fewest and with the most demonstrations that ICL has."""
    metrics = {"accuracy_b": "accuracy", "token_overlap": "token overlap", "ocs": "OCS"}
    rows = style.compared(style.one_design(summary), list(metrics))
    rows = rows.sort("model", "task", maintain_order=True)
    ends = dict.fromkeys([rows["shots"].min(), rows["shots"].max()])
    head = [f"{name}, N = {n}" for name in metrics.values() for n in ends]
    found = [["model", "task", "learner", *head]]
    for key, part in rows.group_by("model", "task", "who", maintain_order=True):
        cells = [
            _value(part.filter(pl.col("metric") == metric, pl.col("shots") == n))
            for metric in metrics
            for n in ends
        ]
        found.append([*key, *cells])
    return found


def _depth(summary: pl.DataFrame) -> list[Row]:
    """Agreement on the likeliest, the ten likeliest and all tokens that are compared."""
    depths = sorted({k for k in (2, 10, summary["k"].max()) if k is not None})
    metrics = {"token_overlap": "token overlap", "ocs": "OCS"}
    head = [f"{name}, K = {k}" for name in metrics.values() for k in depths]
    found = [[*MODEL, "learner", *head]]
    keys = ("model", "task", "shots", "b", "epoch")
    for key, part in summary.group_by(keys, maintain_order=True):
        cells = [
            _value(part.filter(pl.col("metric") == metric, pl.col("k") == k))
            for metric in metrics
            for k in depths
        ]
        found.append([*map(str, key[:3]), _at(*key[3:]), *cells])
    return found


def _variance(summary: pl.DataFrame) -> list[Row]:
    """The share of each source in the variance over orders, at a learner's last epoch."""
    keys = ("model", "task", "shots", "learner", "epoch")
    summary = summary.filter(pl.col("epoch") == pl.col("epoch").max().over(keys[:-1]))
    sources = summary["source"].unique(maintain_order=True).to_list()
    found = [[*MODEL, "learner", *sources]]
    for key, part in summary.group_by(keys, maintain_order=True):
        cells = [_value(part.filter(pl.col("source") == source)) for source in sources]
        found.append([*map(str, key[:3]), _at(*key[3:]), *cells])
    return found


def _equivalence(summary: pl.DataFrame) -> list[Row]:
    """Verdicts on the rate and epoch nearest to ICL, by total variation, and what decides them."""
    rows = summary.filter(measure="tv", factor=1.0, choice="nearest")
    head = ["learner", "farther than ICL from itself by", "distance at most", "margin"]
    head += ["untouched at least", "draws x queries", "detectable excess", "verdict"]
    found = [[*MODEL, *head]]
    for row in rows.sort("model", "task", "shots", "b").iter_rows(named=True):
        names = ("distance_most", "margin", "untouched_least")
        levels = [excess(row), *(_short(row[name]) for name in names)]
        levels += [f"{row['draws']} x {row['queries']}", _short(row["excess_mde"])]
        weak = row["verdict"] == "inconclusive" and row["underpowered"]
        verdict = row["verdict"] + (" (underpowered)" if weak else "")
        place = [row["model"], row["task"], str(row["shots"]), _at(row["b"], row["epoch"])]
        found.append([*place, *levels, verdict])
    return found


def excess(row: dict) -> str:
    """The excess of a row of verdicts with the bounds that decide it, to two digits."""
    parts = ("", "_low", "_high")
    names = ("estimate", "low", "high")
    return _interval({name: row[f"excess{part}"] for name, part in zip(names, parts, strict=True)})


def _nearest(summary: pl.DataFrame) -> list[Row]:
    """What each family can do at its best, of the rates and epochs tried."""
    head = ["learner", "distance", "95 % low", "token overlap", "loss (nats)"]
    found = [[*MODEL, *head]]
    rows = summary.filter(pl.col("nearest"))
    for key, part in rows.group_by("model", "task", "shots", "b", "epoch", maintain_order=True):
        tv, overlap = (part.filter(pl.col("metric") == m) for m in ("tv", "token_overlap"))
        low, loss = tv["low"][0], tv["loss"][0]
        place = [*map(str, key[:3]), _at(*key[3:])]
        cells = [_interval(tv.row(0, named=True)), _short(low), _value(overlap), _short(loss)]
        found.append([*place, *cells])
    return found


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _interval(row: dict, digits: int = 2) -> str:
    """An estimate with its interval to so many digits, for what may be very small."""
    if row["estimate"] is None:
        return "-"
    low, high = row["low"], row["high"]
    ends = "" if high is None else f" [{low:.{digits}g}, {high:.{digits}g}]"
    return f"{row['estimate']:.{digits}g}{ends}"


def _at(learner: str, epoch: int) -> str:
    """A learner with the epoch at which it is shown; what trains nothing has none."""
    return f"{learner}, epoch {epoch}" if epoch else learner


def _scale(summary: pl.DataFrame) -> list[Row]:
    chosen = summary.filter(pl.col("metric") == "accuracy", pl.col("chosen"))
    keys = ("model", "task", "shots", "learner")
    return [[*MODEL, "learner", "accuracy"]] + [
        [*(str(row[key]) for key in keys), _value(pl.DataFrame([row]))]
        for row in chosen.sort("task", "shots", "learner").iter_rows(named=True)
    ]


def _order(summary: pl.DataFrame) -> list[Row]:
    keys = ["model", "task", "shots", "learner"]
    last = summary.filter(pl.col("epoch") == pl.col("epoch").max().over(keys))
    found = [[*MODEL, "learner", "Sen", "cosine of its changes with ICL's"]]
    for key, part in last.group_by(keys, maintain_order=True):
        measures = (part.filter(pl.col("measure") == m) for m in ("sen", "pattern_cosine"))
        found.append([*map(str, key), *map(_value, measures)])
    return found


def _controls(summary: pl.DataFrame) -> list[Row]:
    found = [[*MODEL, "metric", "learner", "agreement", "best control", "ICL with itself", "place"]]
    rows = summary.filter(pl.col("kind") == "pair").sort("model", "task", "shots", "metric", "b")
    for row in rows.iter_rows(named=True):
        place = [str(row[key]) for key in ("model", "task", "shots", "metric", "b")]
        levels = (row["floor"], row["ceiling"])
        known = ["-" if level is None else f"{level:.2f}" for level in levels]
        normalised = "cannot tell" if row["normalised"] is None else f"{row['normalised']:.2f}"
        found.append([*place, _value(pl.DataFrame([row])), *known, normalised])
    return found


def _attention(summary: pl.DataFrame) -> list[Row]:
    whole = summary.filter(pl.col("chosen"), pl.col("layer").is_null())
    measures = {
        "SimAOU (by chance)": ("sim_aou", "sim_aou_chance"),
        "not normalised": ("sim_aou_raw",),
        "SimAM (before)": ("sim_am", "sim_am_before"),
        "of changes": ("sim_am_delta",),
        "tau (before)": ("kendall", "kendall_before"),
    }
    found = [[*MODEL, "learner", *measures]]
    for key, part in whole.group_by("model", "task", "shots", "learner", maintain_order=True):
        cells = []
        for first, *second in measures.values():
            parts = [_value(part.filter(pl.col("metric") == m)) for m in (first, *second)]
            cells.append(parts[0] + "".join(f" ({one.split(' ')[0]})" for one in parts[1:]))
        found.append([*map(str, key), *cells])
    return found


def _sparsity(summary: pl.DataFrame) -> list[Row]:
    rows = summary.filter(pl.col("measure") == "share", pl.col("threshold") == 1e-3)
    return [["model", "matrix", "share below 0.001", "needed by the construction"]] + [
        [
            row["model"],
            f"W_{row['matrix'].upper()}",
            _value(pl.DataFrame([row]), 4),
            f"{row['required']:.4f}",
        ]
        for row in rows.sort("model", "matrix").iter_rows(named=True)
        if row["matrix"] != "k"  # needs what W_Q needs
    ]


def _checkpoints(summary: pl.DataFrame) -> list[Row]:
    rows = summary.filter(pl.col("measure") == "accuracy").sort("model", "task", "step")
    return [["model", "task", "step", "accuracy"]] + [
        [row["model"], row["task"], str(row["step"]), _value(pl.DataFrame([row]))]
        for row in rows.iter_rows(named=True)
    ]


def _dose(summary: pl.DataFrame) -> list[Row]:
    shown = ["token_overlap", "ocs", "js", "accuracy_a", "sen_a"]
    head = ["token overlap", "OCS", "JS (nats)", "accuracy of ICL", "Sen of ICL"]
    found = [["task", "N", "departure", "which is", "dose", *head, "metrics of agreement"]]
    keys = ("task", "shots", "departure", "nature")
    for key, part in summary.group_by(keys, maintain_order=True):
        said = (
            part.drop_nulls("response").group_by("response").agg(pl.col("metric").unique().sort())
        )
        words = [
            f"{r}: {', '.join(m) if r != 'falls' else len(m)}"
            for r, m in said.sort("response", descending=True).rows()
        ]
        for (dose,), rows in part.group_by("dose", maintain_order=True):
            value = {row["metric"]: row for row in rows.iter_rows(named=True)}
            cells = [_interval(value[name], 3) if name in value else "-" for name in shown]
            found.append([*map(str, key), f"{dose:g}", *cells, "" if dose else "; ".join(words)])
    return found


def _regression(summary: pl.DataFrame) -> list[Row]:
    measures = ["prediction_distance", "sensitivity_distance", "sensitivity_cosine"]
    measures += ["loss_model", "loss_gd"]
    found = [["model", "rate of GD", *(name.replace("_", " ") for name in measures)]]
    at_home = summary.filter(pl.col("scale") == 1)
    for key, part in at_home.group_by("model", "rate", maintain_order=True):
        value = {row["metric"]: row for row in part.iter_rows(named=True)}
        found.append([key[0], f"{key[1]:g}", *(_interval(value[name], 3) for name in measures)])
    return found


def _twins(summary: pl.DataFrame) -> list[Row]:
    """The longest contexts and the most demonstrations, with the difference from the twin."""
    banded = summary.filter(pl.col("seed").is_null())
    last = banded.filter(pl.col("at") == pl.col("at").max().over("measure"))
    found = [["measure", "at", "momentum", "seeds", "mean over seeds", "minus the twin's"]]
    for key, part in last.group_by("measure", "at", "eta", maintain_order=True):
        mean, difference = (part.filter(pl.col("kind") == k) for k in ("mean", "difference"))
        found.append([*map(str, key), str(mean["seeds"][0]), _value(mean), _value(difference)])
    return found
