"""Parts that the figures are put together from: axes, bands, references, keys, saving.

Data frames carry their own look in the columns ``series, color, dash``; no scale of Vega-Lite
is shared between panels, and the key below a figure is drawn by ``key``, which wraps and never
truncates. The same summary gives the same bytes.
"""

from __future__ import annotations

import html
import os
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import altair as alt
import polars as pl
import vl_convert

from iclgd import tables, theme
from iclgd.cli import InputError

LOOK = ["series", "color", "dash"]
BAND = 0.13  # opacity of a 95 % band: six of them may lie on each other


@dataclass(frozen=True)
class Axis:
    """A scale with its title and ticks; ``show`` is False in inner panels of a grid."""

    title: str
    scale: dict
    ticks: list | None = None
    expression: str | None = None
    show: bool = True
    grid: bool = True

    def _axis(self) -> alt.Axis:
        given = {"title": self.title if self.show else None, "grid": self.grid}
        if self.ticks is not None:
            given["values"] = self.ticks
        if self.expression:
            given["labelExpr"] = self.expression
        if not self.show:
            given |= {"labels": False, "ticks": False}
        return alt.Axis(**given)

    def x(self, field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=alt.Scale(**self.scale), axis=self._axis())

    def y(self, field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=alt.Scale(**self.scale), axis=self._axis())

    def inner(self, show: bool) -> Axis:
        """The same axis, without labels and title unless ``show``."""
        return replace(self, show=show)


def read(path: Path, columns: Iterable[str]) -> pl.DataFrame:
    """A summary with these columns, NaN and infinities as null. Raises InputError."""
    frame = tables.read(path, dict.fromkeys(columns))
    floats = [name for name, kind in frame.schema.items() if kind in (pl.Float32, pl.Float64)]
    return frame.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name).cast(pl.Float64)).alias(name)
        for name in floats
    )


def epochs(last: float) -> Axis:
    """Epochs on a symlog axis, so that 0 has a place and 1, 2, 5 are apart."""
    last = max(float(last), 1.0)
    scale = {"type": "symlog", "constant": 1, "domain": [0, last], "nice": False}
    return Axis("epochs of GD", scale, theme.epoch_ticks(last), grid=False)


def share(title: str, low: float = 0.0, high: float = 1.0) -> Axis:
    """A linear axis for shares and cosines; the same in all panels of a row."""
    ticks = [0, 0.25, 0.5, 0.75, 1] if low >= 0 else [-1, -0.5, 0, 0.5, 1]
    return Axis(title, {"domain": [low, high], "nice": False}, ticks)


def values(frame: pl.DataFrame) -> alt.Data:
    """Rows as inline data, six significant digits."""
    floats = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    rounded = frame.with_columns(pl.col(name).round_sig_figs(6) for name in floats)
    return alt.Data(values=rounded.to_dicts())


def look(frame: pl.DataFrame, column: str, styles: dict, names: dict) -> pl.DataFrame:
    """Add ``series`` (readable), ``color`` and ``dash`` from the values of ``column``."""
    keys = frame[column].to_list()
    return frame.with_columns(
        pl.Series("series", [names[one] for one in keys], pl.String),
        pl.Series("color", [styles[one]["color"] for one in keys], pl.String),
        pl.Series("dash", [styles[one]["dash"] for one in keys], pl.List(pl.Float64)),
    )


def tooltip(frame: pl.DataFrame, names: dict[str, str]) -> list[alt.Tooltip]:
    """What is shown under the pointer: the columns of ``names`` that the frame has."""
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


