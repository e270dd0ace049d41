"""Plot how alike ICL and gradient descent are inside attention, by the measures of two papers.

Columns: the measures of Dai et al. and their corrections by Deutch et al. Each learner has a lane
for every model, controls last, at its chosen rate: a dot with a band for the mean over layers,
small dots for single layers, and a grey bar for the measure's baseline. One row of panels per task
and design.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import attention as kind
from iclgd.reporting.names import REFERENCES, Names
from iclgd.statistics.families import family
from iclgd.study.names import base

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
controlled = {one: names.roles.get(base(one)) == "control" for one in summary["model"].unique()}
models = sorted(controlled, key=lambda one: (controlled[one], one))
LANE = 13  # pixels: height of a lane


def lane_names() -> tuple[list[str], dict[tuple[str, str], float], list[int]]:
    """Texts of all lanes, the place of each learner and model, and which lanes are headings."""
    texts, at, heads = [], {}, []
    for one in families:
        heads.append(len(texts))
        texts.append(names.label(one))
        for model in models:
            at[one, model] = float(len(texts))
            texts.append(names.label(model))
    return texts, at, heads


texts, place, heads = lane_names()
colour = style.ROLES["gd"]["color"]
colours = {one: style.QUIET if controlled[one] else colour for one in models}
size = (layout.fit(len(PANELS), 118, layout.labels(texts)), LANE * len(texts))
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
    """Rows of a measure, each learner of each model on its lane."""
    rows = part.filter(pl.col("metric") == metric).drop_nulls("estimate")
    keys = rows.select("family", "model").rows()
    return rows.with_columns(
        pl.Series("lane", [place[key] for key in keys], pl.Float64),
        pl.Series("series", [names.label(one) for one, _ in keys], pl.String),
        pl.Series("color", [colours[model] for _, model in keys], pl.String),
    )


blocks = []
by = ["task", "shots", "design"]
for run, part in summary.sort(by, maintain_order=True).group_by(by, maintain_order=True):
    panels = []
    for column, (metric, title, baseline) in enumerate(PANELS):
        x = axis(metric, AXES.get(metric, "cosine"))
        scale = {"domain": [-0.7, len(texts) - 0.3], "reverse": True, "nice": False}
        ticks, bold = list(range(len(texts))), f"indexof({heads}, datum.value) >= 0"
        y = charts.Axis(
            "", scale, ticks, f"{texts}[datum.value]", column == 0, grid=False, bold=bold
        )
        found = lanes(part, metric)
        whole = found.filter(pl.col("layer").is_null())
        layers = found.drop_nulls("layer").with_columns(pl.col("lane") + 0.34)
        drawn = charts.across(whole, x, y, "lane", "circle", TIPS)
        if drawn:
            nothing = whole.with_columns(estimate=pl.lit(0.0))
            if baseline:
                nothing = lanes(part, baseline).filter(pl.col("layer").is_null())
            base = alt.Chart(charts.values(nothing)).encode(x.x("estimate"), y.y("lane"))
            bar = base.mark_tick(orient="vertical", size=10, thickness=2, color=style.QUIET)
            dots = alt.Chart(charts.values(layers)).mark_point(
                filled=True, size=10, opacity=0.4, clip=True
            )
            dots = dots.encode(
                x.x("estimate"), y.y("lane"), charts.paint(), tooltip=charts.tooltip(layers, TIPS)
            )
            drawn = [bar, *([dots] if len(layers) else []), *drawn]
        panels.append(charts.panel(drawn, x, y, size, title))
    blocks.append(
        layout.block(panels, len(PANELS), names.run_title(dict(zip(by, run, strict=True))))
    )

items = [
    {"label": "mean over layers", "color": colour, "shape": "circle"},
    {"label": "single layer", "color": "#EDB894", "shape": "circle"},
]
if any(controlled.values()):
    items.append({"label": "of a control", "color": style.QUIET, "shape": "circle"})
items.append({"label": "baseline", "color": style.QUIET, "dash": style.SOLID})
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
