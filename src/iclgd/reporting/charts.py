"""The parts of a panel: axes, bands, references, marks.

Data frames hold their style in the columns ``series, color, dash``; no scale of Vega-Lite
is shared between panels. The same summary gives the same bytes.

Layers are Altair charts; panels, and what `layout` makes of them, are Vega-Lite as plain dicts:
Altair would copy them deeply, several times, at each step.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import altair as alt
import polars as pl

from iclgd.io import parquet
from iclgd.reporting import style
from iclgd.reporting.names import Names, rate

LOOK = ["series", "color", "dash"]
BAND = 0.13  # opacity of a 95 % band: up to six overlap


@dataclass(frozen=True)
class Axis:
    """A scale with its title and ticks; ``show`` is False in inner panels of a grid."""

    title: str
    scale: dict
    ticks: list | None = None
    expression: str | None = None
    show: bool = True
    grid: bool = True
    extent: float = 0  # pixels kept free for labels, so that blocks line up
    bold: str | None = None  # expression: which labels are bold

    def _axis(self) -> alt.Axis:
        given = {"grid": self.grid}
        if self.extent:
            given["minExtent"] = self.extent
        if self.ticks is not None:
            given["values"] = self.ticks
        if self.expression:
            given["labelExpr"] = self.expression
        if self.bold:
            bold = {"test": self.bold, "value": "bold"}
            given["labelFontWeight"] = {"condition": bold, "value": "normal"}
        if not self.show:
            # A blank label has a height, which keeps the titles of a row of panels in line.
            given |= {"labelExpr": "' '", "ticks": False, "minExtent": 0}
        return alt.Axis(**given)

    def x(self, field: str) -> alt.X:
        axis = self._axis() if self.show else alt.Axis(labels=False, ticks=False, grid=self.grid)
        if self.ticks is not None:
            axis.values = self.ticks
        return alt.X(f"{field}:Q", scale=alt.Scale(**self.scale), axis=axis, title=self._name())

    def y(self, field: str) -> alt.Y:
        scale = alt.Scale(**self.scale)
        return alt.Y(f"{field}:Q", scale=scale, axis=self._axis(), title=self._name())

    def _name(self) -> str | None:
        return self.title if self.show else None

    def inner(self, show: bool) -> Axis:
        """The same axis, without labels and title unless ``show``."""
        return replace(self, show=show)


def read(path: Path, columns: Iterable[str]) -> pl.DataFrame:
    """A summary with these columns, NaN and infinities as null. Raises InputError."""
    frame = parquet.read(path, dict.fromkeys(columns))
    floats = [name for name, kind in frame.schema.items() if kind in (pl.Float32, pl.Float64)]
    return frame.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name).cast(pl.Float64)).alias(name)
        for name in floats
    )


def epochs(last: float, wide: float, title: str = "epochs of GD") -> Axis:
    """Epochs on a symlog axis, so that 0 can be shown and 1, 2, 5 are apart."""
    last = max(float(last), 1.0)
    scale = {"type": "symlog", "constant": 1, "domain": [0, last], "nice": False}
    return Axis(title, scale, style.epoch_ticks(last, wide), grid=False)


def share(title: str, low: float = 0.0, high: float = 1.0) -> Axis:
    """A linear axis for shares and cosines; the same in all panels of a row."""
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1] if low >= 0 else [-1, -0.5, 0, 0.5, 1]
    return Axis(title, {"domain": [low, high], "nice": False}, ticks)


def values(frame: pl.DataFrame) -> alt.Data:
    """Rows as inline data, six significant digits; roles of names are not drawn and left out.

    They stay one JSON text until ``save``: Altair copies data deeply.
    """
    frame = frame.select(name for name in frame.columns if not name.endswith("_role"))
    floats = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    rounded = frame.with_columns(pl.col(name).round_sig_figs(6) for name in floats)
    return alt.Data(values=rounded.write_json(), format=alt.DataFormat(type="json"))


def look(frame: pl.DataFrame, column: str, styles: dict, names: dict) -> pl.DataFrame:
    """Add ``series`` (readable), ``color`` and ``dash`` from the values of ``column``."""
    keys = frame[column].to_list()
    return frame.with_columns(
        pl.Series("series", [names[one] for one in keys], pl.String),
        pl.Series("color", [styles[one]["color"] for one in keys], pl.String),
        pl.Series("dash", [styles[one]["dash"] for one in keys], pl.List(pl.Float64)),
    )


def tooltip(frame: pl.DataFrame, names: dict[str, str]) -> list[alt.Tooltip]:
    """Tooltips: those columns of ``names`` that the frame has."""
    return [
        alt.Tooltip(
            f"{name}:{'Q' if frame.schema[name].is_numeric() else 'N'}",
            title=title,
            **({"format": ".4~g"} if frame.schema[name].is_float() else {}),
        )
        for name, title in names.items()
        if name in frame.columns
    ]


TIPS = {
    "series": "learner",
    "estimate": "estimate",
    "low": "95 % band, low",
    "high": "95 % band, high",
    "draws": "draws",
}


def curves(
    frame,
    x: Axis,
    y: Axis,
    at: str,
    points: float = 0,
    tips: dict | None = None,
    width: float = 1.7,
    band: bool = True,
) -> list:
    """Lines with 95 % bands over the column ``at``; ``points`` is the area of visible dots.

    ``width``: of the lines. ``band``: whether intervals are drawn, or only told by the tips.
    """
    frame = frame.drop_nulls([at, "estimate"]).sort("series", at)
    if frame.is_empty():
        return []
    colour = alt.Color("color:N", scale=None, legend=None)
    layers = []
    bands = frame.drop_nulls(["low", "high"])
    if band and not bands.is_empty():
        layers.append(
            alt.Chart(values(bands))
            .mark_area(opacity=BAND, clip=True)
            .encode(x.x(at), y.y("low"), alt.Y2("high:Q"), colour, alt.Detail("series:N"))
        )
    for dash in frame["dash"].unique(maintain_order=True).to_list():
        part = frame.filter(pl.Series([one == dash for one in frame["dash"].to_list()]))
        base = alt.Chart(values(part)).encode(x.x(at), y.y("estimate"), colour)
        layers.append(
            base.mark_line(strokeWidth=width, strokeDash=dash, strokeCap="round", clip=True).encode(
                alt.Detail("series:N")
            )
        )
        # Dots carry the tooltips; where no dots are wanted they are invisible.
        dots = base.mark_point(
            filled=True, size=points or 40, opacity=1 if points else 0, clip=not points
        )
        layers.append(dots.encode(tooltip=tooltip(part, {at: x.title, **(tips or TIPS)})))
    return layers


def bars(frame, x: Axis, y: Axis, at: str) -> list:
    """Vertical 95 % bars at the column ``at``."""
    frame = frame.drop_nulls([at, "low", "high"])
    if frame.is_empty():
        return []
    return [
        alt.Chart(values(frame))
        .mark_rule(strokeWidth=1.1, clip=True, opacity=0.8)
        .encode(x.x(at), y.y("low"), alt.Y2("high:Q"), paint())
    ]


def flats(frame: pl.DataFrame, x: Axis, y: Axis) -> list:
    """Horizontal references across the panel, with their bands."""
    frame = frame.drop_nulls("estimate").select(
        *LOOK, *(name for name in ("estimate", "low", "high", "draws") if name in frame.columns)
    )
    low, high = x.scale["domain"]
    ends = pl.DataFrame({"at": [low, high]}, schema={"at": pl.Float64})
    return curves(frame.join(ends, how="cross"), x, y, "at", tips=TIPS) if len(frame) else []


def chance(level: float | None, x: Axis, y: Axis) -> list:
    """A thin line at chance accuracy; nothing if that is not known."""
    if level is None:
        return []
    frame = pl.DataFrame({"estimate": [float(level)], "series": ["chance"]})
    base = alt.Chart(values(frame)).mark_rule(color=style.FAINT, strokeWidth=0.9)
    return [base.encode(y.y("estimate"), tooltip=tooltip(frame, TIPS))]


def marks(frame, x: Axis, y: Axis, at: str, shape: str, tips: dict | None = None, **given) -> list:
    """Single symbols, such as the crosses of diverged rates and the dots of chosen ones."""
    frame = frame.drop_nulls([at, "estimate"])
    if frame.is_empty():
        return []
    given = {"filled": True, "size": 46, "stroke": style.PAPER, "strokeWidth": 0.8, **given}
    paint = alt.Stroke if shape == "cross" else alt.Color
    if shape == "cross":
        given |= {"filled": False, "strokeWidth": 1.8, "shape": "M-.5,-.5L.5,.5M.5,-.5L-.5,.5"}
        given.pop("stroke")
    else:
        given["shape"] = shape
    return [
        alt.Chart(values(frame))
        .mark_point(opacity=1, **given)
        .encode(
            x.x(at),
            y.y("estimate"),
            paint("color:N", scale=None, legend=None),
            tooltip=tooltip(frame, {at: x.title, **(tips or TIPS)}),
        )
    ]


def layered(layers: list, wide: float, high: float) -> dict:
    """Altair charts on top of each other, as Vega-Lite."""
    specs = [one.to_dict(validate=False, context={"top_level": False}) for one in layers]
    return {"layer": specs, "width": wide, "height": high}


def panel(layers: list, x: Axis, y: Axis, size: tuple[float, float], title: str = "") -> dict:
    """One panel; without layers, its axes and 'no data'."""
    wide, high = size
    chart = layered(layers or nothing(x, y, size), wide, high)
    return {**chart, "title": heading(title, wide)} if title else chart


def nothing(x: Axis, y: Axis, size: tuple[float, float]) -> list:
    """The axes with 'no data' between them."""
    return [*axes(x, y), note("no data", size[0] / 2, size[1] / 2)]


def axes(x: Axis, y: Axis) -> list:
    """The axes alone, for a panel that shows only words."""
    corner = pl.DataFrame({"x": [x.scale["domain"][0]], "y": [y.scale["domain"][0]]})
    base = alt.Chart(values(corner.cast(pl.Float64)))
    return [base.mark_point(opacity=0).encode(x.x("x"), y.y("y"))]


def note(text: str, x: float, y: float, color: str = style.FAINT, align: str = "center", size=12):
    """Text at a pixel of the panel."""
    mark = alt.Chart(alt.Data(values=[{"text": text}])).mark_text(
        color=color, fontSize=size, align=align, baseline="middle"
    )
    return mark.encode(alt.Text("text:N"), x=alt.value(x), y=alt.value(y))


def heading(text: str, wide: float) -> dict:
    """The title of one panel, centred, wrapped so that it does not run into its neighbours."""
    lines = []
    for line in text.split("\n"):
        fits = style.width(line, 11.5) <= wide + 4
        lines += [line] if fits else textwrap.wrap(line, int(wide / 6))
    return {"text": lines, "fontSize": 11.5, "anchor": "middle", "offset": 6, "limit": 0}


def rate_look(frame: pl.DataFrame, column: str, colours: dict, names: Names) -> pl.DataFrame:
    """``look`` by learning rate; a learner without one is drawn in the colour of its role."""
    learners = frame[column].unique().to_list()
    styles = {
        one: {
            "color": colours.get(rate(one), style.ROLES[names.role(one)]["color"]),
            "dash": style.SOLID,
        }
        for one in learners
    }
    return look(frame, column, styles, {one: names.label(one) for one in learners})


def steps(seen: pl.Series) -> Axis:
    """Pretraining steps: linear, or symlog where they span more than two decades."""
    known = seen.drop_nulls().sort()
    low, high = (known[0], known[-1]) if len(known) else (0, 1)
    above = known.filter(known > 0)
    text = "datum.value >= 1000 ? format(datum.value / 1000, '~g') + 'k' : datum.value"
    if len(above) and high / above[0] > 200:
        ticks = [
            t for t in (0, *(10**e for e in range(9))) if low <= t <= high and not 0 < t < above[0]
        ]
        scale = {
            "type": "symlog",
            "constant": float(above[0]),
            "domain": [low, high],
            "nice": False,
        }
        return Axis("pretraining steps", scale, ticks, text, grid=False)
    pad = (high - low) * 0.02 or 1
    return Axis("pretraining steps", {"domain": [low - pad, high + pad]}, None, text, grid=False)


def paint() -> alt.Color:
    return alt.Color("color:N", scale=None, legend=None)


def across(frame, x: Axis, y: Axis, at: str, shape: str, tips: dict) -> list:
    """Symbols on lanes ``at`` of y, with horizontal bars, cut at the panel's edge."""
    frame = frame.drop_nulls("estimate")
    if frame.is_empty():
        return []
    bands = alt.Chart(values(frame.drop_nulls(["low", "high"]))).mark_rule(
        strokeWidth=1.3, clip=True
    )
    dots = alt.Chart(values(frame)).mark_point(shape=shape, filled=True, size=52, opacity=1)
    return [
        bands.encode(x.x("low"), alt.X2("high:Q"), y.y(at), paint()),
        dots.encode(x.x("estimate"), y.y(at), paint(), tooltip=tooltip(frame, tips)),
    ]


