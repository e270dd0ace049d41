"""Plot verdicts of equivalence with the bounds that decide them.

Lanes: model, task, number of demonstrations and learner, at the rate and epoch nearest to ICL.
Left: the excess, which is the distance of GD from ICL minus that of ICL from itself reordered,
cell by cell. Right: the distance as a multiple of the margin, up to its upper bound. All bounds
are at the level at which Holm's procedure tests them. Where the pretrained model
(zero-shot) is not significantly beyond the margin, demonstrations change too little for a
comparison: a separate block.
"""

from iclgd.reporting import style

args = style.parser(__doc__).parse_args()
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import equivalence as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots b epoch choice measure factor verdict draws queries"
NUMBERS = "estimate reference excess excess_low excess_high distance_most margin untouched_least"
VERDICTS = {  # colours apart in lightness, too
    "equivalent": "#0072B2",
    "trivially both": "#56A0D0",
    "inconclusive": "#7A828A",
    "different": "#D55E00",
}
LANE, NARROW = 17, 90  # pixels: height of a lane, width of a panel at least
LEAST, MOST = 0.01, 100.0  # multiples of the margin; values beyond are drawn at the end
WORDS = {"excess": 138, "verdict": 76}  # pixels for a column of text
BLOCKS = {
    True: "Where demonstrations change the answers beyond the margin",
    False: "Where they do not, or not significantly: there is no ICL that GD could equal",
}
TIPS = {
    **{"model": "model", "task": "task", "shots": "demonstrations", "b": "learner"},
    **{"epoch": "epoch", "estimate": "distance", "reference": "ICL, other order"},
    **{"excess": "excess", "excess_low": "at least", "excess_high": "at most"},
    **{"distance_most": "distance at most", "margin": "margin", "verdict": "verdict"},
    **{"draws": "draws", "queries": "queries"},
}


def lanes(rows):
    """The rows with their ``lane``; names of all lanes; which of them are headings."""
    texts, heads, at = [], [], []
    for (model,), own in rows.group_by("model", maintain_order=True):
        heads.append(len(texts))
        texts.append(names.label(model))
        for task, shots, learner in own.select("task", "shots", "b").rows():
            at.append(float(len(texts)))
            texts.append(f"{names.label(task)}, {shots} · {names.short(learner)}")
    return rows.with_columns(pl.Series("lane", at, pl.Float64)), texts, heads


def forest(rows, x, y, place, ends, line):
    """Dots with bars on their lanes, and a line where the verdict turns."""
    base = alt.Chart(charts.values(rows))
    turn = alt.Chart(alt.Data(values=[{"at": line}]))
    dots = base.mark_point(filled=True, size=46, opacity=1, shape="circle")
    return [
        turn.mark_rule(color=style.INK, strokeWidth=0.9).encode(x.x("at")),
        base.mark_rule(strokeWidth=1.6, clip=True).encode(
            x.x(ends[0]), alt.X2(f"{ends[1]}:Q"), y.y("lane"), charts.paint()
        ),
        dots.encode(x.x(place), y.y("lane"), charts.paint(), tooltip=charts.tooltip(rows, TIPS)),
    ]


def column(rows, name, y, high):
    """A column of text, a line for each lane."""
    mark = alt.Chart(charts.values(rows)).mark_text(align="left", baseline="middle", fontSize=10)
    lane = alt.Y("lane:Q", scale=alt.Scale(**y.scale), axis=None)
    text = mark.encode(lane, alt.Text(f"{name}_text:N"), charts.paint(), x=alt.value(0))
    return charts.layered([text], WORDS[name], high)


table = charts.read(args.summary, [*COLUMNS.split(), *NUMBERS.split()])
table = table.filter(measure="tv", factor=1.0, choice="nearest").drop_nulls("estimate")
table = table.sort("model", "task", "shots", "design", "b")
multiples = {"multiple": "estimate", "most": "distance_most"}
table = table.with_columns(
    *((pl.col(of) / pl.col("margin")).clip(LEAST, MOST).alias(n) for n, of in multiples.items()),
    pl.Series("excess_text", [kind.excess(row) for row in table.iter_rows(named=True)]),
    pl.col("verdict").alias("verdict_text"),
    pl.col("verdict").replace_strict(VERDICTS, default=style.FAINT).alias("color"),
    (pl.col("untouched_least") > pl.col("margin")).fill_null(False).alias("learned"),
)
parts = {learned: lanes(table.filter(learned=learned)) for learned in BLOCKS}
room = max(layout.labels(texts) for _, texts, _ in parts.values())
wide = max(NARROW, layout.fit(2, 190, room + sum(WORDS.values()) + 2 * layout.SPACING))
least = table.select(pl.min_horizontal("excess", "excess_low").min()).item() or 0.0
low = -1.0 if least < -0.5 else -0.5
difference = {"domain": [low, 1.0], "nice": False}
difference = charts.Axis("difference of total variations", difference, [-1, -0.5, 0, 0.5, 1])
ratio = {"type": "log", "domain": [LEAST, MOST], "nice": False}
ratio = charts.Axis("multiple of the margin", ratio, [LEAST, 1, MOST], "format(datum.value, '~g')")
blocks = []
for learned, (rows, texts, heads) in parts.items():
    if rows.is_empty():
        continue
    high = LANE * len(texts)
    y = {"domain": [-0.7, len(texts) - 0.3], "reverse": True, "nice": False, "padding": 0}
    bold = f"indexof({heads}, datum.value) >= 0"
    y = charts.Axis(
        "", y, list(range(len(texts))), f"{texts}[datum.value]", grid=False, extent=room, bold=bold
    )
    left = forest(rows, difference, y, "excess", ("excess_low", "excess_high"), 0.0)
    right = forest(rows, ratio, y.inner(False), "multiple", ("multiple", "most"), 1.0)
    panels = [
        charts.panel(left, difference, y, (wide, high), "excess over ICL itself"),
        column(rows, "excess", y, high),
        charts.panel(right, ratio, y, (wide, high), "distance / margin"),
        column(rows, "verdict", y, high),
    ]
    blocks.append(layout.block(panels, len(panels), BLOCKS[learned]))
title = figure.title or "Is gradient descent as near to ICL as ICL is to itself?"
subtitle = (
    "Excess: distance of GD from ICL minus that of ICL from itself, demonstrations reordered. "
)
subtitle += (
    "Different: its bar ends above 0. Equivalent: it does not, and the right bar ends below 1. "
)
subtitle += (
    "Trivially both: above 0, and below 1. Bars: bounds at the level at which Holm's procedure "
)
subtitle += "tests them. Number: demonstrations."
chart = layout.figure(blocks, [], title, subtitle, 700)
chart = chart if blocks else layout.empty(title, "the summary is empty")
found = findings.of(kind, args.summary, names)
save(chart, args.output, title, args.library, found)
