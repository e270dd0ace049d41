"""Plot how accurate every learner is, and how closely its answers agree with ICL's.

Columns: accuracy, token overlap and overlap cosine similarity with ICL. Each learner has a lane, at
the rate and epoch chosen on validation queries, with its interval; shaded is ICL: its own accuracy,
and its agreement with itself when its demonstrations are reordered. One group of lanes for each
model, task and design of the summary.
"""

from iclgd.reporting import style

args = style.parser(__doc__).parse_args()
figure = args.figure

import altair as alt
import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import agreement as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch metric estimate low high draws diverged chosen"
# What is shaded of each metric: ICL itself, or ICL against ICL reordered.
SHADED = {"accuracy_b": "icl", "token_overlap": "icl-reordered", "ocs": "icl-reordered"}
LANE = 15  # pixels: height of a lane
BAND = 0.15  # opacity
summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
summary = select.compared(summary, list(SHADED))
families = names.families(summary["who"].unique())
styles = names.styles(families)
texts, heads, spans, lanes, titles = [], [], {}, {}, []
for run, part in select.runs(summary):
    key = tuple(run.values())
    heads.append(len(texts))
    texts.append(names.run_title(run))
    own = [one for one in families if one in part["who"]]
    lanes |= {(*key, one): float(len(texts) + place) for place, one in enumerate(own)}
    spans[key] = (len(texts) - 0.5, len(texts) + len(own) - 0.5)
    texts += [names.label(one) for one in own]
summary = summary.with_columns(
    pl.Series(
        "lane",
        [lanes[row] for row in summary.select("model", "task", "shots", "design", "who").rows()],
        pl.Float64,
    )
)
own_labels = [text for place, text in enumerate(texts) if place not in heads]
room = layout.labels(own_labels)
size = (layout.fit(len(SHADED), 180, room), LANE * max(len(texts), 1))


def shaded(rows: pl.DataFrame, role: str, x: charts.Axis, y: charts.Axis) -> list:
    """A band over the lanes of each run where ICL is, and a line in its middle."""
    by = ["model", "task", "shots", "design"]
    icl = rows.filter(who_role=role).unique(by, keep="first", maintain_order=True)
    ends = [spans[row] for row in icl.select("model", "task", "shots", "design").rows()]
    icl = icl.with_columns(
        pl.Series("top", [low for low, _ in ends], pl.Float64),
        pl.Series("bottom", [high for _, high in ends], pl.Float64),
    )
    if icl.is_empty():
        return []
    colour = style.ROLES["icl"]["color"]
    down = {"y": y.y("top"), "y2": alt.Y2("bottom:Q")}
    across = alt.Chart(charts.values(icl.drop_nulls(["low", "high"]))).mark_rect(
        color=colour, opacity=BAND, clip=True
    )
    middle = alt.Chart(charts.values(icl)).mark_rule(color=colour, strokeWidth=0.8, clip=True)
    return [
        across.encode(x.x("low"), alt.X2("high:Q"), **down),
        middle.encode(x.x("estimate"), **down),
    ]


def chances(y: charts.Axis, x: charts.Axis) -> list:
    """A thin grey line over the lanes of each run at the accuracy of guessing."""
    rows = [
        {"at": float(figure.chance[key[1]]), "top": low, "bottom": high}
        for key, (low, high) in spans.items()
        if key[1] in figure.chance
    ]
    base = alt.Chart(alt.Data(values=rows)).mark_rule(
        color=style.FAINT, strokeWidth=0.9, strokeDash=[3, 3], clip=True
    )
    return [base.encode(x.x("at"), y.y("top"), alt.Y2("bottom:Q"))] if rows else []


def headings(y: charts.Axis) -> list:
    """What each group of lanes is of, from the left edge of the first panel on."""
    rows = [{"lane": place, "text": texts[place]} for place in heads]
    mark = alt.Chart(alt.Data(values=rows)).mark_text(
        align="left", baseline="middle", fontSize=11, fontWeight="bold", clip=False
    )
    return [mark.encode(alt.Text("text:N"), y.y("lane"), x=alt.value(4 - room))]


panels = []
tips = {"series": "learner", "rate": "rate", "epoch": "epoch", **charts.TIPS}
for column, (metric, role) in enumerate(SHADED.items()):
    x = charts.share(METRICS[metric].title)
    scale = {"domain": [-0.7, len(texts) - 0.3], "reverse": True, "nice": False}
    said = ["" if place in heads else text for place, text in enumerate(texts)]
    ticks = [place for place in range(len(texts)) if place not in heads]
    y = charts.Axis("", scale, ticks, f"{said}[datum.value]", column == 0, grid=False, extent=room)
    rows = summary.filter(pl.col("metric") == metric)
    called = {one: names.label(one) for one in families}
    rows = charts.look(rows, "who", styles, called)
    drawn = charts.across(rows, x, y, "lane", "circle", tips)
    if drawn:
        drawn = [
            *shaded(rows, role, x, y),
            *(chances(y, x) if metric == "accuracy_b" else []),
            *drawn,
        ]
    if column == 0:
        drawn = (drawn or charts.nothing(x, y, size)) + headings(y)
    panels.append(charts.panel(drawn, x, y, size))
called = {"icl": "ICL", "icl-reordered": "ICL with itself, reordered"}
known = [text for role, text in called.items() if role in summary["who_role"]]
items = [{"label": "; ".join(known), "color": style.ROLES["icl"]["color"], "dash": style.SOLID}]
if figure.chance:
    items.append({"label": "chance", "color": style.FAINT, "dash": [3, 3]})
subtitle = "Each learner at the rate and epoch chosen on validation queries. Token overlap and "
subtitle += "overlap cosine similarity (OCS) are with ICL. Bars, and what is shaded: 95 % over "
subtitle += "draws and queries."
title = figure.title or "Does gradient descent come to agree with in-context learning?"
found = findings.of(kind, args.summary, names)
blocks = [layout.block(panels, len(panels))] if texts else []
chart = layout.figure(blocks, items, title, subtitle, 740, found.headline)
chart = chart if blocks else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
