"""Plot how near gradient descent comes to ICL along its training loss.

Rows: total variation and token overlap with ICL. Columns: what GD trains. One line per learning
rate; circles: the rate and epoch of each family nearest to ICL on validation queries;
horizontal lines, named at their right ends: ICL with its demonstrations reordered, and solvers that
do no GD. Epoch 0 is the pretrained model (zero-shot).
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import math

import polars as pl

from iclgd.reporting import charts, findings, layout, levels, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import nearest as kind
from iclgd.reporting.names import Names, rate_key, rates

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch metric loss estimate low high draws diverged nearest"
ROWS = {"tv": "total variation (0: equal)", "token_overlap": "token overlap @10 (share)"}
LEAST = -4  # decade, in nats; smaller losses are drawn there
summary = charts.read(args.summary, COLUMNS.split())
learners = [one for one in summary["b"].unique().sort() if not names.is_reference(one)]
families, colours = names.families(learners) or [""], rates(learners)
styles = names.styles(summary["b"].unique())
references = [one for one in styles if names.is_reference(one)]
beside = levels.room([names.label(one) for one in references])
top = max(summary["loss"].max() or 1.0, 1.0) * 1.3
low = math.floor(math.log10(max(summary["loss"].min() or 10**LEAST, 10**LEAST)))
decades = [10.0**e for e in range(low, 3) if 10.0**e <= top]
scale = {"type": "log", "domain": [10.0**low, top], "nice": False, "reverse": True}
expression = "format(datum.value, datum.value < 0.001 ? '~e' : '~g')"
if low == LEAST:
    expression = f"(datum.value <= {10.0**LEAST} ? '≤ ' : '') + {expression}"
x = charts.Axis("training loss (nats, log scale)", scale, decades, expression, grid=False)
tips = {
    "series": "learner",
    "epoch": "epoch",
    **{k: v for k, v in charts.TIPS.items() if k != "series"},
}
size = (layout.fit(len(families), 210, 90 + beside), levels.height(len(references)))
blocks = []
for run, part in select.runs(summary):
    panels = []
    for row, (metric, title) in enumerate(ROWS.items()):
        rows = part.filter(pl.col("metric") == metric)
        rows = rows.with_columns(pl.col("loss").clip(10.0**low))
        flat = rows.filter(pl.col("b").is_in(references)).drop_nulls("estimate")
        flat = levels.styled(flat, names, styles)
        for column, one in enumerate(families):
            mine = charts.rate_look(
                rows.filter(select.of_families("b", [one])), "b", colours, names
            )
            lines, ends = select.until_divergence(mine, "b", "metric")
            y, bottom = charts.share(title).inner(column == 0), x.inner(row == len(ROWS) - 1)
            drawn = charts.curves(lines, bottom, y, "loss", 14, tips)
            if drawn:
                drawn = [*levels.lines(flat, bottom, y), *drawn]
                drawn += charts.marks(ends, bottom, y, "loss", "cross", tips, size=110)
                drawn += charts.marks(
                    lines.filter("nearest"), bottom, y, "loss", "circle", tips, size=90
                )
            if one == families[-1]:
                drawn = drawn or charts.nothing(bottom, y, size)
                drawn += levels.ends(flat, y, size)
            head = names.short(one) if row == 0 else ""
            panels.append(charts.panel(drawn, bottom, y, size, head))
    blocks.append(layout.block(panels, len(families), names.run_title(run)))
mark = {"label": "nearest to ICL on validation queries", "color": style.QUIET, "shape": "circle"}
items = [mark, *rate_key(colours)]
title = figure.title or "How near does gradient descent come to ICL?"
subtitle = "Epochs of GD run from left (pretrained) to right, along its training loss. "
subtitle += "Bands: 95 % over draws and queries."
wide = max(len(families) * (size[0] + 18) + beside, 460)
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, wide, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
