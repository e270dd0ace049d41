"""Plot agreement of ICL with gradient descent over epochs, as in Figure 5 of Shen et al.

Rows: accuracy, token overlap and overlap cosine similarity with ICL. Columns: what GD trains.
One line per learning rate. Horizontal lines: ICL, ICL with its demonstrations reordered or
replaced, solvers that do no GD, and the pretrained model (zero-shot), named at their right ends.
One grid per model, task and design of the summary.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.reporting import charts, findings, layout, levels, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import epochs as kind
from iclgd.reporting.names import REFERENCES, ZERO_SHOT, Names, rate_key, rates
from iclgd.statistics.families import family

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch metric estimate low high draws diverged chosen"
ROWS = ["accuracy_b", "token_overlap", "ocs"]
summary = names.with_roles(charts.read(args.summary, COLUMNS.split())).filter(a_role="icl")
learners = [one for one in summary["b"].unique().sort() if not names.is_reference(one)]
families = names.families(learners) or [""]
colours = rates(learners)
last = summary["epoch"].max() or 1
styles = names.styles([*summary["a"].unique(), ZERO_SHOT, *summary["b"].unique()])
flat_names = [*(one for one in styles if one == ZERO_SHOT or names.is_reference(one))]
beside = levels.room([names.label(one) for one in flat_names])
size = (layout.fit(len(families), 210, 90 + beside), levels.height(len(flat_names) + 1))
x = charts.epochs(last, size[0])
wide = max(len(families) * (size[0] + 18) + beside, 460)


def references(part, metric):
    """Level lines of one row: ICL, its references, and zero-shot (epoch 0 of GD)."""
    found = part.filter(pl.col("metric") == metric, pl.col("epoch") == 0)
    rows = found.filter(pl.col("b_role").is_in(REFERENCES))
    trains = part.filter(pl.col("epoch") > 0)["b"].unique()
    zero = found.filter(pl.col("b").is_in(trains.to_list())).drop_nulls("estimate").head(1)
    rows = [rows, zero.with_columns(b=pl.lit(ZERO_SHOT))]
    if metric == "accuracy_b":
        own = part.filter(pl.col("metric") == "accuracy_a").drop_nulls("estimate").head(1)
        rows.append(own.with_columns(b=family("a")))
    return levels.styled(pl.concat(rows).drop_nulls("estimate"), names, styles)


blocks = []
for run, part in select.runs(summary):
    panels = []
    for row, metric in enumerate(ROWS):
        flat = references(part, metric)
        chance = figure.chance.get(run["task"]) if metric == "accuracy_b" else None
        for column, one in enumerate(families):
            mine = part.filter(select.of_families("b", [one]), pl.col("metric") == metric)
            mine = charts.rate_look(mine, "b", colours, names)
            lines, ends = select.until_divergence(mine, "b", "metric")
            y = charts.share(METRICS[metric].title).inner(column == 0)
            bottom = x.inner(row == len(ROWS) - 1)
            drawn = charts.curves(lines, bottom, y, "epoch")
            if drawn:
                drawn = [
                    *levels.lines(flat, bottom, y, chance),
                    *drawn,
                    *charts.marks(ends, bottom, y, "epoch", "cross", size=110),
                    *charts.marks(mine.filter("chosen"), bottom, y, "epoch", "circle"),
                ]
            if one == families[-1]:
                drawn = drawn or charts.nothing(bottom, y, size)
                drawn += levels.ends(flat, y, size, chance)
            head = names.short(one) if row == 0 else ""
            panels.append(charts.panel(drawn, bottom, y, size, head))
    blocks.append(layout.block(panels, len(families), names.run_title(run)))

items = []
if summary["chosen"].any():
    items.append({"label": "chosen on validation queries", "color": style.QUIET, "shape": "circle"})
if (summary["diverged"].max() or 0) > 0:
    items.append({"label": "diverges after", "color": style.QUIET, "shape": "cross"})
items += rate_key(colours)
subtitle = "Token overlap and overlap cosine similarity (OCS) are with ICL. "
subtitle += "Bands: 95 % over draws and queries."
title = figure.title or "Does gradient descent come to agree with in-context learning?"
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, wide, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
