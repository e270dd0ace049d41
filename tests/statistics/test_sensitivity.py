"""How near every protocol of GD comes to ICL: numbers by hand, and what is chosen by whom."""

import numpy as np
import polars as pl
import pytest
from support.roles import ROLES
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.metrics import registry
from iclgd.reporting import dictionary
from iclgd.statistics import sensitivity

SPLITS = ["validation"] * 2 + ["test"] * 4
SMALLEST = 0.05


def table(b, distances, epoch=0, right=None, most=0.0, orders=1, **more):
    """An agreement table of ICL and ``b``; ``distances`` [draws], or [draws, 6] of every query."""
    tv = np.asarray(distances, float)
    tv = tv if tv.ndim == 2 else np.repeat(tv[:, None], len(SPLITS), 1)
    draw, example = np.indices(tv.shape).reshape(2, -1)
    frame = pl.DataFrame({"draw": draw, "example": example, "tv": tv.ravel()})
    frame = frame.join(pl.DataFrame({"order": range(orders)}), how="cross")
    frame = frame.with_columns(split=pl.Series([SPLITS[i] for i in frame["example"]]))
    named = {"model": "m", "task": "t", "design": "d", "a": "icl", "b": b, "status": "ok"}
    whole = {"shots": 4, "epoch": epoch, "label": 0, "label_a": 0, "label_b": 0}
    plain = dict.fromkeys(registry.METRICS, 0.5) | named | whole | {"loss": 0.5, "state": None}
    plain = {key: one for key, one in (plain | more).items() if key not in ("tv", "tv_most")}
    frame = frame.with_columns(pl.lit(one).alias(key) for key, one in plain.items())
    accuracy = pl.lit(1.0 if right is None else right)
    frame = frame.with_columns(tv_most=pl.col("tv") + most, accuracy_b=accuracy)
    return frame.select(registry.AGREEMENT.keys()).cast(dict(registry.AGREEMENT))


def summarised(*tables, smallest=SMALLEST):
    return sensitivity.summarised(tables, ROLES, smallest)


def row_of(summary, **at):
    return summary.row(
        by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in at.items()), named=True
    )


NOISE = table("icl-reordered", [0.1, 0.2, 0.3])


def test_the_numbers_of_a_point_by_hand():
    """Excess .02, .04, .06 over three draws: mean .04, error .02 / sqrt 3, Student's t of 2 df."""
    half = table("gd@1", [0.12, 0.24, 0.36], epoch=5, right=0.0, loss=0.25)
    found = summarised(NOISE, half)
    row = row_of(found, learner="gd@1", epoch=5, closest=False)
    assert (row["family"], row["a"], row["shots"]) == ("gd", "icl", 4)
    assert [row[name] for name in ("estimate", "reference", "excess")] == pytest.approx(
        [0.24, 0.2, 0.04]
    )
    wide = 2.919986 * 0.02 / 3**0.5  # t at 95 % one-sided, 2 degrees of freedom
    assert row["excess_low"] == pytest.approx(0.04 - wide, abs=1e-6)
    assert row["excess_high"] == pytest.approx(0.04 + wide, abs=1e-6)
    assert (row["loss"], row["diverged"], row["accuracy"]) == (0.25, 0.0, 0.0)
    assert not row["reached"] and not row["missed"]  # .006 to .074
    own = row_of(found, learner="icl-reordered")
    assert (own["estimate"], own["excess"], own["accuracy"]) == pytest.approx((0.2, 0.0, 1.0))


@pytest.mark.parametrize(("added", "reached", "missed"), [(0.04, True, False), (0.06, False, True)])
def test_what_never_varies_is_sure(added, reached, missed):
    found = summarised(NOISE, table("gd@1", [0.1 + added, 0.2 + added, 0.3 + added], epoch=5))
    for closest in (False, True):
        row = row_of(found, learner="gd@1", closest=closest)
        assert (row["reached"], row["missed"]) == (reached, missed)
    wider = summarised(NOISE, table("gd@1", [0.16, 0.26, 0.36], epoch=5), smallest=0.1)
    assert row_of(wider, learner="gd@1", closest=True)["reached"]


def test_bounds_allow_for_what_is_not_kept_of_the_vocabulary():
    found = summarised(NOISE, table("gd@1", [0.14, 0.24, 0.34], epoch=5, most=0.03))
    row = row_of(found, learner="gd@1", closest=True)
    assert (row["excess_low"], row["excess_high"]) == pytest.approx((0.04, 0.07))
    assert not row["reached"]


