"""Which rows of two logits tables are compared, and what comes out."""

import numpy as np
import polars as pl
import pytest
from support.logits import LABELS, VOCABULARY, diverge, logits

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.curves import CURVES
from iclgd.metrics import pairing, registry


def test_shift_takes_the_next_order_cyclically():
    table = logits()
    moved = pairing.shifted(table, "order")

    def answer(frame, order):
        return frame.filter(draw=1, order=order, example=2)["top_logprobs"].to_list()

    assert [answer(moved, order) for order in range(3)] == [answer(table, o) for o in (1, 2, 0)]
    assert pairing.shifted(table, "draw")["draw"].unique().sort().to_list() == [0, 1]


def test_shift_goes_round_where_numbers_do_not_begin_at_0():
    table = logits(draws=3).with_columns(draw=pl.col("draw") + 20)
    moved = pairing.shifted(table, "draw")
    assert moved["draw"].dtype == table["draw"].dtype
    pairs = dict(zip(table["draw"], moved["draw"], strict=True))
    assert pairs == {20: 22, 21: 20, 22: 21}
    with pytest.raises(InputError, match="at least two draws"):
        pairing.shifted(table.filter(draw=20), "draw")


def test_shift_needs_two():
    with pytest.raises(InputError, match="at least two orders, design d has one"):
        pairing.shifted(logits(orders=1), "order")


def test_rows_are_paired_by_key_whatever_their_order():
    a, b = logits(), logits("gd", seed=1)
    plain, _ = pairing.compare(a, b, "gd")
    mixed, _ = pairing.compare(a.sample(fraction=1, shuffle=True, seed=3), b.reverse(), "gd")
    assert mixed.equals(plain)
    assert len(plain) == len(a)


def test_what_has_no_epochs_stands_beside_every_epoch():
    gd = logits("gd", epochs=(0, 5, 9), seed=1)
    table, curves = pairing.compare(logits(), gd, "gd")
    assert table["epoch"].unique().sort().to_list() == [0, 5, 9]
    assert len(table) == len(gd)
    first = table.filter(draw=0, order=0, example=1)
    assert first["accuracy_a"].n_unique() == 1
    assert curves.height == 2 * 3 * 3 * VOCABULARY


@pytest.mark.parametrize(("rows", "cells"), [(1, 1 << 21), (1024, 1), (7, 1 << 21)])
def test_numbers_do_not_depend_on_how_many_rows_go_at_once(monkeypatch, rows, cells):
    a, gd = logits(), logits("gd", epochs=(0, 5), seed=1)
    b = gd.with_columns(pl.when(order=1, draw=0).then(pl.lit("diverged")).otherwise("status"))
    whole = pairing.compare(a, b, "gd")
    monkeypatch.setattr(pairing, "ROWS", rows)
    monkeypatch.setattr(pairing, "CELLS", cells)
    parts = pairing.compare(a, b, "gd")
    assert all(one.equals(other) for one, other in zip(whole, parts, strict=True))


def test_two_learners_with_epochs_are_paired_by_epoch():
    a, b = logits("gd", epochs=(0, 5)), logits("sgd", epochs=(5, 9), seed=1)
    assert pairing.compare(a, b, "sgd")[0]["epoch"].unique().to_list() == [5]


def test_a_replicate_is_the_learner_itself_in_another_order_at_the_same_epoch():
    gd = logits("gd@0.03", orders=2, epochs=(0, 5), seed=1)
    gd = gd.with_columns(
        pl.col("epoch").cast(pl.Float32).alias("loss") + pl.col("order"),
        pl.when(pl.col("epoch") > 0).then(pl.lit("capped")).alias("state"),
    )
    table, _ = pairing.compare(gd, pairing.shifted(gd, "order"), "gd-replicate")
    assert len(table) == len(gd)
    assert table.select("a", "b").unique().rows() == [("gd@0.03", "gd-replicate")]
    row = table.row(
        by_predicate=(pl.col("draw") == 1)
        & (pl.col("order") == 0)
        & (pl.col("epoch") == 5)
        & (pl.col("example") == 2),
        named=True,
    )
    sides = [gd.filter(draw=1, order=o, epoch=5, example=2).row(0, named=True) for o in (0, 1)]
    p, q = (np.exp(np.array(s["top_logprobs"])[np.argsort(s["top_ids"])]) for s in sides)
    assert row["tv"] == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-6)
    # Loss and state are those of b: of the other order.
    assert (row["loss"], row["state"]) == (6.0, "capped")


def test_loss_and_state_of_the_second_learner_are_carried_along():
    gd = diverge(logits("gd", epochs=(0, 5), seed=1), pl.col("order") == 1)
    gd = gd.with_columns(loss=pl.lit(0.25, pl.Float32), state=pl.lit("stalled"))
    table, _ = pairing.compare(logits(), gd, "gd")
    assert set(table["state"]) == {"stalled"} and set(table["loss"]) == {0.25}
    table, _ = pairing.compare(logits(), logits("icl", seed=2), "icl-reordered")
    assert table["state"].is_null().all() and table["loss"].is_null().all()


def test_nothing_in_common_is_an_error():
    with pytest.raises(InputError, match="share no draw"):
        pairing.compare(logits(), logits().with_columns(pl.col("draw") + 9), "gd")


@pytest.mark.parametrize("side", [0, 1])
def test_diverged_rows_stay_without_metrics(side):
    both = [logits(), logits("gd", seed=1)]
    both[side] = diverge(both[side], (pl.col("order") == 1) & (pl.col("example") == 2))
    table, curves = pairing.compare(*both, "gd")
    lost = table.filter(status="diverged")
    assert lost.select("order", "example").unique().rows() == [(1, 2)]
    assert lost.select(*registry.METRICS).null_count().sum_horizontal()[0] == 2 * len(
        registry.METRICS
    )
    assert table.filter(status="ok")["tv"].null_count() == 0
    assert curves["token_overlap"].null_count() == 0


def test_all_diverged_still_has_the_schema(tmp_path):
    table, curves = pairing.compare(logits(), diverge(logits("gd"), pl.lit(True)), "gd")
    parquet.write(table, tmp_path / "a.parquet", registry.AGREEMENT)
    parquet.write(curves, tmp_path / "c.parquet", CURVES)
    read = parquet.read(tmp_path / "a.parquet", registry.AGREEMENT)
    assert read.schema == registry.AGREEMENT
    assert (read["status"] == "diverged").all()
    assert pl.read_parquet(tmp_path / "c.parquet").is_empty()


def test_output_has_the_schema_and_is_right_for_one_row(tmp_path):
    a, b = logits(), logits("gd", seed=1)
    table, curves = pairing.compare(a, b, "gd")
    parquet.write(table, tmp_path / "a.parquet", registry.AGREEMENT)
    read = parquet.read(tmp_path / "a.parquet", registry.AGREEMENT)
    assert read.schema == registry.AGREEMENT
    row = read.filter(draw=1, order=2, example=3).row(0, named=True)
    dense = []
    for frame in (a, b):
        one = frame.filter(draw=1, order=2, example=3).row(0, named=True)
        p = np.zeros(VOCABULARY)
        p[one["top_ids"]] = np.exp(one["top_logprobs"])
        dense.append(p)
    p, q = dense
    assert row["tv"] == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-6)
    assert row["accuracy_a"] == float(p.argmax() == LABELS[1])
    assert row["label_b"] == q[LABELS].argmax()
    assert (row["a"], row["b"]) == ("icl", "gd")
    assert curves.schema == CURVES
