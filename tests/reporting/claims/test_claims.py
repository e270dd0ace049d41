"""Claims: what decides them by hand, verdicts, Holm, and the whole table."""

import inspect
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from support.claims import CLAIMS
from support.roles import ROLES

from iclgd.io.figures import Figure
from iclgd.reporting import findings
from iclgd.reporting.claims import estimates, judge
from iclgd.reporting.kinds import attention
from iclgd.reporting.kinds.registry import KINDS

RUN = {"model": "m", "task": "t", "design": "d", "shots": 8}


def summary(*rows):
    return pl.DataFrame(rows, infer_schema_length=None)


def estimate(value, error=0.01, df=4.0, **more):
    return {**RUN, "estimate": value, "error": error, "df": df, "draws": 5, "queries": 96, **more}


def judged(kind, *rows, roles=None, causal=()):
    figure = Figure("figure", kind, roles=ROLES | (roles or {}), causal=list(causal))
    table = judge.judged([(figure, summary(*rows))], CLAIMS)
    assert table.schema == judge.SCHEMA
    return table


def test_a_difference_has_the_error_of_independent_estimates():
    # Errors 3 and 4: 5. Welch: 625 / (81 / 4 + 256 / 8).
    found = estimates.minus(estimate(2, 3.0, 4.0), estimate(1, 4.0, 8.0) | {"draws": 3})
    assert (found["estimate"], found["error"]) == (1, 5)
    assert found["df"] == pytest.approx(625 / (81 / 4 + 256 / 8))
    assert (found["draws"], found["queries"]) == (3, 96)


def sens(icl, other, error=0.01):
    return [
        estimate(icl, error, learner="icl", epoch=0, measure="sen"),
        estimate(9.0, error, learner="sgd", epoch=0, measure="sen"),
        estimate(other, error, learner="sgd", epoch=50, measure="sen"),
    ]


@pytest.mark.parametrize(
    ("icl", "other", "expected"),
    [(0.4, 0.1, "holds"), (0.1, 0.4, "fails"), (0.2, 0.19, "cannot tell")],
)
def test_a_claim_holds_fails_or_cannot_be_told(icl, other, expected):
    table = judged("order", *sens(icl, other))
    assert table.select("learner", "verdict").rows() == [("sgd", expected)]
    assert table["estimate"][0] == pytest.approx(icl - other)
    t = (icl - other) / (0.01 * 2**0.5)
    assert table["p"][0] == pytest.approx(2 * stats.t.sf(abs(t), 8))


def test_underpowered_is_what_would_miss_the_papers_effect():
    # The paper's effect on Sen is .087; an error of .1 cannot see it, one of .01 can.
    assert judged("order", *sens(0.4, 0.1, 0.1))["underpowered"].to_list() == [True]
    assert judged("order", *sens(0.4, 0.1, 0.01))["underpowered"].to_list() == [False]


def test_holm_is_over_the_rows_of_a_claim():
    rows = sens(0.4, 0.3)
    more = [{**row, "model": f"m{i}"} for i in range(3) for row in rows]
    alone, beside = judged("order", *rows), judged("order", *rows, *more)
    assert beside["p_holm"][0] == pytest.approx(4 * alone["p_holm"][0])


