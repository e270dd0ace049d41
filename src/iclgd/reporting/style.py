"""The style of figures: one colour per role, numbers, sizes; and the arguments of every plot.

Nothing here imports a plotting library, so that --help stays quick. Colours are from Okabe and
Ito's colour-blind safe set (one from Tol's), and hue is never the only difference: the
references of in-context learning are dashed, ramps also run from light to dark.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from iclgd.io import cli

# Liberation Sans comes with vl-convert and has the metrics of Arial and Helvetica, so that the
# PNG and what a browser makes of the SVG agree. Only glyphs that it has may be used in labels.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
INK, QUIET, FAINT, GRID, PAPER = "#1F2328", "#5B6168", "#9AA0A6", "#E8EAED", "#FFFFFF"

SOLID, DASHED, DOTTED = [1, 0], [6, 3], [1.5, 2.5]
# Roles of learners (iclgd.study.roles), in the order in which figures show them.
ROLES = {
    "icl": {"color": "#0072B2", "dash": SOLID},
    "icl-reordered": {"color": "#0072B2", "dash": [7, 3]},
    "icl-redrawn": {"color": "#0072B2", "dash": [2, 2.5]},
    "bayes": {"color": "#56B4E9", "dash": [9, 3, 2, 3]},
    "imagined": {"color": "#2F8F9D", "dash": [4, 2]},
    "solver": {"color": "#3D4248", "dash": [1, 3]},
    "taught": {"color": "#4B3F8F", "dash": SOLID},
    "shuffled": {"color": "#9D94C9", "dash": DOTTED},
    "labelled": {"color": "#C98B6B", "dash": DOTTED},
    "tangent": {"color": "#B5651D", "dash": [4, 2]},
    "gd": {"color": "#D55E00", "dash": SOLID},
    "gd-middle": {"color": "#009E73", "dash": SOLID},
    "gd-deep": {"color": "#CC79A7", "dash": SOLID},
    "gd-other": {"color": "#7A5C3E", "dash": SOLID},
    "gd-kernel": {"color": "#8A8B1E", "dash": SOLID},
    "newton": {"color": "#5B5F12", "dash": [4, 2]},
    "sgd": {"color": "#E69F00", "dash": SOLID},
    "adam": {"color": "#882255", "dash": SOLID},
    "zs": {"color": "#6E7378", "dash": DOTTED},
}
MORE_DASHES = [SOLID, [7, 3], [2, 2.5], [9, 3, 2, 3], [4, 2]]
# Rates: warm, light to dark, and away from the blue of ICL. Models: cold greens to ink.
RATES = ["#F2B65A", "#E07B39", "#BE3E4D", "#7D1F6B", "#35125E"]
MODELS = ["#7CC4A1", "#3A9C94", "#22718A", "#2D477A", "#2A1B47"]
# Tasks: categories without order; hues apart in lightness too.
TASKS = ["#0072B2", "#D55E00", "#009E73", "#882255", "#E69F00", "#56B4E9", "#7A5C3E", "#3D4248"]


def parser(description: str) -> argparse.ArgumentParser:
    """The command line that every plot shares: the figure, the summary and the files to write."""
    shared = cli.figure_parser(description)
    shared.add_argument("--summary", type=cli.existing, required=True, help="table to draw")
    shared.add_argument(
        "--output", type=Path, nargs="+", required=True, help="files to write, by suffix"
    )
    shared.add_argument(
        "--library", type=cli.existing, help="JavaScript for the page (none: bundled anew)"
    )
    return shared


def arguments(plot: argparse.ArgumentParser) -> argparse.Namespace:
    """Its arguments; the plot goes on where libraries are imported (`cli.figure_step`)."""
    found = plot.parse_args()
    cli.figure_step()
    return found


def number(value: float) -> str:
    """A short number: ``0.005``, ``5e-5``, ``200``."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}"


def ramp(stops: list[str], count: int) -> list[str]:
    """``count`` colours along a ramp of hex stops, the ends included."""
    if count <= 1:
        return [stops[len(stops) // 2]] * count
    colours = []
    for index in range(count):
        place = index * (len(stops) - 1) / (count - 1)
        left = min(int(place), len(stops) - 2)
        pair = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops[left : left + 2]]
        mix = [round(a + (b - a) * (place - left)) for a, b in zip(*pair, strict=True)]
        colours.append("#" + "".join(f"{one:02X}" for one in mix))
    return colours


def epoch_ticks(last: float, wide: float = 210) -> list[int]:
    """0, the last epoch and 1, 2, 5, 10, ... between them on a symlog axis of ``wide`` pixels.

    Where numbers would touch, round ones stay; from thousands of epochs on only whole decades do.
    """
    wanted = [m * 10**e for m in (1, 5, 2) for e in range(9) if m * 10**e <= last]
    if len(wanted) > 9:
        wanted = [10**e for e in range(9) if 10**e <= last]
    kept: dict[int, tuple[float, float]] = {}
    for one in dict.fromkeys([0, int(last), *wanted]):
        place, half = wide * math.log1p(one) / math.log1p(last), width(str(one), 10) / 2
        if all(abs(place - other) >= half + more + 4 for other, more in kept.values()):
            kept[one] = (place, half)
    return sorted(kept)


def width(text: str, size: float = 11) -> float:
    """Roughly the width of ``text`` in pixels, from Helvetica's metrics, on the wide side."""
    units = 0.0
    for char in text:
        if char in "iljtfr.,:;'|![]() ":
            units += 0.33
        elif char in "mwMW@%":
            units += 0.9
        else:
            units += 0.68 if char.isupper() else 0.56
    return units * size


def config() -> dict:
    """Vega-Lite configuration: dark ink on light ground, thin grid, no frame."""
    text = {"labelFont": FONT, "titleFont": FONT, "labelColor": INK, "titleColor": INK}
    return {
        "background": PAPER,
        "font": FONT,
        "padding": 14,
        "view": {"stroke": None},
        "concat": {"spacing": 14},
        "axis": {
            **text,
            "labelFontSize": 10,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titlePadding": 7,
            "labelPadding": 3,
            "labelLimit": 0,
            "titleLimit": 0,
            "domainColor": QUIET,
            "domainWidth": 0.8,
            "tickColor": QUIET,
            "tickWidth": 0.8,
            "tickSize": 4,
            "gridColor": GRID,
            "gridWidth": 0.7,
        },
        # One width for all y labels keeps the panels of different rows in line.
        "axisY": {"minExtent": 30, "domain": False, "ticks": False},
        "axisX": {
            **{"grid": False, "labelFlush": False},
            **{"labelOverlap": "greedy", "labelSeparation": 3},
        },
        "legend": {**text, "labelLimit": 0, "titleLimit": 0},
        "title": {
            "font": FONT,
            "subtitleFont": FONT,
            "color": INK,
            "subtitleColor": QUIET,
            "fontSize": 15,
            "fontWeight": "bold",
            "subtitleFontSize": 11,
            "subtitlePadding": 5,
            "subtitleLineHeight": 14,
            "anchor": "start",
            "limit": 0,
            "offset": 12,
        },
        "text": {"font": FONT, "fontSize": 10, "color": INK},
        "mark": {"invalid": "filter"},
    }
