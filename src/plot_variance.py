"""Plot which part of an answer's variance over orders each source explains, per learner.

Columns: last label, last demonstration, positions, rest; a bar per learner, with its band. One
row of panels per model, task and design of the summary.
"""

from iclgd import theme

args = theme.parser(__doc__).parse_args()

import altair as alt
import polars as pl

from iclgd import charts, export


def lengths(frame, x, y):
    """Horizontal bars from 0 on their lanes, with 95 % bands, and 'no data' without estimate."""
    known, gone = frame.drop_nulls("estimate"), frame.filter(pl.col("estimate").is_null())
    if known.is_empty():
        return []
    base = alt.Chart(charts.values(known.with_columns(zero=pl.lit(0.0)))).encode(y.y("lane"))
    bands = alt.Chart(charts.values(known.drop_nulls(["low", "high"]))).encode(y.y("lane"))
    tips = charts.tooltip(known, charts.TIPS)
    bar = base.mark_bar(size=13, opacity=0.85, clip=True)
    whisker = bands.mark_rule(strokeWidth=1.4, color=theme.INK, clip=True)
    none = alt.Chart(charts.values(gone)).mark_text(
        align="left", dx=4, color=theme.FAINT, text="no data"
    )
    return [
        bar.encode(x.x("zero"), alt.X2("estimate:Q"), charts.paint(), tooltip=tips),
        whisker.encode(x.x("low"), alt.X2("high:Q")),
        *([none.encode(y.y("lane"), x=alt.value(0))] if len(gone) else []),
    ]


COLUMNS = "model task design shots learner epoch source estimate low high"
KNOWN = ["last label", "last demonstration", "positions", "rest"]
summary = charts.read(args.summary, COLUMNS.split())
sources = [one for one in KNOWN if one in summary["source"]]
sources += sorted(set(summary["source"]) - set(KNOWN))
families = theme.families(summary["learner"].unique())
styles = theme.styles(families)
x = charts.Axis(
    "share of variance",
    {"domain": [0, 1], "nice": False},
    [0, 0.25, 0.5, 0.75, 1],
    "format(datum.value, '~g')",
)
blocks = []
for run, part in theme.runs(summary):
    # Where a learner has several epochs, its last one stands for it.
    part = part.filter(pl.col("epoch") == pl.col("epoch").max().over("learner"))
    learners = sorted(
        part["learner"].unique(),
        key=lambda one: (families.index(theme.family(one)), theme.rate(one) or 0),
    )
    lane = {one: float(i) for i, one in enumerate(learners)}
    texts = [theme.label(one, args.labels) for one in learners]
    scale = {"domain": [-0.6, len(learners) - 0.4], "reverse": True, "nice": False}
    panels = []
    for column, source in enumerate(sources):
        y = charts.Axis(
            "", scale, list(range(len(learners))), f"{texts}[datum.value]", column == 0, grid=False
        )
        rows = part.filter(pl.col("source") == source).with_columns(
            pl.col("learner").replace_strict(lane, return_dtype=pl.Float64).alias("lane"),
            pl.col("learner").str.split("@").list.first().alias("family"),
        )
        names = {one: theme.label(one, args.labels) for one in families}
        rows = charts.look(rows, "family", styles, names).with_columns(
            pl.Series(
                "series", [theme.label(one, args.labels) for one in rows["learner"]], pl.String
            )
        )
        drawn = lengths(rows, x, y)
        panels.append(charts.panel(drawn, x, y, (150, max(60, 24 * len(learners))), source))
    blocks.append(charts.block(panels, len(sources), theme.run_title(run, args.labels)))
title = args.title or "What in the order of demonstrations moves the answer?"
subtitle = "Share of the variance, over orders, of the logit of the answer. Bars: 95 % over "
subtitle += "draws of demonstrations."
chart = charts.figure(blocks, [], title, subtitle, 760)
chart = chart if blocks else charts.empty(title, "the summary is empty")
export.save(chart, args.output, title, args.library)
