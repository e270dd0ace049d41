"""Plot how alike ICL and gradient descent are inside attention, by the measures of two papers.

Columns: the measures of Dai et al. and their corrections by Deutch et al. Each learner has a lane,
at its chosen rate: a dot with a band for the mean over layers, small dots for single layers, and a
grey bar for the measure's baseline. One row of panels per model, task and design.
"""

from iclgd.reporting import style

args = style.parser(__doc__).parse_args()
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import attention as kind
from iclgd.reporting.names import REFERENCES, Names
from iclgd.statistics.families import family

names = Names(figure.roles, figure.labels)
# Measure, its title, and its baseline: another measure, or none for 0.
PANELS = [
    ("sim_aou", "SimAOU", "sim_aou_chance"),
    ("sim_aou_raw", "SimAOU, not normalised", ""),
    ("sim_am", "SimAM", "sim_am_before"),
    ("sim_am_delta", "SimAM of changes", ""),
    ("kendall", "Kendall's tau", "kendall_before"),
    ("rec2ftp", "Rec2FTP", "rec2ftp_chance"),
]
AXES = {"kendall": "rank correlation", "rec2ftp": "share of queries"}
COLUMNS = "model task design shots learner epoch layer metric estimate low high draws chosen"
summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
summary = summary.filter("chosen", ~pl.col("learner_role").is_in(REFERENCES))
summary = summary.with_columns(family("learner"))
# Of several equally good rates of a family, the first is shown.
summary = summary.filter(
    pl.col("learner") == pl.col("learner").min().over("model", "task", "design", "family")
)
families = names.families(summary["family"].unique())
styles = {one: {"color": style.ROLES["gd"]["color"], "dash": style.SOLID} for one in families}
called = {one: names.label(one) for one in families}
size = (
    layout.fit(len(PANELS), 118, layout.labels(list(called.values()))),
    max(60, 26 * len(families)),
)
TIPS = {**charts.TIPS, "layer": "layer"}


def axis(metric: str, title: str) -> charts.Axis:
    """From the lowest of 0, -0.5 and -1 that holds every value, to 1."""
    found = summary.filter(pl.col("metric") == metric)
    lowest = found.select(pl.min_horizontal(pl.col("estimate").min(), pl.col("low").min())).item()
    low = next(edge for edge in (0.0, -0.5, -1.0) if edge == -1 or (lowest or 0) >= edge)
    return charts.Axis(
        title,
        {"domain": [low, 1], "nice": False},
        [-1, -0.5, 0, 0.5, 1],
        "format(datum.value, '~g')",
    )


def lanes(part: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Rows of a measure, each family on its lane."""
    rows = part.filter(pl.col("metric") == metric).drop_nulls("estimate")
    place = {one: float(i) for i, one in enumerate(families)}
    rows = rows.with_columns(
        pl.col("family").replace_strict(place, return_dtype=pl.Float64).alias("lane")
    )
    return charts.look(rows, "family", styles, called)


blocks = []
for run, part in select.runs(summary):
    panels = []
    for column, (metric, title, baseline) in enumerate(PANELS):
        x = axis(metric, AXES.get(metric, "cosine"))
        scale = {"domain": [-0.6, len(families) - 0.4], "reverse": True, "nice": False}
        texts = [called[one] for one in families]
        ticks = list(range(len(families)))
        y = charts.Axis("", scale, ticks, f"{texts}[datum.value]", column == 0, grid=False)
        found = lanes(part, metric)
        whole = found.filter(pl.col("layer").is_null())
        layers = found.drop_nulls("layer").with_columns(pl.col("lane") + 0.26)
        drawn = charts.across(whole, x, y, "lane", "circle", TIPS)
        if drawn:
            nothing = whole.with_columns(estimate=pl.lit(0.0))
            if baseline:
                nothing = lanes(part, baseline).filter(pl.col("layer").is_null())
            base = alt.Chart(charts.values(nothing)).encode(x.x("estimate"), y.y("lane"))
            bar = base.mark_tick(orient="vertical", size=17, thickness=2, color=style.QUIET)
            dots = alt.Chart(charts.values(layers)).mark_point(
                filled=True, size=16, opacity=0.4, clip=True
            )
            dots = dots.encode(
                x.x("estimate"), y.y("lane"), charts.paint(), tooltip=charts.tooltip(layers, TIPS)
            )
            drawn = [bar, *([dots] if len(layers) else []), *drawn]
        panels.append(charts.panel(drawn, x, y, size, title))
    blocks.append(layout.block(panels, len(PANELS), names.run_title(run)))

colour = style.ROLES["gd"]["color"]
items = [
    {"label": "mean over layers", "color": colour, "shape": "circle"},
    {"label": "single layer", "color": "#EDB894", "shape": "circle"},
    {"label": "baseline", "color": style.QUIET, "dash": style.SOLID},
]
title = figure.title or "Is gradient descent like in-context learning inside attention?"
subtitle = "ICL against gradient descent, at the last token of a query. Whiskers: 95 % over "
subtitle += (
    "draws and queries. Baselines: for SimAOU and Rec2FTP updates and corrections that have "
)
subtitle += "nothing to do with each other; for SimAM and tau: ICL against the pretrained model."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
