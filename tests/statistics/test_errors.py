"""Whether a learner errs where ICL errs: numbers by hand, what is left out, who chooses."""

import numpy as np
import polars as pl
import pytest
from support.roles import ROLES
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.metrics import registry
from iclgd.reporting import dictionary
from iclgd.statistics import errors

LABELS = 4


def table(b, label, label_a, label_b, epoch=0, tv=0.5, status="ok", orders=1):
    """An agreement table of ICL and ``b`` from labels [draws, queries]; two queries validate."""
    label, label_a, label_b = (np.asarray(one) for one in (label, label_a, label_b))
    draw, example = np.indices(label.shape).reshape(2, -1)
    columns = {"draw": draw, "example": example, "label": label.ravel()}
    columns |= {"label_a": label_a.ravel(), "label_b": label_b.ravel()}
    frame = pl.DataFrame(columns).with_columns(split=pl.lit("test"))
    first = frame.filter(pl.col("example") < 2)
    first = first.with_columns(split=pl.lit("validation"), example=pl.col("example") - 2)
    frame = pl.concat([frame, first]).join(pl.DataFrame({"order": range(orders)}), how="cross")
    named = {"model": "m", "task": "t", "design": "d", "a": "icl", "b": b, "status": status}
    whole = {"shots": 4, "epoch": epoch, "loss": 0.5, "state": None}
    plain = dict.fromkeys(registry.METRICS, 0.5) | named | whole | {"tv": tv}
    frame = frame.with_columns(pl.lit(one).alias(key) for key, one in plain.items())
    return frame.select(registry.AGREEMENT.keys()).cast(dict(registry.AGREEMENT))


def made(seed=0, draws=4, queries=40, errs=0.5, labels=LABELS):
    """Right labels and answers of two learners that have nothing in common."""
    rng = np.random.default_rng(seed)
    right = np.tile(np.arange(queries) % labels, (draws, 1))
    answers = [
        (right + rng.integers(1, labels, right.shape) * (rng.random(right.shape) < errs)) % labels
        for _ in "ab"
    ]
    return right, *answers


def summarised(*tables):
    return errors.summarised(tables, ROLES)


def row_of(summary, metric, **at):
    named = {"metric": metric, **at}.items()
    return summary.row(by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in named), named=True)


def test_rates_of_errors_by_hand():
    right, a, b = made()
    summary = summarised(table("oracle", right, a, b))
    errs_a, errs_b = a != right, b != right
    by_hand = {
        "error_a": errs_a.mean(),
        "error_b": errs_b.mean(),
        "error_with": errs_b[errs_a].mean(),
        "error_without": errs_b[~errs_a].mean(),
        "error_gap": errs_b[errs_a].mean() - errs_b[~errs_a].mean(),
        "same_wrong": (a == b)[errs_a & errs_b].mean(),
    }
    for name, value in by_hand.items():
        assert row_of(summary, name)["estimate"] == pytest.approx(value), name
    assert row_of(summary, "error_with")["cells"] == errs_a.sum()
    assert row_of(summary, "error_gap")["cells"] == min(errs_a.sum(), (~errs_a).sum())
    assert row_of(summary, "same_wrong")["cells"] == (errs_a & errs_b).sum()
    assert (row_of(summary, "error_a")["draws"], row_of(summary, "error_a")["queries"]) == (4, 40)


def test_chance_is_the_share_of_pairs_in_different_draws_with_one_wrong_label():
    right, a, b = made(1)
    cells = errors.cells(table("oracle", right, a, b))
    both = (a != right) & (b != right)
    total = 0
    for label in range(LABELS):
        at = [tuple(one) for one in np.argwhere(both & (right == label))]
        pairs = [(one, other) for one in at for other in at if one[0] != other[0]]
        total += len(at) * np.mean([a[one] == b[other] for one, other in pairs])
    assert cells["chance"].sum() == pytest.approx(total)
    assert cells["matched"].sum() == both.sum()
    found = row_of(summarised(table("oracle", right, a, b)), "same_gap")["estimate"]
    assert found == pytest.approx((a == b)[both].mean() - total / both.sum())


def test_what_a_cell_adds_to_chance_is_its_derivative():
    """With one more error of a wrong label the share by chance moves as the cell says."""
    right, a, b = made(2, draws=30)
    rows = table("oracle", right, a, b)
    own = errors.cells(rows)
    mean = own["chance"].sum() / own["matched"].sum()
    both = own.filter(pl.col("matched") > 0)
    moved, told = [], []
    for draw, example in both.select("draw", "example").head(60).rows():
        less = rows.filter((pl.col("draw") != draw) | (pl.col("example") != example))
        other = errors.cells(less)
        moved.append(mean - other["chance"].sum() / other["matched"].sum())
        cell = both.row(by_predicate=(pl.col("draw") == draw) & (pl.col("example") == example))
        told.append((cell[both.columns.index("chance")] - mean) / own["matched"].sum())
    assert np.corrcoef(moved, told)[0, 1] > 0.99
    assert np.polyfit(told, moved, 1)[0] == pytest.approx(1, abs=0.1)


