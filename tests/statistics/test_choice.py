"""Which rate and epoch counts."""

import polars as pl

from iclgd.statistics import choice


def choices(*rows):
    schema = ["learner", "epoch", "split", "accuracy", "status"]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = frame.with_columns(model=pl.lit("m"), draw=pl.lit(0))
    return choice.chosen(frame, ["model"], "learner", pl.col("accuracy")).sort("learner").rows()


def test_choice_uses_validation_rows_only():
    rows = [
        ("gd@1", 5, "validation", 0.6, "ok"),
        ("gd@1", 5, "test", 0.0, "ok"),
        ("gd@2", 5, "validation", 0.5, "ok"),
        ("gd@2", 5, "test", 1.0, "ok"),
    ]
    assert choices(*rows) == [("m", "gd@1", 5)]


def test_choice_prefers_sound_rates_and_of_equals_the_most_trained():
    rows = [
        ("gd@1", 0, "validation", 0.9, "ok"),  # untouched: no learning
        ("gd@1", 5, "validation", 0.6, "ok"),
        ("gd@1", 9, "validation", 0.6, "ok"),  # as good with more training
        ("gd@2", 5, "validation", 0.8, "ok"),
        ("gd@2", 5, "validation", None, "diverged"),
        ("icl", 0, "validation", 0.3, "ok"),
    ]
    assert choices(*rows) == [("m", "gd@1", 9), ("m", "icl", 0)]


def test_each_draw_is_left_to_the_others():
    rows = [
        ("gd@1", 5, "validation", score, "ok", draw) for draw, score in enumerate((0.0, 0.9, 0.9))
    ]
    rows += [("gd@2", 5, "validation", 0.5, "ok", draw) for draw in range(3)]
    schema = ["learner", "epoch", "split", "accuracy", "status", "draw"]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = choice.chosen_by_others(frame, "learner", pl.col("accuracy"))
    # Without draw 0, gd@1 has .9; without another one .45, which is less than .5.
    assert found.rows() == [(0, "gd@1", 5), (1, "gd@2", 5), (2, "gd@2", 5)]
    alone = choice.chosen_by_others(frame.filter(draw=1), "learner", pl.col("accuracy"))
    assert alone.rows() == [(1, "gd@1", 5)]
