"""Plot how near constructed models are to GD on linear regression, against the inputs' scale.

Columns: distance of predictions, distance and cosine of sensitivities (von Oswald et al.). One
line per model: a colour for each departure, solid for its largest share. Models were trained at
scale 1; other scales are out of distribution.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import regression as kind
from iclgd.reporting.names import Names, rate
from iclgd.study.names import base, value

names = Names(figure.roles, figure.labels)
COLUMNS = "model rate scale metric estimate low high prompts"
LOWEST = 1e-17  # of the distances: rounding of float64
METRICS = {
    "prediction_distance": "distance of predictions",
    "sensitivity_distance": "distance of sensitivities",
    "sensitivity_cosine": "cosine of sensitivities",
}
summary = charts.read(args.summary, COLUMNS.split())
models = summary["model"].unique().sort().to_list()
entries = dict.fromkeys(base(one) for one in models if value(one))
styles = {one: {"color": style.INK, "dash": style.SOLID} for one in models}
for index, entry in enumerate(entries):
    own = sorted((one for one in models if base(one) == entry), key=rate)
    colour = style.TASKS[1 + index % 7]
    for place, one in enumerate(reversed(own)):
        styles[one] = {"color": colour, "dash": style.MORE_DASHES[place % 5]}
called = {
    one: names.label(base(one)) + (f", share {rate(one):g}" if value(one) else "") for one in models
}
scales = summary["scale"].unique().sort().to_list() or [1.0, 2.0]
axis = {"type": "log", "domain": [scales[0] / 1.1, 1.1 * scales[-1]], "nice": False}
x = charts.Axis("scale of the inputs (1: training)", axis, scales, grid=False)
tips = {**charts.TIPS, "series": "model", "rate": "step size of GD", "prompts": "prompts"}
panels = []
for metric, title in METRICS.items():
    rows = summary.filter(pl.col("metric") == metric)
    y = charts.share(title, -1.0)
    if metric != "sensitivity_cosine":
        top = max(rows["estimate"].max() or 1, 1.0)
        domain = {"type": "log", "domain": [LOWEST, 10 * top], "nice": False}
        powers = [10.0**power for power in range(-16, 9, 4)]
        y = charts.Axis(title, domain, powers, "format(datum.value, '~e')")
        rows = rows.with_columns(pl.col("estimate", "low", "high").clip(LOWEST))
    drawn = charts.curves(charts.look(rows, "model", styles, called), x, y, "scale", 30, tips)
    panels.append(charts.panel(drawn, x, y, (layout.fit(3, 210, 150), 190)))
items = [{"label": called[one], **styles[one]} for one in models]
title = figure.title or "How near is linear attention to gradient descent on linear regression?"
subtitle = (
    "Each model against as many steps of GD as it has layers, of the step size that comes nearest "
)
subtitle += "to it on other prompts. Bands: 95 % over prompts."
found = findings.of(kind, args.summary, names)
chart = layout.figure([layout.block(panels, 3)], items, title, subtitle, 720, found.headline)
chart = chart if models else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
