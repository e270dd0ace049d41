"""Plot how far from ICL every learner is, in units of how far ICL is from itself.

One lane a learner, from far to near, in groups by model, task and design. Left: total variation
over that of ICL and ICL under another order of the same demonstrations, which is 1 (the line).
Right: total variation itself. Filled: at the rate and epoch nearest to ICL on validation queries;
open: at that of best accuracy.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, lanes, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import existence as kind
from iclgd.reporting.names import Names
from iclgd.reporting.select import RUN
from iclgd.statistics.existence import ACCURACY, DISTANCE, LEAST, UNITS

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a family b epoch reading metric estimate low high draws"
summary = kind.lanes(names.with_roles(charts.read(args.summary, COLUMNS.split())))
# From far to near, by the mean over all groups at the nearest: the same order in each.
far = summary.filter(pl.col("metric") == DISTANCE.name, pl.col("reading") != ACCURACY)
far = dict(far.group_by("who").agg(pl.col("estimate").mean()).rows())
lines = lanes.of(
    summary, "who", lambda found: sorted(found, key=lambda one: (-(far.get(one) or 0), one)), names
)
everyone = summary["who"].unique().to_list()
styles = names.styles(everyone)
called = {one: names.label(one) for one in everyone}
summary = charts.look(lines.placed(summary, "who"), "who", styles, called)
size = (layout.fit(2, 250, lines.room), lines.high)
units = summary.filter(metric=UNITS.name)
most = max([2.0, *units["high"].drop_nulls(), *units["estimate"].drop_nulls()])
ticks = [one for one in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500) if one <= most]
# Small ratios apart, and 0 can be shown.
scale = {"type": "symlog", "constant": 1, "domain": [-0.05, most * 1.04], "nice": False}
shares = {"domain": [-0.03, 1.03], "nice": False}
PANELS = {
    UNITS.name: charts.Axis("in units of ICL's own (1: ICL in another order)", scale, ticks),
    DISTANCE.name: charts.Axis("total variation from ICL", shares, [0, 0.2, 0.4, 0.6, 0.8, 1]),
}


panels = []
tips = {"series": "learner", "b": "name", "epoch": "epoch", **charts.TIPS}
for column, (metric, x) in enumerate(PANELS.items()):
    y = lines.axis(column == 0)
    rows = summary.filter(metric=metric)
    drawn = charts.across(rows.filter(pl.col("reading") != ACCURACY), x, y, "lane", "circle", tips)
    best = rows.filter(reading=ACCURACY).drop_nulls("estimate")
    if len(best):
        dots = alt.Chart(charts.values(best)).mark_point(
            shape="diamond", filled=False, size=56, strokeWidth=1.4, opacity=1
        )
        drawn += [
            dots.encode(
                x.x("estimate"),
                y.y("lane"),
                alt.Stroke("color:N", scale=None, legend=None),
                tooltip=charts.tooltip(best, tips),
            )
        ]
    if drawn:
        drawn = [*lines.shaded(rows.filter(who_role="icl-reordered"), x, y), *drawn]
    if drawn and metric == UNITS.name:
        lacking = summary.join(rows, on=RUN, how="anti").filter(who_role="icl-reordered")
        drawn += lanes.said(lacking, f"no order moves ICL by {LEAST:g}", y, size[0])
    if column == 0:
        drawn = (drawn or charts.nothing(x, y, size)) + lines.headings(y)
    panels.append(charts.panel(drawn, x, y, size))
items = [
    {"label": "nearest to ICL", "color": style.INK, "shape": "circle"},
    {"label": "best accuracy", "color": style.INK, "shape": "diamond", "open": True},
    {"label": "ICL in another order", "color": style.ROLES["icl"]["color"], "dash": style.SOLID},
]
title = figure.title or "What can be nearer to ICL than gradient descent on its demonstrations?"
subtitle = "Total variation from ICL over test queries. Taught by ICL: trained on its answers, or "
subtitle += "made of its states, on other texts without labels. Rates, epochs, layers and ridges "
subtitle += "are chosen on validation queries. Bars: 95 % over draws and queries."
found = findings.of(kind, args.summary, names)
blocks = [layout.block(panels, len(panels))] if len(summary) else []
chart = layout.figure(blocks, items, title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
