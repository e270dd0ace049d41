"""Verdicts: is GD as near to ICL as ICL is to itself?"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import MODEL, Row, at, interval, short
from iclgd.reporting.names import Names
from iclgd.statistics.crossed import ALPHA
from iclgd.statistics.equivalence import VERDICTS
from iclgd.statistics.families import family
from iclgd.study.names import value

BRACKETS = "bounds at the level of their tests, Holm's for primary ones, on either side"
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "Where a bar lies above the dashed line, GD is surely farther from ICL than ICL's own "
    "noise explains; only a bar below it, with every solver farther, would support that ICL "
    "is GD."
)
MEANS_NOT = (
    "Different says nothing about other optimisers, losses or parts of the model than those "
    "that were tried."
)
TEST = ("model", "task", "design", "b", "epoch")
# What a verdict means for a claim of equality, and for one of distance.
UNSURE = {"negligible": "negligible", "inconclusive": "cannot tell"}
EQUAL = {"equivalent": "holds", "unspecific": "cannot tell", "different": "fails", **UNSURE}
APART = {"equivalent": "fails", "unspecific": "fails", "different": "holds", **UNSURE}


def findings(summary: pl.DataFrame) -> list[Row]:
    """Verdicts on the rate and epoch nearest to ICL, by total variation, and what decides them.

    Beside them the same of the distributions over the label words alone.
    """
    rows = summary.filter(factor=1.0, choice="nearest")
    among = {
        tuple(row[key] for key in TEST): row
        for row in rows.filter(measure="label_tv").iter_rows(named=True)
    }
    rows = rows.filter(measure="tv")
    head = ["learner", "test", "verdict", "excess", "verdict among labels", "excess among labels"]
    head += ["distance", "ICL reordered", "best solver", "zero-shot", "smallest effect", "rounding"]
    found = [[*MODEL, *head, "draws x queries", "draws needed"]]
    rows = rows.sort(pl.col("primary").not_(), "model", "task", "shots", "b")
    for row in rows.iter_rows(named=True):
        place = [row["model"], row["task"], str(row["shots"]), at(row["b"], row["epoch"])]
        test = "primary" if row["primary"] else "exploratory"
        labels = among.get(tuple(row[key] for key in TEST))
        said = [in_words(row), excess(row)]
        said += [in_words(labels), excess(labels)] if labels else ["", ""]
        names = ("estimate", "reference", "solver", "untouched", "smallest", "rounding")
        numbers = [short(row[name]) for name in names]
        needed = "" if row["draws_needed"] is None else f"{row['draws_needed']:.0f}"
        numbers += [f"{row['draws']} x {row['queries']}", needed]
        found.append([*place, test, *said, *numbers])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """How many of the primary tests came to each verdict; of all tests where none is primary."""
    rows = summary.filter(measure="tv", factor=1.0, choice="nearest").drop_nulls("estimate")
    if rows.is_empty():
        return ""
    primary = rows.filter("primary")
    tests, of = (rows, "") if primary.is_empty() else (primary, "primary ")
    verdicts = tests["verdict"].to_list()
    counts = [
        f"{verdicts.count(one) or 'none'} {one}"
        for one in VERDICTS
        if one in verdicts or one == "equivalent"  # what was asked is answered, none or not
    ]
    return f"Of {len(tests)} {of}tests: {', '.join(counts)}"


def in_words(row: dict) -> str:
    """The verdict, and if it is inconclusive the reason."""
    return row["verdict"] if row["reason"] is None else f"{row['verdict']}: {row['reason']}"


def excess(row: dict) -> str:
    """The excess of a row of verdicts with the bounds that decide it, to two digits."""
    parts = ("", "_low", "_high")
    names = ("estimate", "low", "high")
    return interval({name: row[f"excess{part}"] for name, part in zip(names, parts, strict=True)})


def evidence(summary: pl.DataFrame) -> Evidence:
    """Models that learned in context, and the construction.

    A model whose answers hardly change with demonstrations has no ICL to compare. Where a study
    declares primary tests, which are of what trains, claims about it in models are about these.
    What is said of seeds has models as its sample.
    """
    renamed = {"b": "learner", "b_role": "learner_role"}
    summary = summary.filter(pl.col("b_role") != "imagined", factor=1.0).rename(renamed)
    key = ["model", "task", "design"]
    learned = summary.filter(pl.col("p_learned") < ALPHA, measure="tv").select(key).unique()
    rows = summary.join(learned, on=key, how="semi", maintain_order="left")
    if rows["primary"].any():
        untested = (pl.col("role") != "model") | (pl.col("learner_role") == "bayes")
        rows = rows.filter(pl.col("primary") | untested)
    for row in _over_seeds(rows):
        yield "seeds", row
    for row in rows.drop_nulls("estimate").iter_rows(named=True):
        ends = {part: row[f"excess_{part}"] for part in ("low", "high", "error", "df", "skew")}
        farther = {**row, **ends, "estimate": row["excess"]}
        measured = (row["role"], row["choice"], row["measure"])
        if row["learner_role"] == "bayes":
            if measured == ("model", "nearest", "tv"):
                yield "bayes", _within(farther)
        elif measured == ("model", "nearest", "tv"):
            verdict = APART[row["verdict"]]
            if verdict == "fails" and (row["excess_low"] or 0) > 0:
                verdict = "negligible"  # surely farther, and surely by less than matters
            yield "apart", {**farther, "verdict": verdict}
        elif measured == ("model", "accuracy", "token_overlap"):
            yield "tokens", farther
        elif measured == ("model", "accuracy", "gain"):
            yield "accuracy", row
        elif measured == ("construction", "nearest", "tv") and not value(row["model"]):
            yield "construction", _within(farther)


def _over_seeds(rows: pl.DataFrame) -> Iterator[dict]:
    """The mean excess over models that differ in their seed, with the error of that sample."""
    nearest = rows.filter("seeded", measure="tv", choice="nearest")
    excess, count = pl.col("excess"), pl.len()
    groups = nearest.group_by("task", "shots", "design", learner=family("learner"))
    means = groups.agg(
        model=pl.format("{} seeds", count),
        estimate=excess.mean(),
        error=excess.std() / count.sqrt(),
        df=count.cast(pl.Float64) - 1,
    )
    yield from means.filter(pl.col("df") > 0).sort("task", "shots", "learner").to_dicts()


def _within(row: dict) -> dict:
    """What is left of the smallest effect, with its bounds."""
    ends = {name: row[name] for name in ("estimate", "low", "high")}
    less = {name: None if end is None else row["smallest"] - end for name, end in ends.items()}
    less["low"], less["high"] = less["high"], less["low"]
    return {**row, **less, "verdict": EQUAL[row["verdict"]]}
