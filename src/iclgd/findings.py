"""The findings of each kind of summary as a short table."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from iclgd import text

Row = list[str]
MODEL = ["model", "task", "N"]


def table(kind: str, summary: pl.DataFrame) -> list[Row]:
    """The findings of one summary, header first; empty for kinds that are whole curves."""
    find = {
        "agreement": _agreement,
        "size": _agreement,
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
    }.get(kind)
    return find(summary) if find else []


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


def _value(rows: pl.DataFrame) -> str:
    """The estimate of the only row with its interval, or a dash."""
    if rows.is_empty() or rows["estimate"][0] is None:
        return "-"
    row = rows.row(0, named=True)
    ends = "" if row["high"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{row['estimate']:.2f}{ends}"


def _agreement(summary: pl.DataFrame) -> list[Row]:
    found = [[*MODEL, "learner", "accuracy", "token overlap with ICL", "OCS with ICL"]]
    for key, part in summary.group_by("model", "task", "shots", maintain_order=True):
        chosen = part.filter("chosen")
        place = [*map(str, key)]

        def cell(name: str, metric: str, chosen=chosen) -> str:
            return _value(chosen.filter(pl.col("b") == name, pl.col("metric") == metric))

        itself = chosen.filter(pl.col("metric") == "accuracy_a")
        found.append([*place, chosen["a"][0], _value(itself), "", ""])
        for name, epoch in chosen.select("b", "epoch").unique(maintain_order=True).rows():
            at = f"{name}, epoch {epoch}" if epoch else name
            columns = ("accuracy_b", "token_overlap", "ocs")
            found.append([*place, at, *(cell(name, metric) for metric in columns)])
    return found


def _equivalence(summary: pl.DataFrame) -> list[Row]:
    """Verdicts on the rate and epoch nearest to ICL, by total variation."""
    rows = summary.filter(measure="tv", factor=1.0, choice="nearest")
    found = [[*MODEL, "learner", "distance from ICL", "ICL from itself", "margin", "verdict"]]
    for row in rows.sort("model", "task", "shots", "b").iter_rows(named=True):
        at = f"{row['b']}, epoch {row['epoch']}" if row["epoch"] else row["b"]
        levels = (_short(row["reference"]), _short(row["margin"]))
        weak = row["verdict"] == "inconclusive" and row["underpowered"]
        verdict = row["verdict"] + (" (underpowered)" if weak else "")
        place = [row["model"], row["task"], str(row["shots"]), at]
        found.append([*place, _interval(row), *levels, verdict])
    return found


def _nearest(summary: pl.DataFrame) -> list[Row]:
    """What each family can do at its best, and the distance that none of its members is below."""
    head = ["learner", "distance", "none nearer than", "token overlap", "loss (nats)"]
    found = [[*MODEL, *head]]
    rows = summary.filter(pl.col("nearest"))
    for key, part in rows.group_by("model", "task", "shots", "b", "epoch", maintain_order=True):
        tv, overlap = (part.filter(pl.col("metric") == m) for m in ("tv", "token_overlap"))
        low, loss = tv["low"][0], tv["loss"][0]
        place = [*map(str, key[:3]), f"{key[3]}, epoch {key[4]}"]
        cells = [_value(tv), _short(low), _value(overlap), _short(loss)]
        found.append([*place, *cells])
    return found


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _interval(row: dict) -> str:
    """An estimate with its interval to two digits, for what may be very small."""
    ends = "" if row["high"] is None else f" [{row['low']:.2g}, {row['high']:.2g}]"
    return f"{_short(row['estimate'])}{ends}"


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
            f"{row['estimate']:.4f}",
            f"{row['required']:.4f}",
        ]
        for row in rows.sort("model", "matrix").iter_rows(named=True)
        if row["matrix"] != "k"  # needs what W_Q needs
    ]


def _checkpoints(summary: pl.DataFrame) -> list[Row]:
    rows = summary.filter(pl.col("measure") == "accuracy").sort("model", "step")
    steps = rows["revision"].unique(maintain_order=True).to_list()
    found = [["model", "task", *steps]]
    for key, part in rows.group_by("model", "task", maintain_order=True):
        cells = dict(part.select("revision", pl.col("estimate").round(2)).rows())
        found.append([*map(str, key), *(str(cells.get(step, "-")) for step in steps)])
    return found


def _dose(summary: pl.DataFrame) -> list[Row]:
    shown = ["token_overlap", "ocs", "js", "accuracy_a", "sen_a"]
    head = ["token overlap", "OCS", "JS (nats)", "accuracy of ICL", "Sen of ICL"]
    found = [["task", "N", "departure", "dose", *head, "metrics of agreement"]]
    for key, part in summary.group_by("task", "shots", "departure", maintain_order=True):
        said = (
            part.drop_nulls("response").group_by("response").agg(pl.col("metric").unique().sort())
        )
        words = [
            f"{r}: {', '.join(m) if r != 'falls' else len(m)}"
            for r, m in said.sort("response", descending=True).rows()
        ]
        for (dose,), rows in part.group_by("dose", maintain_order=True):
            value = dict(rows.select("metric", "estimate").rows())
            cells = ["-" if value.get(name) is None else f"{value[name]:.3g}" for name in shown]
            found.append([*map(str, key), f"{dose:g}", *cells, "" if dose else "; ".join(words)])
    return found


def _regression(summary: pl.DataFrame) -> list[Row]:
    measures = ["prediction_distance", "sensitivity_distance", "sensitivity_cosine"]
    measures += ["loss_model", "loss_gd"]
    found = [["model", "rate of GD", *(name.replace("_", " ") for name in measures)]]
    at_home = summary.filter(pl.col("scale") == 1)
    for key, part in at_home.group_by("model", "rate", maintain_order=True):
        value = dict(part.select("metric", "estimate").rows())
        found.append([key[0], f"{key[1]:g}", *(f"{value[name]:.3g}" for name in measures)])
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
