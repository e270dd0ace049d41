"""Draws are nested and balanced; orders are distinct; both depend on names alone."""

import itertools
import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.steps import run_step
from support.tasks import tiny_task
from support.workflow import ROOT

from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.study import jobs
from iclgd.tasks import controls, sampling

FOUR = tiny_task("topic4", rows=60, classes=4)
CONFLICT = controls.conflicting_labels(FOUR, "topic4")
TRAIN = FOUR.filter(pl.col("split") == "train")


@given(st.integers(1, len(TRAIN)), st.integers(0, 50))
def test_draws_are_nested_balanced_and_disjoint_from_queries(shots, number):
    chosen = sampling.draw(FOUR, shots, number)
    assert len(set(chosen)) == len(chosen) == shots
    assert set(chosen) <= set(TRAIN["example"])
    assert chosen == sampling.draw(FOUR, len(TRAIN), number)[:shots]
    label = dict(TRAIN.select("example", "label").rows())
    there, drawn = Counter(TRAIN["label"]), Counter(label[i] for i in chosen)
    # As balanced as can be: a class may be behind another only if it has no row left.
    for one, other in itertools.permutations(there, 2):
        assert drawn[one] >= drawn[other] - 1 or drawn[one] == there[one]


def test_bindings_are_drawn_with_the_draw_and_the_same_in_every_design():
    few, many = (
        sampling.demonstrations(FOUR, f"n{shots}", shots, 2, range(30), drawn=True)
        for shots in (2, 8)
    )
    binding = {}
    for table in (few, many):
        for draw, own in table.select("draw", "binding").unique(maintain_order=True).rows():
            assert sorted(own) == [0, 1, 2, 3]
            assert binding.setdefault(draw, own) == own
    assert len({tuple(own) for own in binding.values()}) > 12  # of 24
    fixed = sampling.demonstrations(FOUR, "n2", 2, 2, range(30))
    assert fixed["binding"].null_count() == len(fixed)
    assert fixed.drop("binding").equals(few.drop("binding"))


def test_a_task_with_other_labels_shows_what_its_original_shows():
    other = controls.abstract_labels(FOUR).with_columns(task=pl.lit("other"))
    mine = sampling.demonstrations(other, "n4", 4, 3, range(5), drawn=True, like=FOUR)
    own = sampling.demonstrations(FOUR, "n4", 4, 3, range(5), drawn=True)
    assert set(mine["task"]) == {"other"}
    assert mine.drop("task").equals(own.drop("task"))
    alone = sampling.demonstrations(other, "n4", 4, 3, range(5), drawn=True)
    assert not alone.drop("task").equals(own.drop("task"))


def test_a_share_of_each_draw_is_flipped_and_a_larger_share_holds_a_smaller():
    other = controls.flipped_labels(FOUR).with_columns(task=pl.lit("other"))
    own = sampling.demonstrations(FOUR, "n8", 8, 2, range(5))
    beyond, before = controls.numbered_from(FOUR), pl.repeat(False, len(own), eager=True)
    for share, count in ((0.0, 0), (0.25, 2), (0.45, 4), (1.0, 8)):
        mine = sampling.demonstrations(other, "n8", 8, 2, range(5), like=FOUR, wrong=share)
        assert set(mine["example"]) <= set(other["example"])
        assert (mine["example"] % beyond).equals(own["example"])
        wrong = mine["example"] >= beyond
        counts = mine.filter(wrong).group_by("draw", "order").len()["len"].to_list()
        assert counts == [count] * 10 * bool(count)
        assert (wrong | before).equals(wrong)
        before = wrong


def test_draws_differ_by_number_and_task():
    draws = [tuple(sampling.draw(FOUR, 8, number)) for number in range(20)]
    assert len(set(draws)) == 20
    renamed = FOUR.with_columns(task=pl.lit("other"))
    assert sampling.draw(renamed, 8, 0) != list(draws[0])


def test_more_shots_than_rows_are_an_error():
    with pytest.raises(
        InputError, match=f"task topic4: 99 shots requested, but there are only {len(TRAIN)}"
    ):
        sampling.draw(FOUR, 99, 0)


@settings(deadline=None)  # the first call of polars is slow
@given(st.integers(1, 12), st.integers(0, 20))
def test_with_conflict_every_input_has_two_labels_and_draws_are_nested(inputs, number):
    chosen = sampling.draw_conflicting(CONFLICT, 2 * inputs, number)
    rows = {row["example"]: row for row in CONFLICT.iter_rows(named=True)}
    assert len(set(chosen)) == 2 * inputs
    for one, other in zip(chosen[::2], chosen[1::2], strict=True):
        assert rows[one]["text"] == rows[other]["text"]
        assert rows[one]["label"] != rows[other]["label"]
    assert len({rows[one]["text"] for one in chosen}) == inputs
    first = Counter(rows[one]["label"] for one in chosen[::2])
    assert max(first.values()) - min(first[label] for label in range(4)) <= 1
    assert chosen == sampling.draw_conflicting(CONFLICT, 24, number)[: 2 * inputs]


