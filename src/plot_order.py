"""Plot sensitivity to the order of demonstrations over epochs, per learner and rate.

Sen is the spread of the next-token distribution over orders: 0 means that order has no effect.
Pattern cosine and Mantel's r ask whether a learner reacts to the *same* orders as ICL does;
filled dots of r mark p < 0.05. Dashed lines are the cosine between different queries, and the
cosine of the queries' own parts leaves out what all queries share. Level lines: ICL, and solvers
that do no GD. One grid per model, task and design of the summary.
"""

from iclgd.reporting import style

args = style.parser(__doc__).parse_args()
figure = args.figure

import polars as pl

from iclgd.metrics.order_sensitivity import MANTEL, SENSITIVITIES
from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import order as kind
from iclgd.reporting.names import Names, rate_key, rates

names = Names(figure.roles, figure.labels)
MEASURES = ("sen", "pattern_cosine", "pattern_own", "mantel_r")
PERMUTED = "pattern_permuted"
METRICS = {**SENSITIVITIES, **MANTEL}
COLUMNS = "model task design shots learner epoch measure estimate low high draws diverged"
summary = charts.read(args.summary, COLUMNS.split())
learners = [one for one in summary["learner"].unique().sort() if not names.is_reference(one)]
families = names.families(learners) or [""]
colours = rates(learners)
styles = names.styles(summary["learner"].unique())
solvers = [one for one in styles if names.role(one) == "solver"]
called = {one: names.label(one) + (" (no GD)" if one in solvers else "") for one in styles}
references = [one for one in styles if names.is_reference(one)]
size = (layout.fit(len(families), 200), 150)
x = charts.epochs(summary["epoch"].max() or 1, size[0], "epochs of training")
wide = max(len(families) * (size[0] + 18), 460)


def axis(measure):
    """The scale of a row. Sen is linear, as in Shen et al.; what looks like 0 is annotated."""
    found = summary.filter(pl.col("measure") == measure)
    if measure.endswith("sen"):
        top = found.select(pl.max_horizontal(pl.col("estimate").max(), pl.col("high").max())).item()
        return charts.share(METRICS[measure].title, 0, top or 1)
    lowest = found.select(pl.min_horizontal(pl.col("estimate").min(), pl.col("low").min())).item()
    return charts.share(METRICS[measure].title, -1 if (lowest or 0) < -0.1 else 0)


blocks, axes = [], {measure: axis(measure) for measure in MEASURES}
for run, part in select.runs(summary):
    panels = []
    significant = part.filter(pl.col("measure") == "mantel_p", pl.col("estimate") < 0.05)
    for row, measure in enumerate(MEASURES):
        found = part.filter(pl.col("measure") == measure)
        icl = select.of_families("learner", references)
        flat = charts.look(found.filter(icl), "learner", styles, called)
        for column, one in enumerate(families):
            mine = found.filter(select.of_families("learner", [one]))
            mine = charts.rate_look(mine, "learner", colours, names)
            lines, ends = select.until_divergence(mine, "learner", "measure")
            y, bottom = axes[measure].inner(column == 0), x.inner(row == len(MEASURES) - 1)
            drawn = charts.curves(lines, bottom, y, "epoch")
            sure = lines.join(significant, on=["learner", "epoch"], how="semi")
            if measure == "mantel_r" and drawn:
                drawn += charts.marks(sure, bottom, y, "epoch", "circle", size=30)
            if measure == "pattern_cosine":
                other = part.filter(select.of_families("learner", [one]), measure=PERMUTED)
                other = charts.rate_look(other, "learner", colours, names)
                other, _ = select.until_divergence(other, "learner", "measure")
                other = other.with_columns(dash=pl.lit(style.DASHED), low=None, high=None)
                drawn += charts.curves(other, bottom, y, "epoch")
            drawn += charts.marks(ends, bottom, y, "epoch", "cross", size=110)
            largest = mine["estimate"].max() if measure.endswith("sen") else None
            if largest is not None and 0 < largest < 0.01 * y.scale["domain"][1]:
                text = f"at most {largest:.1g}"
                drawn.append(charts.note(text, size[0] / 2, size[1] - 12))
            if mine["estimate"].count() < 2:
                # A learner that does not react has no pattern; ICL's line alone would hide that.
                text = "no data" if mine.is_empty() else "undefined: no reaction to order"
                words = charts.note(text, size[0] / 2, size[1] / 2 - 12, size=10)
                drawn = [*charts.axes(bottom, y), words]
            if len(flat):
                drawn = [*charts.flats(flat, bottom, y), *drawn]
            head = names.label(one) if row == 0 else ""
            panels.append(charts.panel(drawn, bottom, y, size, head))
    blocks.append(layout.block(panels, len(families), names.run_title(run)))

items = [{"label": called[one], **styles[one]} for one in references]
items.append({"label": "queries permuted", "color": style.QUIET, "dash": style.DASHED})
items.append({"label": "Mantel p < 0.05", "color": style.QUIET, "shape": "circle"})
if (summary["diverged"].max() or 0) > 0:
    items.append({"label": "diverges after", "color": style.QUIET, "shape": "cross"})
items += rate_key(colours)
subtitle = (
    " Sen: standard deviation of the next-token probabilities over orders, summed over the "
    "vocabulary. Cosines: of the changes over orders with ICL's; own parts: without what all "
    "queries share. Bands: 95 % over draws and queries."
)
title = figure.title or "Is gradient descent as sensitive to order as ICL?"
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, wide, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
