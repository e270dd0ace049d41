"""Plot how accurate every learner is, and how closely its answers agree with ICL's.

Columns: accuracy, token overlap and overlap cosine similarity with ICL. Each learner has a lane, at
the rate and epoch chosen on validation queries, with its interval; shaded is ICL: its own accuracy,
and its agreement with itself when its demonstrations are reordered. One group of lanes for each
model, task and design of the summary.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.reporting import charts, findings, lanes, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import agreement as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch metric estimate low high draws diverged chosen"
# What is shaded of each metric: ICL itself, or ICL against ICL reordered.
SHADED = {"accuracy_b": "icl", "token_overlap": "icl-reordered", "ocs": "icl-reordered"}
summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
summary = select.compared(summary, list(SHADED))
lines = lanes.of(summary, "who", names.families, names)
families = names.families(summary["who"].unique())
called = {one: names.label(one) for one in families}
summary = charts.look(lines.placed(summary, "who"), "who", names.styles(families), called)
size = (layout.fit(len(SHADED), 180, lines.room), lines.high)
ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]


def chances(x: charts.Axis, y: charts.Axis) -> list:
    """A thin grey line over the lanes of each run at the accuracy of guessing."""
    rows = [
        {"at": float(figure.chance[key[1]]), "top": top, "bottom": bottom}
        for key, (top, bottom) in lines.spans.items()
        if key[1] in figure.chance
    ]
    base = alt.Chart(alt.Data(values=rows)).mark_rule(
        color=style.FAINT, strokeWidth=0.9, strokeDash=[3, 3], clip=True
    )
    return [base.encode(x.x("at"), y.y("top"), alt.Y2("bottom:Q"))] if rows else []


panels = []
tips = {"series": "learner", "rate": "rate", "epoch": "epoch", **charts.TIPS}
for column, (metric, role) in enumerate(SHADED.items()):
    # A little wider than what can be, so that no dot lies on a name.
    x = charts.Axis(METRICS[metric].title, {"domain": [-0.04, 1.04], "nice": False}, ticks)
    y = lines.axis(column == 0)
    rows = summary.filter(pl.col("metric") == metric)
    drawn = charts.across(rows, x, y, "lane", "circle", tips)
    if drawn:
        guess = chances(x, y) if metric == "accuracy_b" else []
        drawn = [*lines.shaded(rows.filter(who_role=role), x, y), *guess, *drawn]
    if column == 0:
        drawn = (drawn or charts.nothing(x, y, size)) + lines.headings(y)
    panels.append(charts.panel(drawn, x, y, size))
shown = {"icl": "ICL", "icl-reordered": "ICL with itself, reordered"}
known = [text for role, text in shown.items() if role in summary["who_role"]]
items = [{"label": "; ".join(known), "color": style.ROLES["icl"]["color"], "dash": style.SOLID}]
if figure.chance:
    items.append({"label": "chance", "color": style.FAINT, "dash": [3, 3]})
subtitle = "Each learner at the rate and epoch chosen on validation queries. Token overlap and "
subtitle += "overlap cosine similarity (OCS) are with ICL. Bars, and what is shaded: 95 % over "
subtitle += "draws and queries."
title = figure.title or "Does gradient descent come to agree with in-context learning?"
found = findings.of(kind, args.summary, names)
blocks = [layout.block(panels, len(panels))] if len(summary) else []
chart = layout.figure(blocks, items, title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
