"""Plot how alike the change of weights that imitates ICL and that of gradient descent are.

One block for each model, task, design, patch and learner; a column for each matrix. Over layers:
the cosine of the two changes, the share of the patch on the inputs that the update moves most, and
the mean cosine of the changes that two texts need. Colours: the demonstrations that were trained
on, and the controls.
"""

from iclgd.reporting import style

args = style.parser(__doc__).parse_args()
figure = args.figure

import polars as pl

from iclgd.io.schemas.keys import DEMONSTRATED, OTHER, OWN, WRONG
from iclgd.metrics.update_measures import MEASURES
from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import updates as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b layer matrix demonstrations metric estimate low high draws"
summary = charts.read(args.summary, COLUMNS.split())
STYLES = {
    OWN: {"color": style.ROLES["gd"]["color"], "dash": style.SOLID},
    WRONG: {"color": style.INK, "dash": style.DASHED},
    OTHER: {"color": style.FAINT, "dash": style.DOTTED},
}
CALLED = {OWN: "its demonstrations", WRONG: "the same with wrong labels", OTHER: "other texts"}
WIDE, HIGH, LABELS = 200, 110, 12  # most of a panel; layers with a label


def lines(part: pl.DataFrame, matrix: str, metric: str) -> pl.DataFrame:
    """Rows of a panel; what is of texts alone has the colour of what is taught."""
    rows = part.filter(matrix=matrix, metric=metric).sort("demonstrations", "layer")
    if metric != kind.SPREAD:
        return charts.look(rows, "demonstrations", STYLES, CALLED)
    taught = pl.lit(style.ROLES["taught"]["color"])
    rows = rows.filter(demonstrations=OWN)
    dash = pl.Series("dash", [style.SOLID] * len(rows), pl.List(pl.Float64))
    return rows.with_columns(dash, series=pl.lit("between texts"), color=taught)


blocks = []
keys = ["model", "task", "shots", "design", "a", "b"]
for run, part in summary.sort(keys, maintain_order=True).group_by(keys, maintain_order=True):
    layers = part["layer"].max() + 1
    matrices = part["matrix"].unique(maintain_order=True).to_list()
    apart = -(-layers // LABELS)
    size = (layout.fit(len(matrices), WIDE), HIGH)
    panels = []
    for row, (metric, measure) in enumerate(MEASURES.items()):
        lowest = part.filter(metric=metric).select(pl.min_horizontal("low", "estimate").min())
        low = 0.0 if measure.range[0] == 0 else -1.0
        if low < 0 and (lowest.item() or 0) > -0.25:
            low = -0.25
        ticks = [tick for tick in (-1, -0.5, 0, 0.5, 1) if tick >= low]
        for column, matrix in enumerate(matrices):
            x = charts.Axis(
                "layer",
                {"domain": [-0.3, layers - 0.7], "nice": False},
                [layer for layer in range(layers) if layer % apart == 0],
                show=row == len(MEASURES) - 1,
                grid=False,
            )
            scale = {"domain": [low, 1.0], "nice": False}
            y = charts.Axis(measure.title, scale, ticks, show=column == 0)
            rows = lines(part, matrix, metric)
            drawn = charts.curves(rows, x, y, "layer", points=30)
            drawn += charts.bars(rows, x, y, "layer") if drawn else []
            panels.append(charts.panel(drawn, x, y, size, matrix if row == 0 else ""))
    at = dict(zip(keys, run, strict=True))
    head = f"{names.run_title(at)} · {names.label(at['a'])}, {names.label(at['b'])}"
    blocks.append(layout.block(panels, len(matrices), head))
items = [{"label": CALLED[one], **STYLES[one]} for one in DEMONSTRATED]
items.append({"label": "texts alone", "color": style.ROLES["taught"]["color"], "dash": style.SOLID})
title = figure.title or "Does gradient descent change the weights as imitating ICL would?"
subtitle = (
    "The static patch that imitates ICL on other texts, beside what GD on the demonstrations "
)
subtitle += "adds to the same matrix. Bars: 95 % over draws."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 700, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
