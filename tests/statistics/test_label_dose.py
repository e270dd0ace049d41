"""Do learners follow the labels shown: by hand, and with learners that follow all or none."""

from collections.abc import Callable

import polars as pl
import pytest

from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.statistics import label_dose

CLASSES, WORD = 4, 10  # the token of label l is WORD + l
# The examples of each draw, one of each class; those from 8 on are their twins with the next label.
DRAWS = {0: [0, 1, 2, 3], 1: [4, 5, 6, 7], 2: [0, 5, 2, 7]}
RIGHT = {example: example % CLASSES for example in range(8)}
KINDS = {"plain": "right", "some": "flipped", "all": "flipped", "words": "abstract"}
FLIPPED = {"some": {0: (1, 2), 1: (5,), 2: (5, 2)}, "all": dict.fromkeys(DRAWS, range(8))}


def task(name: str, labels: dict[int, int]) -> pl.DataFrame:
    examples = list(labels)
    return pl.DataFrame(
        {"task": name, "example": examples, "label": [labels[one] for one in examples]},
        schema={"task": pl.String, "example": pl.Int32, "label": pl.Int32},
    )


def demonstrations(name: str, draws: dict[int, list[int]], binding=None) -> pl.DataFrame:
    """Two orders of each draw."""
    rows = [
        (name, "n4", draw, order, place, example, binding)
        for draw, examples in draws.items()
        for order, shown in enumerate((examples, examples[::-1]))
        for place, example in enumerate(shown)
    ]
    return pl.DataFrame(rows, schema=DEMONSTRATIONS, orient="row")


def tasks() -> dict[str, pl.DataFrame]:
    twins = {one + 8: (label + 1) % CLASSES for one, label in RIGHT.items()}
    return {name: task(name, RIGHT | (twins if name in FLIPPED else {})) for name in KINDS}


def shown() -> pl.DataFrame:
    tables = []
    for name in KINDS:
        wrong = FLIPPED.get(name, dict.fromkeys(DRAWS, ()))
        draws = {d: [one + 8 * (one in wrong[d]) for one in shown] for d, shown in DRAWS.items()}
        tables.append(demonstrations(name, draws))
    return label_dose.shown(tasks(), tables, "plain")


Answer = Callable[[str, int, int, int], int]  # of task, right label, label shown and epoch: a label


def logits(learner: str, name: str, answer: Answer, epochs=(0,), lost=()) -> pl.DataFrame:
    """Answers to four validation and eight test queries, classes in turn."""
    labels = {
        (row["draw"], row["label"]): row["shown"]
        for row in shown().filter(task=name).iter_rows(named=True)
    }
    rows = []
    for draw in DRAWS:
        for epoch in epochs:
            for query in range(12):
                right = query % CLASSES
                top = WORD + answer(name, right, labels[draw, right], epoch)
                ok = (draw, epoch) not in lost
                rows.append(
                    {"model": "m", "task": name, "design": "n4", "shots": 4, "learner": learner}
                    | {"draw": draw, "order": 0, "epoch": epoch, "example": 100 + query}
                    | {"split": "test" if query >= 4 else "validation", "label": right}
                    | {"answer_id": WORD + right, "status": "ok" if ok else "diverged"}
                    | {"top_ids": [top, 0] if ok else None}
                )
    return pl.DataFrame(rows, schema_overrides=LOGITS)


def summary(**learners) -> pl.DataFrame:
    """Of learners by name: an answer, or the arguments of `logits`."""
    rows = []
    for learner, given in learners.items():
        given = given if isinstance(given, dict) else {"answer": given}
        rows += [
            label_dose.answered(logits(learner, name, **given), shown()).with_columns(
                task=pl.lit(name)
            )
            for name in KINDS
        ]
    return label_dose.summarised(pl.concat(rows), KINDS, "icl")


def follow(name, right, given, epoch) -> int:
    return given


def recognise(name, right, given, epoch) -> int:
    return right


def estimates(found: pl.DataFrame, **where) -> list:
    return found.filter(**where).sort("dose", "task")["estimate"].round(9).to_list()


# --- what is shown --------------------------------------------------------------------------


def test_each_class_has_the_label_that_most_of_its_demonstrations_show():
    right = {0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 2, 9: 3}
    given = {**right, 1: 1, 2: 2, 4: 3}
    # In draw 0 class 0 shows 0 and 1 equally often, so that nothing counts; class 3 is not shown.
    draws = {0: [0, 1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 5]}
    tables = [demonstrations("b", draws)]
    found = label_dose.shown({"a": task("a", right), "b": task("b", given)}, tables, "a")
    assert found.filter(draw=0).select("label", "shown").rows() == [(i, None) for i in range(4)]
    assert found.filter(draw=0)["dose"].to_list() == [0.5] * 4
    assert found.filter(draw=1).select("label", "shown").rows() == [
        (0, 1),
        (1, 2),
        (2, 2),
        (3, None),
    ]
    assert found.filter(draw=1)["dose"].to_list() == [0.6] * 4
    bound = [demonstrations("b", draws, [1, 2, 3, 0])]
    found = label_dose.shown({"a": task("a", right), "b": task("b", given)}, bound, "a")
    found = found.filter(draw=1)
    assert found.select("label", "shown").rows() == [(0, None), (1, 2), (2, 3), (3, 3)]
    assert found["dose"].to_list() == [0.6] * 4


