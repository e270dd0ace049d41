"""Plot verdicts of equivalence with the bounds that decide them.

Lanes: model, task, number of demonstrations and learner, at the rate and epoch nearest to ICL.
The excess is the distance of GD from ICL minus that of ICL from itself reordered, cell by cell;
bars are bounds at the levels of the tests. Beside it, on the same scale, lie the pretrained
model (zero-shot) and the nearest solver that does no GD. Primary tests come first.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import equivalence as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots b epoch measure factor choice primary verdict reason draws"
NUMBERS = "queries estimate reference excess excess_low excess_high smallest untouched solver"
VERDICTS = {  # colours apart in lightness, too
    "equivalent": "#0072B2",
    "negligible": "#56A0D0",
    "unspecific": "#009E73",
    "inconclusive": "#7A828A",
    "different": "#D55E00",
}
LANE = 17  # pixels: height of a lane
BLOCKS = {
    True: "Primary tests, corrected together",
    False: "For exploration, each test by itself",
}
TIPS = {
    **{"model": "model", "task": "task", "shots": "demonstrations", "b": "learner"},
    **{"epoch": "epoch", "estimate": "distance", "reference": "ICL, other orders"},
    **{"excess": "excess", "excess_low": "at least", "excess_high": "at most"},
    **{"untouched": "zero-shot", "solver": "best solver", "verdict": "verdict"},
    **{"draws": "draws", "queries": "queries"},
}
MARKS = {"zero": ("zero-shot model", "square"), "solving": ("best solver without GD", "diamond")}


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


def forest(rows, x, y):
    """Bars and dots on their lanes, what else is known of a lane, and where verdicts turn."""
    base = alt.Chart(charts.values(rows))
    nothing = alt.Chart(alt.Data(values=[{"at": 0.0}]))
    smallest = alt.Chart(alt.Data(values=[{"at": rows["smallest"][0]}]))
    layers = [
        nothing.mark_rule(color=style.INK, strokeWidth=0.9).encode(x.x("at")),
        smallest.mark_rule(color=style.INK, strokeWidth=0.9, strokeDash=[3, 3]).encode(x.x("at")),
    ]
    for name, (_, shape) in MARKS.items():
        there = alt.Chart(charts.values(rows.drop_nulls(name)))
        mark = there.mark_point(filled=False, size=34, color=style.QUIET, shape=shape, clip=True)
        layers.append(mark.encode(x.x(name), y.y("lane")))
    bars = base.mark_rule(strokeWidth=1.6, clip=True)
    dots = base.mark_point(filled=True, size=46, opacity=1, shape="circle")
    tips = charts.tooltip(rows, TIPS)
    layers.append(
        bars.encode(x.x("excess_low"), alt.X2("excess_high:Q"), y.y("lane"), charts.paint())
    )
    layers.append(dots.encode(x.x("excess"), y.y("lane"), charts.paint(), tooltip=tips))
    return layers


def column(rows, name, y, high):
    """A column of text, a line for each lane."""
    mark = alt.Chart(charts.values(rows)).mark_text(align="left", baseline="middle", fontSize=10)
    lane = alt.Y("lane:Q", scale=alt.Scale(**y.scale), axis=None)
    text = mark.encode(lane, alt.Text(f"{name}_text:N"), charts.paint(), x=alt.value(0))
    return charts.layered([text], words[name], high)


table = charts.read(args.summary, [*COLUMNS.split(), *NUMBERS.split()])
table = table.filter(measure="tv", factor=1.0, choice="nearest").drop_nulls("estimate")
rows = list(table.iter_rows(named=True))
table = table.with_columns(
    zero=pl.col("untouched") - pl.col("reference"),
    solving=pl.col("solver") - pl.col("reference"),
    excess_text=pl.Series([kind.excess(row) for row in rows], dtype=pl.String),
    verdict_text=pl.Series([kind.in_words(row) for row in rows], dtype=pl.String),
    color=pl.col("verdict").replace_strict(VERDICTS, default=style.FAINT),
).sort("model", "task", "shots", "design", "b")
parts = {primary: lanes(table.filter(primary=primary)) for primary in BLOCKS}
room = max(layout.labels(texts) for _, texts, _ in parts.values()) - 18
words = {  # pixels for a column of text
    name: max((style.width(text, 10) for text in table[f"{name}_text"]), default=0)
    for name in ("excess", "verdict")
}
wide = max(layout.fit(1, 330, room + sum(words.values()) + 2 * layout.SPACING), 90)
shown = ("excess", "excess_low", "zero", "solving")
ends = table.select(pl.min_horizontal(*shown).min()).item() or 0.0
low = next(one for one in (-0.2, -0.5, -1.0) if one <= ends or one == -1.0)
scale = {"domain": [low, 1.0], "nice": False}
ticks = [one for one in (-1, -0.5, 0, 0.5, 1) if one >= low]
x = charts.Axis("excess total variation over ICL reordered", scale, ticks)
blocks = []
for primary, (rows, texts, heads) in parts.items():
    if rows.is_empty():
        continue
    high = LANE * len(texts)
    y = {"domain": [-0.7, len(texts) - 0.3], "reverse": True, "nice": False, "padding": 0}
    bold = f"indexof({heads}, datum.value) >= 0"
    y = charts.Axis(
        "", y, list(range(len(texts))), f"{texts}[datum.value]", grid=False, extent=room, bold=bold
    )
    panels = [
        charts.panel(forest(rows, x, y), x, y, (wide, high)),
        column(rows, "excess", y, high),
        column(rows, "verdict", y, high),
    ]
    blocks.append(layout.block(panels, len(panels), BLOCKS[primary]))
items = [
    {"label": label, "color": style.QUIET, "shape": shape, "open": True}
    for label, shape in MARKS.values()
]
smallest = table["smallest"][0] if len(table) else 0
items.append({"label": f"smallest effect ({smallest:g})", "color": style.INK, "dash": [3, 3]})
title = figure.title or "Is gradient descent as near to ICL as ICL is to itself?"
subtitle = (
    "Excess: distance of GD from ICL minus that of ICL from itself, demonstrations reordered. "
    "Different: its bar lies above the smallest effect. Equivalent: it ends below that, and GD is "
    "nearer than any solver that does no GD; negligible, if it lies above 0. Unspecific: a solver "
    "is as near. Bars: bounds of the tests, Holm's for primary ones."
)
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 700, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
