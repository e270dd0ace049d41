"""How often the intervals of error statistics cover and their tests err, by simulation.

Draws differ in how often ICL errs and in which wrong label demonstrations lead to; labels have
preferences of their own. The truth is what one study of very many draws finds.
"""

import numpy as np
import polars as pl
import pytest

from iclgd.statistics import errors

pytestmark = pytest.mark.slow
DRAWS, QUERIES, LABELS, STUDIES, MANY = 10, 96, 4, 400, 4000
# How often ICL errs; how often the learner does where ICL errs, and where not; how often its wrong
# label is ICL's; standard deviation of all of these over draws (logits); how far the
# wrong label hangs on draw and right label.
WORLDS = {
    "errors alike": (0.3, 0.7, 0.2, 0.6, 1.0, 0.7),
    "nothing alike": (0.3, 0.4, 0.4, 0.0, 1.0, 0.7),
    "few errors": (0.1, 0.5, 0.2, 0.3, 0.5, 0.5),
}


def study(rng, draws, world):
    """An agreement table of one learner, as far as `errors.cells` reads it."""
    often, beside, alone, alike, spread, led = WORLDS[world]
    right = np.tile(np.arange(QUERIES) % LABELS, (draws, 1))

    def happens(p, size=(draws, 1)):
        shift = rng.normal(0, spread, size)
        return rng.random((draws, QUERIES)) < 1 / (1 + np.exp(-np.log(p / (1 - p)) - shift))

    def wrong():
        """Steps from the right label to a wrong one: some led to in a draw, some preferred."""
        mine = rng.integers(1, LABELS, (draws, LABELS))[np.arange(draws)[:, None], right]
        usual = rng.choice([1, 2, 3], (draws, QUERIES), p=[0.5, 0.3, 0.2])
        return np.where(rng.random((draws, QUERIES)) < led, mine, usual)

    a_errs = happens(often)
    a = wrong()
    frame = {"label_a": right + a * a_errs}
    for side in "bc":  # two learners of one kind
        errs, own = np.where(a_errs, happens(beside), happens(alone)), wrong()
        b = np.where(rng.random((draws, QUERIES)) < alike, a, own)
        frame[f"label_{side}"] = right + b * errs
    draw, example = np.indices(right.shape)
    frame = {name: values % LABELS for name, values in frame.items()}
    frame |= {"draw": draw, "example": example, "label": right}
    frame = pl.DataFrame({name: values.ravel() for name, values in frame.items()})
    return frame.with_columns(order=pl.lit(0), split=pl.lit("test"), status=pl.lit("ok"))


def rows_of(table):
    """The statistics of one learner, the other being ICL reordered."""
    again = errors.cells(table.drop("label_b").rename({"label_c": "label_b"}))
    return errors.statistics(errors.cells(table), again)


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover_and_tests_err_as_often_as_they_say(world):
    rng = np.random.default_rng(0)
    truth = {one["metric"]: one["estimate"] for one in rows_of(study(rng, MANY, world))}
    covered = {name: [] for name in truth}
    sure = {name: [] for name in (*errors.ABOVE, *errors.BELOW)}
    for _ in range(STUDIES):
        for row in rows_of(study(rng, DRAWS, world)):
            name = row["metric"]
            covered[name].append(row["low"] <= truth[name] <= row["high"])
            if name in sure:
                sure[name].append(row["p"] < 0.05)
    covered, sure = ({k: float(np.mean(v)) for k, v in one.items()} for one in (covered, sure))
    print(world, truth, covered, sure)
    assert abs(truth["error_gap_excess"]) < 0.02 and abs(truth["same_gap_excess"]) < 0.03
    assert min(covered.values()) >= 0.9
    assert max(sure[name] for name in errors.BELOW) <= 0.08
    if world == "nothing alike":
        assert abs(truth["error_gap"]) < 0.02 and abs(truth["same_gap"]) < 0.02
        assert max(sure[name] for name in errors.ABOVE) <= 0.08
    else:
        assert min(sure[name] for name in errors.ABOVE) >= 0.6  # power
