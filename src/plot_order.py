"""Plot sensitivity to the order of demonstrations: how much learners change, and whether as ICL.

Sen is the spread of the next-token distribution over orders: 0 means that order has no effect.
Pattern cosine and Mantel's r ask whether a learner reacts to the *same* orders as ICL does; rings
mark p < 0.05. Diamonds are the cosine between different queries, and the cosine of the queries' own
parts leaves out what all queries share. Each learner has a lane, at its last epoch, solvers that do
no GD too; shaded is ICL's Sen. One group of lanes for each model, task and design of the summary.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.metrics.order_sensitivity import MANTEL, SENSITIVITIES
from iclgd.reporting import charts, findings, lanes, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import order as kind
from iclgd.reporting.names import Names, rate
from iclgd.statistics.families import family
from iclgd.study.names import base

names = Names(figure.roles, figure.labels)
MEASURES = ("sen", "pattern_cosine", "pattern_own", "mantel_r")
METRICS = {**SENSITIVITIES, **MANTEL}
STILL = 1e-4  # of Sen: what is below it does not react
COLUMNS = "model task design shots learner epoch measure estimate low high draws diverged"
summary = kind.at_end(names.with_roles(charts.read(args.summary, COLUMNS.split())))
families = names.families(summary["learner"].unique())


def in_order(learners) -> list[str]:
    return sorted(learners, key=lambda one: (families.index(base(one)), rate(one) or 0, one))


lines = lanes.of(summary, "learner", in_order, names)
called = {one: names.label(one) for one in summary["learner"].unique()}
summary = lines.placed(summary, "learner").with_columns(family("learner"))
summary = charts.look(summary, "family", names.styles(families), dict.fromkeys(families, ""))
summary = summary.with_columns(
    pl.Series("series", [called[one] for one in summary["learner"]], pl.String)
)
size = (layout.fit(len(MEASURES), 130, lines.room), lines.high)


def axis(measure: str) -> charts.Axis:
    """The scale of a column: Sen from 0 to what it reaches, cosines from where they begin."""
    found = summary.filter(pl.col("measure") == measure)
    title = METRICS[measure].title
    if measure == "sen":
        top = found.select(pl.max_horizontal(pl.col("estimate").max(), pl.col("high").max())).item()
        top = top or 1
        return charts.Axis(title, {"domain": [-0.04 * top, 1.04 * top], "nice": False})
    lowest = found.select(pl.min_horizontal(pl.col("estimate").min(), pl.col("low").min())).item()
    low = -1 if (lowest or 0) < -0.1 else 0
    scale = {"domain": [1.04 * low - 0.04, 1.04], "nice": False}
    return charts.Axis(title, scale, [-1, -0.5, 0, 0.5, 1])


def permuted(x: charts.Axis, y: charts.Axis) -> list:
    """The cosine of ICL's changes of a query with the learner's of another query."""
    other = summary.filter(measure="pattern_permuted").drop_nulls("estimate")
    mark = alt.Chart(charts.values(other)).mark_point(
        shape="diamond", filled=False, size=44, color=style.QUIET, opacity=1
    )
    tips = charts.tooltip(other, charts.TIPS)
    return [mark.encode(x.x("estimate"), y.y("lane"), tooltip=tips)] if len(other) else []


def rings(rows: pl.DataFrame, x: charts.Axis, y: charts.Axis) -> list:
    """Around the dots whose p is below 0.05."""
    sure = summary.filter(pl.col("measure") == "mantel_p", pl.col("estimate") < 0.05)
    sure = rows.join(sure, on=["lane"], how="semi").drop_nulls("estimate")
    mark = alt.Chart(charts.values(sure)).mark_point(
        shape="circle", filled=False, size=130, color=style.QUIET, opacity=1
    )
    return [mark.encode(x.x("estimate"), y.y("lane"))] if len(sure) else []


panels = []
reacts = summary.filter(pl.col("measure") == "sen", pl.col("estimate") > STILL)
lost = summary.filter(
    pl.col("diverged") > 0, pl.col("estimate").is_null(), pl.col("measure") == "sen"
)
for column, measure in enumerate(MEASURES):
    x, y = axis(measure), lines.axis(column == 0)
    rows = summary.filter(pl.col("measure") == measure)
    drawn = charts.across(rows, x, y, "lane", "circle", charts.TIPS)
    if drawn:
        icl = rows.filter(learner_role="icl") if measure == "sen" else rows.clear()
        drawn = [*lines.shaded(icl, x, y), *drawn]
        drawn += permuted(x, y) if measure == "pattern_cosine" else []
        drawn += rings(rows, x, y) if measure == "mantel_r" else []
        still = rows.filter(pl.col("estimate").is_null()).join(lost, on="lane", how="anti")
        still = still.join(reacts, on="lane", how="anti")
        drawn += lanes.said(still, "no reaction to order", y, size[0])
        drawn += lanes.said(lost, "diverged", y, size[0]) if measure == "sen" else []
    if column == 0:
        drawn = (drawn or charts.nothing(x, y, size)) + lines.headings(y)
    panels.append(charts.panel(drawn, x, y, size))
items = [
    {"label": "ICL's own Sen", "color": style.ROLES["icl"]["color"], "dash": style.SOLID},
    {"label": "queries permuted", "color": style.QUIET, "shape": "diamond", "open": True},
    {"label": "Mantel p < 0.05", "color": style.QUIET, "shape": "circle", "open": True},
]
subtitle = (
    "Each learner at its last epoch. Sen: standard deviation of the next-token probabilities over "
    "orders, summed over the vocabulary. Cosines: of the changes over orders with ICL's; own "
    "parts: without what all queries share. Bars: 95 % over draws and queries."
)
title = figure.title or "Is gradient descent as sensitive to order as ICL?"
found = findings.of(kind, args.summary, names)
blocks = [layout.block(panels, len(panels))] if len(summary) else []
chart = layout.figure(blocks, items, title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
