"""Plot which part of an answer's variance over orders each source explains, per learner.

Columns: last label, last demonstration, positions, rest; one bar with a band per learner. Two more
columns show whether a learner reacts to the *same* orders as ICL: the cosine of both patterns of
change, and Mantel's r, with a dot where p < 0.05. One row of panels per model,
task and design of the summary.
"""

from iclgd.io import cli
from iclgd.reporting import style

parser = style.parser(__doc__)
parser.add_argument("--order", type=cli.existing, required=True, help="summary of the same orders")
args = parser.parse_args()
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


def lengths(frame, x, y):
    """Horizontal bars from 0 on their lanes, with 95 % bands, and 'no data' without estimate."""
    known, gone = frame.drop_nulls("estimate"), frame.filter(pl.col("estimate").is_null())
    if known.is_empty():
        return []
    drawn = alt.Chart(charts.values(known.with_columns(zero=pl.lit(0.0)))).encode(y.y("lane"))
    bands = alt.Chart(charts.values(known.drop_nulls(["low", "high"]))).encode(y.y("lane"))
    tips = charts.tooltip(known, charts.TIPS)
    bar = drawn.mark_bar(size=13, opacity=0.85, clip=True)
    whisker = bands.mark_rule(strokeWidth=1.4, color=style.INK, clip=True)
    none = alt.Chart(charts.values(gone)).mark_text(
        align="left", dx=4, color=style.FAINT, text="no data"
    )
    return [
        bar.encode(x.x("zero"), alt.X2("estimate:Q"), charts.paint(), tooltip=tips),
        whisker.encode(x.x("low"), alt.X2("high:Q")),
        *([none.encode(y.y("lane"), x=alt.value(0))] if len(gone) else []),
    ]


KEYS = "model task design shots learner epoch"
BANDS = "estimate low high"
PATTERNS = {"pattern_cosine": "pattern cosine", "mantel_r": "Mantel's r"}
KNOWN = ["last label", "last demonstration", "positions", "rest"]
summary = charts.read(args.summary, f"{KEYS} source {BANDS}".split())
order = charts.read(args.order, f"{KEYS} measure {BANDS}".split())
patterns = order.rename({"measure": "source"}).filter(pl.col("source").is_in(list(PATTERNS)))
patterns = patterns.drop_nulls("estimate").join(summary, on=KEYS.split(), how="semi")
is_p = (pl.col("measure") == "mantel_p") & (pl.col("estimate") < 0.05)
significant = order.filter(is_p).with_columns(source=pl.lit("mantel_r"))
sources = [one for one in KNOWN if one in summary["source"]]
sources += sorted(set(summary["source"]) - set(KNOWN))
sources += [one for one in PATTERNS if one in patterns["source"]]
summary = pl.concat([summary, patterns.select(summary.columns)])
families = names.families(summary["learner"].unique())
styles = names.styles(families)
number = "format(datum.value, '~g')"
share = {"domain": [0, 1], "nice": False}
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
    for column, source in enumerate(sources):
        y = charts.Axis(
            "", scale, list(range(len(learners))), f"{texts}[datum.value]", column == 0, grid=False
        )
        rows = part.filter(pl.col("source") == source).with_columns(
            pl.col("learner").replace_strict(lane, return_dtype=pl.Float64).alias("lane"),
            family("learner"),
        )
        called = {one: names.label(one) for one in families}
        rows = charts.look(rows, "family", styles, called).with_columns(
            pl.Series("series", [names.label(one) for one in rows["learner"]], pl.String)
        )
        x = with_icl if source in PATTERNS else share
        drawn = lengths(rows, x, y)
        sure = rows.join(significant, on=[*KEYS.split(), "source"], how="semi")
        drawn += charts.across(sure, x, y, "lane", "circle", charts.TIPS)
        size = (layout.fit(len(sources), 130, layout.labels(texts)), max(60, 24 * len(learners)))
        panels.append(charts.panel(drawn, x, y, size, PATTERNS.get(source, source)))
    blocks.append(layout.block(panels, len(sources), names.run_title(run)))
title = figure.title or "What about the order of demonstrations changes the answer?"
subtitle = "Share of the variance, over orders, of the logit of the answer. Bars: 95 % over "
subtitle += "draws of demonstrations."
items = []
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
