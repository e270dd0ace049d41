"""Verdicts of equivalence on planted distances, and what they are held against."""

import json
from functools import cache

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
from iclgd.reporting import dictionary
from iclgd.statistics import crossed, equivalence, intervals

DRAWS, QUERIES, SMALLEST = 5, 80, 0.05
SPLITS = np.array(["validation"] * 20 + ["test"] * 60)


def pair(b, tv, epoch=0, noise=0.02, accuracy=(1.0, 1.0), model="m", seed=0, draws=DRAWS, a="icl"):
    """An agreement table of ICL and ``b`` whose total variation is ``tv`` on average.

    ``tv`` may have a value for each draw.
    """
    rng = np.random.default_rng([seed, len(b), epoch])
    draw, example = np.indices((draws, QUERIES)).reshape(2, -1)
    mean = np.broadcast_to(tv, draws)[draw]
    values = (mean + noise * rng.uniform(-1, 1, len(draw))).clip(0, 1)
    frame = pl.DataFrame({"draw": draw, "example": example, "split": SPLITS[example]})
    named = {"model": model, "task": "t", "design": "d", "a": a, "b": b, "status": "ok"}
    whole = {"shots": 4, "order": 0, "epoch": epoch, "label": 0, "label_a": 0, "label_b": 0}
    whole |= {"loss": None, "state": None}
    metrics = dict.fromkeys(registry.METRICS, pl.lit(0.5)) | {
        "tv": pl.Series(values),
        "tv_most": pl.Series(values),
        "token_overlap": pl.Series(1 - values),
        "accuracy_a": pl.lit(accuracy[0]),
        "accuracy_b": pl.lit(accuracy[1]),
    }
    frame = frame.with_columns(**{k: pl.lit(v) for k, v in (named | whole).items()}, **metrics)
    return frame.select(registry.AGREEMENT.keys()).cast(dict(registry.AGREEMENT))


def gd(name, *epochs, start=0.8, state="converged", **more):
    """GD whose untouched model is ``start`` from ICL, and so far at ``epochs`` as they say."""
    parts = [pair(name, start, 0, **more)]
    parts += [pair(name, tv, epoch + 1, **more) for epoch, tv in enumerate(epochs)]
    last = pl.when(pl.col("epoch") == len(epochs)).then(pl.lit(state))
    return pl.concat(parts).with_columns(state=last.otherwise(pl.lit("training")))


def plan(**more):
    return equivalence.Tests("icl-reordered", SMALLEST, **more)


def judged(pairs, choice="nearest", measure="tv", tests=None):
    table = equivalence.judged(pairs, tests or plan())
    return table.filter(factor=1.0, choice=choice, measure=measure)


def verdict(reference, *epochs, choice="nearest", **more):
    pairs = [pair("icl-reordered", reference), gd("gd@1", *epochs, **more)]
    return judged(pairs, choice).row(0, named=True)


@pytest.mark.parametrize(
    ("reference", "distance", "start", "expected"),
    [
        (0.1, 0.05, 0.8, ("equivalent", None)),  # nearer to ICL than ICL to itself
        (0.1, 0.1 + 0.9 * SMALLEST, 0.8, ("negligible", None)),
        (0.1, 0.5, 0.8, ("different", None)),
        (0.1, 0.1 + 1.1 * SMALLEST, 0.8, ("different", None)),
        (0.1, 0.05, 0.04, ("inconclusive", "no ICL")),  # so is the untouched model
        (0.0, 0.0, 0.8, ("equivalent", None)),  # the construction: nothing but rounding
    ],
)
def test_verdicts(reference, distance, start, expected):
    row = verdict(reference, distance, start=start, noise=0.0)
    assert (row["verdict"], row["reason"]) == expected


def test_rounding_is_no_difference():
    pairs = [pair("icl-reordered", 0.0, noise=0.0), gd("gd", 1e-8, noise=1e-9)]
    assert judged(pairs)["verdict"].to_list() == ["equivalent"]


def test_no_verdict_where_rounding_moves_the_learner_by_more_than_the_smallest_effect():
    replicates = {"gd": "gd-again"}
    for distance, reason in ((0.9 * SMALLEST, None), (1.1 * SMALLEST, "rounding")):
        again = pair("gd-again", distance, 1, a="gd@1", noise=0)
        pairs = [pair("icl-reordered", 0.1), gd("gd@1", 0.5), again]
        row = judged(pairs, tests=plan(replicates=replicates)).row(0, named=True)
        assert row["rounding"] == pytest.approx(distance)
        assert (row["verdict"], row["reason"]) == (
            "inconclusive" if reason else "different",
            reason,
        )


