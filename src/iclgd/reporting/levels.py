"""Level lines across a row of panels, for what does not train, each named at its right end.

The names stand where the lines end, so that many lines of one kind need neither a colour nor a
dash each. Solvers are thin and grey, behind what is compared: they are there to be held
against it.
"""

from __future__ import annotations

import altair as alt
import polars as pl

from iclgd.reporting import charts, layout, style
from iclgd.reporting.charts import Axis
from iclgd.reporting.names import ZERO_SHOT, Names

SIZE, GAP = 10, 12  # pixels: of the names, and from one to the next
MOST = 240  # pixels for a name; longer ones are cut
LEAD = 14  # pixels between the end of a line and its name
SOLVER = {"color": "#8B929A", "dash": style.SOLID}
CHANCE = "chance"


def styled(rows: pl.DataFrame, names: Names, styles: dict) -> pl.DataFrame:
    """``rows`` of the learners ``b`` with their look, and ``solver``: whether it does no GD."""
    solvers = [one for one in styles if one != ZERO_SHOT and names.role(one) == "solver"]
    own = {**styles, **dict.fromkeys(solvers, SOLVER)}
    called = {one: names.label(one) for one in styles}
    return charts.look(rows, "b", own, called).with_columns(solver=pl.col("b").is_in(solvers))


def lines(levels: pl.DataFrame, x: Axis, y: Axis, chance: float | None = None) -> list:
    """A line across the panel for each of ``levels`` (`styled`); bands for all but solvers."""
    solvers, others = levels.filter("solver"), levels.filter(~pl.col("solver"))
    thin = [
        layer.mark_rule(strokeWidth=1, clip=True).encode(
            y.y("estimate"), charts.paint(), tooltip=charts.tooltip(solvers, charts.TIPS)
        )
        for layer in [alt.Chart(charts.values(solvers))] * (not solvers.is_empty())
    ]
    return [*charts.chance(chance, x, y), *thin, *charts.flats(others, x, y)]


def ends(
    levels: pl.DataFrame, y: Axis, size: tuple[float, float], chance: float | None = None
) -> list:
    """The names of the lines to the right of a panel of ``size``, apart from each other."""
    rows = levels.drop_nulls("estimate").select("series", "estimate", "color", "solver")
    if chance is not None:
        own = pl.DataFrame([[CHANCE], [float(chance)], [style.FAINT], [True]], rows.schema)
        rows = pl.concat([rows, own])
    if rows.is_empty():
        return []
    (wide, high), (low, top) = size, y.scale["domain"]
    rows = rows.sort("estimate", "series", descending=[True, False]).with_columns(
        end=high * (top - pl.col("estimate").clip(low, top)) / (top - low),
        ink=pl.when("solver").then(pl.lit(style.QUIET)).otherwise("color"),
    )
    places = layout.spread_labels(rows["end"].to_list(), GAP, -GAP / 2, high + GAP / 2)
    layers = []
    for row, place in zip(rows.iter_rows(named=True), places, strict=True):
        base = alt.Chart(alt.Data(values=[{"text": row["series"]}]))
        lead = base.mark_rule(color=row["color"], strokeWidth=0.7)
        text = base.mark_text(
            align="left", baseline="middle", fontSize=SIZE, color=row["ink"], limit=MOST
        )
        at = {"x": alt.value(wide + 1), "x2": alt.value(wide + LEAD - 2)}
        layers.append(lead.encode(y=alt.value(row["end"]), y2=alt.value(place), **at))
        at = {"x": alt.value(wide + LEAD), "y": alt.value(place)}
        layers.append(text.encode(alt.Text("text:N"), **at))
    return layers


def room(texts: list[str]) -> float:
    """Pixels that the names take beside a row of panels."""
    return LEAD + min(max((style.width(text, SIZE) for text in texts), default=0), MOST)


def height(count: int, usual: float = 150) -> float:
    """Of a panel with so many names beside it, in pixels."""
    return max(usual, GAP * count)
