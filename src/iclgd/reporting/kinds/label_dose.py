"""Whether ICL and GD follow the labels that demonstrations show."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence, below
from iclgd.reporting.findings import MODEL, USUAL, Row, at, spread, two, value
from iclgd.reporting.names import ZERO_SHOT, Names
from iclgd.statistics.families import family
from iclgd.statistics.label_dose import ABSTRACT, RIGHT
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "A learner that loses all of its accuracy as labels turn wrong has its answers from the labels "
    "that were shown; one that loses nothing had them before."
)
MEANS_NOT = (
    "To follow the same labels is not to do the same: a nearest centroid follows them, too. Who "
    "answers few queries right has little to lose, so slopes are flatter for bad learners. In the "
    "made-up language label words mean nothing: there is nothing else to go by. Where some labels "
    "are wrong two classes share one and another may be missing, which no document there does."
)

# Quantities of the table, of all doses together.
SLOPES = {
    "accuracy_slope": "slope",
    "accuracy_lost": "share of accuracy lost",
    "slope_past_icl": "slope minus ICL's",
}


def learners(summary: pl.DataFrame) -> pl.DataFrame:
    """The summary with each row's learner as ``who``: at epoch 0 what trains is nobody yet."""
    untouched = (pl.col("epoch") == 0) & (pl.col("epoch").max().over("learner") > 0)
    return summary.with_columns(
        who=pl.when(untouched).then(pl.lit(ZERO_SHOT)).otherwise(family("learner")),
        who_role=pl.when(untouched).then(pl.lit("zs")).otherwise("learner_role"),
    )


def findings(summary: pl.DataFrame) -> list[Row]:
    """Every learner: accuracy with right, most wrong and abstract labels, and its slope."""
    head = ["learner", "accuracy", "wrong labels", "accuracy with these", "as shown with these"]
    head += ["with abstract words", "minus with right ones"]
    head += SLOPES.values()
    found = [[*MODEL, *head]]
    keys = ("model", "design", "shots", "who", "who_role", "learner", "epoch")
    for key, part in learners(summary).sort(keys).group_by(keys, maintain_order=True):
        right = part.filter(labels=RIGHT)
        most = part.filter(pl.col("dose") == pl.col("dose").max())
        model, _, shots, who, *_, learner, epoch = key
        name = "no demonstrations" if who == ZERO_SHOT else at(learner, epoch)
        cells = [
            value(right.filter(metric="accuracy")),
            two(most["dose"][0]),
            *(value(most.filter(metric=metric)) for metric in ("accuracy", "followed")),
            value(part.filter(labels=ABSTRACT, metric="accuracy")),
            *(value(part.filter(metric=metric)) for metric in ("accuracy_abstract", *SLOPES)),
        ]
        found.append([model, right["task"][0], str(shots), name, *cells])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """What share of its accuracy every learner loses, and whether GD's slope is ICL's."""
    rows = learners(summary).drop_nulls("estimate")
    said = []
    for who in names.families(rows["who"].unique()):
        lost = rows.filter(who=who, metric="accuracy_lost")
        if who != ZERO_SHOT and len(lost):
            share = value(lost) if len(lost) == 1 else spread(lost["estimate"])
            who = names.label(who)
            said.append(f"{who} {share}" if said else f"{who} loses {share} of its accuracy")
    return f"As labels turn wrong {'; '.join(said)}{_apart(rows)}" if said else ""


def _apart(rows: pl.DataFrame) -> str:
    """In how many cases the slope of gradient descent is surely flatter or steeper than ICL's."""
    own = rows.filter(pl.col("who_role").is_in(TRAINED), metric="slope_past_icl").drop_nulls("low")
    if own.is_empty():
        return ""
    less, more = (own["low"] > 0).sum(), (own["high"] < 0).sum()
    words = {"flatter": less, "steeper": more}
    cases = [f"{word} than ICL's in {count}" for word, count in words.items() if count]
    if not cases:
        return "; GD's slope cannot be told from ICL's"
    said = " and ".join(cases)
    alone = ", each by itself" if len(own) > 1 else ""
    return f"; GD's slope is surely {said} of {len(own)}{alone}"


def evidence(summary: pl.DataFrame) -> Evidence:
    """How steeply ICL's accuracy falls with the share of wrong labels."""
    own = summary.filter(learner_role="icl", metric="accuracy_slope", role="model")
    for row in own.drop_nulls("estimate").iter_rows(named=True):
        yield "learning", below(0.0, row)
