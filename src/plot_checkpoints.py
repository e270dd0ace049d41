"""Plot ICL over the pretraining of a model, and how far its weights move.

Above: ICL's accuracy per task at each checkpoint; below: mean absolute change of the weights
since the first checkpoint. One column per model.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import polars as pl

from iclgd.metrics.accuracy import METRICS
from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import checkpoints as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model revision step task learner measure estimate low high"
summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
accuracy = summary.filter(pl.col("task").is_not_null(), measure="accuracy", learner_role="icl")
change = summary.filter(pl.col("measure") == "mean_abs_change").unique(
    ["model", "step"], keep="first", maintain_order=True
)
models = summary["model"].unique().sort().to_list()
tasks = accuracy["task"].unique().sort().to_list()
styles = {
    one: {
        "color": style.TASKS[i % len(style.TASKS)],
        "dash": style.MORE_DASHES[i // len(style.TASKS) % len(style.MORE_DASHES)],
    }
    for i, one in enumerate(tasks)
}
called = {one: names.label(one) for one in tasks}
weights = {"weights": {"color": style.INK, "dash": style.SOLID}}
top = charts.share(METRICS["accuracy"].title)
highest = change.select(pl.max_horizontal(pl.col("estimate").max(), pl.col("high").max())).item()
moved = charts.Axis(
    "mean |change of a weight|", {"domain": [0, (highest or 1) * 1.08], "nice": True}
)
size = (layout.fit(len(models), 460), 190)
tips = {"revision": "revision", **charts.TIPS}
above, below = [], []
for column, model in enumerate(models):
    x = charts.steps(summary.filter(pl.col("model") == model)["step"])
    upper = charts.look(accuracy.filter(pl.col("model") == model), "task", styles, called)
    lower = change.filter(pl.col("model") == model).with_columns(weights=pl.lit("weights"))
    lower = charts.look(lower, "weights", weights, {"weights": "all weights"})
    y, inner = top.inner(column == 0), x.inner(False)
    drawn = charts.curves(upper, inner, y, "step", 24, tips)
    if drawn:
        levels = sorted({figure.chance[task] for task in tasks if task in figure.chance})
        drawn = [layer for one in levels for layer in charts.chance(one, inner, y)] + drawn
    above.append(charts.panel(drawn, inner, y, size, names.label(model)))
    y = moved.inner(column == 0)
    below.append(charts.panel(charts.curves(lower, x, y, "step", 24, tips), x, y, (size[0], 125)))
items = [{"label": called[one], **styles[one]} for one in tasks]
if figure.chance:
    items.append({"label": "chance", "color": style.FAINT, "dash": style.SOLID})
title = figure.title or "Does ICL change during pretraining?"
subtitle = (
    "Accuracy of ICL at each checkpoint, and how far the weights have moved since the first. "
)
subtitle += "Bands: 95 % over draws and queries."
wide = max(len(models) * (size[0] + 12), 460)
found = findings.of(kind, args.summary, names)
chart = layout.figure(
    [layout.block([*above, *below], max(len(models), 1))] if models else [],
    items,
    title,
    subtitle,
    wide,
    found.headline,
)
chart = chart if models else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
