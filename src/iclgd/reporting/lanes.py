"""Lanes: a line for each learner of each run, in groups under headings, for panels side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import altair as alt
import polars as pl

from iclgd.reporting import charts, layout, select, style
from iclgd.reporting.charts import Axis
from iclgd.reporting.names import Names
from iclgd.reporting.select import RUN

HIGH = 15  # pixels: height of a lane
BAND = 0.15  # opacity of what is shaded


@dataclass(frozen=True)
class Lanes:
    """``texts`` of all lanes, of which ``heads`` are headings; ``at``: the place of a learner in a
    run, (model, task, shots, design, learner); ``spans``: of a run, from the middle of its first
    lane less one half to that of its last one and one half more."""

    texts: list[str]
    heads: list[int]
    at: dict[tuple, float]
    spans: dict[tuple, tuple[float, float]]

    @property
    def room(self) -> float:
        """Pixels for the names to the left of the first panel; headings run into it."""
        own = [text for place, text in enumerate(self.texts) if place not in self.heads]
        return layout.labels(own)

    @property
    def high(self) -> float:
        """Pixels of a panel."""
        return HIGH * max(len(self.texts), 1)

    def axis(self, show: bool) -> Axis:
        """The vertical axis of a panel, with the names of lanes if ``show``."""
        scale = {"domain": [-0.7, len(self.texts) - 0.3], "reverse": True, "nice": False}
        said = ["" if place in self.heads else text for place, text in enumerate(self.texts)]
        ticks = [place for place in range(len(said)) if place not in self.heads]
        expression = f"{said}[datum.value]"
        return Axis("", scale, ticks, expression, show, grid=False, extent=self.room)

    def placed(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """``frame`` with the ``lane`` of the learner in ``column``."""
        keys = frame.select(*RUN, column).rows()
        return frame.with_columns(pl.Series("lane", [self.at[key] for key in keys], pl.Float64))

    def headings(self, y: Axis) -> list:
        """What each group is of, from the left edge of the names on."""
        rows = [{"lane": place, "text": self.texts[place]} for place in self.heads]
        mark = alt.Chart(alt.Data(values=rows)).mark_text(
            align="left", baseline="middle", fontSize=11, fontWeight="bold", clip=False
        )
        return [mark.encode(alt.Text("text:N"), y.y("lane"), x=alt.value(4 - self.room))]

    def shaded(self, rows: pl.DataFrame, x: Axis, y: Axis) -> list:
        """Behind each run the interval of its own row of ``rows``, and a line in its middle."""
        rows = rows.unique(RUN, keep="first", maintain_order=True)
        ends = [self.spans[row] for row in rows.select(RUN).rows()]
        rows = rows.with_columns(
            pl.Series("top", [low for low, _ in ends], pl.Float64),
            pl.Series("bottom", [high for _, high in ends], pl.Float64),
        )
        if rows.is_empty():
            return []
        colour = style.ROLES["icl"]["color"]
        down = {"y": y.y("top"), "y2": alt.Y2("bottom:Q")}
        interval = alt.Chart(charts.values(rows.drop_nulls(["low", "high"]))).mark_rect(
            color=colour, opacity=BAND, clip=True
        )
        middle = alt.Chart(charts.values(rows)).mark_rule(color=colour, strokeWidth=0.8, clip=True)
        return [
            interval.encode(x.x("low"), alt.X2("high:Q"), **down),
            middle.encode(x.x("estimate"), **down),
        ]


def of(
    frame: pl.DataFrame, column: str, order: Callable[[Iterable[str]], list[str]], names: Names
) -> Lanes:
    """The lanes of all learners in ``column`` of each run, in the order that ``order`` gives."""
    found = Lanes([], [], {}, {})
    for run, part in select.runs(frame):
        key = tuple(run[name] for name in RUN)
        found.heads.append(len(found.texts))
        found.texts.append(
            f"{names.label(run['model'])} · {names.label(run['task'])}, {run['shots']}"
        )
        first = len(found.texts)
        for learner in order(part[column].unique()):
            found.at[(*key, learner)] = float(len(found.texts))
            found.texts.append(names.label(learner))
        found.spans[key] = (first - 0.5, len(found.texts) - 0.5)
    return found


def said(rows: pl.DataFrame, text: str, y: Axis, wide: float) -> list:
    """``text`` in the middle of the lanes of ``rows``."""
    base = alt.Chart(charts.values(rows.select("lane").unique(maintain_order=True)))
    mark = base.mark_text(color=style.FAINT, fontSize=10, baseline="middle", text=text)
    return [mark.encode(y.y("lane"), x=alt.value(wide / 2))] if len(rows) else []
