"""Figures from their panels: blocks, the key below, the headline, all as wide as a printed page.

A pixel is printed as ``POINTS`` points. Text of 10 pixels, the smallest there is, is then 6
points high, and ``WIDE`` pixels are the 6.75 inches of a page of two columns.
"""

from __future__ import annotations

import textwrap

import altair as alt

from iclgd.reporting import charts, style

POINTS = 0.6
WIDE = 810
PADDING, SPACING = 14, 18  # around a figure; between its panels
OVERHANG = 6  # of the labels at both ends of an axis


def fit(columns: int, wanted: float, beside: float = 90) -> float:
    """Width of each of ``columns`` panels: ``wanted``, or as much as the page has room for.

    ``beside``: pixels for the labels and the title of the first panel's axis.
    """
    return min(wanted, (WIDE - 2 * PADDING - beside) // max(columns, 1) - SPACING - OVERHANG)


def labels(texts: list[str]) -> float:
    """Pixels for names of lanes to the left of the first panel."""
    return max((style.width(text, 10) for text in texts), default=0) + 26


def spread_labels(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Sorted places, moved as little as possible until neighbours are ``gap`` apart.

    They stay between ``low`` and ``high`` if there is room.
    """
    gap = min(gap, (high - low) / max(len(places), 1))
    groups: list[list[float]] = []  # [sum of wanted starts, number of places]
    for index, place in enumerate(places):
        groups.append([place - index * gap, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            last = groups.pop()
            groups[-1] = [groups[-1][0] + last[0], groups[-1][1] + last[1]]
    starts = [total / count for total, count in groups for _ in range(int(count))]
    margin, room = gap / 2, (len(places) - 1) * gap
    starts = [min(max(one, low + margin), high - margin - room) for one in starts]
    return [start + index * gap for index, start in enumerate(starts)]


def block(panels: list[dict], columns: int, title: str = "") -> dict:
    """A grid of panels, row by row, under a title of its own."""
    chart = {"concat": panels, "columns": columns, "spacing": SPACING}
    text = {"text": title, "fontSize": 12.5, "anchor": "start", "offset": 10, "color": style.INK}
    return {**chart, "title": text} if title else chart


def key(items: list[dict], wide: float) -> dict:
    """The legend below a figure: samples with names, wrapped to ``wide`` pixels, never cut.

    An item has ``label`` and ``color``, and ``dash`` (a line) or ``shape`` (a symbol, ``open`` if
    hollow); with both, the line is drawn alone. An item with ``label`` alone begins a line of its
    own as a heading.
    """
    rows, left, row = [], 0.0, 0
    for item in items:
        lead = "color" not in item
        need = style.width(item["label"]) + (10 if lead else 46)
        if left and (lead or left + need > wide):
            left, row = 0.0, row + 1
        offset = 0 if lead else 28
        rows.append({"left": left, "right": left + 22, "text": left + offset, "y": row, **item})
        left += need
    wide = max(one["text"] + style.width(one["label"]) for one in rows)
    high = 18 * (row + 1)
    x = {"scale": alt.Scale(domain=[0, wide], nice=False), "axis": None}
    y = alt.Y("y:Q", scale=alt.Scale(domain=[-0.5, row + 0.5], reverse=True), axis=None)
    layers = [
        alt.Chart(alt.Data(values=rows))
        .mark_text(align="left", baseline="middle", fontSize=11)
        .encode(alt.X("text:Q", **x), y, alt.Text("label:N"))
    ]
    for item in rows:
        base = alt.Chart(alt.Data(values=[item]))
        if "dash" in item:
            mark = base.mark_rule(strokeWidth=2, strokeDash=item["dash"])
            layers.append(mark.encode(alt.X("left:Q", **x), y, alt.X2("right:Q"), charts.paint()))
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
            layers.append(mark.encode(alt.X("left:Q", **x), y, charts.paint()))
    return charts.layered(layers, wide, high)


def figure(
    blocks: list[dict],
    items: list[dict],
    title: str,
    subtitle: str,
    wide: float,
    headline: str = "",
) -> dict:
    """Blocks below each other, the key under them, title and explanation above.

    ``headline`` says what was found; it is the title then, and ``title``, the topic, follows.
    """
    if items:
        blocks = [*blocks, key(items, wide)]
    lines = textwrap.wrap(subtitle, max(40, int((wide + 30) / 5.3)))
    if headline:
        lines = [*textwrap.wrap(title, max(40, int((wide + 30) / 5.3))), *lines]
    title = textwrap.wrap(headline or title, max(40, int(wide / 7.9))) or title
    text = {"text": title or " ", "subtitle": lines, "anchor": "start", "offset": 14}
    if not title:
        text = {"text": lines or " ", "fontSize": 11, "fontWeight": "normal", "color": style.QUIET}
    return {"vconcat": blocks, "spacing": 26, "title": text}


def empty(title: str, why: str) -> dict:
    """An empty figure with the reason for that."""
    chart = charts.layered([charts.note(f"no data: {why}", 300, 60)], 600, 120)
    return figure([chart], [], title, "", 600)
