"""Plot verdicts of equivalence: distances from ICL, margins, and what other margins would say.

Lanes: model, task, number of demonstrations and learner. Left: total variation of GD from ICL
at the nearest (filled) and the most accurate (hollow) rate and epoch, ICL's from itself (dash)
and the margin (bar). Right: the verdict on the nearest at multiples of the margin.
"""

from iclgd import theme

args = theme.parser(__doc__).parse_args()

import math

import altair as alt
import polars as pl

from iclgd import charts, export, findings, page

COLUMNS = "model task design shots b epoch choice measure factor verdict underpowered"
NUMBERS = "estimate low high draws queries reference untouched margin p_difference p_equivalence"
VERDICTS = {  # colours apart in lightness, too
    "equivalent": "#0072B2",
    "trivially both": "#9AC7E4",
    "inconclusive": "#B4BAC1",
    "different": "#D55E00",
}
LEAST, LANE = 1e-8, 17


def called(name):
    """The readable name; what stands behind the @ of a model is a revision or a dose."""
    base, _, value = name.partition("@")
    return f"{theme.label(base, args.labels)} {value}".strip()


table = charts.read(args.summary, [*COLUMNS.split(), *NUMBERS.split()])
table = table.filter(pl.col("measure") == "tv").sort("model", "task", "shots", "b")
table = table.with_columns(family=pl.col("b").map_elements(theme.family, pl.String))
# A model has a lane for its name, and below it one for each of what it is judged by.
keys = ["model", "task", "shots", "design", "family"]
lanes, texts, heads, last = {}, [], [], None
for key in table.select(keys).unique(maintain_order=True).rows():
    model, task, shots, _, family = key
    if model != last:
        heads.append(len(texts))
        texts.append(called(model))
    last, lanes[key] = model, float(len(texts))
    texts.append(f"{theme.label(task, args.labels)}, {shots} · {called(family)}")
