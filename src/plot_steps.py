"""Plot how far from ICL a learner is after each of its steps, for models with more and more layers.

Columns: learners; one line a model. Circles: the number of steps nearest to ICL on validation
queries. At every number of steps the rate that is nearest there counts.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure


from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import steps as kind
from iclgd.reporting.names import Names
from iclgd.statistics.steps import DISTANCE

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots family b epoch metric estimate low high draws nearest"
summary = charts.read(args.summary, COLUMNS.split()).filter(metric=DISTANCE.name)
models = sorted(summary["model"].unique())
colours = {one: {"color": c, "dash": style.SOLID} for one, c in names.model_colours(models).items()}
families = names.families(summary["family"].unique())
called = {one: names.label(one) for one in models}
size = (layout.fit(max(len(families), 1), 190), 170)
tips = {**charts.TIPS, "series": "model", "b": "learner", "epoch": "steps"}
blocks = []
by = ("task", "shots", "design")
for (task, shots, _), part in summary.sort(by).group_by(by, maintain_order=True):
    panels = []
    for one in families:
        rows = charts.look(part.filter(family=one), "model", colours, called)
        x = charts.epochs(rows["epoch"].max() or 1, size[0], "steps")
        y = charts.share("total variation from ICL").inner(one == families[0])
        drawn = charts.curves(rows, x, y, "epoch", 20, tips)
        drawn += charts.marks(rows.filter("nearest"), x, y, "epoch", "circle", tips, size=80)
        panels.append(charts.panel(drawn, x, y, size, names.label(one)))
    head = f"{names.label(task)} · {shots} demonstrations"
    blocks.append(layout.block(panels, len(panels), head))
items = [{"label": called[one], **colours[one]} for one in models]
items.append({"label": "nearest on validation queries", "color": style.QUIET, "shape": "circle"})
title = figure.title or "How many steps are a model's layers worth?"
subtitle = "Each learner after so many steps, at the rate nearest to ICL there. Bands: 95 % over "
subtitle += "draws and queries."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 700, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
