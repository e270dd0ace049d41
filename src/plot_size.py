"""Plot accuracy and agreement against the size of the model.

Rows: accuracy of ICL and of GD at the rate and epoch chosen on validation queries; token overlap
and overlap cosine similarity with ICL of that GD and of ICL under another order. Columns: tasks
(and numbers of demonstrations). Models stand side by side, the smallest first. Symbols show the
architecture; a model that did not acquire ICL, or was trained for it, is hollow and has a note.
"""

from iclgd.io import cli
from iclgd.reporting import style

parser = style.parser(__doc__)
parser.add_argument("--manifests", type=cli.existing, nargs="+", required=True, help="models' JSON")
args = style.arguments(parser)
figure = args.figure

import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.reporting import charts, findings, layout, select
from iclgd.reporting.export.figure import save
from iclgd.reporting.kinds import size as kind
from iclgd.reporting.names import Names

names = Names(figure.roles, figure.labels)
COLUMNS = "model task design shots a b epoch metric estimate low high draws diverged chosen"
ROWS = ["accuracy_b", "token_overlap", "ocs"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross"]
manifests = select.manifests(args.manifests)


def weights(count: int) -> str:
    """A number of weights in short: ``96 k``, ``135 M``, ``6.7 B``."""
    power = next((p for p in (9, 6, 3) if count >= 0.9995 * 10**p), 0)
    return f"{count / 10**power:.3g} {' kMB'[power // 3]}".rstrip()


summary = names.with_roles(charts.read(args.summary, COLUMNS.split()))
summary = select.compared(select.one_design(summary), ROWS)
summary = summary.filter(~pl.col("who_role").is_in(["zs", "icl-redrawn"]))
unknown = sorted(set(summary["model"]) - set(manifests))
if unknown:
    raise cli.InputError(f"no manifest of model {unknown[0]!r} among --manifests")
models = sorted(set(summary["model"]), key=lambda one: (manifests[one]["weights"], one))
kind_of = {one: manifests[one].get("architecture") or "unknown" for one in models}
kinds = sorted(set(kind_of.values()))
shape = {one: SHAPES[i % len(SHAPES)] for i, one in enumerate(kinds)}
families = names.families(summary["who"].unique())
styles = names.styles(families)
called = {one: names.label(one) for one in families}
facets = summary.select("task", "shots").unique().sort("task", "shots").rows()
wide = layout.fit(len(facets), min(460, 70 * max(len(models), 2)))
place = {one: float(i) for i, one in enumerate(models)}
# Learners stand side by side, so that none hides another.
aside = {one: -0.1 if names.role(one) in ("icl", "icl-reordered") else 0.1 for one in families}
trouble = {one: select.caveat(manifests[one]) for one in models}
sizes = [weights(manifests[one]["weights"]) for one in models]
x = charts.Axis(
    "weights",
    {"domain": [-0.5, len(models) - 0.5], "nice": False},
    list(range(len(models))),
    f"{sizes}[datum.value]",
    grid=False,
)
tips = {"model": "model", "weights": "weights", "rate": "rate", "epoch": "epoch", **charts.TIPS}
panels = []
for task, shots in facets:
    head = f"{names.label(task)}, {shots} demonstrations"
    texts = [names.label(one) + (f" ({trouble[one]})" if trouble[one] else "") for one in models]
    panels.append(charts.flags(texts, [place[one] for one in models], x, wide, head))
for row, metric in enumerate(ROWS):
    for column, (task, shots) in enumerate(facets):
        y, bottom = (
            charts.share(METRICS[metric].title).inner(column == 0),
            x.inner(row == len(ROWS) - 1),
        )
        rows = summary.filter(
            pl.col("task") == task, pl.col("shots") == shots, pl.col("metric") == metric
        )
        if metric == "accuracy_b":
            rows = rows.filter(pl.col("who_role") != "icl-reordered")
        rows = charts.look(rows, "who", styles, called).with_columns(
            pl.Series(
                "place",
                [place[m] + aside[w] for m, w in rows.select("model", "who").rows()],
                pl.Float64,
            ),
            pl.Series("weights", [manifests[one]["weights"] for one in rows["model"]], pl.Int64),
        )
        rows = rows.with_columns(
            pl.Series("shape", [shape[kind_of[one]] for one in rows["model"]], pl.String),
            pl.when(pl.col("model").is_in([one for one in models if trouble[one]]))
            .then(pl.lit(style.PAPER))
            .otherwise("color")
            .alias("fill"),
        )
        drawn = charts.bars(rows, bottom, y, "place") + charts.symbols(
            rows, bottom, y, "place", tips
        )
        level = figure.chance.get(task) if metric == "accuracy_b" else None
        drawn = charts.chance(level, bottom, y) + drawn if drawn else []
        panels.append(charts.panel(drawn, bottom, y, (wide, 140)))
items = names.key(families, styles)
items += [{"label": "architecture"}] if kinds else []
items += [{"label": one, "color": style.QUIET, "shape": shape[one]} for one in kinds]
if any(trouble.values()):
    text = "hollow: no ICL, or trained for it"
    items += [{"label": text, "color": style.QUIET, "shape": "circle", "open": True}]
if figure.chance:
    items.append({"label": "chance", "color": style.FAINT, "dash": style.SOLID})
title = figure.title or "Do larger models learn in context more like GD?"
subtitle = "GD at the rate and epoch chosen on validation queries. Token overlap and OCS "
subtitle += "are with ICL. Bars: 95 % over draws and queries. Models stand in order of size."
block = [layout.block(panels, len(facets))] if facets else []
found = findings.of(kind, args.summary, names)
chart = layout.figure(
    block, items, title, subtitle, max(len(facets) * (wide + 18), 460), found.headline
)
chart = chart if facets else layout.empty(title, "the summary is empty")
save(chart, args.output, title, args.library, found)