def test_a_verdict_can_be_read_off_from_the_interval_beside_it():
    """Random rows of one claim: 0 is outside of the interval if and only if Holm's test decides."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(0.05, 0.1, 6)
        rows = [
            {**row, "model": f"m{i}"}
            for i, x in enumerate(values)
            for row in sens(0.4, 0.4 - x, 0.03)
        ]
        table = judged("order", *rows)
        read = pl.when(pl.col("low") > 0).then(pl.lit("holds"))
        read = read.when(pl.col("high") < 0).then(pl.lit("fails")).otherwise(pl.lit("cannot tell"))
        assert table.select(read.alias("verdict"))["verdict"].equals(table["verdict"])


def test_an_interval_ends_where_the_quantity_does():
    rows = [
        {**estimate(a, 0.3, learner="gd@1", shots=n), "metric": "accuracy", "chosen": True}
        for n, a in ((8, 0.1), (512, 0.95))
    ]
    row = judged("scale", *rows).row(0, named=True)
    assert row["estimate"] == pytest.approx(0.85)
    assert row["low"] < 0 and row["high"] == 1


def test_many_demonstrations():
    rows = [
        estimate(0.9, learner="icl", shots=8),
        estimate(0.5, learner="gd@1", shots=8),
        estimate(0.85, learner="gd@1", shots=512),
    ]
    table = judged("scale", *({**r, "metric": "accuracy", "chosen": True} for r in rows))
    assert table["estimate"].to_list() == pytest.approx([0.35, 0.05])
    assert table["verdict"].to_list() == ["holds", "holds"]


def similarity(metric, value, model="m", learner="gd-kv", chosen=True, layer=None):
    return {
        **estimate(value, 0.01),
        **{"model": model, "learner": learner, "metric": metric, "chosen": chosen, "layer": layer},
    }


def test_attention_is_compared_with_its_baselines_and_controls():
    rows = [
        similarity("sim_aou", 0.5),
        similarity("sim_aou_chance", 0.3),
        similarity("sim_aou", 0.1, layer=0),
        similarity("sim_aou", 0.1, chosen=False, learner="gd-kv@9"),
        similarity("sim_aou", 0.49, model="m-random", learner="gd-kv@9"),
        similarity("sim_aou_raw", 0.1),
        similarity("sim_aou_raw", 0.4, learner="layerwise"),
    ]
    table = judged(
        "attention",
        *rows,
        roles={"m-random": "control", "layerwise": "gd-other"},
        causal=["layerwise"],
    )
    found = {
        claim: (model, estimate)
        for claim, model, estimate in table.select("claim", "model", "estimate").rows()
    }
    expected = {"aou": ("m", 0.2), "untrained": ("m-random", 0.04), "causal": ("m", 0.3)}
    assert found == {
        CLAIMS[name].claim: (model, pytest.approx(value))
        for name, (model, value) in expected.items()
    }


def test_what_is_no_sample_is_decided_without_a_test():
    rows = [
        {
            "model": m,
            "matrix": x,
            "threshold": 0.01,
            "measure": "share",
            "estimate": s,
            "required": r,
        }
        for m, x, s, r in (("m", "q", 0.3, 0.99), ("m", "v", 0.8, 0.75), ("made", "q", 0.1, 0.9))
    ]
    table = judged("sparsity", *rows, roles={"made": "construction"})
    assert table.select("learner", "verdict").rows() == [("W_Q", "holds"), ("W_V", "fails")]
    assert table["p"].null_count() == 2


def judgement(verdict, estimate=0.3, excess=0.1, measure="tv", choice="nearest", **more):
    """A row of an equivalence summary; what it has learned is beyond the margin."""
    ends = {f"excess_{end}": excess + d for end, d in (("low", -0.02), ("high", 0.02))}
    numbers = {"error": 0.01, "df": 9.0, "excess_error": 0.005, "excess_df": 4.0, "p_learned": 0.0}
    verdicts_row = {
        "b": "gd@1",
        "factor": 1.0,
        "verdict": verdict,
        "measure": measure,
        "choice": choice,
    }
    row = {**RUN, "estimate": estimate, "excess": excess, "draws": 5, "queries": 96}
    row |= {"margin": 0.4, "distance_most": estimate + 0.03}
    return {**row, **ends, **numbers, **verdicts_row, **more}


def test_what_decides_the_main_comparison():
    rows = [
        judgement("different", 0.3, 0.1),
        judgement("different", 0.4, 0.2, choice="accuracy"),
        judgement("different", 0.6, -0.15, measure="token_overlap", choice="accuracy"),
        judgement(None, 0.25, 0.0, measure="gain", choice="accuracy"),
        judgement("equivalent", factor=2.0),
    ]
    table = judged("equivalence", *rows)
    found = {row["claim"]: row for row in table.iter_rows(named=True)}
    apart, tokens, accuracy = (
        found[CLAIMS[name].claim] for name in ("apart", "tokens", "accuracy")
    )
    assert len(table) == 3
    # A verdict decides whether they are apart; a shortfall of tokens is a test of d - r.
    assert (apart["estimate"], apart["verdict"], apart["p"]) == (0.1, "holds", None)
    assert (apart["low"], apart["high"]) == pytest.approx((0.08, 0.12))  # those of the verdict
    assert (tokens["estimate"], tokens["verdict"]) == (-0.15, "fails")
    assert tokens["high"] - tokens["low"] == pytest.approx(2 * stats.t.ppf(0.975, 4) * 0.005)
    assert (accuracy["estimate"], accuracy["verdict"]) == (0.25, "holds")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("different", "holds"),
        ("trivially both", "holds"),
        ("equivalent", "fails"),
        ("inconclusive", "cannot tell"),
    ],
)
def test_apart_is_what_the_verdict_says(verdict, expected):
    assert judged("equivalence", judgement(verdict))["verdict"].to_list() == [expected]


def test_without_icl_and_in_controls_nothing_is_decided():
    assert judged("equivalence", judgement("different", p_learned=0.4)).is_empty()
    assert judged("equivalence", judgement("different"), roles={"m": "control"}).is_empty()


def test_the_positive_control_decides_by_its_verdict():
    roles = {"made": "construction"}
    rows = [judgement("equivalent", model="made"), judgement("different", model="made@0.5")]
    table = judged("equivalence", *rows, roles=roles)
    assert table.select("model", "claim", "verdict").rows() == [
        ("made", CLAIMS["construction"].claim, "holds")
    ]
    # What is left of a margin of .4 with a distance of .3, surely below .33.
    left = table.select("estimate", "low", "high").row(0)
    assert left == pytest.approx((0.1, 0.07, 0.4))
    unsure = judged("equivalence", judgement("inconclusive", model="made"), roles=roles)
    assert unsure["verdict"].to_list() == ["cannot tell"]


def test_bayes_is_compared_where_the_model_learned():
    rows = [judgement("different"), judgement("equivalent", b="bayes")]
    table = judged("equivalence", *rows).filter(claim=CLAIMS["bayes"].claim)
    assert table.select("learner", "verdict").rows() == [("bayes", "holds")]


@pytest.mark.parametrize(("cosine", "expected"), [(0.1, "holds"), (0.9, "fails")])
def test_changes_less_than_half_alike(cosine, expected):
    rows = [*sens(0.4, 0.4), estimate(cosine, learner="sgd", epoch=50, measure="pattern_cosine")]
    table = judged("order", *rows).filter(claim=CLAIMS["pattern"].claim)
    assert table["estimate"].to_list() == pytest.approx([0.5 - cosine])
    assert table["verdict"].to_list() == [expected]


def test_designs_learners_and_tasks_are_not_mixed():
    other = [{**row, "design": "e", "estimate": row["estimate"] + 5} for row in sens(0.4, 0.1)]
    assert judged("order", *sens(0.4, 0.1), *other)["estimate"].to_list() == pytest.approx(
        [0.3] * 2
    )
    rows = [
        {**estimate(a, learner=learner, shots=n), "metric": "accuracy", "chosen": True}
        for learner, n, a in (
            ("gd@1", 8, 0.5),
            ("gd@1", 512, 0.9),
            ("gd-v@1", 8, 0.7),
            ("bayes", 8, 1),
        )
    ]
    table = judged("scale", *rows)
    assert table.select("learner", "estimate").rows() == [("gd@1", pytest.approx(0.4))]
    rows = [
        dosed(0.1 * i, dose=float(i), departure="d", response=r, task=t)
        for t, r in (("t", "falls"), ("u", "blind"))
        for i in range(3)
    ]
    table = judged("dose", *rows)
    assert dict(table.select("task", "verdict").rows()) == {"t": "holds", "u": "fails"}


@pytest.mark.parametrize("name", ["aou", "am", "kendall", "kendall before", "rec2ftp"])
def test_a_likeness_is_beyond_its_baseline(name):
    mine, baseline = attention.BASELINES[name]
    for value, expected in ((0.5, "holds"), (0.1, "fails")):
        table = judged("attention", similarity(mine, value), similarity(baseline, 0.3))
        table = table.filter(claim=CLAIMS[name].claim)
        assert table["estimate"].to_list() == pytest.approx([value - 0.3])
        assert table["verdict"].to_list() == [expected]


def test_what_diverged_decides_nothing():
    lost = estimate(None, None, None)
    assert judged(
        "order", {**lost, "learner": "icl", "epoch": 0, "measure": "sen"}, *sens(0.4, 0.1)[1:]
    ).is_empty()
    rows = [
        {**lost, "learner": "gd", "metric": "accuracy", "chosen": True, "shots": n} for n in (8, 9)
    ]
    assert judged("scale", *rows).is_empty()
    rows = [similarity("sim_aou", None), similarity("sim_aou", 0.3, model="m-random")]
    assert judged("attention", *rows, roles={"m-random": "control"}).is_empty()


def dosed(value, nature="not GD", **more):
    reading = "untuned" if more["departure"] == "steps of GD" else "tuned"
    more |= {"reading": reading, "draw": None}
    return estimate(value, metric="tv", nature=nature, low=0.0, high=0.5, **more)


def test_what_is_not_gd_falls_or_not_and_another_gd_says_nothing():
    rows = [
        dosed(0.1 * i, nature, dose=float(i), departure=d, response=r)
        for d, r, nature in (
            ("a", "falls", "not GD"),
            ("b", "blind", "not GD"),
            ("c", "falls", "another kernel"),
            ("d", "falls", "another rate, mostly"),
            ("steps of GD", "falls", "another number of steps"),
        )
        for i in range(3)
    ]
    table = judged("dose", *rows)
    assert table.select("learner", "estimate", "low", "high", "verdict").rows() == [
        ("a", pytest.approx(0.2), 0.0, 0.5, "holds"),
        ("b", pytest.approx(0.2), 0.0, 0.5, "fails"),
    ]


def test_checkpoints_and_twins():
    rows = [
        {**estimate(a, learner="icl", measure="accuracy"), "step": s, "model": m}
        for m, values in (("still", (0.1, 0.7, 0.71)), ("rising", (0.1, 0.2, 0.9)))
        for s, a in enumerate(values)
    ]
    drift = [{"measure": "mean_abs_change", "step": s, "estimate": 0.1 * s} for s in range(3)]
    rows += [{**one, "model": m} for m in ("still", "rising") for one in drift]
    table = judged("checkpoints", *rows)
    assert dict(table.select("model", "verdict").rows()) == {"rising": "fails", "still": "holds"}
    twin = {"kind": "difference", "seed": None, "eta": 0.5, "seeds": 4, "error": 0.1, "df": 3.0}
    rows = [
        {**twin, "measure": "perplexity", "at": 9, "estimate": -2.0},
        {**twin, "measure": "perplexity", "at": 3, "estimate": 5.0},
        {**twin, "measure": "accuracy_2way", "at": 8, "estimate": 0.05},
    ]
    table = judged("twins", *rows)
    assert table.select("estimate", "verdict", "draws").rows() == [
        (2.0, "holds", 4),
        (0.05, "cannot tell", 4),
    ]


def test_a_study_without_such_figures_has_an_empty_table():
    table = judge.judged([(Figure("depth", "depth"), pl.DataFrame({"model": ["m"]}))], CLAIMS)
    assert table.schema == judge.SCHEMA and table.is_empty()
    assert judge.judged([], CLAIMS).is_empty()


def test_every_claim_can_be_found_and_says_what_decides_it():
    for name, claim in CLAIMS.items():
        assert f'"{name}"' in inspect.getsource(KINDS[claim.kind]), name
        assert claim.claim.endswith(".") and claim.quantity
        assert claim.effect is None or claim.effect > 0


@pytest.mark.parametrize(
    ("file", "name"),
    [("order.order.parquet", "order"), ("v1.5.parquet", "v1.5"), ("v1.5.accuracy.parquet", "v1.5")],
)
def test_a_figures_name_may_have_a_dot(file, name):
    assert (
        findings.figure(Path("results/default/summary") / file, {"order": "order", "v1.5": "scale"})
        == name
    )