def test_the_closest_point_of_a_draw_is_chosen_by_the_others():
    """By its own queries each draw would be at .1; the others send one draw elsewhere."""
    one = table("gd@1", [0.1, 0.1, 0.5], epoch=5)
    two = table("gd@2", [0.3, 0.3, 0.1], epoch=5)
    found = summarised(NOISE, one, two)
    # Without draw 0: .3 against .2; without 1 the same; without 2: .1 against .3.
    row = row_of(found, family="gd", closest=True)
    assert row["estimate"] == pytest.approx((0.3 + 0.3 + 0.5) / 3)
    assert (row["learner"], row["epoch"]) == ("gd@1", 5)  # of equals the first name
    for learner in ("gd@1", "gd@2"):
        mean = row_of(found, learner=learner, closest=False)["estimate"]
        assert mean == pytest.approx(0.7 / 3)


def test_validation_queries_choose_and_test_queries_are_reported():
    lures = np.repeat([[0.9, 0.9, 0.1, 0.1, 0.1, 0.1]], 3, 0)
    good = np.repeat([[0.2, 0.2, 0.4, 0.4, 0.4, 0.4]], 3, 0)
    found = summarised(NOISE, table("gd@1", lures, epoch=5), table("gd@2", good, epoch=5))
    row = row_of(found, family="gd", closest=True)
    assert (row["learner"], row["estimate"]) == ("gd@2", pytest.approx(0.4))
    assert row["border"] == "last epoch, highest rate"


def test_a_point_inside_the_grid_has_no_border():
    tables = [
        table(f"gd@{rate}", [0.5 - (rate == 2) * 0.01 * epoch] * 3, epoch=epoch)
        for rate in (1, 2, 3)
        for epoch in (0, 5, 9)
    ]
    tables[5] = table("gd@2", [0.6] * 3, epoch=9)
    found = summarised(NOISE, *tables)
    row = row_of(found, family="gd", closest=True)
    assert (row["learner"], row["epoch"], row["border"]) == ("gd@2", 5, None)


def test_what_diverged_neither_counts_nor_is_chosen():
    lost = table("gd@9", [0.1, 0.2, 0.3], epoch=5)
    lost = lost.with_columns(
        status=pl.when(pl.col("draw") == 0).then(pl.lit("diverged")).otherwise("status"),
        tv=pl.when(pl.col("draw") > 0).then("tv"),
        tv_most=pl.when(pl.col("draw") > 0).then("tv_most"),
    )
    found = summarised(NOISE, lost)
    row = row_of(found, learner="gd@9")
    assert row["diverged"] == pytest.approx(1 / 3) and not row["reached"]
    assert found.filter("closest").is_empty()
    both = summarised(NOISE, lost, table("gd@1", [0.4] * 3, epoch=5))
    assert both.filter("closest")["learner"].to_list() == ["gd@1"]


def test_orders_are_averaged_within_their_draw():
    first = table("gd@1", [0.1, 0.2, 0.3], epoch=5, orders=2)
    shifted = first.with_columns(tv=pl.col("tv") + 0.1 * pl.col("order"))
    row = row_of(summarised(NOISE, shifted), learner="gd@1", closest=False)
    assert row["estimate"] == pytest.approx(0.25) and row["draws"] == 3


def test_learners_that_do_not_descend_are_left_out():
    found = summarised(NOISE, table("gd@1", [0.2] * 3, epoch=5), table("oracle", [0.0] * 3))
    assert set(found["learner"]) == {"gd@1", "icl-reordered"}


def test_what_is_missing_is_told():
    with pytest.raises(InputError, match="m t d 4 icl: no ICL under another order beside it"):
        summarised(table("gd@1", [0.2] * 3, epoch=5))
    with pytest.raises(InputError, match="gd@1 has draws or queries that icl-reordered has not"):
        summarised(NOISE, table("gd@1", [0.2] * 4, epoch=5))
    with pytest.raises(InputError, match="no table is of ICL and a learner that trains"):
        summarised()


def test_the_step_writes_columns_that_the_dictionary_knows(tmp_path):
    for name, rows in {"icl-reordered": NOISE, "gd": table("gd@1", [0.11] * 3, epoch=5)}.items():
        parquet.write(rows, tmp_path / f"{name}.parquet", registry.AGREEMENT)
    tables = [str(path) for path in tmp_path.glob("*.parquet")]
    output = tmp_path / "found.parquet"
    usual = ["--agreement", *tables, "--output", str(output)]
    run_step("summarise_sensitivity", *figure("sensitivity"), *usual)
    assert pl.read_parquet(output)["smallest"].unique().to_list() == [0.05]
    run_step("summarise_sensitivity", *figure("sensitivity", smallest_effect=0.2), *usual)
    found = pl.read_parquet(output)
    assert found["smallest"].unique().to_list() == [0.2]
    artifact, _ = dictionary.of("results/s/summary/f.parquet")
    assert [name for name in found.columns if artifact.meaning(name) is None] == []
