"""Plot how alike the change of weights that imitates ICL and that of gradient descent are.

One block for each model, task, design, patch and learner, a lane for each matrix. Columns: the
cosine of the two changes, the share of the patch on the inputs that the update moves most, and the
mean cosine of the changes that two texts need. Colours: what was trained on, controls in grey.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import polars as pl

from iclgd.io.schemas.keys import DEMONSTRATED, OTHER, OWN, WRONG
from iclgd.metrics.metric import Metric
from iclgd.metrics.update_measures import MEASURES
from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import updates as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b layer matrix demonstrations metric estimate low high draws"
summary = charts.read(args.summary, COLUMNS.split())
COLOURS = {OWN: style.ROLES["gd"]["color"], WRONG: style.INK, OTHER: style.FAINT}
CALLED = {OWN: "its demonstrations", WRONG: "the same with wrong labels", OTHER: "other texts"}
TAUGHT = style.ROLES["taught"]["color"]
APART = {OWN: -0.24, WRONG: 0.0, OTHER: 0.24}  # lanes, of the marks of a matrix
LANE, MOST = 22, 700  # pixels of a lane, and of all of a block
TIPS = {"lane_name": "matrix", "series": "trained on", **charts.TIPS}


def axis(metric: Metric) -> charts.Axis:
    """From 0, or as far below as any value is, to 1."""
    found = summary.filter(metric=metric.name)
    lowest = found.select(pl.min_horizontal(pl.col("low", "estimate").min())).item() or 0.0
    low = next(edge for edge in (0.0, -0.25, -0.5, -1.0) if edge == -1 or lowest >= edge)
    scale = {"domain": [low, 1.03], "nice": False}
    return charts.Axis(metric.title, scale, [tick for tick in (-1, -0.5, 0, 0.5, 1) if tick >= low])


def placed(part: pl.DataFrame, metric: str, lanes: dict[tuple[int, str], int]) -> pl.DataFrame:
    """Rows of a panel on their lanes; what is of the texts alone is shown once."""
    rows = part.filter(metric=metric).drop_nulls("estimate")
    alone = metric == kind.SPREAD
    rows = rows.filter(demonstrations=OWN) if alone else rows
    found = []
    for row in rows.to_dicts():
        at, which = lanes[row["layer"], row["matrix"]], row["demonstrations"]
        more = {"lane": float(at + (0 if alone else APART[which]))}
        more |= {"series": "the texts alone" if alone else CALLED[which]}
        more |= {"color": TAUGHT if alone else COLOURS[which]}
        found.append({**row, **more, "lane_name": f"{row['matrix']}, layer {row['layer']}"})
    return pl.DataFrame(found, infer_schema_length=None)


blocks = []
keys = ["model", "task", "shots", "design", "a", "b"]
for run, part in summary.sort(keys, maintain_order=True).group_by(keys, maintain_order=True):
    matrices = part.select("layer", "matrix").unique().sort("layer", "matrix").rows()
    lanes = {one: at for at, one in enumerate(matrices)}
    texts = [f"{matrix}, layer {layer}" for layer, matrix in matrices]
    high = min(LANE * len(texts), MOST)
    apart = -(-len(texts) * 11 // high)
    size = (layout.fit(len(MEASURES), 175, layout.labels(texts)), high)
    panels = []
    for column, metric in enumerate(MEASURES.values()):
        x = axis(metric)
        scale = {"domain": [-0.6, len(texts) - 0.4], "reverse": True, "nice": False}
        shown = [at for at in range(len(texts)) if at % apart == 0]
        y = charts.Axis("", scale, shown, f"{texts}[datum.value]", column == 0, grid=False)
        rows = placed(part, metric.name, lanes)
        drawn = charts.across(rows, x, y, "lane", "circle", TIPS) if len(rows) else []
        panels.append(charts.panel(drawn, x, y, size))
    at = dict(zip(keys, run, strict=True))
    head = f"{names.run_title(at)} · {names.label(at['a'])}, {names.label(at['b'])}"
    blocks.append(layout.block(panels, len(MEASURES), head))
items = [{"label": CALLED[one], "color": COLOURS[one], "shape": "circle"} for one in DEMONSTRATED]
items.append({"label": "the texts alone", "color": TAUGHT, "shape": "circle"})
title = figure.title or "Does gradient descent change the weights as imitating ICL would?"
subtitle = (
    "The static patch that imitates ICL on other texts, beside what GD on the demonstrations "
)
subtitle += "adds to the same matrix. Bars: 95 % over draws."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 700, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
