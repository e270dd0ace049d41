"""Plot what first-order steps in each group of weights reach of ICL's change, as heat maps.

Columns: the run's own demonstrations, the same with wrong labels, other ones. Above: which label;
below: whether it is a label at all. A tile is a matrix of a layer; the upper rows are what lies in
no matrix, and all weights. Outlined: the two matrices that reach most on
validation queries.
"""

from iclgd.reporting import style

args = style.arguments(style.parser(__doc__))
figure = args.figure

import altair as alt
import polars as pl

from iclgd.io.schemas.keys import DEMONSTRATED, OWN
from iclgd.metrics.reach_measures import REST, WHOLE
from iclgd.models.architectures import MATRICES
from iclgd.reporting import charts, findings, layout
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import reach as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots layer matrix part demonstrations metric estimate low high draws"
SHADES = ["#F4F6F8", "#BFD7EA", "#6CA6CD", "#22668C", "#0B2E4F"]  # from 0 to 1
STEPS = 41
TILE, MOST = 26, 16  # pixels of a tile, and rows above which tiles are lower
CALLED = {"q": "W_Q", "k": "W_K", "v": "W_V", "o": "W_O", "mlp": "MLP"}
HEADS = dict(zip(DEMONSTRATED, ("its demonstrations", "wrong labels", "other texts"), strict=True))
TIPS = {"weights": "weights", "estimate": "R²", "low": "95 %, low", "high": "95 %, high"}
summary = charts.read(args.summary, COLUMNS.split())
ramp = style.ramp(SHADES, STEPS)


def shade(value):
    """The colour of an R², 0 and below light."""
    return style.GRID if value is None else ramp[round(min(max(value, 0), 1) * (STEPS - 1))]


def tiles(rows: pl.DataFrame, order: dict, columns: list[str], best: set) -> pl.DataFrame:
    """Rows with the place of their tile; what has no layer is as wide as all matrices."""
    found = []
    for row in rows.to_dicts():
        at = order[row["layer"] if row["layer"] is not None else row["matrix"]]
        wide = row["layer"] is None
        left = 0 if wide else columns.index(row["matrix"])
        right = len(columns) if wide else left + 1
        text = "" if row["estimate"] is None else f"{row['estimate']:z.2f}".replace("0.", ".", 1)
        colour = shade(row["estimate"])
        dark = row["estimate"] is not None and row["estimate"] > 0.5
        found.append(
            {
                **{"x": float(left), "x2": float(right), "y": float(at), "y2": at + 1.0},
                **{"middle": (left + right) / 2, "row": at + 0.5, "color": colour, "text": text},
                **{name: row[name] for name in ("estimate", "low", "high")},
                **{"weights": kind.place(row), "ink": style.PAPER if dark else style.INK},
                "line": style.INK if (row["layer"], row["matrix"]) in best else style.PAPER,
            }
        )
    return pl.DataFrame(found, infer_schema_length=None)


def drawn(found: pl.DataFrame, x: charts.Axis, y: charts.Axis, high: float) -> list:
    data = charts.values(found.sort("line", descending=True))
    to = {"x2": alt.X2("x2:Q"), "y2": alt.Y2("y2:Q")}
    rect = alt.Chart(data).mark_rect(strokeWidth=1.2)
    stroke = alt.Stroke("line:N", scale=None, legend=None)
    layers = [
        rect.encode(
            x.x("x"), y.y("y"), charts.paint(), stroke, **to, tooltip=charts.tooltip(found, TIPS)
        )
    ]
    if high >= 12:
        text = alt.Chart(data).mark_text(fontSize=10)
        ink = alt.Color("ink:N", scale=None, legend=None)
        layers.append(text.encode(x.x("middle"), y.y("row"), ink, text="text:N"))
    return layers


blocks = []
keys = ("model", "task", "shots", "design")
for (model, task, shots, _), part in summary.sort(keys).group_by(keys, maintain_order=True):
    layers = part["layer"].drop_nulls().unique().sort().to_list()
    columns = [one for one in MATRICES if one in part["matrix"]] or [WHOLE]
    rows = [one for one in (WHOLE, REST) if one in part["matrix"]] + layers
    order = {one: at for at, one in enumerate(rows)}
    high = TILE if len(rows) <= MOST else max(MOST * TILE / len(rows), 4)
    called = ["all", "rest"][: len(rows) - len(layers)] + [f"layer {one}" for one in layers]
    apart = max(1, round(12 / high))
    shown = [at for at in range(len(rows)) if at < len(rows) - len(layers) or at % apart == 0]
    size = (min(TILE * 1.6 * len(columns), layout.fit(3, 215)), high * len(rows))
    panels = []
    for which, said in kind.PARTS.items():
        best = {(row["layer"], row["matrix"]) for row in kind.best(part, which)}
        for at, one in enumerate(DEMONSTRATED):
            mine = part.filter(metric="r2", part=which, demonstrations=one)
            domain = {"domain": [0, len(columns)], "nice": False}
            x = charts.Axis(
                "",
                domain,
                [place + 0.5 for place in range(len(columns))],
                f"{[CALLED.get(name, '') for name in columns]}[floor(datum.value)]",
                grid=False,
            )
            y = charts.Axis(
                f"{said}" if at == 0 else "",
                {"domain": [0, len(rows)], "reverse": True, "nice": False},
                [place + 0.5 for place in shown],
                f"{called}[floor(datum.value)]",
                at == 0,
                grid=False,
            )
            found = tiles(mine, order, columns, best if one == OWN else set())
            layers_of = drawn(found, x, y, high) if len(found) else []
            head = HEADS.get(one, one) if which == next(iter(kind.PARTS)) else ""
            panels.append(charts.panel(layers_of, x, y, size, head))
    head = f"{names.label(model)} · {names.label(task)} · {shots} demonstrations"
    blocks.append(layout.block(panels, len(DEMONSTRATED), head))
items = [{"label": f"R² {v:g}", "color": shade(v), "dash": style.SOLID} for v in (0, 0.5, 1)]
most = "the two that reach most on validation queries"
items.append({"label": most, "color": style.INK, "dash": style.SOLID})
title = figure.title or "What can a small step along the gradients reach of ICL's change?"
subtitle = "R² on test queries of how ICL's change differs between queries; one weight for each "
subtitle += "demonstration, none negative, fitted on validation queries. Means over draws."
found = findings.of(kind, args.summary, names)
chart = layout.figure(blocks, items, title, subtitle, 700, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
