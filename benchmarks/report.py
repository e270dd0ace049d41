"""One table and one figure of what the benchmarks measured: results/benchmarks/*.parquet.

A speed-up is the ratio of the two arms' rates within a round; the median over rounds is quoted
with the smallest and the largest. It judges nothing and cannot fail on noise.
"""

import sys

import altair as alt
import measure
import polars as pl

from iclgd.reporting import charts, layout, style
from iclgd.reporting.export import figure

AIMS = {
    "ICL, 8 demonstrations, queries": 6,
    "GD of llama-small, runs": 5,
    "GD of llama-large, runs": 5,
    "GD of gptj, runs": 5,
    "GD of W_V in layer 30 of 32, epochs": 5,
    "GD of W_V in layer 30 of 32, epochs with evaluation": 5,
    "queries of llama-small, evaluated": 1,
    "queries of llama-large, evaluated": 1,
    "queries of gptj, evaluated": 1,
    "SmolLM2, ICL, 8 demonstrations, queries": 8.5,
    "SmolLM2, ICL, share of the peak": 0.65,
    "GD of SmolLM2, share of the peak": 0.65,
    "SmolLM2, ICL, share of the peak of one thread": 0.65,
    "GD of SmolLM2, share of the peak of one thread": 0.65,
}


def table(name: str) -> pl.DataFrame:
    path = measure.RESULTS / f"{name}.parquet"
    if not path.exists():
        sys.exit(f"error: {path} is not there: run the benchmark {name}.py first")
    return pl.read_parquet(path)


def ratios(rows: pl.DataFrame) -> pl.DataFrame:
    """Speed-up of the first arm of each case over its second one: median, low, high, rounds."""
    rates = rows.with_columns((pl.col("units") / pl.col("seconds")).alias("rate"))
    first = pl.col("arm").first().over("case") == pl.col("arm")
    ours, other = rates.filter(first), rates.filter(~first)
    return (
        ours.join(other, on=["case", "round"], suffix="_other", maintain_order="left")
        .with_columns((pl.col("rate") / pl.col("rate_other")).alias("ratio"))
        .group_by("case", "arm", "arm_other", maintain_order=True)
        .agg(
            pl.col("ratio").median(),
            pl.col("ratio").min().alias("low"),
            pl.col("ratio").max().alias("high"),
            pl.col("rate").median(),
            pl.col("rate_other").median(),
            pl.len().alias("rounds"),
        )
    )


def speedups(found: pl.DataFrame) -> dict:
    """A row for each case: range and median of its ratio, and a tick at what was aimed for."""
    rows = found.with_columns(
        pl.col("case").replace_strict(AIMS, default=None).cast(pl.Float64).alias("aim"),
        pl.int_range(pl.len()).cast(pl.Float64).alias("lane"),
    )
    names = rows["case"].to_list()
    x = charts.Axis(
        "times as fast as the other arm",
        {"type": "log", "domain": [0.5, 20], "nice": False},
        [0.5, 1, 2, 5, 10, 20],
    )
    scale = {"domain": [-0.6, len(rows) - 0.4], "reverse": True, "nice": False}
    y = charts.Axis("", scale, list(range(len(rows))), f"{names}[datum.value]", True, grid=False)
    base = alt.Chart(charts.values(rows))
    layers = [
        base.mark_rule(strokeWidth=2, color=style.ROLES["icl"]["color"]).encode(
            x.x("low"), alt.X2("high:Q"), y.y("lane")
        ),
        base.mark_point(filled=True, size=60, opacity=1, color=style.ROLES["icl"]["color"]).encode(
            x.x("ratio"), y.y("lane")
        ),
        base.mark_tick(thickness=2, size=16, color=style.ROLES["gd"]["color"]).encode(
            x.x("aim"), y.y("lane")
        ),
    ]
    return charts.panel(layers, x, y, (420, 26 * len(rows)))


def scaling(rows: pl.DataFrame, column: str, title: str, domain: list, ticks: list) -> dict:
    """Seconds or megabytes against the size, in multiples of the smallest."""
    x = charts.Axis("times the work", {"type": "log", "domain": [0.8, 125]}, [1, 10, 100])
    y = charts.Axis(title, {"type": "log", "domain": domain, "nice": False}, ticks)
    layers = []
    for number, ((learner, _), part) in enumerate(
        rows.group_by("learner", "what", maintain_order=True)
    ):
        part = part.with_columns((pl.col("size") / pl.col("size").min()).alias("times"))
        look = {"color": style.TASKS[number], "strokeDash": style.MORE_DASHES[learner == "gd"]}
        base = alt.Chart(charts.values(part))
        layers += [
            base.mark_line(**look).encode(x.x("times"), y.y(column)),
            base.mark_point(filled=True, color=look["color"], opacity=1).encode(
                x.x("times"), y.y(column)
            ),
        ]
    return charts.panel(layers, x, y, (330, 240))


timed = [table(name).drop("difference", strict=False) for name in ("icl", "runs", "depth")]
found = ratios(pl.concat(timed))
resets = found.filter(pl.col("arm") == "reset")
found = found.filter(pl.col("arm") != "reset")
large, scale, machine = table("large"), table("scale"), table("icl")["machine"][0]

lines = ["| case | faster by (median, range) | rate | against |", "|---|---|---|---|"]
for r in found.iter_rows(named=True):
    ratio = f"{r['ratio']:.1f} ({r['low']:.1f} to {r['high']:.1f})"
    against = f"{r['arm_other']}: {r['rate_other']:.3g}/s"
    lines.append(f"| {r['case']} | {ratio} | {r['rate']:.3g}/s | {against} |")
lines += ["", "| reset | share of a run |", "|---|---|"]
lines += [f"| {r['case']} | {100 / r['ratio']:.2f} % |" for r in resets.iter_rows(named=True)]
lines += ["", "| GD of a large model | peak memory / weights | reset / epoch |", "|---|---|---|"]
for (arm,), part in large.group_by("arm", maintain_order=True):
    share = (part["peak"] / part["weights"]).median()
    reset = (part["reset"] / (part["run"] / part["epochs"])).median()
    lines.append(f"| {arm} | {share:.2f} | {100 * reset:.1f} % |")
text = "\n".join([*lines, "", f"Measured on {machine}.", ""])
(measure.RESULTS / "table.md").write_text(text)
print(text)

rows = scale.select("learner", "what").unique(maintain_order=True)
key = [
    {
        "label": f"{'ICL' if r['learner'] == 'icl' else 'GD'}, {r['what']}",
        "color": style.TASKS[i],
        "dash": style.MORE_DASHES[r["learner"] == "gd"],
    }
    for i, r in enumerate(rows.iter_rows(named=True))
]
subtitle = "Points: median of the rounds of one run; lines: smallest and largest; ticks: the aim. "
subtitle += f"Measured on {machine}."
panels = [
    scaling(scale, "seconds", "processor seconds", [0.1, 60], [0.1, 1, 10]),
    scaling(scale, "megabytes", "peak memory in MB", [200, 2000], [200, 500, 1000, 2000]),
]
for name, blocks, items, title, below in (
    ("speed", [layout.block([speedups(found)], 1)], [], "How much faster", subtitle),
    (
        "scale",
        [layout.block(panels, 2)],
        key,
        "Time grows with the work, memory stays within bounds",
        "llama-small, one process for each point, without imports. Draws of GD train side by side, "
        f"until their weights fill 256 MB. Measured on {machine}.",
    ),
):
    chart = layout.figure(blocks, items, title, below, 740)
    figure.save(chart, [measure.RESULTS / f"{name}.{kind}" for kind in ("svg", "png")], title)
