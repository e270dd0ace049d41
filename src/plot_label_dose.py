"""Plot whether learners follow the labels that demonstrations show, as more and more are wrong.

Columns: models; above accuracy against the right label, below how often a query is answered as
demonstrations of its class show it. Apart, on the right: abstract label words. Rate and epoch are
those chosen where all labels are right.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.metrics.label_dose import ACCURACY, FOLLOWED
from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import label_dose as kind
from iclgd.reporting.names import Names
from iclgd.statistics.label_dose import ABSTRACT, RIGHT

APART = 1.28  # where abstract words stand, beyond a dose of 1
ASIDE = 0.012  # between learners, so that their bars do not overlap
names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots learner epoch metric labels dose estimate low high draws"
summary = kind.learners(names.with_roles(charts.read(args.summary, COLUMNS.split())))
summary = summary.filter(pl.col("metric").is_in([ACCURACY.name, FOLLOWED.name]))
families = names.families(summary["who"].unique())
styles = names.styles(families)
called = {one: names.label(one) for one in families}
models = summary["model"].unique().sort().to_list()
aside = {one: ASIDE * (i - (len(families) - 1) / 2) for i, one in enumerate(families)}
apart = pl.col("labels") == ABSTRACT
summary = summary.with_columns(
    place=pl.when(apart).then(APART).otherwise("dose")
    + pl.col("who").replace_strict(aside, default=None, return_dtype=pl.Float64)
)
renamed = ABSTRACT in summary["labels"]
ticks = [0, 0.25, 0.5, 0.75, 1, *([APART] if renamed else [])]
words = "datum.value > 1.1 ? 'abstract' : format(datum.value, '~p')"
scale = {"domain": [-0.05, 1.4 if renamed else 1.05], "nice": False}
x = charts.Axis("share of wrong labels shown", scale, ticks, words, grid=False)
size = (layout.fit(max(len(models), 1), 300), 170)
tips = {"series": "learner", "task": "task", "dose": "wrong labels shown", **charts.TIPS}


def follows(x, y):
    """The accuracy of a learner that answers every query as it is shown."""
    ends = pl.DataFrame({"at": [0.0, 1.0], "estimate": [1.0, 0.0]})
    line = alt.Chart(charts.values(ends)).mark_line(
        color=style.FAINT, strokeWidth=0.9, strokeDash=style.DASHED
    )
    return [line.encode(x.x("at"), y.y("estimate"))]


blocks = []
by = ["shots", "design"]
for (shots, _), part in summary.sort(by).group_by(by, maintain_order=True):
    panels = []
    for metric in (ACCURACY, FOLLOWED):
        for model in models:
            rows = part.filter(model=model, metric=metric.name)
            rows = charts.look(rows, "who", styles, called)
            y = charts.share(metric.title).inner(model == models[0])
            bottom = x.inner(metric is FOLLOWED)
            doses = rows.filter(pl.col("labels") != ABSTRACT)
            drawn = charts.curves(doses, bottom, y, "place", 34, tips, band=False)
            if drawn:
                levels = {figure.chance[task] for task in rows["task"] if task in figure.chance}
                under = charts.chance(min(levels, default=None), bottom, y)
                under += follows(bottom, y) if metric is ACCURACY else []
                drawn = under + charts.bars(rows, bottom, y, "place") + drawn
                drawn += charts.marks(
                    rows.filter(labels=ABSTRACT), bottom, y, "place", "diamond", tips, size=60
                )
            head = names.label(model) if metric is ACCURACY else ""
            panels.append(charts.panel(drawn, bottom, y, size, head))
    (task,) = part.filter(labels=RIGHT)["task"].unique()
    head = f"{names.label(task)} · {shots} demonstrations"
    blocks.append(layout.block(panels, max(len(models), 1), head))
items = names.key(families, styles)
items += [
    {"label": "who answers as shown", "color": style.FAINT, "dash": style.DASHED},
    {"label": "chance", "color": style.FAINT, "dash": style.SOLID},
]
if renamed:
    items.append({"label": "abstract label words", "color": style.QUIET, "shape": "diamond"})
title = figure.title or "Do ICL and GD follow the labels that demonstrations show?"
subtitle = "Rate and epoch: best accuracy on validation queries where all labels are right, the "
subtitle += "same at every share. Bars: 95 % over draws and queries."
found = findings.of(kind, args.summary, names)
wide = max(len(models) * (size[0] + 30), 560)
chart = layout.figure(blocks, items, title, subtitle, wide, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
