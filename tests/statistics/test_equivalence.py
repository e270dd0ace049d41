"""Verdicts of equivalence on planted distances, margins, and the nearest that GD comes."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats
from support.models import save_model, tiny_model
from support.steps import figure, run_step
from support.tasks import tiny_task
from support.verdicts import read_off

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.task import TASK
from iclgd.metrics import registry
from iclgd.statistics import equivalence, intervals

DRAWS, QUERIES = 5, 80
SPLITS = np.array(["validation"] * 20 + ["test"] * 60)


def pair(b, tv, epoch=0, noise=0.02, accuracy=(1.0, 1.0), model="m", seed=0):
    """An agreement table of ICL and ``b`` whose total variation is ``tv`` on average."""
    rng = np.random.default_rng([seed, len(b), epoch])
    draw, example = np.indices((DRAWS, QUERIES)).reshape(2, -1)
    values = (tv + noise * rng.uniform(-1, 1, len(draw))).clip(0, 1)
    frame = pl.DataFrame({"draw": draw, "example": example, "split": SPLITS[example]})
    named = {"model": model, "task": "t", "design": "d", "a": "icl", "b": b, "status": "ok"}
    whole = {"shots": 4, "order": 0, "epoch": epoch, "label": 0, "label_a": 0, "label_b": 0}
    whole |= {"loss": None, "state": None}
    metrics = dict.fromkeys(registry.METRICS, pl.lit(0.5)) | {
        "tv": pl.Series(values),
        "token_overlap": pl.Series(1 - values),
        "accuracy_a": pl.lit(accuracy[0]),
        "accuracy_b": pl.lit(accuracy[1]),
    }
    frame = frame.with_columns(**{k: pl.lit(v) for k, v in (named | whole).items()}, **metrics)
    return frame.select(registry.AGREEMENT.keys()).cast(dict(registry.AGREEMENT))


def gd(name, *epochs, start=0.8, **more):
    """GD at distance ``start`` from ICL before training, and as given at ``epochs``."""
    parts = [pair(name, start, 0, **more)]
    parts += [pair(name, tv, epoch + 1, **more) for epoch, tv in enumerate(epochs)]
    return pl.concat(parts)


def verdict(reference, *epochs, choice="nearest", **more):
    pairs = [pair("icl-reordered", reference), gd("gd@1", *epochs, **more)]
    table = equivalence.judged(pairs, "icl-reordered")
    rows = table.filter(factor=1.0, choice=choice, measure="tv")
    return rows.row(0, named=True)


def test_the_margin_is_the_95th_percentile_of_the_draws_validation_means():
    reference = pair("icl-reordered", 0.1)
    row = verdict(0.1, 0.5)
    means = (
        reference.filter(pl.col("split") == "validation").group_by("draw").agg(pl.col("tv").mean())
    )
    assert row["margin"] == pytest.approx(np.quantile(means["tv"], 0.95))
    assert row["reference"] == pytest.approx(
        reference.filter(pl.col("split") == "test")["tv"].mean()
    )


@pytest.mark.parametrize(
    ("reference", "distance", "start", "expected"),
    [
        (0.1, 0.05, 0.8, "equivalent"),  # nearer to ICL than ICL to itself
        (0.1, 0.5, 0.8, "different"),
        (0.1, 0.05, 0.05, "inconclusive"),  # so is the pretrained model: ICL did nothing
        (0.0, 0.0, 0.8, "equivalent"),  # the construction: nothing but rounding
    ],
)
def test_verdicts(reference, distance, start, expected):
    assert verdict(reference, distance, start=start, noise=0.0)["verdict"] == expected


def test_rounding_is_no_difference():
    pairs = [pair("icl-reordered", 0.0, noise=0.0), gd("gd", 1e-8, noise=1e-9)]
    row = equivalence.judged(pairs, "icl-reordered").filter(
        factor=1.0, choice="nearest", measure="tv"
    )
    assert row["verdict"].to_list() == ["equivalent"]
    assert row["margin"].to_list() == [equivalence.TOLERANCE]


def test_different_but_within_the_margin_is_trivially_both():
    # ICL is .1 from itself on average, but one draw is far off: the margin is wide.
    far = pair("icl-reordered", 0.1).with_columns(
        pl.when(pl.col("draw") == 0, pl.col("split") == "validation")
        .then(0.4)
        .otherwise("tv")
        .alias("tv")
    )
    table = equivalence.judged([far, gd("gd", 0.2)], "icl-reordered")
    row = table.filter(factor=1.0, choice="nearest", measure="tv").row(0, named=True)
    assert row["margin"] > 0.3
    assert row["verdict"] == "trivially both"


def test_few_draws_that_differ_are_inconclusive_and_underpowered():
    wild = gd("gd", 0.3).with_columns(
        pl.when(pl.col("epoch") > 0).then(pl.col("draw") / 5).otherwise("tv").alias("tv")
    )
    table = equivalence.judged([pair("icl-reordered", 0.1), wild], "icl-reordered")
    row = table.filter(factor=1.0, choice="nearest", measure="tv").row(0, named=True)
    assert (row["verdict"], row["underpowered"]) == ("inconclusive", True)


def test_a_larger_margin_never_takes_equivalence_back():
    pairs = [pair("icl-reordered", 0.1), gd("gd", 0.15)]
    rows = equivalence.judged(pairs, "icl-reordered").filter(choice="nearest", measure="tv")
    near = [v in ("equivalent", "trivially both") for v in rows.sort("factor")["verdict"]]
    assert near == sorted(near)
    assert near[0] != near[-1]


def test_nearest_is_chosen_on_validation_queries_and_reported_on_others():
    lucky = gd("gd", 0.3, 0.2).with_columns(
        pl.when(pl.col("epoch") == 1, pl.col("split") == "test")
        .then(0.0)
        .otherwise("tv")
        .alias("tv")
    )
    table = equivalence.judged([pair("icl-reordered", 0.1), lucky], "icl-reordered")
    row = table.filter(factor=1.0, choice="nearest", measure="tv").row(0, named=True)
    assert row["epoch"] == 2
    assert row["estimate"] == pytest.approx(0.2, abs=0.01)


def test_most_accurate_and_nearest_may_differ():
    best = pl.concat([gd("gd@1", 0.5, accuracy=(1, 1)), gd("gd@2", 0.2, accuracy=(1, 0.5))])
    table = equivalence.judged(
        [pair("icl-reordered", 0.1), *best.partition_by("b")], "icl-reordered"
    )
    rows = table.filter(factor=1.0, measure="gain")
    assert dict(rows.select("choice", "b").rows()) == {"accuracy": "gd@1", "nearest": "gd@2"}
    gains = dict(rows.select("choice", "estimate").rows())
    assert gains == {"accuracy": 0, "nearest": 0.5}
    assert rows["verdict"].null_count() == 2


def test_holm_is_over_what_one_model_is_judged_by():
    def p(*names):
        pairs = [pair("icl-reordered", 0.1)] + [gd(name, 0.13, noise=0.3) for name in names]
        pairs += [pair("icl-reordered", 0.1, model="n"), gd("gd", 0.13, model="n")]
        table = equivalence.judged(pairs, "icl-reordered")
        mine = table.filter(factor=1.0, choice="nearest", measure="tv", model="m", b="gd")
        return mine["p_difference"][0]

    alone, beside = p("gd"), p("gd", "gd-v", "gd-w")
    assert alone < beside <= 3 * alone + 1e-12


def test_diverged_and_untouched_are_never_nearest():
    rows = pl.concat([gd("gd@1", 0.3, 0.1, start=0.0), gd("gd@2", 0.05)])
    lost = (pl.col("b") == "gd@2") & (pl.col("epoch") == 1) & (pl.col("draw") == 0)
    rows = rows.with_columns(
        pl.when(lost).then(pl.lit("diverged")).otherwise("status").alias("status")
    )
    assert equivalence.nearest(rows, ["model"]).rows() == [("m", "gd@1", 2)]


def test_the_table_has_every_estimate_column_and_what_is_missing_is_an_error():
    table = equivalence.judged([pair("icl-reordered", 0.1), gd("gd", 0.3)], "icl-reordered")
    assert set(intervals.ESTIMATE) <= set(table.columns)
    assert set(table["factor"]) == set(equivalence.FACTORS)
    assert set(table["verdict"].drop_nulls()) <= set(equivalence.VERDICTS)
    with pytest.raises(InputError, match="reference 'icl-reordered'"):
        equivalence.judged([gd("gd", 0.3)], "icl-reordered")
    fewer = pair("icl-reordered", 0.1).filter(pl.col("draw") > 0)
    with pytest.raises(InputError, match="gd was asked what icl-reordered was not"):
        equivalence.judged([fewer, gd("gd", 0.3)], "icl-reordered")


# --- what stands beside a verdict ---------------------------------------------------------


def random_pairs(seed):
    """A model with learners near to ICL and far from it, and a margin that may be wide."""
    rng = np.random.default_rng(seed)
    r, wide = rng.uniform(0, 0.2), rng.random() < 0.5
    far = (pl.col("draw") == 0) & (pl.col("split") == "validation") & wide
    own = pair("icl-reordered", r, noise=rng.uniform(0, 0.1), seed=seed)
    pairs = [own.with_columns(tv=pl.when(far).then(0.4).otherwise("tv"))]
    for name in ("gd", "gd-v", "adam")[: rng.integers(1, 4)]:
        d = max(r + rng.choice([-0.05, 0, 0.01, 0.1, 0.5]), 0)
        wild = pl.col("tv") * (1 + rng.uniform(0, 1.5) * rng.normal() * pl.col("draw") / 4)
        one = gd(name, d, start=rng.choice([0.02, 0.9]), noise=rng.uniform(0, 0.3), seed=seed)
        trained = (pl.col("epoch") > 0) & (rng.random() < 0.5)
        pairs.append(one.with_columns(tv=pl.when(trained).then(wild).otherwise("tv").clip(0, 1)))
    return pairs


@pytest.mark.slow
def test_a_verdict_is_what_one_reads_off_from_the_bounds_beside_it():
    tables = [equivalence.judged(random_pairs(seed), "icl-reordered") for seed in range(40)]
    table = pl.concat(tables).filter(pl.col("measure") != "gain")
    rows = table.to_dicts()
    assert [read_off(row) for row in rows] == table["verdict"].to_list()
    counts = dict(table.filter(factor=1.0)["verdict"].value_counts().rows())
    assert set(counts) == set(equivalence.VERDICTS) and min(counts.values()) >= 5
    # And it is what the p-values say, which Holm's procedure has corrected.
    one = table.filter(factor=1.0)
    assert ((one["excess_low"] > 0) == (one["p_difference"] < 0.05)).all()
    assert ((one["distance_most"] < one["margin"]) == (one["p_equivalence"] < 0.05)).all()
    assert ((one["untouched_least"] > one["margin"]) == (one["p_learned"] < 0.05)).all()


def test_bounds_stay_where_distances_can_be():
    table = pl.concat(
        [equivalence.judged(random_pairs(seed), "icl-reordered") for seed in range(10)]
    ).filter(pl.col("measure") != "gain")
    assert table["excess_low"].min() >= -1 and table["excess_high"].max() <= 1
    assert table["distance_most"].max() <= 1 and table["untouched_least"].min() >= 0


def test_the_excess_is_paired_and_its_bounds_are_those_of_one_test():
    # One learner, one test: the level is 5 % one-sided, so the bounds are a 90 % interval.
    pairs = [pair("icl-reordered", 0.1), gd("gd", 0.3)]
    table = equivalence.judged(pairs, "icl-reordered")
    row = table.filter(factor=1.0, choice="nearest", measure="tv").row(0, named=True)
    mine = pairs[1].filter(pl.col("split") == "test", pl.col("epoch") == 1)
    both = mine.join(pairs[0], on=["draw", "example"], suffix="_r")
    assert row["excess"] == pytest.approx((both["tv"] - both["tv_r"]).mean())
    half = stats.t.ppf(0.95, row["excess_df"]) * row["excess_error"]
    ends = (row["excess"] - half, row["excess"] + half)
    assert (row["excess_low"], row["excess_high"]) == pytest.approx(ends)
    assert row["level_difference"] == pytest.approx(0.05)


# --- the controls, by the steps of the workflow -------------------------------------------

STEP = {
    "rate": 1.0,
    "epochs": 2,
    "loss": "squared",
    "train": {"parameters": ["model.guess.weight"]},
}
SMALL = {"rate": 0.01, "epochs": 2, "record": [0, 1, 2]}


@pytest.fixture(scope="module")
def controls(tmp_path_factory):
    """Verdicts on the construction (two layers are two steps of GD) and on an untrained model."""
    folder = tmp_path_factory.mktemp("controls")
    task, shown = folder / "task.parquet", folder / "shown.parquet"
    parquet.write(tiny_task("topic4", rows=80, classes=4, queries=24), task, TASK)
    sizes = ("--design", "n4", "--shots", "4", "--orders", "2", "--draws", "0-3")
    run_step("sample_demonstrations", "--task", task, *sizes, "--output", shown)
    entry = {"layers": 2, "rate": 1.0}
    run_step("construct_model", "--entry", json.dumps(entry), "--output", folder / "made")
    manifests = {"made": folder / "made.json", "untrained": folder / "untrained.json"}
    run_step(
        *("fetch_model", "--name", "made", "--source", folder / "made"),
        *("--entry", json.dumps({"construct": entry, "dtype": "float64"})),
        *("--folder", folder / "exact", "--manifest", manifests["made"]),
    )
    save_model(tiny_model("llama", "float32"), folder, "untrained")
    pairs = []
    for name, learner in (("made", STEP), ("untrained", SMALL)):
        given = ["--model", manifests[name], "--task", task, "--demonstrations", shown]
        icl, gd = (folder / f"{name}-{one}.parquet" for one in ("icl", "gd"))
        run_step("run_icl", *given, "--name", "icl", "--output", icl)
        run_step("run_gd", *given, "--learner", json.dumps(learner), "--name", "gd", "--output", gd)
        for b, how in (("gd", ("--b", gd)), ("icl-reordered", ("--shift", "order"))):
            pairs.append(folder / f"{name}-{b}.pair.parquet")
            output = ("--output", pairs[-1], "--curves", folder / "curves.parquet")
            run_step("compare_logits", "--a", icl, *how, "--name-b", b, *output)
    output = folder / "verdicts.parquet"
    given = (*figure("equivalence", reference="icl-reordered"), "--output", output)
    run_step("summarise_equivalence", "--agreement", *pairs, *given)
    return pl.read_parquet(output).filter(factor=1.0, measure="tv")


def test_the_positive_control_is_equivalent(controls):
    # The most accurate epoch may be one step too few: as accurate, but not the same.
    row = controls.filter(model="made", choice="nearest").row(0, named=True)
    assert (row["epoch"], row["verdict"]) == (2, "equivalent")
    assert row["estimate"] < equivalence.TOLERANCE


def test_an_untrained_model_is_not_equivalent(controls):
    rows = controls.filter(model="untrained")
    assert len(rows) == 2
    assert "equivalent" not in rows["verdict"].to_list()
