"""Does a learner follow the labels that its demonstrations show?

A task is shown with a growing share of wrong labels (its dose), the same examples in the same
draws, so that every difference is one of the same draw and query. A learner that follows labels is
right ever less often; one that only recognises what task it is stays where it is (Pan et al. 2023,
arXiv 2305.09731).

A query is answered *as shown* if the answer is the label that demonstrations of its class show,
right or wrong. This is defined also where wrong labels of a class differ; not where the class is
not shown, nor in a draw that shows two labels of any class equally often.

Rate and epoch are those of best accuracy on the validation queries where all labels are right, and
the same at every dose: chosen at each, they would be those that learned the least where what is
shown is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.label_dose import ACCURACY, CONTRASTS, FOLLOWED, LOST, SLOPE
from iclgd.statistics import choice, contrasts, intervals
from iclgd.tasks import controls

RIGHT, FLIPPED, ABSTRACT = "right", "flipped", "abstract"  # labels; the last two are controls
RUN = [name for name in RUN_COLUMNS if name != "task"]
BY = [*RUN_COLUMNS, "learner", "epoch"]
CELL = ["draw", "example"]
DRAW = ["task", "design", "draw"]


def shown(
    tasks: Mapping[str, pl.DataFrame], demonstrations: Iterable[pl.DataFrame], parent: str
) -> pl.DataFrame:
    """What the demonstrations of each draw show of each class.

    ``tasks`` by name, of which ``parent`` has the right labels; ``demonstrations``: tables of all.
    One row per task, design, draw and class: ``label``, its right label in that draw (`bound`);
    ``shown``, the label that most of its demonstrations show, null where it has none, or where two
    labels of any class are shown equally often; ``dose``, the share of wrong labels among all
    demonstrations of the draw.
    """
    right = tasks[parent].select("example", right="label")
    classes = right.select(label="right").unique()
    beyond = controls.numbered_from(tasks[parent])
    found = []
    for table in demonstrations:
        given = tasks[parquet.only(table, "task")].select("example", given="label")
        rows = table.filter(pl.col("order") == pl.col("order").min().over(DRAW))
        rows = rows.join(given, on="example")
        rows = rows.with_columns(pl.col("example") % beyond)  # of a twin the row itself
        rows = rows.join(right, on="example")
        rows = rows.select(*DRAW, label=_bound("right"), given=_bound("given"))
        wrong = (pl.col("label") != pl.col("given")).mean()
        doses = rows.group_by(DRAW).agg(dose=wrong)
        counts = rows.group_by(*DRAW, "label", "given").agg(count=pl.len())
        most = counts.filter(pl.col("count") == pl.col("count").max().over(*DRAW, "label"))
        one = pl.when(pl.len() == 1).then(pl.col("given").first())
        labels = most.group_by(*DRAW, "label").agg(shown=one)
        # Of the other classes alone it would be another quantity than at other doses.
        tied = pl.col("shown").is_null().any().over(DRAW)
        labels = labels.with_columns(shown=pl.when(~tied).then("shown"))
        every = doses.join(classes, how="cross")
        found.append(every.join(labels, on=[*DRAW, "label"], how="left"))
    return pl.concat(found).sort(*DRAW, "label")


def _bound(label: str) -> pl.Expr:
    """The label that stands for one of the task in the draw of a row."""
    binding = pl.col("binding")
    return pl.when(binding.is_null()).then(label).otherwise(binding.list.get(pl.col(label)))


def answered(logits: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Rows of a logits table with ``dose``, ``accuracy`` and ``followed`` in place of its lists.

    ``shown``: as `shown` returns it. Both are 0 or 1, null where the run diverged; ``followed`` is
    null, too, where nothing is shown, or a label that no query has.
    """
    words = logits.select(shown="label", shown_id="answer_id").unique()
    top = pl.when(pl.col("status") == "ok").then(pl.col("top_ids").list.first())
    rows = logits.with_columns(top=top).select(*BY, "draw", "order", "example", "split", "status",
        "label", "answer_id", "top")  # fmt: skip
    rows = rows.join(shown, on=[*DRAW, "label"], how="left").join(words, on="shown", how="left")
    return rows.with_columns(
        accuracy=(pl.col("top") == pl.col("answer_id")).cast(pl.Float64),
        followed=(pl.col("top") == pl.col("shown_id")).cast(pl.Float64),
    ).drop("answer_id", "top", "shown", "shown_id")


