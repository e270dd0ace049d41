"""Plot agreement with ICL against K, the number of most likely tokens that are compared.

Columns: token overlap and overlap cosine similarity; one line per learner compared with ICL.
One row per model, task and design of the summary.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import polars as pl

from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import depth as kind
from iclgd.reporting.names import Names
from iclgd.statistics.families import family

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch k metric estimate low high"
ROWS = {"token_overlap": "token overlap (share)", "ocs": "OCS (cosine)"}
summary = charts.read(args.summary, COLUMNS.split())
families = names.families(summary["b"].unique())
styles = names.styles(families)
last = summary["k"].max() or 1
ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= last]
scale = {"type": "log", "domain": [1, max(last, 2)], "nice": False}
x = charts.Axis("K (most likely tokens)", scale, ticks, grid=False)
blocks = []
for run, part in select.runs(summary):
    panels = []
    for metric, title in ROWS.items():
        rows = part.filter(pl.col("metric") == metric).sort("b", "epoch", "k")
        pair = pl.format("{}, epoch {}", "b", "epoch")
        rows = charts.look(
            rows.with_columns(family("b")),
            "family",
            styles,
            {one: one for one in styles},
        ).with_columns(series=pair)
        drawn = charts.curves(rows, x, charts.share(title), "k")
        panels.append(charts.panel(drawn, x, charts.share(title), (300, 190)))
    blocks.append(layout.block(panels, 2, names.run_title(run)))
items = names.key(families, styles)
title = figure.title or "Does agreement with ICL depend on K?"
subtitle = "Each learner against ICL on the same queries. Bands: 95 % over draws of demonstrations."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 680, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