def symbols(frame, x: Axis, y: Axis, at: str, tips: dict) -> list:
    """Points whose ``shape``, ``color`` and ``fill`` are columns."""
    frame = frame.drop_nulls(["estimate", at])
    if frame.is_empty():
        return []
    base = alt.Chart(values(frame)).mark_point(size=62, opacity=1, strokeWidth=1.6)
    return [
        base.encode(
            x.x(at),
            y.y("estimate"),
            alt.Stroke("color:N", scale=None, legend=None),
            alt.Fill("fill:N", scale=None, legend=None),
            alt.Shape("shape:N", scale=None, legend=None),
            tooltip=tooltip(frame, tips),
        )
    ]


def flags(texts: list[str], places: list[float], x: Axis, wide: float, title: str) -> dict:
    """A strip of names above a panel, a line each, with a stem down to its place on ``x``.

    ``places`` ascend. A name begins at its stem, or farther left if the panel ends before it does.
    """
    low, high = x.scale["domain"]
    tall, line, rows = 14 * len(texts) + 12, 14, []
    for i, (text, place) in enumerate(zip(texts, places, strict=True)):
        at = wide * (place - low) / (high - low)
        left = min(at - 2, max(wide - style.width(text, 10), 0))
        rows.append({"text": text, "at": at, "left": left, "y": line * (i + 0.5), "end": tall})
    base = alt.Chart(alt.Data(values=rows))
    across = alt.Scale(domain=[0, wide], nice=False)
    down = alt.Scale(domain=[0, tall], nice=False, reverse=True)
    stems = base.transform_calculate(from_="datum.y + 7").mark_rule(
        color=style.FAINT, strokeWidth=0.7
    )
    words = base.mark_text(align="left", baseline="middle")
    layers = [
        stems.encode(
            alt.X("at:Q", scale=across, axis=None),
            alt.Y("from_:Q", scale=down, axis=None),
            alt.Y2("end:Q"),
        ),
        words.encode(
            alt.X("left:Q", scale=across, axis=None),
            alt.Y("y:Q", scale=down, axis=None),
            alt.Text("text:N"),
        ),
    ]
    return {**layered(layers, wide, tall), "title": heading(title, wide)}
