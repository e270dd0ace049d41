"""What decides the claims (`claims`), from the summaries of each kind of figure.

An estimate is a value of a summary, or the difference of two with the error of independent
ones (Welch), which is mostly too large for learners that share draws and queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from iclgd.reporting import doses, style
from iclgd.statistics.resampling import ALPHA

RUN = ("model", "task", "design", "shots")
WHERE = ("model", "task", "shots", "learner")
BASELINES = {
    "aou": ("sim_aou", "sim_aou_chance"),
    "am": ("sim_am", "sim_am_before"),
    "kendall": ("kendall", "kendall_random"),
    "kendall before": ("kendall_before", "kendall_random"),
    "rec2ftp": ("rec2ftp", "rec2ftp_chance"),
}
# What a verdict of equivalence says of a claim of equality, or of distance; others say nothing.
EQUAL = {"equivalent": True, "different": False}
APART = {"equivalent": False, "different": True, "trivially both": True}
Found = Iterator[tuple[str, dict]]


def _minus(a: dict, b: dict) -> dict:
    """a - b, its error and degrees of freedom, for independent estimates (Welch 1947)."""
    known = [x.get("error") is not None for x in (a, b)]
    error, df = None, None
    if all(known):
        variance = a["error"] ** 2 + b["error"] ** 2
        parts = sum(x["error"] ** 4 / x["df"] for x in (a, b))
        error, df = variance**0.5, variance**2 / parts if parts else min(a["df"], b["df"])
    counts = {
        name: min((x[name] for x in (a, b) if x.get(name) is not None), default=None)
        for name in ("draws", "queries")
    }
    return {"estimate": a["estimate"] - b["estimate"], "error": error, "df": df, **counts}


def _one(rows: pl.DataFrame, **which) -> dict | None:
    """The only row with these values, if there is one and it has an estimate."""
    rows = rows.filter(**which).drop_nulls("estimate")
    return rows.row(0, named=True) if len(rows) else None


def _plus(numbers: dict, shift: float) -> dict:
    return {**numbers, "estimate": numbers["estimate"] + shift}


def equivalence(summary: pl.DataFrame) -> Found:
    """Of the kind ``equivalence``: models, where they learned in context, and the construction.

    A model that answers with demonstrations much as without them has no ICL to compare.
    """
    summary = summary.filter(factor=1.0).rename({"b": "learner"})
    key = ["model", "task", "design"]
    learned = summary.filter(pl.col("p_learned") < ALPHA, measure="tv").select(key).unique()
    rows = summary.join(learned, on=key, how="semi", maintain_order="left")
    for row in rows.drop_nulls("estimate").iter_rows(named=True):
        excess = {part: row[f"excess_{part}"] for part in ("low", "high", "error", "df")}
        excess = {**row, **excess, "estimate": row["excess"]}
        at = (row["role"], row["choice"], row["measure"])
        if style.role(row["learner"]) == "bayes":
            if at == ("model", "nearest", "tv"):
                yield "bayes", _within(row)
        elif at == ("model", "nearest", "tv"):
            yield "apart", {**excess, "said": APART.get(row["verdict"])}
        elif at == ("model", "accuracy", "token_overlap"):
            yield "tokens", excess
        elif at == ("model", "accuracy", "gain"):
            yield "accuracy", row
        elif at == ("construction", "nearest", "tv") and "@" not in row["model"]:
            yield "construction", _within(row)


def _within(row: dict) -> dict:
    """What is left of the margin, and at least so; a distance is never below 0."""
    most, margin = row["distance_most"], row["margin"]
    ends = {"low": None, "high": None} if most is None else {"low": margin - most, "high": margin}
    said = EQUAL.get(row["verdict"])
    return {**row, **ends, "estimate": margin - row["estimate"], "said": said}


def scale(summary: pl.DataFrame) -> Found:
    """Of the kind ``scale``: GD with most demonstrations against GD and ICL with fewest."""
    rows = summary.filter(pl.col("chosen"), metric="accuracy").drop_nulls("estimate")
    rows = rows.with_columns(
        role=pl.col("learner").map_elements(style.role, pl.String),
        family=pl.col("learner").map_elements(style.family, pl.String),
    ).sort("shots")
    for _, part in rows.group_by("model", "task", maintain_order=True):
        icl = part.filter(role="icl")
        trained = part.filter(~pl.col("role").str.starts_with("icl"), pl.col("role") != "bayes")
        for _, mine in trained.group_by("family", maintain_order=True):
            few, many = mine.row(0, named=True), mine.row(-1, named=True)
            if many["shots"] > few["shots"]:
                yield "more", {**many, **_minus(many, few)}
                if len(icl):
                    yield "enough", {**many, **_plus(_minus(many, icl.row(0, named=True)), 0.1)}


def order(summary: pl.DataFrame) -> Found:
    """Of the kind ``order``: at the last epoch of each learner, against ICL."""
    last = summary.filter(pl.col("epoch") == pl.col("epoch").max().over(*RUN, "learner"))
    last = last.drop_nulls(["estimate", "error"])
    for _, part in last.group_by(RUN, maintain_order=True):
        icl = part.filter(pl.col("learner").map_elements(style.role, pl.String) == "icl")
        sen = _one(icl, measure="sen")
        for row in part.join(icl, on="learner", how="anti").iter_rows(named=True):
            if row["measure"] == "sen" and sen:
                yield "order", {**row, **_minus(sen, row)}
            if row["measure"] == "pattern_cosine":
                yield "pattern", {**row, "estimate": 0.5 - row["estimate"]}


def sparsity(summary: pl.DataFrame) -> Found:
    """Of the kind ``sparsity``: pretrained models alone; their weights are no sample."""
    rows = summary.filter(pl.col("matrix").is_in(["q", "v"]), measure="share", role="model")
    for row in rows.filter(pl.col("threshold") == 1e-2).iter_rows(named=True):
        missing = row["required"] - row["estimate"]
        where = {"model": row["model"], "learner": f"W_{row['matrix'].upper()}"}
        yield "sparse", {**where, "estimate": missing, "said": missing > 0}


def checkpoints(summary: pl.DataFrame) -> Found:
    """Of the kind ``checkpoints``: the last two revisions of every model, where weights moved."""
    moved = summary.filter(measure="mean_abs_change").sort("step")
    rows = summary.filter(measure="accuracy").sort("step").drop_nulls("estimate")
    for (model, *_), part in rows.group_by(*RUN, "learner", maintain_order=True):
        drift = moved.filter(model=model)["estimate"].tail(2)
        if len(part) > 1 and len(drift) > 1 and drift[1] > drift[0]:
            before, after = part.tail(2).rows(named=True)
            change = _minus(after, before)
            yield "checkpoints", {**after, **change, "estimate": 0.1 - abs(change["estimate"])}


def attention(summary: pl.DataFrame) -> Found:
    """Of the kind ``attention``: means over layers, of trained models and untrained controls."""
    rows = summary.filter(pl.col("chosen"), pl.col("layer").is_null()).drop_nulls("estimate")
    plain = rows.filter(~pl.col("causal"))
    for key, part in plain.filter(role="model").group_by(*RUN, "learner", maintain_order=True):
        where = dict(zip((*RUN, "learner"), key, strict=True))
        for claim, names in BASELINES.items():
            both = [_one(part, metric=name) for name in names]
            if all(both):
                yield claim, {**where, **_minus(*both)}
        mine = _one(part, metric="sim_aou")
        same = style.of("learner", [style.family(where["learner"])])
        others = plain.filter(
            same, role="control", metric="sim_aou", task=where["task"], design=where["design"]
        )
        for row in others.iter_rows(named=True) if mine else ():
            yield "untrained", {**row, **_plus(_minus(row, mine), 0.05)}
    raw = rows.filter(role="model", metric="sim_aou_raw")
    for row in raw.filter("causal").iter_rows(named=True):
        same = {name: row[name] for name in RUN}
        for other in raw.filter(~pl.col("causal"), **same).iter_rows(named=True):
            yield "causal", {**row, **_minus(row, other)}


def twins(summary: pl.DataFrame) -> Found:
    """Of the kind ``twins``: the longest contexts and the most demonstrations."""
    rows = summary.filter(pl.col("seed").is_null(), kind="difference").drop_nulls("estimate")
    last = rows.filter(pl.col("at") == pl.col("at").max().over("measure"))
    for row in last.iter_rows(named=True):
        where = {**row, "model": f"momentum {row['eta']:g}", "draws": row["seeds"]}
        if row["measure"] == "perplexity":
            yield "perplexity", {**where, "estimate": -row["estimate"]}
        else:
            yield "momentum", {**where, "task": row["measure"].removeprefix("accuracy_")}


def dose(summary: pl.DataFrame) -> Found:
    """Of the kind ``dose``: the largest dose of what is not GD; the response decides.

    A model that is another GD than the learner beside it says nothing about leaving GD.
    """
    rows = summary.filter(metric="tv", nature=doses.NOT_GD).drop_nulls("estimate").sort("dose")
    by = ["task", "design", "departure"]
    for (*_, departure), part in rows.group_by(by, maintain_order=True):
        row = part.row(-1, named=True)
        yield "falls", {**row, "learner": departure, "said": row["response"] == "falls"}


FINDERS: dict[str, Callable[[pl.DataFrame], Found]] = {
    "equivalence": equivalence,
    "scale": scale,
    "order": order,
    "sparsity": sparsity,
    "checkpoints": checkpoints,
    "attention": attention,
    "twins": twins,
    "dose": dose,
}
