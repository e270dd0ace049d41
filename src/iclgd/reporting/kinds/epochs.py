"""Agreement of ICL with GD over the epochs of GD: where it is greatest."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.findings import MODEL, USUAL, Row, at, spread, value
from iclgd.reporting.names import REFERENCES, Names
from iclgd.statistics.families import family
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "How agreement with ICL comes and goes while GD trains. If ICL were gradient descent on the "
    "demonstrations, some epoch of it would agree with ICL as well as ICL agrees with itself in "
    "another order."
)
MEANS_NOT = "The epoch of most agreement is picked with ICL in view, on the queries that are shown."


def most(summary: pl.DataFrame) -> pl.DataFrame:
    """Of each family of learners that train, the rate and epoch with the most token overlap."""
    trained = ~pl.col("b_role").is_in(REFERENCES) & (pl.col("epoch") > 0)
    rows = summary.filter(trained, a_role="icl", metric="token_overlap").drop_nulls("estimate")
    rows = rows.with_columns(family("b")).sort("estimate", descending=True, maintain_order=True)
    by = [*select.RUN, "family"]
    return rows.unique(by, keep="first", maintain_order=True).sort(by)


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each family of learners at the epoch with the most token overlap."""
    found = [[*MODEL, "learner", "accuracy", "most token overlap with ICL", "OCS with ICL"]]
    by = (*select.RUN, "a", "b", "epoch")
    for row in most(summary).iter_rows(named=True):
        same = summary.filter(**{name: row[name] for name in by})
        cells = [value(same.filter(metric=one)) for one in ("accuracy_b", "token_overlap", "ocs")]
        place = [row["model"], row["task"], str(row["shots"]), at(row["b"], row["epoch"])]
        found.append([*place, *cells])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """The most token overlap over all epochs of GD, beside that of ICL with itself."""
    best = most(summary)
    shared, reordered = [], []
    for run, rows in select.runs(summary.filter(a_role="icl", metric="token_overlap")):
        mine = best.filter(**run)
        role = next((one for one in TRAINED if one in mine["b_role"]), None)
        own = rows.filter(b_role="icl-reordered").drop_nulls("estimate")
        if role and len(own):
            shared.append(mine.filter(b_role=role)["estimate"].max())
            reordered.append(own["estimate"][0])
    if not shared:
        return ""
    return (
        f"At its best rate and epoch GD shares {spread(shared, 10)} of ICL's ten likeliest tokens;"
        f" ICL reordered shares {spread(reordered, 10)}"
    )
