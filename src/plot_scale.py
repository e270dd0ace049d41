"""Plot what more demonstrations gain gradient descent, as in Table 1 of Shen et al.

For each task and family of GD an arrow leads from its accuracy with few demonstrations to that with
many (8 and 512 in the paper), next to ICL with few and the pretrained model (zero-shot). Rate and
epoch are chosen on validation queries. One column per model.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.metrics.accuracy import METRICS
from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import scale as kind
from iclgd.reporting.names import ZERO_SHOT, Names
from iclgd.statistics.families import family

names = Names(figure.roles, figure.labels)


def dots(frame, x, y, tips):
    """Horizontal bands with dots on their lanes, with the number of shots above each."""
    if frame.is_empty():
        return []
    base = alt.Chart(charts.values(frame)).encode(y.y("lane"))
    bands = alt.Chart(charts.values(frame.drop_nulls(["low", "high"]))).encode(y.y("lane"))
    write = base.mark_text(dy=-10, fontSize=10, color=style.QUIET)
    return [
        bands.mark_rule(strokeWidth=5, opacity=0.22, clip=True).encode(
            x.x("low"), alt.X2("high:Q"), charts.paint()
        ),
        base.mark_point(
            filled=True, size=70, opacity=1, stroke=style.PAPER, strokeWidth=0.8
        ).encode(x.x("estimate"), charts.paint(), tooltip=charts.tooltip(frame, tips)),
        write.encode(x.x("estimate"), alt.Text("shots:Q")),
    ]


def arrows(frame, x, y):
    """An arrow on each lane from the fewest shots to the most."""
    ends = (
        frame.sort("shots")
        .group_by("lane", maintain_order=True)
        .agg(
            pl.col("color").first(),
            pl.col("estimate").first().alias("from"),
            pl.col("estimate").last().alias("to"),
        )
    )
    span = x.scale["domain"][1] - x.scale["domain"][0]
    ends = ends.filter((pl.col("to") - pl.col("from")).abs() > 0.05 * span)
    if ends.is_empty():
        return []
    way = (pl.col("to") - pl.col("from")).sign()
    ends = ends.with_columns(  # the head stops short of the dot
        tip=pl.col("to") - way * 0.022 * span,
        shape=pl.when(way > 0).then(pl.lit("triangle-right")).otherwise(pl.lit("triangle-left")),
    )
    base = alt.Chart(charts.values(ends)).encode(y.y("lane"), charts.paint())
    return [
        base.mark_rule(strokeWidth=1.8).encode(x.x("from"), alt.X2("tip:Q")),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x.x("tip"), alt.Shape("shape:N", scale=None, legend=None)
        ),
    ]


def uprights(frame, x, y, tips):
    """Vertical dotted lines through the lanes from ``lane`` to ``end``."""
    if frame.is_empty():
        return []
    mark = alt.Chart(charts.values(frame)).mark_rule(strokeWidth=2, strokeDash=style.DOTTED)
    return [
        mark.encode(
            x.x("estimate"),
            y.y("lane"),
            alt.Y2("end:Q"),
            charts.paint(),
            tooltip=charts.tooltip(frame, tips),
        )
    ]


COLUMNS = "model task design shots learner epoch metric estimate low high draws diverged chosen"
summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
summary = select.one_design(summary)
summary = summary.filter(pl.col("metric") == "accuracy")
families = names.families(summary["learner"].unique())
trained = [one for one in families if not names.is_reference(one)]
styles = names.styles([*families, ZERO_SHOT])
called = {one: names.label(one) for one in styles}
summary = summary.with_columns(family("learner").alias("who")).sort(
    "model", "task", "shots", "learner", "epoch"
)
tasks = summary["task"].unique().sort().to_list()
gd = select.of_families("learner", trained)
points = summary.filter(gd, pl.col("chosen")).unique(
    ["model", "task", "shots", "who"], keep="first", maintain_order=True
)
icl = summary.filter(learner_role="icl").unique(["model", "task", "shots"], maintain_order=True)
zero = summary.filter(gd, pl.col("epoch") == 0).unique(["model", "task"], maintain_order=True)
zero = zero.with_columns(who=pl.lit(ZERO_SHOT))
lanes = [*names.families(icl["who"].unique()), *trained]
lane = {
    (t, w): float(i * (len(lanes) + 1) + j)
    for i, t in enumerate(tasks)
    for j, w in enumerate(lanes)
}
count = max(len(tasks) * (len(lanes) + 1) - 1, 1)
middle = [i * (len(lanes) + 1) + (len(lanes) - 1) / 2 for i in range(len(tasks))]
texts = [names.label(task) for task in tasks]
expression = f"{texts}[indexof({middle}, datum.value)]"
models = summary["model"].unique().sort().to_list()
x = charts.Axis(
    METRICS["accuracy"].title,
    {"domain": [0, 1], "nice": False},
    [0, 0.2, 0.4, 0.6, 0.8, 1],
)
size = (layout.fit(len(models), 420, layout.labels(texts) + 18), max(80, 25 * count))
tips = {"shots": "demonstrations", "learner": "rate", **charts.TIPS}
panels = []
for column, model in enumerate(models):
    y = charts.Axis(
        "task",
        {"domain": [-0.8, count - 0.2], "reverse": True, "nice": False},
        middle,
        expression,
        column == 0,
        grid=False,
    )

    def placed(rows, model=model):
        rows = rows.filter(pl.col("model") == model).drop_nulls("estimate")
        spots = [lane[task, one] for task, one in rows.select("task", "who").rows()]
        return charts.look(
            rows.with_columns(pl.Series("lane", spots, pl.Float64)), "who", styles, called
        )

    # Zero-shot accuracy is a tick through all lanes of its task.
    ticks = zero.filter(pl.col("model") == model).drop_nulls("estimate")
    first = [lane[task, lanes[0]] - 0.45 for task in ticks["task"].to_list()]
    ticks = charts.look(ticks, "who", styles, called).with_columns(
        pl.Series("lane", first, pl.Float64)
    )
    ticks = ticks.with_columns(end=pl.col("lane") + len(lanes) - 0.1)
    drawn = dots(placed(pl.concat([icl, points])), x, y, tips)
    if drawn:
        drawn = uprights(ticks, x, y, tips) + arrows(placed(points), x, y) + drawn
    wanted = summary.filter(gd, pl.col("model") == model).unique(
        ["task", "shots", "who"], maintain_order=True
    )
    lost = wanted.join(
        points.drop_nulls("estimate"), on=["model", "task", "shots", "who"], how="anti"
    )
    for task, one, shots in lost.select("task", "who", "shots").rows() if drawn else []:
        at = size[1] * (lane[task, one] + 0.8) / (count + 0.6)
        drawn.append(
            charts.note(f"{shots}: diverged or no data", size[0] - 4, at, style.FAINT, "right", 10)
        )
    panels.append(charts.panel(drawn, x, y, size, names.label(model)))
items = names.key([one for one in styles if one in [*lanes, ZERO_SHOT]], styles)
title = figure.title or "Does GD on many demonstrations reach ICL on few?"
subtitle = "Numbers above the dots: demonstrations. Arrows lead from fewest to most. Bars: "
subtitle += "95 % over draws and queries; GD at the rate and epoch chosen on validation queries."
wide = max(len(models) * (size[0] + 12), 420)
found = findings.of(kind, args.summary, names)
chart = layout.figure(
    [layout.block(panels, max(len(models), 1))] if models else [],
    items,
    title,
    subtitle,
    wide,
    found.headline,
)
chart = chart if models else layout.empty(title, "no accuracy")
save(chart, args.output, title, args.library, found)
