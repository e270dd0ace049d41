"""Plot how near every protocol of gradient descent comes to ICL, tile by tile.

Rows: protocols (batch, optimiser, loss), with a line of tiles for each learning rate; across:
recorded epochs. Per model and task: total variation from ICL, accuracy, and in words the rate
and epoch nearest to ICL. Outlined: tiles no farther from ICL than ICL's own noise plus the
smallest effect. The headline says whether any protocol closes the gap.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import math

import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import sensitivity as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a family learner epoch estimate low high reference excess "
COLUMNS += "excess_low excess_high smallest reached missed accuracy accuracy_low accuracy_high "
COLUMNS += "loss diverged draws queries closest border"
# Ramps that are even in lightness: light is near to ICL, and right.
NEAR = ["#FAEBDD", "#F6B48F", "#F37651", "#E13342", "#AD1759", "#701F57", "#35193E"]
RIGHT = ["#2E1E3C", "#413D7B", "#37659E", "#348FA7", "#40B7AD", "#8AD9B1", "#DEF5E5"]
SHADES, CROSS = 120, "M-1,-1L1,1M1,-1L-1,1"
LANE, GAP = 17, 9  # pixels: height of a tile; between protocols
HEAD, FOOT = 48, 80  # above and below the tiles
NAME, RATE, TEXT = 132, 40, 118  # widths: of protocols; of rates; of the words beside the maps
BETWEEN, BESIDE = 10, 16  # maps; models and tasks
ICL = style.ROLES["icl"]["color"]
TIPS = {
    **{"rate": "learning rate", "epoch": "epoch", "steps": "steps", "estimate": "total variation"},
    **{"low": "95 % band, low", "high": "95 % band, high", "reference": "ICL, other orders"},
    **{"excess": "excess", "excess_low": "at least", "excess_high": "at most"},
    **{"accuracy": "accuracy", "loss": "training loss (nats)", "diverged": "share diverged"},
}
COLOURS = {"within reach": "#0072B2", "out of reach": "#A13C08"}


class Sheet:
    """Marks at pixels of one panel."""

    def __init__(self):
        self.tiles, self.bars, self.lines, self.symbols, self.texts = [], [], [], [], []

    def text(self, x, y, text, color=style.INK, align="left", weight="normal", size=10):
        one = {"x": x, "y": y, "text": text, "color": color}
        self.texts.append({**one, "align": align, "weight": weight, "size": size})

    def tile(self, x, y, size, color, **tips):
        wide, tall = size
        self.tiles.append({"x": x, "y": y, "x2": x + wide, "y2": y + tall, "color": color, **tips})

    def line(self, x, y, x2, y2, color=style.INK, width=2.0):
        line = {"x": x, "y": y, "x2": x2, "y2": y2, "color": color, "width": width}
        self.lines.append({name: line[name] for name in line})

    def symbol(self, x, y, shape, color):
        self.symbols.append({"x": x, "y": y, "shape": shape, "color": color})

    def panel(self, wide, high) -> dict:
        """All of it as a panel."""
        xs = {"scale": alt.Scale(domain=[0, wide], nice=False), "axis": None}
        ys = {"scale": alt.Scale(domain=[0, high], nice=False, reverse=True), "axis": None}
        x, y = alt.X("x:Q", **xs), alt.Y("y:Q", **ys)
        to = alt.X2("x2:Q"), alt.Y2("y2:Q")
        layers = []
        if self.tiles:
            rows = pl.DataFrame(self.tiles, infer_schema_length=None)
            tips = charts.tooltip(rows, TIPS)
            marks = alt.Chart(charts.values(rows)).mark_rect(stroke=style.PAPER, strokeWidth=0.6)
            layers.append(marks.encode(x, y, *to, charts.paint(), tooltip=tips))
        if self.bars:
            bars = alt.Chart(rows_of(self.bars)).mark_rect()
            layers.append(bars.encode(x, y, *to, charts.paint()))
        for width, lines in grouped(self.lines, "width"):
            marks = alt.Chart(rows_of(lines)).mark_rule(strokeWidth=width, strokeCap="square")
            layers.append(marks.encode(x, y, *to, charts.paint()))
        for shape, symbols in grouped(self.symbols, "shape"):
            look = {"filled": False, "opacity": 1, "strokeWidth": 1.4, "size": 42, "shape": shape}
            layers.append(
                alt.Chart(rows_of(symbols)).mark_point(**look).encode(x, y, charts.paint())
            )
        for (align, weight, size), texts in grouped(self.texts, "align", "weight", "size"):
            look = {"align": align, "fontWeight": weight, "fontSize": size, "baseline": "middle"}
            marks = alt.Chart(rows_of(texts)).mark_text(**look)
            layers.append(marks.encode(x, y, charts.paint(), text="text:N"))
        return charts.layered(layers, wide, high)


def grouped(rows, *keys):
    """Rows by these keys, in their first order."""
    found = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [(key if len(keys) > 1 else key[0], own) for key, own in found.items()]


def rows_of(rows):
    return charts.values(pl.DataFrame(rows, infer_schema_length=None))


def shade(value, stops, top):
    """The colour of a value from 0 to ``top``; grey for none."""
    if value is None:
        return style.GRID
    place = min(max(value / top, 0.0), 1.0)
    return style.ramp(stops, SHADES)[round(place * (SHADES - 1))]


def light(colour):
    """Whether dark ink shows better on a colour than paper does, by its luminance."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18