def test_what_goes_on_training_is_not_judged_different_but_may_be_near():
    row = verdict(0.1, 0.6, 0.5, state="capped")
    assert (row["border"], row["ended"]) == ("last epoch", 0)
    assert (row["verdict"], row["reason"]) == ("inconclusive", "training goes on")
    assert verdict(0.1, 0.5, 0.6, state="capped")["verdict"] == "different"  # it moves away
    assert verdict(0.1, 0.5, 0.1, state="capped")["verdict"] == "equivalent"


def test_few_unfinished_runs_cannot_change_a_difference():
    """One draw of ten at 0 leaves an excess of .35; with seven of ten it is the smallest."""
    for unfinished, expected in ((1, "different"), (7, "inconclusive")):
        rows = gd("gd", 0.6, 0.5, draws=10)
        capped = pl.when(pl.col("draw") < unfinished, pl.col("epoch") > 0).then(pl.lit("capped"))
        rows = rows.with_columns(state=pl.coalesce(capped, "state"))
        row = judged([pair("icl-reordered", 0.1, draws=10), rows]).row(0, named=True)
        assert row["verdict"] == expected
        assert row["excess_settled"] == pytest.approx(0.5 * (1 - unfinished / 10) - 0.1, abs=0.02)


def test_borders_of_rates():
    rates = [gd("gd@1", 0.5, 0.6), gd("gd@10", 0.4, 0.6), gd("gd@9", 0.45, 0.6)]
    reference = pair("icl-reordered", 0.1)
    assert judged([reference, *rates])["border"].to_list() == ["highest rate"]
    assert judged([reference, rates[0]])["border"].to_list() == [None]


def test_a_near_learner_must_be_nearer_than_a_solver_that_does_no_gd():
    solvers = frozenset({"oracle", "far"})
    wild = np.array([0.0, 0.2, 0.05, 0.25, 0.0])
    cases = ((0.13, "equivalent"), (0.1, "unspecific"), (wild, "inconclusive"))
    for distance, expected in cases:
        others = [pair("oracle", distance), pair("far", 0.7)]
        pairs = [pair("icl-reordered", 0.1), gd("gd", 0.1), *others]
        table = judged(pairs, tests=plan(solvers=solvers))
        row = table.row(0, named=True)
        assert (len(table), row["solver_name"]) == (1, "oracle")
        assert row["solver"] == pytest.approx(np.mean(distance), abs=0.01)
        assert row["verdict"] == expected
        assert row["reason"] == ("solver" if expected == "inconclusive" else None)


def test_few_draws_that_differ_are_inconclusive_and_it_is_said_how_many_settle_it():
    wild = pl.concat([gd("gd"), pair("gd", [0.0, 0.2, 0.4, 0.6, 0.8], 1)])
    row = judged([pair("icl-reordered", 0.1), wild]).row(0, named=True)
    assert (row["verdict"], row["reason"]) == ("inconclusive", "few draws")
    assert row["underpowered"]
    # excess .3, .25 beyond the smallest, standard deviation of draws .316: t of 80 % power with n
    # draws by scipy.
    deviation = row["excess_error"] * DRAWS**0.5
    enough = [
        n
        for n in range(2, 100)
        if row["excess"] - SMALLEST >= deviation / n**0.5 * (stats.t.ppf([0.95, 0.8], n - 1).sum())
    ]
    assert row["draws_needed"] == enough[0] > DRAWS


def test_bounds_of_a_cut_distribution_are_used_on_the_side_where_they_are_safe():
    far = gd("gd", 0.12).with_columns(tv_most=pl.col("tv") + 0.2)
    row = judged([pair("icl-reordered", 0.1), far]).row(0, named=True)
    assert row["excess"] == pytest.approx(0.02, abs=0.01)
    assert row["excess_high"] > 0.2 and row["verdict"] != "equivalent"
    unsure = pair("icl-reordered", 0.1).with_columns(tv_most=pl.col("tv") + 0.5)
    row = judged([unsure, gd("gd", 0.5)]).row(0, named=True)
    assert row["excess"] == pytest.approx(-0.1, abs=0.01) and row["verdict"] != "different"