def summarised(rows: pl.DataFrame, labels: Mapping[str, str], icl: str) -> pl.DataFrame:
    """Every learner at every dose, its slope over them, and what differs from ICL.

    ``rows``: of `answered`; ``labels``: which labels each task shows (`RIGHT` of one, else
    `FLIPPED` or `ABSTRACT`); ``icl``: the learner that others are held against. In the form of
    `intervals.means` by `BY`, with ``labels``, ``dose`` (its mean over draws), ``diverged`` and
    ``against``; slopes are rows of the task with right labels, without a dose. Learners are at the
    rate and epoch chosen there; of one that trains there is epoch 0 as well, which no label has
    reached.
    """
    (parent,) = (task for task, kind in labels.items() if kind == RIGHT)
    best = choice.chosen(rows.filter(task=parent), RUN, "learner", pl.col("accuracy"))
    first = rows.filter(pl.col("epoch").max().over("learner") > 0, pl.col("epoch") == 0)
    zero = first.group_by(RUN).agg(pl.col("learner").min(), pl.col("epoch").min())
    kept = pl.concat([best, zero.select(best.columns)]).unique()
    test = rows.filter(split="test").join(kept, on=[*RUN, "learner", "epoch"], how="semi")
    lost = (pl.col("status") != "ok").mean()
    more = test.group_by(BY).agg(diverged=lost, dose=pl.col("dose").mean())
    means = intervals.means(test, BY, [ACCURACY, FOLLOWED]).join(more, on=BY)
    kinds = pl.DataFrame({"task": list(labels), "labels": list(labels.values())})
    means = means.join(kinds, on="task")
    doses = test.filter(pl.col("task").is_in([t for t, kind in labels.items() if kind != ABSTRACT]))
    graded = slopes(doses).with_columns(task=pl.lit(parent))
    found = [means, intervals.means(graded, BY, [SLOPE]), _lost(graded, test.filter(task=parent))]
    own = pl.col("learner") == icl
    found.append(_differences(graded.filter(~own), graded.filter(own), RUN, SLOPE.name, "learner"))
    other = test.filter(pl.col("task").is_in([t for t, kind in labels.items() if kind == ABSTRACT]))
    on = [*RUN, "learner", "epoch"]
    found.append(_differences(other, test.filter(task=parent), on, ACCURACY.name, "task"))
    return pl.concat(found, how="diagonal").sort(*BY, "metric")


def slopes(rows: pl.DataFrame) -> pl.DataFrame:
    """``accuracy_slope`` of every cell of a draw and a query: by least squares over its doses.

    ``rows``: test queries of the tasks that make up the doses. Null where a dose has no accuracy,
    or all doses of the draw are one.
    """
    cell = [*RUN, "learner", "epoch", *CELL]
    means = rows.group_by(*cell, "task").agg(pl.col("accuracy").mean(), pl.col("dose").first())
    dose, accuracy = pl.col("dose"), pl.col("accuracy")
    known = (accuracy.null_count() == 0) & (dose.n_unique() > 1)
    slope = pl.cov("dose", "accuracy") / dose.var()
    return (
        means.sort(*cell, "dose")
        .group_by(cell, maintain_order=True)
        .agg(pl.when(known).then(slope).alias(SLOPE.name))
    )


def _lost(graded: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """`LOST` of every learner: its slopes over its accuracies with right labels, cell by cell."""
    cell = [*RUN, "learner", "epoch", *CELL]
    own = right.group_by(cell).agg(pl.col("accuracy").mean())
    both = graded.join(own, on=cell).drop_nulls([SLOPE.name, "accuracy"])
    both = both.with_columns(fall=-pl.col(SLOPE.name))
    return intervals.ratios(both, BY, "fall", "accuracy", LOST)


def _differences(
    mine: pl.DataFrame, other: pl.DataFrame, on: list[str], value: str, against: str
) -> pl.DataFrame:
    """The contrast of ``value``, cell by cell, in the form of `intervals.means`."""
    name = {SLOPE.name: "slope_past_icl", ACCURACY.name: "accuracy_abstract"}[value]
    rows = contrasts.between(mine, other, on, value, against).rename({"difference": name})
    return intervals.means(rows, [*BY, "against"], [CONTRASTS[name]])