table = table.with_columns(
    pl.struct(keys).map_elements(lambda row: lanes[tuple(row.values())], pl.Float64).alias("lane")
)
numbers = ("estimate", "low", "high", "reference", "untouched", "margin")
least = table.select(pl.min_horizontal("estimate", "reference", "margin").min()).item() or LEAST
floor = 10.0 ** math.floor(math.log10(max(least, LEAST)))
table = table.with_columns(
    pl.col(name).clip(floor, 1).alias(f"{name}_at") for name in numbers
).with_columns(color=pl.col("verdict").replace_strict(VERDICTS, default=theme.FAINT))
high = LANE * max(len(texts), 1)
ticks = list(range(len(texts)))
lane_scale = {"domain": [-0.7, len(texts) - 0.3], "reverse": True, "nice": False, "padding": 0}
bold = f"indexof({heads}, datum.value) >= 0"
y = charts.Axis("", lane_scale, ticks, f"{texts}[datum.value]", grid=False, bold=bold)
decades = [10.0**e for e in range(-8, 1, 2 if floor < 1e-4 else 1) if 10.0**e >= floor]
x = charts.Axis(
    "total variation from ICL (log scale)",
    {"type": "log", "domain": [floor / 2, 1.3], "nice": False},
    decades,
    f"(datum.value <= {LEAST} ? '≤ ' : '') +"
    " format(datum.value, datum.value < 0.001 ? '~e' : '~g')",
)
tips = {
    **{"model": "model", "task": "task", "shots": "demonstrations", "b": "learner"},
    **{"epoch": "epoch", "choice": "chosen by", "estimate": "distance", "low": "95 %, low"},
    **{"high": "95 %, high", "reference": "ICL, other order", "untouched": "untouched model"},
    **{"margin": "margin", "verdict": "verdict", "p_difference": "p of difference"},
    **{"p_equivalence": "p of equivalence", "draws": "draws", "queries": "queries"},
}
panels = []
if len(table):
    one = table.filter(pl.col("factor") == 1)
    near, accurate = (one.filter(pl.col("choice") == name) for name in ("nearest", "accuracy"))
    base = alt.Chart(charts.values(near))
    rule = base.mark_rule(strokeWidth=1.3, clip=True)
    tick = base.mark_tick(color=theme.ROLES["icl"]["color"], size=LANE - 7, thickness=1.8)
    bar = base.mark_bar(color=theme.GRID, height=LANE - 5, clip=True)
    dot = {"size": 52, "opacity": 1, "shape": "circle"}
    hollow = alt.Chart(charts.values(accurate)).mark_point(filled=False, strokeWidth=1.4, **dot)
    before = base.mark_tick(color=theme.FAINT, size=LANE - 9, thickness=1.4)
    left = [
        bar.encode(x.x("margin_at"), y.y("lane"), x2=alt.datum(floor / 2)),
        rule.encode(x.x("low_at"), alt.X2("high_at:Q"), y.y("lane"), charts.paint()),
        tick.encode(x.x("reference_at"), y.y("lane")),
        before.encode(x.x("untouched_at"), y.y("lane")),
        hollow.encode(
            x.x("estimate_at"),
            y.y("lane"),
            alt.Stroke("color:N", scale=None, legend=None),
            tooltip=charts.tooltip(accurate, tips),
        ),
        base.mark_point(filled=True, **dot).encode(
            x.x("estimate_at"), y.y("lane"), charts.paint(), tooltip=charts.tooltip(near, tips)
        ),
    ]
    factors = table["factor"].unique().sort().to_list()
    edge = 2**0.5
    cells = table.filter(pl.col("choice") == "nearest").with_columns(
        (pl.col("factor") / edge).alias("from"),
        (pl.col("factor") * edge).alias("to"),
        (pl.col("lane") - 0.36).alias("above"),
        (pl.col("lane") + 0.36).alias("below"),
    )
    across = charts.Axis(
        "multiple of the margin (log scale)",
        {"type": "log", "domain": [factors[0] / edge, factors[-1] * edge], "nice": False},
        [f for f in factors if math.log2(f) % 2 == 0],
        "format(datum.value, '~g')",
        grid=False,
    )
    blank = y.inner(False)
    strip = alt.Chart(charts.values(cells)).mark_rect(clip=True, opacity=0.85)
    right = [
        strip.encode(
            across.x("from"),
            alt.X2("to:Q"),
            blank.y("above"),
            alt.Y2("below:Q"),
            charts.paint(),
            tooltip=charts.tooltip(cells, {"factor": "multiple", "verdict": "verdict"}),
        ),
        alt.Chart(alt.Data(values=[{"at": 1.0}]))
        .mark_rule(color=theme.INK, strokeWidth=0.9, strokeDash=[3, 2])
        .encode(across.x("at")),
    ]
    panels = [
        charts.panel(left, x, y, (260, high), "distance from ICL"),
        charts.panel(right, across, blank, (150, high), "verdict by margin"),
    ]
items = [{"label": name, "color": color, "shape": "square"} for name, color in VERDICTS.items()]
items += [
    {"label": "nearest to ICL", "color": theme.QUIET, "shape": "circle"},
    {"label": "most accurate", "color": theme.QUIET, "shape": "circle", "open": True},
    {
        "label": "ICL from itself, other order",
        "color": theme.ROLES["icl"]["color"],
        "dash": theme.SOLID,
    },
    {"label": "untouched model", "color": theme.FAINT, "dash": theme.SOLID},
    {"label": "up to the margin", "color": theme.GRID, "shape": "square"},
]
title = args.title or "Is gradient descent as near to ICL as ICL is to itself?"
subtitle = "Number: demonstrations. Bars: 95 % over draws and queries. Margin: 95th percentile of "
subtitle += "ICL's distance from itself under another order, on validation queries."
chart = page.figure([page.block(panels, 2)] if panels else [], items, title, subtitle, 500)
chart = chart if panels else page.empty(title, "the summary is empty")
found = findings.of("equivalence", args.summary, args.labels)
export.save(chart, args.output, title, args.library, found)