def test_the_dose_is_the_share_that_each_draw_shows():
    found = shown().select("task", "draw", "dose").unique().sort("task", "draw")
    doses = dict(found.group_by("task", maintain_order=True).agg("dose").rows())
    half = [0.5, 0.25, 0.5]
    assert doses == {"plain": [0] * 3, "words": [0] * 3, "some": half, "all": [1] * 3}


# --- learners -------------------------------------------------------------------------------


def test_who_follows_every_label_falls_by_the_dose_and_answers_as_shown():
    """The positive control: the label that demonstrations of the query's class show."""
    found = summary(icl=follow)
    doses = found.filter(metric="accuracy").sort("dose", "task")
    assert doses["dose"].round(9).to_list() == [0, 0, round(1.25 / 3, 9), 1]
    assert estimates(found, metric="accuracy") == [1, 1, round(1.75 / 3, 9), 0]
    assert estimates(found, metric="followed") == [1] * 4
    (slope,) = found.filter(metric="accuracy_slope").to_dicts()
    assert (slope["estimate"], slope["task"], slope["dose"]) == (pytest.approx(-1), "plain", None)
    assert estimates(found, metric="accuracy_lost") == [1]


def test_what_is_lost_is_of_the_accuracy_with_right_labels():
    """Follows half of the classes, and knows nothing of the others: it loses all of a half."""

    def half(name, right, given, epoch):
        return given if right < 2 else (given + 2) % CLASSES

    found = summary(icl=follow, half=half).filter(learner="half")
    assert estimates(found, metric="accuracy", task="plain") == [0.5]
    assert estimates(found, metric="accuracy", task="all") == [0]
    slope, lost = (estimates(found, metric=one)[0] for one in ("accuracy_slope", "accuracy_lost"))
    assert lost == pytest.approx(-2 * slope) and slope < 0


@pytest.mark.parametrize("answer", [recognise, lambda *_: 0])
def test_who_reads_no_labels_has_a_slope_of_nothing(answer):
    """The negative control: the right label whatever is shown, and always the same one."""
    found = summary(icl=follow, other=answer)
    (slope,) = found.filter(learner="other", metric="accuracy_slope").to_dicts()
    assert [slope[name] for name in ("estimate", "low", "high")] == [0, 0, 0]
    (past,) = found.filter(learner="other", metric="slope_past_icl").to_dicts()
    assert (past["estimate"], past["against"]) == (pytest.approx(1), "icl")
    right = [1, 1, round(1.75 / 3, 9), 0]
    shares = estimates(found, learner="other", metric="followed")
    assert shares == (right if answer is recognise else [0.25] * 4)


def test_the_slope_is_that_of_least_squares_by_hand():
    """Of one draw: accuracies 1, 1 and 0 at doses 0, 1/2 and 1 have the slope -1."""
    rows = pl.DataFrame(
        {"accuracy": [1.0, 1.0, 0.0, 1.0, 0.0, None], "dose": [0.0, 0.5, 1.0, 0.0, 0.25, 1.0]}
    )
    keys = {"model": "m", "design": "n", "shots": 4, "learner": "icl", "epoch": 0, "example": 0}
    rows = rows.with_columns(
        draw=pl.Series([0, 0, 0, 1, 1, 1]),
        task=pl.Series(["a", "b", "c"] * 2),
        **{name: pl.lit(one) for name, one in keys.items()},
    )
    found = label_dose.slopes(rows).sort("draw")["accuracy_slope"].to_list()
    assert found == [pytest.approx(-1), None]  # of the other draw one dose has no accuracy
    same = rows.filter(draw=0).with_columns(dose=0.5)
    assert label_dose.slopes(same)["accuracy_slope"].to_list() == [None]


def test_rate_and_epoch_are_chosen_where_labels_are_right():
    """At each dose, those that follow least would be the best."""

    def trained(name, right, given, epoch):
        return (right + 1) % CLASSES if epoch == 0 else given if epoch == 2 else 0

    found = summary(icl=follow, gd={"answer": trained, "epochs": (0, 1, 2)})
    own = found.filter(learner="gd", metric="accuracy")
    assert own.filter(epoch=1).is_empty()
    assert estimates(own, epoch=2) == [1, 1, round(1.75 / 3, 9), 0]
    assert estimates(own, epoch=0) == [0] * 4  # which no label has reached
    assert found.filter(learner="icl", metric="slope_past_icl").is_empty()
    assert estimates(found, learner="gd", epoch=2, metric="slope_past_icl") == [0]


def test_abstract_words_are_held_against_the_tasks_own():
    def prior(name, right, given, epoch):
        return 0 if name == "words" else right

    found = summary(icl=follow, other=prior)
    assert estimates(found, metric="accuracy_abstract", learner="other") == [-0.75]
    assert estimates(found, metric="accuracy_abstract", learner="icl") == [0]
    assert set(found.filter(metric="accuracy_abstract")["task"]) == {"words"}


def test_a_run_that_diverged_is_left_out_and_told():
    lost = {"answer": follow, "epochs": (0, 1), "lost": [(0, 1)]}
    found = summary(icl=follow, gd=lost, gd2={"answer": recognise, "epochs": (0, 1)})
    assert set(found.filter(learner="gd")["epoch"]) == {0}  # epoch 1 is not chosen
    kept = summary(icl=follow, gd={**lost, "epochs": (1,), "lost": []})
    assert kept.filter(learner="gd", metric="accuracy")["diverged"].to_list() == [0] * 4