def lines_of(parts, by, wide, size=10.0):
    """Parts as lines, as many on each as so many pixels hold."""
    found = []
    for part in parts:
        longer = f"{found[-1]}{by}{part}" if found else part
        if found and style.width(longer, size) <= wide:
            found[-1] = longer
        else:
            found.append(part)
    return found


def lanes_of(protocols):
    """The top of every protocol, the height of its tiles, and the end of all."""
    tops, at = {}, 0.0
    for family, rates in protocols.items():
        high = max(LANE, (14 * len(said[family]) + 4) / len(rates))
        tops[family] = (at, high)
        at += high * len(rates) + GAP
    return tops, at - GAP


def colourbar(sheet, x, y, wide, stops, top, marks, words):
    """A scale of colours below a map, from 0 on, with (value, colour) marked on it, and words."""
    count = max(int(wide / 3), 2)
    for i, colour in enumerate(style.ramp(stops, count)):
        ends = {"x": x + wide * i / count, "x2": x + wide * min(i + 1.2, count) / count}
        sheet.bars.append({**ends, "y": y, "y2": y + 8, "color": colour})
    sheet.text(x, y + 17, "0", style.QUIET)
    sheet.text(x + wide, y + 17, f"{top:g}", style.QUIET, "right")
    for value, colour in marks:
        if value is not None:
            place = x + wide * min(max(value / top, 0), 1)
            sheet.line(place, y - 3, place, y + 10, colour)
    sheet.text(x + wide / 2, y + 17, words[0], style.QUIET, "center")
    sheet.text(x + wide / 2, y + 31, words[1], ICL, "center")