def test_a_larger_effect_never_takes_equivalence_back():
    pairs = [pair("icl-reordered", 0.1), gd("gd", 0.12)]
    rows = equivalence.judged(pairs, plan()).filter(choice="nearest", measure="tv")
    near = [v in ("equivalent", "negligible") for v in rows.sort("factor")["verdict"][:-1]]
    assert near == sorted(near)
    assert near[0] != near[-1]


def test_nearest_is_chosen_on_validation_queries_and_reported_on_others():
    lucky = pl.when(pl.col("epoch") == 1, pl.col("split") == "test").then(0.0).otherwise("tv")
    lucky = gd("gd", 0.3, 0.2).with_columns(tv=lucky, tv_most=lucky)
    row = judged([pair("icl-reordered", 0.1), lucky]).row(0, named=True)
    assert row["epoch"] == 2
    assert row["estimate"] == pytest.approx(0.2, abs=0.01)


def test_every_draw_is_judged_at_what_the_others_choose():
    # Draw 0 alone is near at epoch 1, all others at epoch 2: it is judged at epoch 2 as well.
    epochs = [[0.0, 0.5, 0.5, 0.5, 0.5], [0.4, 0.3, 0.3, 0.3, 0.3]]
    row = judged([pair("icl-reordered", 0.1), gd("gd", *epochs)]).row(0, named=True)
    assert row["epoch"] == 2
    assert row["estimate"] == pytest.approx(0.32, abs=0.01)
    # Where the choice hangs on one draw, that draw is judged at another point than the rest.
    epochs = [[0.0, 0.5, 0.5, 0.5, 0.5], [0.39, 0.41, 0.41, 0.41, 0.41]]
    row = judged([pair("icl-reordered", 0.1), gd("gd", *epochs)]).row(0, named=True)
    assert row["epoch"] == 1  # mean .4 against .406
    assert row["estimate"] == pytest.approx((0.39 + 4 * 0.5) / 5, abs=0.01)


def test_most_accurate_and_nearest_may_differ():
    best = [gd("gd@1", 0.5, accuracy=(1, 1)), gd("gd@2", 0.2, accuracy=(1, 0.5))]
    table = equivalence.judged([pair("icl-reordered", 0.1), *best], plan())
    rows = table.filter(factor=1.0, measure="gain")
    assert dict(rows.select("choice", "b").rows()) == {"accuracy": "gd@1", "nearest": "gd@2"}
    gains = dict(rows.select("choice", "estimate").rows())
    assert gains == {"accuracy": 0, "nearest": 0.5}
    assert rows["verdict"].null_count() == 2


def test_holm_is_over_the_primary_tests_alone():
    def p(declared, *names):
        pairs = [pair("icl-reordered", 0.1)] + [gd(name, 0.13, noise=0.3) for name in names]
        primary = frozenset(("m", "t", "d", name) for name in declared)
        return dict(judged(pairs, tests=plan(primary=primary)).select("b", "p_difference").rows())

    names = ("gd", "gd-v", "gd-w")
    alone, all_three = p(["gd"], "gd"), p(names, *names)
    assert alone["gd"] < all_three["gd"] <= 3 * alone["gd"] + 1e-12
    # More figures, whose tests are not primary: nothing changes, and they are not corrected.
    beside = p(["gd"], *names)
    assert beside["gd"] == alone["gd"]
    assert beside["gd-v"] == p(["gd-v"], "gd-v")["gd-v"]


def test_no_primary_test_is_not_the_same_as_none_declared():
    pairs = [pair("icl-reordered", 0.1)] + [gd(one, 0.13, noise=0.3) for one in ("gd", "gd-v")]

    def primary(declared):
        return judged(pairs, tests=plan(primary=declared))

    assert primary(None)["primary"].to_list() == [True, True]
    none = primary(frozenset())
    assert none["primary"].to_list() == [False, False]
    assert none["level_difference"].to_list() == [0.05, 0.05]  # each by itself


def test_the_table_has_every_estimate_column_and_what_is_missing_is_an_error():
    table = equivalence.judged([pair("icl-reordered", 0.1), gd("gd", 0.3)], plan())
    assert set(intervals.ESTIMATE) <= set(table.columns)
    artifact, _ = dictionary.of("results/default/summary/equivalence.parquet")
    assert [name for name in table.columns if artifact.meaning(name) is None] == []
    assert set(table["factor"]) == set(equivalence.FACTORS)
    assert set(table["verdict"].drop_nulls()) <= set(equivalence.VERDICTS)
    with pytest.raises(InputError, match="reference 'icl-reordered'"):
        equivalence.judged([gd("gd", 0.3)], plan())
    fewer = pair("icl-reordered", 0.1).filter(pl.col("draw") > 0)
    with pytest.raises(InputError, match="gd has draws or queries that icl-reordered has not"):
        equivalence.judged([fewer, gd("gd", 0.3)], plan())


