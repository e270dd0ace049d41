"""Tasks made of a task by what its demonstrations show: other labels, other texts, or none.

With labels drawn at random, foreign texts or empty ones they are negative controls, whose
demonstrations teach nothing. With some wrong labels, or two labels for each input, they teach
something still, but a learner cannot be sure. With flipped or abstract labels they show whether a
learner follows the labels that it was shown: figures of kind ``label_dose``.

Queries stay as they are, but for their label words where these are abstract. Random labels and
foreign inputs are those of Min et al. (2202.12837), empty inputs those of Zhao et al. (2102.09690).
"""

from __future__ import annotations

import polars as pl

from iclgd.io.cli import InputError
from iclgd.tasks import label_words, prompts, readers, synthetic
from iclgd.tasks.task_tables import generator

EMPTY = "N/A"  # in place of every field of a demonstration
_SHOWN = pl.col("split") == "train"


def random_labels(task: pl.DataFrame, seed: str) -> pl.DataFrame:
    """Training rows with labels drawn anew, each as likely as any other."""
    answers = dict(enumerate(prompts.labels(task)))
    drawn = pl.Series(generator(seed, "labels").integers(0, len(answers), len(task)))
    label = pl.when(_SHOWN).then(drawn.cast(pl.Int32)).otherwise("label").alias("label")
    return task.with_columns(label).with_columns(
        pl.col("label").replace_strict(answers, return_dtype=pl.String).alias("answer")
    )


def wrong_labels(task: pl.DataFrame, share: float, seed: str) -> pl.DataFrame:
    """Training rows of which a ``share`` has another label than the right one, at random.

    Which rows they are depends on the seed alone: with a larger share, these are wrong as well. A
    learner that reads the labels follows them; one that only recognises the task does not
    (Pan et al. 2023, arXiv 2305.09731).
    """
    answers = dict(enumerate(prompts.labels(task)))
    rng = generator(seed, "wrong labels")
    wrong = pl.Series(rng.random(len(task)) < share)
    shift = pl.Series(rng.integers(1, len(answers), len(task)), dtype=pl.Int32)
    other = (pl.col("label") + shift) % len(answers)
    label = pl.when(_SHOWN & wrong).then(other).otherwise("label").alias("label")
    return task.with_columns(label).with_columns(
        pl.col("label").replace_strict(answers, return_dtype=pl.String).alias("answer")
    )


def flipped_labels(task: pl.DataFrame) -> pl.DataFrame:
    """Every training row with a twin that has the label after the right one, the last the first.

    A draw shows the twins of a share of its rows (`sampling.flipped`), and so exactly that share of
    wrong labels. Each class has one wrong label and each label stands for one class again: where
    all labels are wrong they agree on a mapping, however many of a class there are, and all are
    shown. Wrong labels at random do neither: of three classes or more they leave nothing to follow.
    With two labels these are the flipped labels of Wei et al. (2023, arXiv 2303.03846).
    """
    answers = dict(enumerate(prompts.labels(task)))
    twins = task.filter(_SHOWN).with_columns(
        example=pl.col("example") + numbered_from(task),
        label=(pl.col("label") + 1) % len(answers),
    )
    twins = twins.with_columns(
        answer=pl.col("label").replace_strict(answers, return_dtype=pl.String)
    )
    return pl.concat([task, twins.select(task.columns)])


def numbered_from(task: pl.DataFrame) -> int:
    """What the number of a twin of `flipped_labels` is beyond that of its row of ``task``."""
    return task["example"].max() + 1


def abstract_labels(task: pl.DataFrame) -> pl.DataFrame:
    """All rows, queries too, with a label word that says nothing in place of each label's own.

    The letters A, B, C, ... in the order of the labels; where label words are tags of the made-up
    language, which knows no letters, its first tags that the task has not. What stands around a
    word stays. A learner that only recognises what task it is has no use for them (Pan et al.
    2023, arXiv 2305.09731). Raises InputError where there are too few such words.
    """
    answers = prompts.labels(task)
    own = [answer.strip() for answer in answers]
    made = set(own) <= set(synthetic.TAG_WORDS)
    known = synthetic.TAG_WORDS if made else label_words.LETTERS
    words = [word for word in known if word not in own]
    if len(words) < len(own):
        raise InputError(f"{len(own)} labels, but only {len(words)} abstract words for them")
    abstract = {
        label: answer.replace(answer.strip(), word)
        for label, (answer, word) in enumerate(zip(answers, words, strict=False))
    }
    return task.with_columns(
        pl.col("label").replace_strict(abstract, return_dtype=pl.String).alias("answer")
    )


def conflicting_labels(task: pl.DataFrame, seed: str) -> pl.DataFrame:
    """Every training row with a twin of the same text that has another label, drawn at random.

    Twins come last and are numbered on. A learner that weighs its demonstrations cannot be sure
    of an input that it has seen with two labels. Raises InputError if the task has one label.
    """
    answers = dict(enumerate(prompts.labels(task)))
    if len(answers) < 2:
        raise InputError("a task of one label has no other one to give")
    twins = task.filter(_SHOWN).sort("example")
    shift = generator(seed, "conflict").integers(1, len(answers), len(twins))
    twins = twins.with_columns(
        example=pl.int_range(pl.len(), dtype=pl.Int32) + task["example"].max() + 1,
        label=(pl.col("label") + pl.Series(shift, dtype=pl.Int32)) % len(answers),
    )
    twins = twins.with_columns(
        answer=pl.col("label").replace_strict(answers, return_dtype=pl.String)
    )
    return pl.concat([task, twins.select(task.columns)])


def foreign_texts(task: pl.DataFrame, other: pl.DataFrame, seed: str) -> pl.DataFrame:
    """Training rows with texts of another task's training rows, each as often as any other.

    The labels stay, so they have nothing to do with the texts.
    """
    texts = other.filter(_SHOWN)["text"]
    order = generator(seed, "texts").permutation(len(texts))
    drawn = texts.gather([int(order[i % len(order)]) for i in range(len(task))])
    return task.with_columns(pl.when(_SHOWN).then(drawn).otherwise("text").alias("text"))


def empty_texts(task: pl.DataFrame, template: str) -> pl.DataFrame:
    """Training rows with `EMPTY` in every field of the prompt ``template``; labels stay."""
    parsed = readers.parse_template(template)
    text = parsed.fill(dict.fromkeys((field for _, field in parsed.parts), EMPTY))
    return task.with_columns(pl.when(_SHOWN).then(pl.lit(text)).otherwise("text").alias("text"))
