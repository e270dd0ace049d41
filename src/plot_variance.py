"""Plot which part of an answer's variance over orders each source explains, per learner.

One bar per learner, divided into last label, last demonstration, positions and rest; their
intervals are in the tips and in the table. Two more columns show whether a learner reacts to the
*same* orders as ICL: the cosine of both patterns of change, and Mantel's r, with a dot where
p < 0.05. One row of panels per model, task and design of the summary.
"""

from iclgd.io import cli
from iclgd.reporting import style

parser = style.parser(__doc__)
parser.add_argument("--order", type=cli.existing, required=True, help="summary of the same orders")
args = style.arguments(parser)
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import variance as kind
from iclgd.reporting.names import Names, rate
from iclgd.statistics.families import family
from iclgd.study.names import base

names = Names(figure.roles, figure.labels)


def stack(frame, x, y):
    """The shares of all sources end to end on their lanes, each with its number if it has room.

    Estimates below 0, which only noise makes, have no length.
    """
    rows = frame.drop_nulls("estimate").with_columns(
        pl.col("source").replace_strict(place).alias("place")
    )
    if rows.is_empty():
        return []
    rows = rows.sort("lane", "place").with_columns(length=pl.col("estimate").clip(0))
    end = pl.col("length").cum_sum().over("lane")
    rows = rows.with_columns(
        end=end,
        start=end - pl.col("length"),
        middle=end - pl.col("length") / 2,
        color=pl.col("source").replace_strict(colours),
        ink=pl.when(pl.col("place") > 1).then(pl.lit(style.PAPER)).otherwise(pl.lit(style.INK)),
        number=pl.Series([findings.two(one) for one in rows["estimate"]], dtype=pl.String),
    )
    bar = alt.Chart(charts.values(rows)).mark_bar(size=14, clip=True)
    inside = alt.Chart(charts.values(rows.filter(pl.col("length") >= 0.12))).mark_text(fontSize=10)
    tips = charts.tooltip(rows, {"source": "source", **charts.TIPS})
    lane = y.y("lane")
    return [
        bar.encode(x.x("start"), alt.X2("end:Q"), lane, charts.paint(), tooltip=tips),
        inside.encode(
            x.x("middle"), lane, alt.Text("number:N"), alt.Color("ink:N", scale=None, legend=None)
        ),
        *gone(frame, y),
    ]


def lengths(frame, x, y):
    """Horizontal bars from 0 on their lanes, with 95 % bands, and 'no data' without estimate."""
    known = frame.drop_nulls("estimate")
    if known.is_empty():
        return []
    drawn = alt.Chart(charts.values(known.with_columns(zero=pl.lit(0.0)))).encode(y.y("lane"))
    bands = alt.Chart(charts.values(known.drop_nulls(["low", "high"]))).encode(y.y("lane"))
    tips = charts.tooltip(known, charts.TIPS)
    bar = drawn.mark_bar(size=13, opacity=0.85, clip=True)
    whisker = bands.mark_rule(strokeWidth=1.4, color=style.INK, clip=True)
    return [
        bar.encode(x.x("zero"), alt.X2("estimate:Q"), charts.paint(), tooltip=tips),
        whisker.encode(x.x("low"), alt.X2("high:Q")),
        *gone(frame, y),
    ]


def gone(frame, y):
    """'no data' on the lanes of which nothing is known."""
    lanes = frame.group_by("lane").agg(pl.col("estimate").is_null().all()).filter("estimate")
    none = alt.Chart(charts.values(lanes.select("lane").sort("lane"))).mark_text(
        align="left", dx=4, color=style.FAINT, text="no data"
    )
    return [none.encode(y.y("lane"), x=alt.value(0))] if len(lanes) else []