# --- what stands beside a verdict ---------------------------------------------------------


def random_pairs(seed):
    """A model with learners near to ICL and far from it, some wild, unfinished or rounded."""
    rng = np.random.default_rng(seed)
    r = rng.uniform(0, 0.2)
    pairs = [pair("icl-reordered", r, noise=rng.uniform(0, 0.1), seed=seed)]
    for name in ("gd", "gd-v", "adam")[: rng.integers(1, 4)]:
        d = max(r + rng.choice([-0.05, 0, 0.025, 0.1, 0.5]), 0)
        wild = d * (1 + rng.choice([0, 1.5]) * rng.normal() * np.arange(DRAWS) / 4)
        state, start = rng.choice(["converged", "capped"]), rng.choice([0.02, 0.9])
        more = {"noise": rng.uniform(0, 0.05), "seed": seed}
        pairs.append(gd(name, wild.clip(0, 1), start=start, state=state, **more))
        if rng.random() < 0.2:
            pairs.append(pair(f"{name}-again", rng.choice([0.001, 0.2]), 1, a=name))
    if rng.random() < 0.5:
        solved = r + rng.choice([-0.05, 0, 0.3]) + rng.choice([0, 0.1]) * rng.normal(size=DRAWS)
        pairs.append(pair("oracle", solved.clip(0, 1), seed=seed))
    return pairs


@cache
def random_table(seed):
    replicates = {name: f"{name}-again" for name in ("gd", "gd-v", "adam")}
    tests = plan(replicates=replicates, solvers=frozenset({"oracle"}))
    return equivalence.judged(random_pairs(seed), tests).filter(pl.col("measure") != "gain")


@pytest.mark.slow
def test_a_verdict_is_what_one_reads_off_from_the_bounds_beside_it():
    table = pl.concat([random_table(seed) for seed in range(60)])
    found = list(zip(table["verdict"], table["reason"], strict=True))
    assert [read_off(row) for row in table.to_dicts()] == found
    one = table.filter(factor=1.0)
    counts = dict(one["verdict"].value_counts().rows())
    assert set(counts) == set(equivalence.VERDICTS) and min(counts.values()) >= 5
    assert set(one["reason"].drop_nulls()) == set(equivalence.REASONS)
    # And it is what the p-values say, which Holm's procedure has corrected.
    smallest = one["smallest"]
    assert ((one["excess_low"] > smallest) == (one["p_difference"] < 0.05)).all()
    assert ((one["excess_high"] < smallest) == (one["p_equivalence"] < 0.05)).all()
    assert ((one["untouched_least"] > smallest) == (one["p_learned"] < 0.05)).all()


def test_bounds_stay_where_distances_can_be():
    table = pl.concat([random_table(seed) for seed in range(8)])
    assert table["excess_low"].min() >= -1 and table["excess_high"].max() <= 1
    assert table["untouched_least"].min() >= 0 and table["nearer_least"].min() >= -1


def test_the_excess_is_paired_and_its_bounds_are_those_of_one_test():
    # One learner, one test: the level is 5 % one-sided, so the bounds are a 90 % interval.
    pairs = [pair("icl-reordered", 0.1), gd("gd", [0.3, 0.31, 0.29, 0.34, 0.3])]
    row = judged(pairs).row(0, named=True)
    mine = pairs[1].filter(pl.col("split") == "test", pl.col("epoch") == 1)
    both = mine.join(pairs[0], on=["draw", "example"], suffix="_r")
    assert row["excess"] == pytest.approx((both["tv"] - both["tv_r"]).mean())
    spread = [np.array([row[f"excess{part}"]]) for part in ("", "_error", "_df", "_skew")]
    ends = crossed.bounds(crossed.Spread(*spread), 0.9)
    assert (row["excess_low"], row["excess_high"]) == pytest.approx([end[0] for end in ends])
    assert row["level_difference"] == pytest.approx(0.05)
    assert row["excess_df"] <= DRAWS - 1


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
