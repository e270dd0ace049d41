"""Plot models with momentum attention against their twins without it.

Columns: perplexity by position in held-out documents, then accuracy of in-context learning by
the number of demonstrations. Above: means over seeds, one line per momentum, and dots for single
seeds; below: differences from the twin of the same seed, a thin line for each seed.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

from dataclasses import replace

import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import twins as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "measure at eta kind seed estimate low high seeds"
NAMES = {
    "perplexity": ("perplexity", "position in the document", None),
    "accuracy_2way": ("accuracy, 2 topics", "demonstrations", 1 / 2),
    "accuracy_4way": ("accuracy, 4 topics", "demonstrations", 1 / 4),
}
summary = charts.read(args.summary, COLUMNS.split()).drop_nulls("estimate")
etas = summary["eta"].unique().sort().to_list()
others = [one for one in etas if one > 0]
colours = {0.0: style.QUIET, **dict(zip(others, style.ramp(style.RATES, len(others)), strict=True))}
styles = {one: {"color": colour, "dash": style.SOLID} for one, colour in colours.items()}
called = {one: f"momentum {style.number(one)}" for one in etas}
tips = {"series": "attention", "seed": "seed", **charts.TIPS, "seeds": "seeds"}
size = (layout.fit(len(NAMES), 215, 120), 160)


def vertical(rows: pl.DataFrame, name: str, row: str) -> charts.Axis:
    """Shares from 0 to 1; all else as wide as what is drawn, differences around 0."""
    if row == "mean" and name.startswith("accuracy"):
        return charts.share("mean over seeds")
    low, high = rows["estimate"].min() or 0.0, rows["estimate"].max() or 1.0
    if row == "difference":
        low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.06 * ((high - low) or 1.0)
    title = "mean over seeds" if row == "mean" else "difference from momentum 0"
    return charts.Axis(title, {"domain": [low - pad, high + pad], "nice": True})


panels = []
for row in ("mean", "difference"):
    for measure, (title, across, chance) in NAMES.items():
        rows = summary.filter(pl.col("measure") == measure, pl.col("kind") == row)
        # Shots 0, 1, 2, 4, 8 stand side by side; positions where they are.
        ticks = rows["at"].unique().sort().to_list()
        place = {at: float(at if measure == "perplexity" else i) for i, at in enumerate(ticks)}
        rows = rows.with_columns(place=pl.col("at").replace_strict(place, default=None))
        rows = charts.look(rows.cast({"place": pl.Float64}), "eta", styles, called)
        ends = [*place.values()] or [0.0, 1.0]
        pad = 0.05 * (max(ends) - min(ends)) or 0.5
        x = charts.Axis(
            across,
            {"domain": [min(ends) - pad, max(ends) + pad], "nice": False},
            list(place.values()),
            None if measure == "perplexity" else f"{[str(at) for at in ticks]}[datum.value]",
            row == "difference",
            grid=False,
        )
        y = vertical(rows, measure, row)
        y = y.inner(True) if measure == "perplexity" else replace(y, title="")
        # Few seeds are shown one by one; the interval of their mean is in the tips and the table.
        single = rows.drop_nulls("seed")
        mean = rows.filter(pl.col("seed").is_null())
        drawn = charts.curves(mean, x, y, "place", tips=tips, width=2.2, band=False)
        if drawn:
            level = 0.0 if row == "difference" else chance
            drawn = charts.chance(level, x, y) + drawn
        if drawn and row == "difference":
            seeds = single.with_columns(series=pl.format("{}, seed {}", "series", "seed"))
            drawn += charts.curves(seeds, x, y, "place", tips=tips, width=0.7, band=False)
        elif drawn:
            # Side by side, so that no seed hides another.
            gap = 0.12 * (max(ends) - min(ends)) / max(len(place) - 1, 1)
            aside = {one: (i - (len(etas) - 1) / 2) * gap for i, one in enumerate(etas)}
            moved = pl.col("place") + pl.col("eta").replace_strict(aside, default=None)
            single = single.with_columns(moved)
            drawn += charts.marks(single, x, y, "place", "circle", tips, size=30)
        panels.append(charts.panel(drawn, x, y, size, title if row == "mean" else ""))
items = [{"label": called[one], **styles[one]} for one in etas]
items.append({"label": "chance, or no difference", "color": style.FAINT, "dash": style.SOLID})
title = figure.title or "Does momentum attention help a language model?"
subtitle = "Twins of one seed see the same documents and start from the same weights. Thick lines: "
subtitle += "means over seeds; dots and thin lines: single seeds."
wide = len(NAMES) * (size[0] + 30)
blocks = [layout.block(panels, len(NAMES))] if len(summary) else []
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, wide, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
