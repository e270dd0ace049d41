"""Plot whether learners err where ICL errs, and with the same wrong label.

Lanes: model, task and learner. Left: how often the learner errs where ICL errs, and where ICL is
right. Right: how often its wrong label is ICL's where both err, and by chance. The differences
stand beside them in words; bold where the test finds them above 0. Where errors are few there is
no number.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure


import altair as alt
import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import errors as kind
from iclgd.reporting.names import Names
from iclgd.statistics.errors import FEW
from iclgd.study.names import base

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a learner epoch metric estimate low high draws queries cells p"
LANE, TEXT = 17, 112  # pixels: height of a lane; a column of words
PANELS = {  # the share that speaks for a learner, the one beside it, their difference, its axis
    "errs": ("error_with", "error_without", "error_gap", "share of queries with an error"),
    "alike": ("same_wrong", "same_chance", "same_gap", "share with ICL's wrong label"),
}
TIPS = {
    **{"learner": "learner", "what": "share", "estimate": "estimate", "low": "95 % band, low"},
    **{"high": "95 % band, high", "cells": "cells", "draws": "draws"},
}
WHAT = {
    "error_with": "errs where ICL errs",
    "error_without": "errs where ICL is right",
    "same_wrong": "ICL's wrong label, both err",
    "same_chance": "by chance",
}


def percent(row):
    return "?" if row["estimate"] is None else f"{100 * row['estimate']:.0f} %"


def two(value):
    return f"{value:z.2f}".replace("0.", ".", 1)


def in_words(row):
    """A difference with its interval."""
    if row["estimate"] is None:
        return f"few errors ({row['cells']:.0f})"
    ends = "" if row["low"] is None else f" [{two(row['low'])}, {two(row['high'])}]"
    return two(row["estimate"]) + ends


def lanes(everyone):
    """Points and words on their lanes; names of all lanes; which of them are headings."""
    texts, heads, points, words = [], [], [], []
    places, models = {}, set()
    for own in everyone:
        places.setdefault(tuple(own["place"].values()), []).append(own)
    order = names.families([own["learner"] for own in everyone])

    def rank(own):
        """ICL first, solvers last."""
        return own["role"] == "solver", order.index(base(own["learner"])), own["learner"]

    for some in places.values():
        place = some[0]["place"]
        if place["model"] not in models:
            models.add(place["model"])
            heads.append(len(texts))
            texts.append(names.label(place["model"]))
        told = [own for own in some if own["metrics"]["error_gap"]["estimate"] is not None]
        told = [own for own in told if own["metrics"]["error_b"]["estimate"]]  # it errs at all
        icl = max((own["metrics"]["error_a"] for own in some), key=lambda row: row["cells"])
        text = f"ICL errs in {percent(icl)}" + ("" if told else ": too few")
        words.append({"lane": float(len(texts)), "panel": "head", "text": text, "bold": False})
        heads.append(len(texts))
        texts.append(f"{names.label(place['task'])}, {place['shots']}")
        for own in sorted(told, key=rank):
            lane, color = float(len(texts)), style.ROLES[own["role"]]["color"]
            texts.append(names.label(base(own["learner"])))
            for panel, (first, second, gap, _) in PANELS.items():
                difference = {"lane": lane, "panel": panel, "text": in_words(own["metrics"][gap])}
                words.append({**difference, "bold": kind.verdict(own, gap) is True})
                for metric in (second, first):
                    row = own["metrics"][metric]
                    kept = {name: row[name] for name in TIPS if name in row}
                    kept |= {"learner": names.label(own["learner"]), "what": WHAT[metric]}
                    points.append({**kept, "metric": metric, "lane": lane, "color": color})
    return points, words, texts, heads


def shares(points, panel, x, y):
    """Both shares of every lane, joined by a line, with their bars."""
    first, second, _, _ = PANELS[panel]
    rows = pl.DataFrame(points, infer_schema_length=None)
    rows = rows.filter(pl.col("metric").is_in([first, second])).drop_nulls("estimate")
    layers = []
    for metric, shift, look in (
        (second, 3, {"filled": False, "shape": "square" if panel == "errs" else "diamond"}),
        (first, -3, {"filled": True, "shape": "circle"}),
    ):
        own = charts.values(rows.filter(metric=metric))
        lane = alt.Chart(own)
        bar = lane.mark_rule(strokeWidth=1.3 if metric == first else 0.7, yOffset=shift, clip=True)
        layers.append(bar.encode(x.x("low"), alt.X2("high:Q"), y.y("lane"), charts.paint()))
        dot = lane.mark_point(size=42, opacity=1, yOffset=shift, strokeWidth=1.4, **look)
        tips = charts.tooltip(rows, TIPS)
        layers.append(dot.encode(x.x("estimate"), y.y("lane"), charts.paint(), tooltip=tips))
    return layers


def column(words, panel, y, high):
    """A column of words, a line for each lane."""
    lane = alt.Y("lane:Q", scale=alt.Scale(**y.scale), axis=None)
    layers = []
    for bold in (False, True):
        rows = [one for one in words if one["panel"] == panel and one["bold"] == bold]
        look = {"fontWeight": "bold" if bold else "normal", "color": style.INK}
        mark = alt.Chart(alt.Data(values=rows)).mark_text(align="left", fontSize=10, **look)
        layers.append(mark.encode(lane, alt.Text("text:N"), x=alt.value(0)))
    return charts.layered(layers, TEXT, high)


summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
everyone = kind.learners(summary)
points, words, texts, heads = lanes(everyone)
high, room = LANE * len(texts), layout.labels(texts)
wide = max(layout.fit(2, 240, room + 2 * TEXT + 2 * layout.SPACING), 120)
scale = {"domain": [-0.7, len(texts) - 0.3], "reverse": True, "nice": False, "padding": 0}
bold = f"indexof({heads}, datum.value) >= 0"
text = f"{texts}[datum.value]"
y = charts.Axis("", scale, list(range(len(texts))), text, grid=False, extent=room, bold=bold)
panels = []
for panel, (*_, title) in PANELS.items():
    x = charts.share(title)
    layers = shares(points, panel, x, y.inner(panel == "errs")) if points else []
    if panel == "errs":
        heading = [one for one in words if one["panel"] == "head"]
        mark = alt.Chart(alt.Data(values=heading)).mark_text(align="left", color=style.QUIET)
        layers.append(mark.encode(y.y("lane"), alt.Text("text:N"), x=alt.value(6)))
    panels.append(charts.panel(layers, x, y.inner(panel == "errs"), (wide, high)))
    panels.append(column(words, panel, y, high))
items = [
    {"label": "where ICL errs; both err", "color": style.INK, "shape": "circle"},
    {"label": "where ICL is right", "color": style.INK, "shape": "square", "open": True},
    {"label": "by chance", "color": style.INK, "shape": "diamond", "open": True},
]
title = figure.title or "Does gradient descent err where ICL errs?"
subtitle = (
    "An error: the likeliest label is not the right one. In words: both differences, bold where a "
    "one-sided test at 5 % finds them above 0. By chance: ICL's wrong label in one draw is the "
    "learner's in another, at the same right label. Learners that train: each draw at the rate and "
    f"epoch nearest to ICL by the other draws. Fewer than {FEW} errors: no number. Bars: 95 %."
)
total = room + 2 * wide + 2 * TEXT + 3 * layout.SPACING
block = layout.block(panels, len(panels)) | {"align": "each"}  # columns as wide as they need
found = findings.of(kind, args.summary, names)
chart = layout.figure([block], items, title, subtitle, total, found.headline)
chart = chart if everyone else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