def curves(frame, x: Axis, y: Axis, at: str, points: float = 0, tips: dict | None = None) -> list:
    """Lines with 95 % bands over the column ``at``; ``points`` is the area of visible dots."""
    frame = frame.drop_nulls([at, "estimate"]).sort("series", at)
    if frame.is_empty():
        return []
    colour = alt.Color("color:N", scale=None, legend=None)
    layers = []
    bands = frame.drop_nulls(["low", "high"])
    if not bands.is_empty():
        layers.append(
            alt.Chart(values(bands))
            .mark_area(opacity=BAND, clip=True)
            .encode(x.x(at), y.y("low"), alt.Y2("high:Q"), colour, alt.Detail("series:N"))
        )
    for dash in frame["dash"].unique(maintain_order=True).to_list():
        part = frame.filter(pl.Series([one == dash for one in frame["dash"].to_list()]))
        base = alt.Chart(values(part)).encode(x.x(at), y.y("estimate"), colour)
        layers.append(
            base.mark_line(strokeWidth=1.7, strokeDash=dash, strokeCap="round", clip=True).encode(
                alt.Detail("series:N")
            )
        )
        # Dots carry the tooltips; where they are not wanted they are there but not seen.
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
    colour = alt.Color("color:N", scale=None, legend=None)
    return [
        alt.Chart(values(frame))
        .mark_rule(strokeWidth=1.1, clip=True, opacity=0.8)
        .encode(x.x(at), y.y("low"), alt.Y2("high:Q"), colour)
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
    """A thin line where guessing would be; nothing if that is not known."""
    if level is None:
        return []
    frame = pl.DataFrame({"estimate": [float(level)], "series": ["chance"]})
    base = alt.Chart(values(frame)).mark_rule(color=theme.FAINT, strokeWidth=0.9)
    return [base.encode(y.y("estimate"), tooltip=tooltip(frame, TIPS))]


def marks(frame, x: Axis, y: Axis, at: str, shape: str, tips: dict | None = None, **given) -> list:
    """Single symbols, such as the crosses of diverged rates and the dots of chosen ones."""
    frame = frame.drop_nulls([at, "estimate"])
    if frame.is_empty():
        return []
    given = {"filled": True, "size": 46, "stroke": theme.PAPER, "strokeWidth": 0.8, **given}
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


def panel(layers: list, x: Axis, y: Axis, size: tuple[float, float], title: str = ""):
    """One panel; without layers it says 'no data' on its axes."""
    wide, high = size
    if not layers:
        corner = pl.DataFrame({"x": [x.scale["domain"][0]], "y": [y.scale["domain"][0]]})
        base = alt.Chart(values(corner.cast(pl.Float64)))
        layers = [
            base.mark_point(opacity=0).encode(x.x("x"), y.y("y")),
            note("no data", wide / 2, high / 2),
        ]
    chart = alt.layer(*layers).properties(width=wide, height=high)
    return chart.properties(title=heading(title)) if title else chart


def note(text: str, x: float, y: float, color: str = theme.FAINT, align: str = "center"):
    """Text at a pixel of the panel."""
    mark = alt.Chart(alt.Data(values=[{"text": text}])).mark_text(
        color=color, fontSize=12, align=align, baseline="middle"
    )
    return mark.encode(alt.Text("text:N"), x=alt.value(x), y=alt.value(y))


def heading(text: str) -> alt.TitleParams:
    """The title of one panel, above its middle."""
    return alt.TitleParams(text, fontSize=11.5, anchor="middle", offset=6, limit=0)


def block(panels: list, columns: int, title: str = ""):
    """A grid of panels, row by row, under a title of its own."""
    chart = alt.concat(*panels, columns=columns, spacing=12)
    if title:
        text = alt.TitleParams(title, fontSize=12.5, anchor="start", offset=10, color=theme.INK)
        chart = chart.properties(title=text)
    return chart


def key(items: list[dict], wide: float):
    """The legend below a figure: samples with names, wrapped to ``wide`` pixels.

    An item has ``label`` and ``color``, and either ``dash`` (a line) or ``shape`` (a symbol,
    ``open`` if hollow); an item with ``label`` alone begins a line of its own as a heading.
    """
    rows, left, row = [], 0.0, 0
    for item in items:
        lead = "color" not in item
        need = theme.width(item["label"]) + (10 if lead else 46)
        if left and (lead or left + need > wide):
            left, row = 0.0, row + 1
        offset = 0 if lead else 28
        rows.append({"left": left, "right": left + 22, "text": left + offset, "y": row, **item})
        left += need
    high = 18 * (row + 1)
    x = {"scale": alt.Scale(domain=[0, wide], nice=False), "axis": None}
    y = alt.Y("y:Q", scale=alt.Scale(domain=[-0.5, row + 0.5], reverse=True), axis=None)
    colour = alt.Color("color:N", scale=None, legend=None)
    layers = [
        alt.Chart(alt.Data(values=rows))
        .mark_text(align="left", baseline="middle", fontSize=11)
        .encode(alt.X("text:Q", **x), y, alt.Text("label:N"))
    ]
    for item in rows:
        base = alt.Chart(alt.Data(values=[item]))
        if "dash" in item:
            mark = base.mark_rule(strokeWidth=2, strokeDash=item["dash"])
            layers.append(mark.encode(alt.X("left:Q", **x), y, alt.X2("right:Q"), colour))
        elif "shape" in item:
            middle = {**item, "left": item["left"] + 13}
            symbol = alt.Chart(alt.Data(values=[middle]))
            if item["shape"] == "cross":
                mark = symbol.mark_text(text="×", fontSize=17, baseline="middle")
            else:
                hollow = item.get("open", False)
                mark = symbol.mark_point(
                    shape=item["shape"], size=55, filled=not hollow, opacity=1, strokeWidth=1.6
                )
            layers.append(mark.encode(alt.X("left:Q", **x), y, colour))
    return alt.layer(*layers).properties(width=wide, height=high)


def figure(blocks: list, items: list[dict], title: str, subtitle: str, wide: float):
    """Blocks below each other, the key under them, headline and explanation above."""
    if items:
        blocks = [*blocks, key(items, wide)]
    lines = textwrap.wrap(subtitle, max(40, int(wide / 5.4)))
    text = alt.TitleParams(title or " ", subtitle=lines, anchor="start", offset=14)
    if not title:
        text = alt.TitleParams(lines or " ", fontSize=11, fontWeight="normal", color=theme.QUIET)
    return alt.vconcat(*blocks, spacing=26).properties(title=text)


def empty(title: str, why: str):
    """A whole figure that says that there is nothing to show."""
    chart = alt.layer(note(f"no data: {why}", 300, 60)).properties(width=600, height=120)
    return figure([chart], [], title, "", 600)


def save(chart, outputs: list[Path], title: str) -> None:
    """Write .svg, .png (twice the size) or .html (whole, works offline), each at once.

    ``title`` names the document. Raises InputError for another suffix.
    """
    spec = chart.to_dict()
    spec["config"] = theme.config()
    vega = vl_convert.vegalite_to_vega(spec)
    for path in outputs:
        if path.suffix not in (".svg", ".png", ".html"):
            raise InputError(f"{path}: figures are written as .svg, .png or .html")
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.partial")
        if path.suffix == ".png":
            temporary.write_bytes(vl_convert.vega_to_png(vega, scale=2))
        elif path.suffix == ".svg":
            name = f"<title>{html.escape(title)}</title>"
            svg = vl_convert.vega_to_svg(vega)
            text = re.sub(r"(<svg[^>]*>)", lambda m: m[1] + name, svg, count=1)
            temporary.write_text(text, encoding="utf-8")
        else:
            temporary.write_text(_page(vega, title), encoding="utf-8")
        os.replace(temporary, path)


def _page(vega: dict, title: str) -> str:
    """The interactive figure as one page; no link of its menu leads to the network."""
    text = vl_convert.vega_to_html(vega, bundle=True, renderer="svg")
    menu = '"actions": {"export": true, "source": false, "compiled": false, "editor": false}'
    text = re.sub(r"(const embedOpt = \{)", lambda m: f"{m[1]}{menu}, ", text, count=1)
    text = text.replace("<html>", '<html lang="en">', 1)
    return text.replace("<head>", f"<head>\n  <title>{html.escape(title)}</title>", 1)


def sound(frame: pl.DataFrame, learner: str, measure: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows before the first epoch at which any run diverged, and the last of them per learner.

    A mean over the runs that survived would flatter a rate, so its line ends where the first
    one is lost. The second frame has one row per diverged learner and measure: its cross.
    """
    lost = (
        frame.filter(pl.col("diverged") > 0).group_by(learner).agg(pl.col("epoch").min().alias("_"))
    )
    joined = frame.join(lost, on=learner, how="left", maintain_order="left")
    kept = joined.filter(pl.col("_").is_null() | (pl.col("epoch") < pl.col("_")))
    ends = kept.filter(pl.col("_").is_not_null() & pl.col("estimate").is_not_null())
    ends = ends.sort("epoch").group_by(learner, measure, maintain_order=True).last()
    return kept.drop("_"), ends.select(kept.drop("_").columns).sort(learner, measure)


def rates(learners: Iterable[str]) -> dict[float, str]:
    """A colour for every learning rate in these names, light to dark as they grow."""
    found = sorted({theme.rate(one) for one in learners} - {None})
    return dict(zip(found, theme.ramp(theme.RATES, len(found)), strict=True))


def rate_look(frame: pl.DataFrame, column: str, colours: dict, labels: dict) -> pl.DataFrame:
    """``look`` by learning rate: a learner without one is drawn in ink."""
    names = frame[column].unique().to_list()
    styles = {
        one: {"color": colours.get(theme.rate(one), theme.INK), "dash": theme.SOLID}
        for one in names
    }
    return look(frame, column, styles, {one: theme.label(one, labels) for one in names})


def rate_key(colours: dict) -> list[dict]:
    """The part of a key that names the learning rates."""
    items = [
        {"label": theme.number(rate), "color": colour, "dash": theme.SOLID}
        for rate, colour in colours.items()
    ]
    return [{"label": "learning rate"}, *items] if items else []


def role_key(names: Iterable[str], styles: dict, labels: dict) -> list[dict]:
    """The part of a key that names learners."""
    return [{"label": theme.label(one, labels), **styles[one]} for one in names]


def runs(frame: pl.DataFrame) -> list[tuple[dict, pl.DataFrame]]:
    """The parts of a summary: one per model, task and design, in their order by shots."""
    by = ["model", "task", "shots", "design"]
    return [
        (dict(zip(by, key, strict=True)), part)
        for key, part in frame.sort(by, maintain_order=True).group_by(by, maintain_order=True)
    ]


def run_title(run: dict, labels: dict) -> str:
    """``llama-7b · AG News · 4 demonstrations (design n4)``."""
    shots = f"{run['shots']} demonstration" + ("" if run["shots"] == 1 else "s")
    names = [theme.label(run["model"], labels), theme.label(run["task"], labels)]
    design = labels.get(run["design"], f"design {run['design']}")
    return " · ".join([*names, f"{shots} ({design})"])