KEYS = "model task design shots learner epoch"
BANDS = "estimate low high"
PATTERNS = {"pattern_cosine": "pattern cosine", "mantel_r": "Mantel's r"}
NARROW = 110  # pixels: width of a column beside the bars
KNOWN = ["last label", "last demonstration", "positions", "rest"]
summary = charts.read(args.summary, f"{KEYS} source {BANDS}".split())
order = charts.read(args.order, f"{KEYS} measure {BANDS}".split())
patterns = order.rename({"measure": "source"}).filter(pl.col("source").is_in(list(PATTERNS)))
patterns = patterns.drop_nulls("estimate").join(summary, on=KEYS.split(), how="semi")
is_p = (pl.col("measure") == "mantel_p") & (pl.col("estimate") < 0.05)
significant = order.filter(is_p).with_columns(source=pl.lit("mantel_r"))
sources = [one for one in KNOWN if one in summary["source"]]
sources += sorted(set(summary["source"]) - set(KNOWN))
colours = dict(zip(sources, style.ramp(style.MODELS, len(sources)), strict=True))
place = {one: number for number, one in enumerate(sources)}
beside = [one for one in PATTERNS if one in patterns["source"]]
summary = pl.concat([summary, patterns.select(summary.columns)])
families = names.families(summary["learner"].unique())
styles = names.styles(families)
number = "format(datum.value, '~g')"
length = summary.filter(pl.col("source").is_in(list(place))).group_by(KEYS.split())
longest = length.agg(pl.col("estimate").clip(0).sum())["estimate"].max() or 0.0
share = {"domain": [0, max(1.0, longest)], "nice": False}  # beyond 1 if others are below 0
share = charts.Axis("share of variance", share, [0, 0.5, 1], number)
with_icl = {"domain": [-1, 1], "nice": False}
with_icl = charts.Axis("with ICL", with_icl, [-1, 0, 1], number)
blocks = []
for run, part in select.runs(summary):
    # Of a learner with several epochs the last one is shown.
    part = part.filter(pl.col("epoch") == pl.col("epoch").max().over("learner"))
    learners = sorted(
        part["learner"].unique(),
        key=lambda one: (families.index(base(one)), rate(one) or 0),
    )
    lane = {one: float(i) for i, one in enumerate(learners)}
    texts = [names.label(one) for one in learners]
    scale = {"domain": [-0.6, len(learners) - 0.4], "reverse": True, "nice": False}
    panels = []
    for source in ("", *beside):
        first = source == ""
        y = charts.Axis(
            "", scale, list(range(len(learners))), f"{texts}[datum.value]", first, grid=False
        )
        shown = pl.col("source").is_in(sources if first else [source])
        rows = part.filter(shown).with_columns(
            pl.col("learner").replace_strict(lane, return_dtype=pl.Float64).alias("lane"),
            family("learner"),
        )
        called = {one: names.label(one) for one in families}
        rows = charts.look(rows, "family", styles, called).with_columns(
            pl.Series("series", [names.label(one) for one in rows["learner"]], pl.String)
        )
        high = max(60, 24 * len(learners))
        room = layout.labels(texts) + len(beside) * (NARROW + 24)
        if first:
            drawn, x, wide = stack(rows, share, y), share, layout.fit(1, 420, room)
        else:
            drawn, x, wide = lengths(rows, with_icl, y), with_icl, NARROW
            sure = rows.join(significant, on=[*KEYS.split(), "source"], how="semi")
            drawn += charts.across(sure, x, y, "lane", "circle", charts.TIPS)
        panels.append(charts.panel(drawn, x, y, (wide, high), PATTERNS.get(source, "")))
    blocks.append(layout.block(panels, len(panels), names.run_title(run)))
title = figure.title or "What about the order of demonstrations changes the answer?"
subtitle = "Share of the variance, over orders, of the logit of the answer."
items = [{"label": one, "color": colours[one], "shape": "square"} for one in sources]
if patterns.height:
    subtitle += (
        " Pattern cosine and Mantel's r: does the learner react to the orders that ICL does?"
    )
if significant.height:
    items.append({"label": "Mantel p < 0.05", "color": style.QUIET, "shape": "circle"})
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