def drawn(title, part, x, wide):
    """One model, task and design on a sheet: both maps and the words beside them."""
    tops, foot = lanes_of(protocols)
    tile = wide / max(len(columns), 1)
    second = x + wide + BETWEEN
    beside = second + wide + BETWEEN
    (own,) = part.filter(learner_role="icl-reordered").head(1).iter_rows(named=True)
    reach = own["reference"] + own["smallest"]
    room = 2 * wide + TEXT + 2 * BETWEEN
    for i, line in enumerate(reversed(lines_of(title.split(" · "), " · ", room, 11.5))):
        sheet.text(x, HEAD - 28 - 14 * i, line, weight="bold", size=11)
    sheet.text(x, HEAD - 9, "distance", style.QUIET)
    sheet.text(second, HEAD - 9, "accuracy", style.QUIET)
    sheet.text(beside, HEAD - 9, "closest: distance, excess", style.QUIET)
    shades = {}
    best = {row["family"]: row for row in kind.closest(part)}
    for family, rates in protocols.items():
        top, high = tops[family]
        near = set()
        for lane, (rate, learner) in enumerate(rates.items()):
            y = HEAD + top + high * lane
            for row in part.filter(~pl.col("closest"), learner=learner).iter_rows(named=True):
                column = columns.index(row["epoch"])
                sound = row["diverged"] == 0
                batch = figure.protocols[learner]["batch"]
                steps = row["epoch"] * (-(-row["shots"] // batch) if batch else 1)
                tips = {name: row[name] for name in TIPS if name in row}
                tips |= {"rate": style.number(rate), "steps": steps}
                ends = (row["estimate"] if sound else None), (row["accuracy"] if sound else None)
                at = x + tile * column, second + tile * column
                colours = shade(ends[0], NEAR, far), shade(ends[1], RIGHT, 1.0)
                shades[learner, row["epoch"]] = colours
                for start, colour in zip(at, colours, strict=True):
                    sheet.tile(start, y, (tile, high), colour, **tips)
                if not sound:
                    for left in at:
                        sheet.symbol(left + tile / 2, y + high / 2, CROSS, style.QUIET)
                elif ends[0] is not None and ends[0] <= reach:
                    near.add((column, lane))
        for one in kind.outline(near):
            edges = [(x + tile * one[i], HEAD + top + high * one[i + 1]) for i in (0, 2)]
            sheet.line(*edges[0], *edges[1])
        row = best.get(family)
        if row is None:
            continue
        y = HEAD + top + high * len(rates) / 2
        verdict = kind.verdict(row)
        colour = COLOURS.get(verdict, style.QUIET)
        if row["estimate"] is None:
            sheet.text(beside, y, verdict, colour, weight="bold")
            continue
        numbers = f"{two(row['estimate'])}, {signed(row['excess'])}"
        if row["excess_low"] is not None and row["excess_high"] is not None:
            numbers += f" [{two(row['excess_low'])}, {two(row['excess_high'])}]"
        sheet.text(beside, y - 7, numbers, style.INK)
        sheet.text(beside, y + 7, verdict, colour, weight="bold")
        lane = list(rates.values()).index(row["learner"])
        column = columns.index(row["epoch"])
        middle = HEAD + top + high * (lane + 0.5)
        for start, colour in zip((x, second), shades[row["learner"], row["epoch"]], strict=True):
            ring = style.INK if light(colour) else style.PAPER
            sheet.symbol(start + tile * (column + 0.5), middle, "circle", ring)
    foot += HEAD
    labels = [str(one) for one in columns]
    places = [tile * (i + 0.5) for i in range(len(columns))]
    shown = kind.fitting(labels, places, 5, [style.width(one, 10) for one in labels])
    for left in (x, second):
        for i in shown:
            sheet.text(left + places[i], foot + 9, labels[i], align="center")
        sheet.text(left + wide / 2, foot + 23, "epochs", align="center")
    marks = [(own["reference"], ICL), (reach, style.INK)]
    words = ("near – far", f"ICL reordered {two(own['reference'])}")
    colourbar(sheet, x, foot + 42, wide, NEAR, far, marks, words)
    words = ("", f"ICL {two(own['accuracy'])}")
    colourbar(sheet, second, foot + 42, wide, RIGHT, 1, [(own["accuracy"], ICL)], words)


def two(value):
    """Two decimals without the leading zero: ``.05``, ``-.12``."""
    return f"{value:z.2f}".replace("0.", ".", 1)


def signed(value):
    return f"{value:+z.2f}".replace("0.", ".", 1)


summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
title = figure.title or "Which protocol of gradient descent comes near to ICL?"
learners = summary.filter(pl.col("learner_role") != "icl-reordered")
grid = learners.filter(~pl.col("closest"))
columns = grid["epoch"].unique().sort().to_list()
far = math.ceil((grid["estimate"].max() or 1.0) * 5) / 5 or 1.0
protocols = {}
for learner in sorted(grid["learner"].unique(), key=lambda one: figure.protocols[one]["rate"]):
    (family,) = grid.filter(learner=learner)["family"].unique()
    protocols.setdefault(family, {})[figure.protocols[learner]["rate"]] = learner
entries = {one: figure.protocols[next(iter(rates.values()))] for one, rates in protocols.items()}
protocols = {one: protocols[one] for one in kind.ordered(entries)}
said = kind.protocols(entries, summary["shots"].max() or 0, names)
said = {one: [parts[0], *lines_of(parts[1:], ", ", NAME)] for one, parts in said.items()}
places = summary.sort(kind.PLACE).group_by(kind.PLACE, maintain_order=True)
places = [(dict(zip(kind.PLACE, key, strict=True)), part) for key, part in places]
side = min(len(places), 2)
named = max((style.width(line, 10) for lines in said.values() for line in lines), default=0)
left = named + RATE
wide = (layout.WIDE - 2 * layout.PADDING - left) / max(side, 1) - TEXT - 2 * BETWEEN - BESIDE
# Names of any length leave room for tiles that can be seen; the figure is then wider than a page.
wide = max(min(wide / 2, 34 * max(len(columns), 1)), 60)
each = 2 * wide + TEXT + 2 * BETWEEN + BESIDE
blocks = []
for first in range(0, len(places) if protocols else 0, 2):
    sheet, some = Sheet(), places[first : first + 2]
    tops, high = lanes_of(protocols)
    for family, rates in protocols.items():
        top, lane = tops[family]
        middle = HEAD + top + lane * len(rates) / 2
        for i, line in enumerate(said[family]):
            look = {"weight": "normal", "color": style.QUIET} if i else {"weight": "bold"}
            sheet.text(0, middle + 14 * (i - (len(said[family]) - 1) / 2), line, **look)
        for i, rate in enumerate(rates):
            y = HEAD + top + lane * (i + 0.5)
            sheet.text(left - 6, y, style.number(rate), align="right")
    sheet.text(left - 6, HEAD - 9, "rate", style.QUIET, "right")
    for i, (place, part) in enumerate(some):
        drawn(names.run_title(place), part, left + each * i, wide)
    blocks.append(sheet.panel(left + each * len(some) - BESIDE, HEAD + high + FOOT))
items = [
    {"label": "at most ICL's own noise + smallest effect", "color": style.INK, "dash": style.SOLID},
    {"label": "ICL's own noise; ICL's accuracy", "color": ICL, "dash": style.SOLID},
    {"label": "nearest on validation queries", "color": style.INK, "shape": "circle", "open": True},
]
if (grid["diverged"] > 0).any():
    items.append({"label": "a run diverged", "color": style.QUIET, "shape": "cross"})
room = left + each * max(side, 1)
subtitle = (
    "Distance: total variation between the next-token distributions of GD and ICL, over test "
)
subtitle += "queries. Closest: each draw at the rate and epoch that the other draws choose on "
subtitle += "validation queries; excess over ICL's own noise with bounds of one-sided 5 % tests. "
subtitle += kind.borders(summary)
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, room, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
