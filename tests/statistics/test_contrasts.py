"""Differences of what shares its draws and queries, by hand."""

import polars as pl
import pytest
from scipy import stats
from support.logits import logits
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.statistics import contrasts
from iclgd.statistics.families import step

BY = [*RUN_COLUMNS, "learner", "epoch"]


def rows(cells, learner="gd@1", model="m", shots=8, design=None, epoch=5):
    """Accuracies ``cells[draw][query]``."""
    key = {"model": model, "task": "t", "design": design or f"n{shots}", "shots": shots}
    key |= {"learner": learner, "epoch": epoch, "order": 0}
    return pl.DataFrame(
        {**key, "draw": d, "example": q, "accuracy": float(x)}
        for d, row in enumerate(cells)
        for q, x in enumerate(row)
    )


def test_a_difference_is_of_cells_that_both_have():
    mine = rows([[0.9, 0.5], [0.7, 0.3]])
    other = pl.concat([rows([[0.4, 0.5]]), rows([[0.2, 0.5]])])  # two orders of draw 0
    found = contrasts.between(mine, other, ["task"], "accuracy", "learner")
    assert found.sort("example")["difference"].to_list() == pytest.approx([0.6, 0.0])
    assert set(found["against"]) == {"gd@1"}


def test_what_draws_and_queries_do_to_both_is_no_part_of_a_difference():
    """Draws are .1 and .5, queries 0 and .2 and more demonstrations .2 + .1 each other draw."""
    few = [[0.1, 0.3, 0.1], [0.5, 0.7, 0.5]]
    many = [[x + 0.2 + 0.1 * d for x in row] for d, row in enumerate(few)]
    table = contrasts.by_shots(pl.concat([rows(few), rows(many, shots=512)]), ["icl"], BY)
    row = table.row(0, named=True)
    assert len(table) == 1
    assert (row["metric"], row["design"], row["against"]) == ("accuracy_more", "n512", "n8")
    assert row["estimate"] == pytest.approx(0.25)
    assert row["error"] == pytest.approx(0.05)  # of .2 and .3; that of the draws themselves: .2
    assert row["low"] == pytest.approx(0.25 - stats.t.ppf(0.975, 1) * 0.05)


def test_many_demonstrations_against_icl_with_few():
    table = contrasts.by_shots(
        pl.concat(
            [
                rows([[0.5, 0.5], [0.6, 0.6]], "gd@1"),
                rows([[0.8, 0.8], [0.8, 0.8]], "gd@0.1", shots=512),  # another rate of the family
                rows([[0.9, 0.9], [0.7, 0.7]], "icl"),
                rows([[0.1, 0.1]], "icl", design="orders"),  # fewer draws: not used
                rows([[0.1, 0.1], [0.1, 0.1]], "adam@1"),  # with few alone
            ]
        ),
        ["icl"],
        BY,
    ).sort("metric", "learner")
    columns = table.select("learner", "metric", "against", "draws", "queries").rows()
    assert columns == [
        ("gd@0.1", "accuracy_more", "n8", 2, 2),
        ("adam@1", "accuracy_past_icl", "n8", 2, 2),
        ("gd@0.1", "accuracy_past_icl", "n8", 2, 2),
        ("gd@1", "accuracy_past_icl", "n8", 2, 2),
    ]
    assert table["estimate"].to_list() == pytest.approx([0.25, -0.7, 0.0, -0.25])


def test_a_checkpoint_is_compared_with_the_one_before():
    table = contrasts.by_steps(
        pl.concat(
            [
                rows([[0.1, 0.1], [0.3, 0.3]], "icl", "m@step1000"),
                rows([[0.1, 0.1], [0.0, 0.0]], "icl", "m@step200"),
                rows([[0.9, 0.9], [0.9, 0.9]], "icl", "m@step20000"),
                rows([[0.9, 0.9], [0.9, 0.9]], "icl", "other"),
            ]
        ),
        BY,
    )
    assert table.select("model", "against", "metric").rows() == [
        ("m@step1000", "m@step200", "accuracy_change"),
        ("m@step20000", "m@step1000", "accuracy_change"),
    ]
    assert table["estimate"].to_list() == pytest.approx([0.15, 0.7])


def test_steps_are_the_numbers_of_revisions():
    frame = pl.DataFrame({"m": ["m@step1000", "m@step-20", "m@v1-step7", "m@3b", "m@main", "m"]})
    assert frame.select(step("m"))["step"].to_list() == [1000, 20, 7, 3, None, None]


@pytest.mark.parametrize("kind", ["scale", "checkpoints"])
def test_the_summary_has_the_differences_of_its_kind(tmp_path, kind):
    tables = [logits(draws=3, seed=0), logits("gd@1", draws=3, epochs=(0, 5), seed=1)]
    many = logits("gd@1", draws=3, epochs=(0, 5), seed=2)
    tables.append(many.with_columns(design=pl.lit("e"), shots=pl.lit(9, pl.Int32)))
    if kind == "checkpoints":
        tables = [logits(draws=3, seed=s) for s in range(2)]
        tables = [t.with_columns(model=pl.lit(f"m@step{s}")) for s, t in enumerate(tables)]
    paths = [tmp_path / f"{i}.parquet" for i in range(len(tables))]
    for table, path in zip(tables, paths, strict=True):
        parquet.write(table, path, LOGITS)
    output = tmp_path / "summary.parquet"
    run_step("summarise_accuracy", *figure(kind), "--logits", *paths, "--output", output)
    summary = pl.read_parquet(output)
    found = summary.drop_nulls("against")
    plain = summary.filter(pl.col("chosen"), metric="accuracy")
    value = {(row["model"], row["learner"], row["design"]): row for row in plain.to_dicts()}

    def at(model, learner, design):
        return value[model, learner, design]["estimate"]

    if kind == "scale":
        few, many, icl = (at("m", *x) for x in (("gd@1", "d"), ("gd@1", "e"), ("icl", "d")))
        expected = {
            "accuracy_more e": many - few,
            "accuracy_past_icl e": many - icl,
            "accuracy_past_icl d": few - icl,
        }
    else:
        change = at("m@step1", "icl", "d") - at("m@step0", "icl", "d")
        expected = {"accuracy_change d": change}
    named = found.select(pl.concat_str("metric", "design", separator=" "), "estimate")
    assert dict(named.rows()) == pytest.approx(expected)
    assert found["chosen"].all() and found["error"].null_count() == 0
