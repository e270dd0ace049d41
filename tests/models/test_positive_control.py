"""The positive control: the workflow's own steps, unchanged, find ICL that is GD equal to GD."""

import json

import polars as pl
import pytest
from support.claims import CLAIMS
from support.steps import figure, run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.figures import Figure
from iclgd.io.schemas.task import TASK
from iclgd.reporting.claims import judge
from iclgd.reporting.kinds import dose

GUESS = {"parameters": ["model.guess.weight"]}
LEARNER = {"epochs": 4, "record": [0, 1, 2, 3, 4], "loss": "squared", "train": GUESS}
FUNCTIONS = {"epochs": 3, "record": [0, 1, 2, 3], "loss": "squared", "kernel": "softmax"}
DESCENTS = [("run_gd", 1.0), ("run_gd", 4.0), ("run_kernel", 1.0), ("run_kernel", 2.0)]
STEPS = {"layers": 2, "rate": 1.0}
DEPARTURES = {
    "construction": {},
    "soft@0.3": {"softmax": 0.3},
    "soft@1": {"softmax": 1.0},
    "causal@1": {"causal": 1.0},
    "hard@0.5": {"hard": 0.5},
    "hard@1": {"hard": 1.0},
    "noise@0.5": {"noise": 0.5},
    "noise@1": {"noise": 1.0},
    "mix@0.3": {"mix": 0.3},
    "mix@1": {"mix": 1.0},
}


@pytest.fixture(scope="module")
def control(tmp_path_factory) -> pl.DataFrame:
    """The summary of a figure of kind dose, made by the steps themselves."""
    folder = tmp_path_factory.mktemp("control")
    task = tiny_task("topic4", rows=80, classes=4, queries=24)
    parquet.write(task, folder / "task.parquet", TASK)
    run_step(
        "sample_demonstrations",
        "--task",
        folder / "task.parquet",
        "--design",
        "n8",
        "--shots",
        "8",
        "--orders",
        "3",
        "--draws",
        "0-1",
        "--output",
        folder / "shown.parquet",
    )
    train = {"layers": 2, "train": {"seed": 0, "steps": 300}}
    run_step("construct_model", "--entry", json.dumps(train), "--output", folder / "trained")
    manifests, agreement, logits = [], [], []
    for name, departure in DEPARTURES.items():
        made, manifest = folder / f"made-{name}", folder / f"{name}.json"
        more = ["--toward", folder / "trained"] if "mix" in departure else []
        entry = {**STEPS, **departure}
        run_step("construct_model", "--entry", json.dumps(entry), "--output", made, *more)
        entry = json.dumps({"construct": entry, "dtype": "float64"})
        run_step(
            "fetch_model",
            "--name",
            name,
            "--entry",
            entry,
            "--source",
            made,
            "--folder",
            folder / name,
            "--manifest",
            manifest,
        )
        given = [
            "--model",
            manifest,
            "--task",
            folder / "task.parquet",
            "--demonstrations",
            folder / "shown.parquet",
        ]
        icl = folder / f"icl-{name}.parquet"
        run_step("run_icl", *given, "--name", "icl", "--output", icl)
        manifests.append(manifest)
        logits.append(icl)
        for step, rate in DESCENTS if name == "construction" else ():
            entry = FUNCTIONS if step == "run_kernel" else LEARNER
            called = f"{'functions' if step == 'run_kernel' else 'gd'}@{rate:g}"
            gd, pair = (folder / f"{x}-{called}.parquet" for x in ("gd", "pair"))
            learner = ["--learner", json.dumps({**entry, "rate": rate}), "--name", called]
            run_step(step, *given, *learner, "--output", gd)
            both = ["--a", icl, "--b", gd, "--name-b", called, "--output", pair]
            run_step("compare_logits", *both, "--curves", folder / "curves.parquet")
            agreement.append(pair)
            logits.append(gd)
    run_step(
        "summarise_dose",
        *figure("dose"),
        "--agreement",
        *agreement,
        "--logits",
        *logits,
        "--manifests",
        *manifests,
        "--output",
        folder / "dose.parquet",
    )
    return pl.read_parquet(folder / "dose.parquet")


def over_draws(control: pl.DataFrame, reading: str) -> pl.DataFrame:
    return control.filter(pl.col("draw").is_null(), reading=reading)


