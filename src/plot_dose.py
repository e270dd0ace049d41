"""Plot how agreement with GD changes as a model departs from the construction in which ICL is GD.

Columns: departures, and what each amounts to: no GD, or another kind of GD. Above: metrics of
agreement, scaled so that 1 means equal, with GD at the rate and epoch nearest to ICL (on validation
queries); dotted: total variation with rate and steps of the construction, which is mismatch as
well; dashed: to GD on functions, where the figure compares it. Below: accuracy and order
sensitivity of ICL and of GD, which compare no distributions.
One block per task and design.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import math

import polars as pl

from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import dose as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots departure reading nature dose metric rate epoch at_end"
COLUMNS += " estimate low high draws draw"
# Metric: name, and the value that means "nothing in common".
AGREEMENT = {
    "token_overlap": ("token overlap @10", 0),
    "ocs": ("OCS @10", 0),
    "rbo": ("rank-biased overlap", 0),
    "tv": ("1 - total variation", 1),
    "js": ("1 - JS / ln 2", math.log(2)),
}
ACCURACY = {"accuracy_a": "ICL", "accuracy_b": "GD"}
SEN = {"sen_a": "ICL", "sen_b": "GD"}
UNTUNED, KERNEL = "untuned", "kernel"  # series
colours = dict(zip(AGREEMENT, ["#009E73", "#882255", "#E69F00", "#3D4248", "#56B4E9"], strict=True))
styles = {name: {"color": one, "dash": style.SOLID} for name, one in colours.items()}
icl, gd = style.ROLES["icl"]["color"], style.ROLES["gd"]["color"]
for ours, theirs in (ACCURACY, SEN):
    styles |= {
        ours: {"color": icl, "dash": style.SOLID},
        theirs: {"color": gd, "dash": style.DASHED},
    }
styles[UNTUNED] = {"color": colours["tv"], "dash": style.DOTTED}
styles[KERNEL] = {**style.ROLES["gd-kernel"], "dash": style.DASHED}
called = {name: text for name, (text, _) in AGREEMENT.items()} | ACCURACY | SEN
called[UNTUNED] = "1 - total variation, untuned"
called[KERNEL] = "1 - total variation to GD on functions"
tips = {**charts.TIPS, "series": "metric", "rate": "rate of GD", "epoch": "its steps"}
summary = charts.read(args.summary, COLUMNS.split()).filter(
    pl.col("metric").is_in(list(called)), pl.col("draw").is_null()
)
worst = {name: float(value) for name, (_, value) in AGREEMENT.items() if value}
divisor = pl.col("metric").replace_strict(worst, default=None, return_dtype=pl.Float64)
summary = summary.with_columns(
    pl.when(divisor.is_null()).then(one).otherwise(1 - pl.col(other) / divisor).alias(one)
    for one, other in (("estimate", "estimate"), ("low", "high"), ("high", "low"))
)
natures = dict(summary.select("departure", "nature").unique().rows())
beside = pl.concat(
    summary.filter(pl.col("departure") != kind.STEPS, reading=reading, metric="tv").with_columns(
        metric=pl.lit(series), low=None, high=None
    )
    for series, reading in ((UNTUNED, kind.UNTUNED), (KERNEL, kind.KERNEL))
)
summary = kind.main(summary)
departures = sorted(
    set(summary["departure"]) - {kind.STEPS}, key=lambda one: (natures[one] != kind.NOT_GD, one)
)
departures += [kind.STEPS] if kind.STEPS in summary["departure"] else []


def across(departure: str) -> charts.Axis:
    """The axis of a departure: shares of it, or steps of GD."""
    if departure != kind.STEPS:
        scale = {"domain": [-0.05, 1.05], "nice": False}
        return charts.Axis("share of it", scale, [0, 0.5, 1], "format(datum.value, '~g')")
    dose = summary.filter(pl.col("departure") == departure)["dose"]
    ends = [float(dose.min()), float(dose.max())]
    apart = max(1, math.ceil((ends[1] - ends[0]) / 5))
    ticks = [t for t in range(int(ends[0]), int(ends[1]) + 1) if t % apart == 0]
    scale = {"domain": [ends[0] - 0.25, ends[1] + 0.25], "nice": False}
    return charts.Axis("more steps of GD", scale, ticks)


sen = summary.filter(pl.col("metric").is_in(list(SEN)))
top = max(*(sen[column].max() or 0 for column in ("estimate", "high")), 1e-6)
rows = (
    (AGREEMENT, charts.share("agreement (1: equal)"), 150),
    (ACCURACY, charts.Axis("accuracy", {"domain": [0, 1]}, [0, 0.5, 1]), 60),
    (SEN, charts.Axis("Sen", {"domain": [0, 1.2 * top]}, [0, float(f"{top:.1g}")]), 60),
)
wide = layout.fit(len(departures), 150)
blocks = []
for (task, shots, design), part in summary.sort("task", "shots", "design").group_by(
    "task", "shots", "design", maintain_order=True
):
    panels = []
    for shown, y, high in rows:
        for departure in departures:
            mine = part.filter(
                pl.col("departure") == departure, pl.col("metric").is_in(list(shown))
            )
            rough = beside.filter(departure=departure, task=task, design=design)
            x, left = across(departure).inner(shown is SEN), y.inner(departure == departures[0])
            drawn = charts.curves(
                charts.look(mine, "metric", styles, called), x, left, "dose", 30, tips
            )
            if shown is AGREEMENT:
                rough = charts.look(rough, "metric", styles, called)
                drawn += charts.curves(rough, x, left, "dose", 0, tips, width=1)
            head = names.label(departure)
            head += f":\n{natures[departure]}" if natures[departure] else ""
            panels.append(charts.panel(drawn, x, left, (wide, high), head * (shown is AGREEMENT)))
    head = f"{names.label(task)} · {shots} demonstrations"
    blocks.append(layout.block(panels, len(departures), head))
others = [one for one in (UNTUNED, KERNEL) if one in beside["metric"]]
items = [{"label": called[one], **styles[one]} for one in (*AGREEMENT, *others, *ACCURACY)]
title = figure.title or "Does agreement fall as ICL departs from gradient descent?"
subtitle = "ICL of each model against GD at the rate and steps nearest to it. At 0: the "
subtitle += (
    "construction of von Oswald et al., where both are the same. Dotted: with rate and steps "
)
subtitle += "of the construction. "
subtitle += "Bands: 95 % over draws and queries."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 700, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
