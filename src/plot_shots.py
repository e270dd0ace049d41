"""Plot accuracy and agreement against the number of demonstrations.

Rows: accuracy, token overlap and overlap cosine similarity with ICL; columns: tasks. Lines:
ICL, its references, gradient descent at the rate and epoch chosen on validation queries, and
the pretrained model (zero-shot). One grid per model of the summary.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import shots as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch metric estimate low high draws diverged chosen"
ROWS = ["accuracy_b", "token_overlap", "ocs"]
summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
summary = select.one_design(summary)
summary = select.compared(summary, ROWS)
tasks = summary["task"].unique().sort().to_list()
families = names.families(summary["who"].unique())
styles = names.styles(families)
shots = summary["shots"].unique().sort().to_list()
place = {n: float(i) for i, n in enumerate(shots)}
# Learners stand side by side at each number of shots, so that their bars do not overlap.
step = min(0.09, 0.5 / max(len(families), 1))
aside = {one: (i - (len(families) - 1) / 2) * step for i, one in enumerate(families)}
summary = summary.with_columns(
    (
        pl.col("shots").replace_strict(place, default=None, return_dtype=pl.Float64)
        + pl.col("who").replace_strict(aside, default=None, return_dtype=pl.Float64)
    ).alias("place")
)
expression = f"{[str(n) for n in shots]}[datum.value]"
scale = {"domain": [-0.4, max(len(shots) - 0.6, 0.4)], "nice": False}
x = charts.Axis("demonstrations", scale, list(range(len(shots))), expression, grid=False)
size = (layout.fit(len(tasks), 60 * len(shots) if len(tasks) > 1 else 280), 150)
tips = {
    "series": "learner",
    "shots": "demonstrations",
    "b": "rate",
    "epoch": "epoch",
    **charts.TIPS,
}
blocks = []
for model, part in summary.sort("model").group_by("model", maintain_order=True):
    panels = []
    for row, metric in enumerate(ROWS):
        for column, task in enumerate(tasks):
            rows = part.filter(pl.col("task") == task, pl.col("metric") == metric)
            rows = charts.look(rows, "who", styles, {one: names.label(one) for one in families})
            y = charts.share(METRICS[metric].title).inner(column == 0)
            bottom = x.inner(row == len(ROWS) - 1)
            known = rows.with_columns(low=None, high=None).cast(
                {"low": pl.Float64, "high": pl.Float64}
            )
            drawn = charts.curves(known, bottom, y, "place")
            if drawn:
                level = figure.chance.get(task) if metric == "accuracy_b" else None
                drawn = (
                    charts.chance(level, bottom, y) + charts.bars(rows, bottom, y, "place") + drawn
                )
                drawn += charts.marks(rows, bottom, y, "place", "circle", tips, size=38)
            head = names.label(task) if row == 0 else ""
            panels.append(charts.panel(drawn, bottom, y, size, head))
    blocks.append(layout.block(panels, len(tasks), names.label(model[0])))
items = names.key(families, styles)
if figure.chance:
    items.append({"label": "chance", "color": style.FAINT, "dash": style.SOLID})
title = figure.title or "Do more demonstrations bring GD closer to ICL?"
subtitle = "GD: rate and epoch with the best accuracy on validation queries. Token overlap and OCS "
subtitle += "are with ICL. Bars: 95 % over draws and queries."
wide = max(len(tasks) * (size[0] + 12), 420)
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, wide, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