@pytest.mark.slow
def test_every_metric_says_equal_where_icl_is_gd(control):
    exact = control.filter(pl.col("dose") == 0)
    assert set(exact["departure"]) == {dose.STEPS, "soft", "causal", "hard", "noise", "mix"}
    tuned = exact.filter(reading=dose.TUNED).select("rate", "epoch", "at_end").unique()
    assert tuned.rows() == [(1.0, 2, True)]  # of rates 1 and 4, epochs 1 to 4
    exact = over_draws(exact, dose.UNTUNED)
    value = dict(exact.filter(departure=dose.STEPS).select("metric", "estimate").rows())
    for metric in ("token_overlap", "rbo", "ocs", "label_ocs"):
        assert value[metric] == pytest.approx(1, abs=1e-6), metric
    for metric in ("js", "tv", "kl_ab", "kl_ba", "label_js", "label_tv", "sen_a", "sen_b"):
        assert value[metric] == pytest.approx(0, abs=1e-6), metric
    assert value["token_overlap"] == 1
    assert value["accuracy_a"] == value["accuracy_b"] > 0.9


@pytest.mark.slow
def test_every_metric_of_agreement_falls_as_the_model_leaves(control):
    responses = over_draws(control, dose.UNTUNED).drop_nulls("response")
    responses = responses.select("departure", "metric", "response").unique()
    assert len(responses) == 6 * 12
    # With so few label words ICL and GD are both certain, and their cosine stays within 1e-6 of 1.
    exceptions = responses.filter(pl.col("response") != "falls")
    assert dose.STEPS not in exceptions["departure"]
    of_words = exceptions["metric"].str.starts_with("label_")
    assert of_words.all(), exceptions


@pytest.mark.slow
def test_tuning_brings_another_rate_nearer_and_what_is_not_gd_hardly(control):
    whole = control.filter(pl.col("draw").is_null(), metric="tv", dose=1.0)
    tuned, untuned = (
        dict(whole.filter(reading=one).select("departure", "estimate").rows())
        for one in (dose.TUNED, dose.UNTUNED)
    )
    assert tuned["mix"] < 0.1 * untuned["mix"]
    assert all(tuned[one] <= untuned[one] + 1e-3 for one in tuned)
    assert min(tuned[one] for one in ("causal", "hard", "noise")) > 0.05


@pytest.mark.slow
def test_softmax_attention_is_gd_on_functions_and_the_construction_is_not(control):
    rows = over_draws(control, dose.KERNEL).filter(departure="soft").sort("dose")
    tv = dict(rows.filter(metric="tv").select("dose", "estimate").rows())
    assert tv[1.0] == pytest.approx(0, abs=1e-6) and tv[0.0] > tv[0.3] > 0.05
    assert rows.filter(dose=1.0).select("rate", "epoch").unique().rows() == [(1.0, 2)]
    overlap = dict(rows.filter(metric="token_overlap").select("dose", "estimate").rows())
    assert overlap[1.0] == 1 > overlap[0.0]


@pytest.mark.slow
def test_every_draw_has_its_total_variation(control):
    alone = control.filter(pl.col("draw").is_not_null())
    assert set(alone["metric"]) == {"tv"} and alone["response"].null_count() == len(alone)
    by = ["departure", "reading", "dose"]
    means = alone.group_by(by).agg(pl.col("estimate").mean().alias("mean"), pl.len())
    whole = control.filter(pl.col("draw").is_null(), metric="tv").join(means, on=by)
    assert set(whole["len"]) == {2}
    assert (whole["estimate"] - whole["mean"]).abs().max() < 1e-12


@pytest.mark.slow
def test_only_causal_attention_and_noise_feel_the_order(control):
    sen = over_draws(control, dose.TUNED).filter(metric="sen_a", dose=1.0)
    value = dict(sen.select("departure", "estimate").rows())
    assert min(value["causal"], value["noise"]) > 1e-4
    assert max(value["soft"], value["mix"], value["hard"]) < 1e-6


@pytest.mark.slow
def test_the_findings_of_the_control(control):
    rows = dose.findings(control)
    assert rows[0][:5] == ["task", "N", "departure", "which is", "dose"]
    natures = {row[2]: row[3] for row in rows[1:]}
    assert natures == {
        dose.STEPS: "another number of steps",
        "soft": "another kernel",
        "mix": "another rate, mostly",
        "causal": "not GD",
        "hard": "not GD",
        "noise": "not GD",
    }
    steps = {row[4]: row for row in rows if row[2] == dose.STEPS}
    assert list(steps) == ["-2", "-1", "0", "1", "2"]
    assert steps["0"][5:8] == ["1 [1, 1]", "1 [1, 1]", "0 [0, 0]"]
    assert steps["0"][-1] == "falls: 12" and steps["1"][-1] == ""


@pytest.mark.slow
def test_only_what_is_no_gd_decides_whether_they_come_apart(control):
    table = judge.judged([(Figure("dose", "dose"), control)], CLAIMS)
    found = dict(table.select("learner", "verdict").rows())
    # Four draws of a few words: the least departure has the right sign, which they cannot settle.
    assert found == {"causal": "cannot tell", "hard": "holds", "noise": "holds"}
    assert (table["estimate"] > 0).all()