def test_the_same_answers_err_alike_and_opposite_ones_never():
    right, a, _ = made()
    same = summarised(table("gd", right, a, a))
    assert row_of(same, "error_gap")["estimate"] == 1
    assert row_of(same, "same_wrong")["estimate"] == 1
    assert row_of(same, "same_gap")["estimate"] > 0.5 and row_of(same, "same_gap")["p"] < 0.05
    other = np.where(a == right, (right + 1) % LABELS, right)
    opposite = summarised(table("gd", right, a, other))
    assert row_of(opposite, "error_gap")["estimate"] == -1
    never = row_of(opposite, "same_wrong")
    assert (never["estimate"], never["cells"], never["p"]) == (None, 0, None)


def test_orders_are_averaged_within_their_draw():
    right, a, b = made()
    one, two = (summarised(table("gd", right, a, b, orders=orders)) for orders in (1, 2))
    for name in ("error_with", "error_gap", "same_wrong", "same_chance", "same_gap"):
        assert row_of(two, name)["estimate"] == pytest.approx(row_of(one, name)["estimate"])
        assert row_of(two, name)["cells"] == pytest.approx(row_of(one, name)["cells"])


def test_a_contrast_is_with_icl_reordered_and_of_no_learner_with_itself():
    right, a, b = made()
    again = np.where(np.arange(a.shape[1]) % 2, a, b)
    found = summarised(table("icl-reordered", right, a, again), table("gd@1", right, a, b))
    for name in ("error_gap", "same_gap"):
        own = row_of(found, name, learner="gd@1")["estimate"]
        noise = row_of(found, name, learner="icl-reordered")["estimate"]
        contrast = row_of(found, f"{name}_excess", learner="gd@1")
        assert contrast["estimate"] == pytest.approx(own - noise) and own < noise
        assert contrast["p"] < 0.5 < 1 - contrast["p"]
    assert found.filter(pl.col("metric").str.ends_with("excess"))["learner"].unique().to_list() == [
        "gd@1"
    ]
    alone = summarised(table("gd@1", right, a, b))
    assert alone.filter(pl.col("metric").str.ends_with("excess")).is_empty()


@pytest.mark.parametrize("labels", [2, 3])
def test_two_labels_leave_one_wrong_one(labels):
    right, a, b = made(labels=labels)
    found = row_of(summarised(table("gd", right, a, b)), "same_wrong")
    assert (found["estimate"] is None) == (labels == 2)
    assert (found["cells"] == 0) == (labels == 2)


def test_few_errors_have_no_number():
    right, _, b = made()
    a = right.copy()
    a[0, : errors.FEW - 1] += 1
    found = summarised(table("gd", right, a % LABELS, b))
    few = row_of(found, "error_with")
    assert (few["estimate"], few["low"], few["cells"]) == (None, None, errors.FEW - 1)
    assert row_of(found, "error_gap")["estimate"] is None
    assert row_of(found, "error_without")["estimate"] is not None
    a[0, errors.FEW] += 1
    more = row_of(summarised(table("gd", right, a % LABELS, b)), "error_with")
    assert more["cells"] == errors.FEW and 0 <= more["low"] < more["estimate"] < more["high"] <= 1


def test_the_nearest_rate_and_epoch_counts_and_what_diverged_does_not():
    right, a, b = made()
    near = table("gd@2", right, a, a, epoch=5, tv=0.1)
    found = summarised(table("gd@1", right, a, b, epoch=9), table("gd@2", right, a, b), near)
    assert found.select("learner", "epoch").unique().rows() == [("gd@2", 5)]
    assert row_of(found, "error_gap")["estimate"] == 1
    lost = summarised(table("gd@1", right, a, a, epoch=9, status="diverged"))
    assert lost["estimate"].is_null().all() and set(lost["cells"]) == {0}


def test_each_place_is_by_itself_and_pairs_of_others_are_left_out():
    right, a, b = made()
    one = table("gd@1", right, a, b)
    other = table("gd@1", right, a, a).with_columns(task=pl.lit("u"))
    not_icl = table("gd-again", right, a, b).with_columns(a=pl.lit("gd@1"))
    found = summarised(one, other, not_icl)
    assert set(found["a"]) == {"icl"} and set(found["task"]) == {"t", "u"}
    assert row_of(found, "error_gap", task="u")["estimate"] == 1
    with pytest.raises(InputError, match="no table is of ICL and another learner"):
        summarised(not_icl)


def test_the_step_writes_columns_that_the_dictionary_knows(tmp_path):
    right, a, b = made()
    for name, rows in {"icl-reordered": b, "gd": a}.items():
        path = tmp_path / f"{name}.parquet"
        parquet.write(table(name, right, a, rows), path, registry.AGREEMENT)
    tables = [str(path) for path in tmp_path.glob("*.parquet")]
    output = tmp_path / "found.parquet"
    run_step("summarise_errors", *figure("errors"), "--agreement", *tables, "--output", output)
    found = pl.read_parquet(output)
    artifact, _ = dictionary.of("results/s/summary/f.parquet")
    assert [name for name in found.columns if artifact.meaning(name) is None] == []
    assert row_of(found, "error_gap", learner="gd")["estimate"] == 1
