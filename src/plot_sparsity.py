"""Plot how sparse trained weights are, against what the construction of GD needs.

Above: share of entries smaller than a threshold, per matrix, raw (solid) and after scaling to
RMS 1 (dashed), with the share that von Oswald et al. need. Below, where the summary has them:
measures of each head's circuits that no rotation of the basis changes.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

from dataclasses import replace

import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import sparsity as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model matrix threshold measure estimate low high layers required"
MEASURES = {
    "stable_rank": "stable rank",
    "hoyer": "Hoyer index (0 to 1)",
    "gini": "Gini index (0 to 1)",
}
CIRCUITS = {"qk": "W_Q W_K (qk)", "ov": "W_O W_V (ov)"}
summary = charts.read(args.summary, COLUMNS.split()).drop_nulls("model")
models = summary["model"].unique().sort().to_list()
colours = names.model_colours(models)
shares = summary.filter(pl.col("measure").is_in(["share", "share_rms"]), pl.col("threshold") > 0)
low, high = shares["threshold"].min() or 1e-6, shares["threshold"].max() or 1e-2
ticks = sorted(shares["threshold"].unique().to_list())
ticks = ticks if len(ticks) <= 7 else None
scale = {"type": "log", "domain": [low, max(high, low * 10)], "nice": False}
x = charts.Axis("threshold on |w|", scale, ticks, "format(datum.value, '~e')", grid=False)
tips = {"series": "model", "measure": "measure", "layers": "layers", **charts.TIPS}
del tips["draws"]
above = []
room = max([30, *(style.width(names.label(one), 10) - 14 for one in models)])
wide = layout.fit(3, 210, room + 60)
matrices = [one for one in ("q", "k", "v") if one in shares["matrix"]]
matrices += sorted(set(shares["matrix"].drop_nulls()) - set(matrices))
for column, matrix in enumerate(matrices or ["q"]):
    y = replace(
        charts.share(""),
        show=column == 0,
        extent=room + 18 if column == 0 else 0,
    )
    rows = shares.filter(pl.col("matrix") == matrix)
    dashes = {"share": style.SOLID, "share_rms": style.DASHED}
    kinds = pl.concat_str("model", "measure", separator="|")
    styles = {
        f"{m}|{k}": {"color": colours[m], "dash": d} for m in models for k, d in dashes.items()
    }
    called = {
        one: names.label(one.split("|")[0]) + (", RMS-scaled" if one.endswith("rms") else "")
        for one in styles
    }
    rows = charts.look(rows.with_columns(kind=kinds), "kind", styles, called)
    drawn = charts.curves(rows, x, y, "threshold", 16, tips)
    need = rows["required"].drop_nulls().unique().sort().to_list()
    if drawn and need:  # one line for each width of the models
        series = [f"needed: {one:.4f}" for one in need]
        line = pl.DataFrame({"estimate": need, "series": series}).with_columns(
            color=pl.lit(style.INK),
            dash=pl.Series([style.DASHED] * len(need)),
            low=pl.lit(None, pl.Float64),
            high=pl.lit(None, pl.Float64),
        )
        drawn += charts.flats(line, x, y)
        shown = dict.fromkeys(f"{100 * one:.1f}" for one in (need[0], need[-1]))
        text = f"needed: {' to '.join(shown)} %"
        # Below the line: for W_Q and W_K it lies at the top of the panel.
        drawn.append(charts.note(text, 4, 170 * (1 - need[0]) + 10, style.INK, "left", 10))
    above.append(charts.panel(drawn, x, y, (wide, 170), f"W_{matrix.upper()}"))
blocks = [layout.block(above, len(above), "Sparsity: share of entries below a threshold")]

circuits = summary.filter(pl.col("measure").is_in(list(MEASURES)))
if len(circuits):
    place = {one: float(i) for i, one in enumerate(models)}
    texts = [names.label(one) for one in models]
    scale = {"domain": [-0.6, len(models) - 0.4], "reverse": True, "nice": False}
    below, shapes = [], {"qk": ("circle", -0.14), "ov": ("diamond", 0.14)}
    for column, (measure, text) in enumerate(MEASURES.items()):
        y = charts.Axis(
            "",
            scale,
            list(range(len(models))),
            f"{texts}[datum.value]",
            column == 0,
            extent=room + 18 if column == 0 else 0,
        )
        rows = circuits.filter(pl.col("measure") == measure)
        top = rows.select(pl.max_horizontal(pl.col("estimate").max(), pl.col("high").max())).item()
        inner = charts.Axis(
            text, {"domain": [0, 1 if measure != "stable_rank" else (top or 1) * 1.1]}
        )
        drawn = []
        for circuit, (shape, aside) in shapes.items():
            mine = rows.filter(pl.col("matrix") == circuit).with_columns(
                place=pl.col("model").replace_strict(place, return_dtype=pl.Float64) + aside
            )
            mine = charts.look(
                mine,
                "model",
                {m: {"color": colours[m], "dash": style.SOLID} for m in models},
                {m: f"{names.label(m)}, {circuit}" for m in models},
            )
            drawn += charts.across(mine, inner, y, "place", shape, tips)
        below.append(charts.panel(drawn, inner, y, (wide, max(70, 26 * len(models)))))
    blocks.append(layout.block(below, len(below), "Invariants of the circuits of each head"))
items = [{"label": names.label(m), "color": c, "dash": style.SOLID} for m, c in colours.items()]
items += [
    {"label": ""},
    {"label": "raw", "color": style.QUIET, "dash": style.SOLID},
    {"label": "scaled to RMS 1", "color": style.QUIET, "dash": style.DASHED},
    {"label": "needed", "color": style.INK, "dash": style.DASHED},
]
if len(circuits):
    items += [
        {"label": CIRCUITS[k], "color": style.QUIET, "shape": s}
        for k, s in (("qk", "circle"), ("ov", "diamond"))
    ]
title = figure.title or "Are the weights as sparse as the construction of GD requires?"
subtitle = "Means over layers and heads. Needed: by the construction of von Oswald et al. at the "
subtitle += "widths of these models, x and y taking half of it each. "
subtitle += "Bands: the range of the layers."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 560, found.headline)
chart = chart if models else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