def test_conflict_needs_twins_and_an_even_number():
    with pytest.raises(InputError, match="task topic4: 3 shots, but each input is shown twice"):
        sampling.draw_conflicting(CONFLICT, 3, 0)
    with pytest.raises(InputError, match="topic4: a text of a training row has one label only"):
        sampling.draw_conflicting(FOUR, 4, 0)
    inputs = len(TRAIN) + 1
    with pytest.raises(InputError, match=f"{inputs} shots requested, but there are only"):
        sampling.draw_conflicting(CONFLICT, 2 * inputs, 0)


def test_the_table_of_conflict_has_every_order_of_both_labels():
    table = sampling.demonstrations(CONFLICT, "n4", 4, "all", range(2), conflict=True)
    rows = {row["example"]: row for row in CONFLICT.iter_rows(named=True)}
    for _, own in table.group_by("draw", "order"):
        texts = Counter(rows[one]["text"] for one in own["example"])
        assert list(texts.values()) == [2, 2]


def test_with_fewer_shots_than_classes_so_many_classes_are_shown():
    label = dict(TRAIN.select("example", "label").rows())
    shown = [{label[one] for one in sampling.draw(FOUR, 2, number)} for number in range(40)]
    assert {len(own) for own in shown} == {2}  # 2 of 4 classes: queries of the others stay open
    assert len({tuple(sorted(own)) for own in shown}) == 6  # and every two of them come


@given(st.integers(1, 6), st.data())
def test_orders_are_different_permutations(shots, data):
    most = len(list(itertools.permutations(range(shots))))
    count = data.draw(st.integers(1, min(most, 40)))
    found = sampling.orders(np.random.default_rng(0), shots, count)
    assert len(set(found)) == len(found) == count
    assert all(sorted(order) == list(range(shots)) for order in found)
    assert found[0] == sampling.orders(np.random.default_rng(0), shots, 1)[0]


def test_all_orders():
    found = sampling.orders(np.random.default_rng(0), 4, "all")
    assert len(set(found)) == 24
    with pytest.raises(InputError, match="25 orders requested, but 4 shots have 24"):
        sampling.orders(np.random.default_rng(0), 4, 25)


def test_the_next_of_all_orders_is_any_other():
    """By chance 20 / 23 places of 4 stay: the 23 orders that are others have 20 fixed points."""
    rng = np.random.default_rng(0)
    stayed = []
    for _ in range(100):
        found = sampling.orders(rng, 4, "all")
        pairs = zip(found, found[1:] + found[:1], strict=True)
        stayed += [sum(a == b for a, b in zip(*pair, strict=True)) for pair in pairs]
    assert np.mean(stayed) == pytest.approx(20 / 23, abs=0.06)


def test_the_table_has_every_demonstration_once_in_every_order():
    table = sampling.demonstrations(FOUR, "n4", 4, 6, range(2, 5))
    assert table.schema == DEMONSTRATIONS
    assert len(table) == 3 * 6 * 4
    assert table.select("task", "design").unique().rows() == [("topic4", "n4")]
    for (number, _), rows in table.group_by("draw", "order"):
        assert rows["position"].sort().to_list() == [0, 1, 2, 3]
        assert set(rows["example"]) == set(sampling.draw(FOUR, 4, number))


def test_a_draw_does_not_depend_on_its_block():
    whole = sampling.demonstrations(FOUR, "n4", 4, 6, range(5))
    block = sampling.demonstrations(FOUR, "n4", 4, 6, range(3, 5))
    assert whole.filter(pl.col("draw") >= 3).equals(block)


def test_many_demonstrations_of_the_default_study_differ_and_show_no_word_of_a_query(tmp_path):
    """Its figure of kind scale: two draws share under a quarter of their demonstrations."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    (figure,) = (one for one in config["figures"].values() if one["kind"] == "scale")
    (name,), design = figure["tasks"], figure["runs"][-1][0]
    entry, output = json.dumps(jobs.task(config, name)), tmp_path / f"{name}.parquet"
    run_step("prepare_task", "--task", name, "--entry", entry, "--output", output)
    task = pl.read_parquet(output)
    shots, count = (config["demonstrations"][design][key] for key in ("shots", "draws"))
    draws = [set(sampling.draw(task, shots, number)) for number in range(count)]
    shared = [len(one & other) / shots for one, other in itertools.combinations(draws, 2)]
    pool = len(task.filter(pl.col("split") == "train"))
    assert shots / pool < 0.25 and abs(np.mean(shared) - shots / pool) < 0.03
    words = {
        asked: {word for text in rows["text"] for word in text.split()} - {":"}
        for (asked,), rows in task.group_by(pl.col("split") != "train")
    }
    assert not words[True] & words[False]
    assert len(task.filter(pl.col("split") != "train")) == config["tasks"][name]["queries"]
