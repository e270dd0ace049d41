"""Plot agreement of ICL with GD between its negative controls and ICL's agreement with itself.

One column per metric. Lanes: ICL with itself, ICL with GD, and ICL with GD in every control. The
shade spans the best control to ICL with itself; the number above is where GD lies in it, from 0 to
1. One row of panels per model, task and design.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import controls as kind
from iclgd.reporting.names import Names
from iclgd.study.names import base

names = Names(figure.roles, figure.labels)
WORDS = {
    "random": "control: random weights",
    "embeddings": "control: random blocks",
    "shuffled": "control: blocks shuffled",
    "labels": "control: random labels",
    "texts": "control: inputs of another task",
    "flipped": "control: flipped labels",
    "abstract": "control: abstract label words",
    "conflict": "control: two labels for each input",
    "content-free": "control: no inputs",
}
COLUMNS = "model task design shots kind control b epoch metric estimate low high draws"
summary = charts.read(args.summary, [*COLUMNS.split(), "floor", "ceiling", "normalised"])
kinds = {name: kind for name, (_, kind) in figure.controls.items()}
x = charts.Axis(
    "agreement (1: equal)",
    {"domain": [-0.03, 1.03], "nice": False},
    [0, 0.25, 0.5, 0.75, 1],
    "format(datum.value, '~g')",
)
tips = {
    "series": "who",
    "b": "learner",
    "epoch": "epoch",
    **charts.TIPS,
    "normalised": "normalised",
}


def between(rows, x, y):
    """The shade from floor to ceiling, where the ceiling is higher."""
    room = rows.filter(pl.col("ceiling") > pl.col("floor")).head(1)
    mark = alt.Chart(charts.values(room)).mark_rect(color=style.GRID, clip=True)
    return [mark.encode(x.x("floor"), alt.X2("ceiling:Q"))] if len(room) else []


def verdict(rows):
    """Where each learner lies between floor and ceiling, in words."""
    pairs = rows.filter(pl.col("kind") == "pair").sort("b").drop_nulls("normalised")
    if pairs.is_empty():
        return "cannot tell" if len(rows) else ""
    return [
        f"{names.label(base(b))}: {'below 0' if place < 0 else f'{place:.2f}'}"
        for b, place in pairs.select("b", "normalised").rows()
    ]


blocks = []
for run, part in select.runs(summary):
    control = pl.col("kind") == "control"
    part = part.with_columns(pl.when(control).then("control").otherwise("b").alias("who"))
    lanes = part.select("kind", "who").unique().rows()
    lanes.sort(key=lambda one: (kind.LANES.index(one[0]), kinds.get(one[1], ""), one[1]))
    lane = {who: float(i) for i, (_, who) in enumerate(lanes)}
    styles = {w: style.ROLES["zs" if k == "control" else names.role(w)] for k, w in lanes}
    called = {
        who: WORDS[kinds[who]] if who in kinds else f"ICL with {names.label(who)}"
        for _, who in lanes
    }
    texts = [called[who] for _, who in lanes]
    scale = {"domain": [-0.6, len(lanes) - 0.4], "reverse": True, "nice": False}
    ticks = list(range(len(lanes)))
    panels = []
    for column, metric in enumerate(kind.METRICS):
        y = charts.Axis("", scale, ticks, f"{texts}[datum.value]", column == 0, grid=False)
        rows = part.filter(pl.col("metric") == metric)
        places = pl.col("who").replace_strict(lane, return_dtype=pl.Float64)
        rows = charts.look(rows.with_columns(places.alias("lane")), "who", styles, called)
        drawn = charts.across(rows, x, y, "lane", "circle", tips)
        drawn = between(rows, x, y) + drawn if drawn else []
        size = (
            layout.fit(len(kind.METRICS), 170, layout.labels(texts)),
            max(60, 24 * len(lanes)),
        )
        panel = charts.panel(drawn, x, y, size, kind.METRICS[metric].title)
        panels.append({**panel, "title": {**panel["title"], "subtitle": verdict(rows)}})
    blocks.append(layout.block(panels, len(panels), names.run_title(run)))
title = figure.title or "Do models that learned nothing agree as well?"
subtitle = (
    "Shade: from the best negative control (0) to ICL's agreement with itself (1), and where GD "
)
subtitle += (
    "lies between them; no shade where a control agrees as well, so that the metric cannot tell. "
)
subtitle += (
    "GD at the rate and epoch chosen on validation queries. Bars: 95 % over draws and queries."
)
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, [], title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
