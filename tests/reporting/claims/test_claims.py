"""Claims: what decides them by hand, verdicts, Holm, and the whole table."""

import inspect
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from support.claims import CLAIMS, estimate, judged

from iclgd.io.figures import Figure
from iclgd.reporting import findings
from iclgd.reporting.claims import estimates, judge
from iclgd.reporting.kinds import attention
from iclgd.reporting.kinds.registry import KINDS


def test_what_is_subtracted_from_a_constant_is_skewed_the_other_way():
    row = estimate(0.3, skew=0.2)
    assert estimates.below(0.5, row) == {**row, "estimate": 0.2, "skew": -0.2}
    assert estimates.below(0.0, estimate(0.3))["skew"] == 0
    assert estimates.plus(row, 0.1)["estimate"] == pytest.approx(0.4)


def sens(below, error=0.01):
    """What Sen of SGD is below that of ICL, at two epochs."""
    return [
        estimate(9.0, error, learner="sgd", epoch=0, measure="sen_below"),
        estimate(below, error, learner="sgd", epoch=50, measure="sen_below"),
        estimate(0.4, error, learner="icl", epoch=0, measure="sen"),
    ]


@pytest.mark.parametrize(
    ("below", "error", "expected"),
    [
        (0.3, 0.01, "holds"),
        (-0.3, 0.01, "fails"),
        (0.01, 0.03, "cannot tell"),
        (0.01, 0.01, "negligible"),
        (0.02, 0.001, "negligible"),  # surely above 0, and surely by less than the smallest effect
    ],
)
def test_a_claim_holds_fails_is_negligible_or_cannot_be_told(below, error, expected):
    table = judged("order", *sens(below, error))
    assert table.select("learner", "verdict", "overall").rows() == [("sgd", expected, expected)]
    assert table["estimate"][0] == below
    assert table["p"][0] == pytest.approx(2 * stats.t.sf(abs(below) / error, 4))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([0.3], "holds"),
        ([0.3, 0.3, None], "holds"),
        ([0.3, None], "cannot tell"),
        ([0.3, 0.3, 0.3, -0.3], "mixed"),
        ([0.3, 0.0, 0.0], "negligible"),
        ([0.3, 0.0, None], "cannot tell"),
        ([-0.3, -0.3, 0.0], "fails"),
    ],
)
def test_the_verdict_on_a_claim_is_that_of_most_of_its_cells(cells, expected):
    rows = [
        {**row, "model": f"m{i}"}
        for i, x in enumerate(cells)
        for row in sens(*((0.1, 0.3) if x is None else (x, 0.005)))
    ]
    assert set(judged("order", *rows)["overall"]) == {expected}


def test_nothing_is_decided_without_a_test():
    """A verdict of its own has evidence of the tests of equivalence alone."""
    claim = judge.Claim("paper", "place", "order", "It is so.", "something")
    row = {"claim": claim.claim, "verdict": "holds", "p": None}
    with pytest.raises(ValueError, match=r"decided without a test: It is so\."):
        judge.tested(pl.DataFrame([row], schema_overrides={"p": pl.Float64}), {"x": claim})
    verdict = judge.Claim("paper", "place", "equivalence", "It is so.", "something")
    judge.tested(pl.DataFrame([row], schema_overrides={"p": pl.Float64}), {"x": verdict})


def test_underpowered_is_what_would_miss_the_papers_effect():
    # The paper's effect on Sen is .134; an error of .1 cannot see it, one of .01 can.
    assert judged("order", *sens(0.3, 0.1))["underpowered"].to_list() == [True]
    assert judged("order", *sens(0.3, 0.01))["underpowered"].to_list() == [False]


def test_holm_is_over_the_rows_of_a_claim():
    rows = sens(0.1)
    more = [{**row, "model": f"m{i}"} for i in range(3) for row in rows]
    alone, beside = judged("order", *rows), judged("order", *rows, *more)
    assert beside["p_holm"][0] == pytest.approx(4 * alone["p_holm"][0])


def test_a_verdict_can_be_read_off_from_the_interval_beside_it():
    """Random rows of one claim: 0 is outside of the interval if and only if Holm's test decides.

    All of it within .05 of 0 is negligible.
    """
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(0.05, 0.1, 6)
        rows = [{**row, "model": f"m{i}"} for i, x in enumerate(values) for row in sens(x, 0.03)]
        table = judged("order", *rows)
        near = (pl.col("low") > -judge.SMALLEST) & (pl.col("high") < judge.SMALLEST)
        read = pl.when(near).then(pl.lit("negligible"))
        read = read.when(pl.col("low") > 0).then(pl.lit("holds"))
        read = read.when(pl.col("high") < 0).then(pl.lit("fails")).otherwise(pl.lit("cannot tell"))
        assert table.select(read.alias("verdict"))["verdict"].equals(table["verdict"])


def gained(value, metric="accuracy_more", error=0.01, learner="gd@1", **more):
    more = {"shots": 512, "against": "n8", "chosen": True, **more}
    return estimate(value, error, metric=metric, learner=learner, **more)


def test_an_interval_ends_where_the_quantity_does():
    row = judged("scale", gained(0.85, error=0.4)).row(0, named=True)
    assert row["low"] < 0 and row["high"] == 1


def test_many_demonstrations():
    rows = [
        gained(0.35),
        gained(-0.05, "accuracy_past_icl"),
        gained(-0.04, "accuracy_past_icl", shots=8, design="n8"),
        gained(9.0, learner="bayes"),
        gained(9.0, learner="icl"),
        gained(9.0, learner="gd-v@1", chosen=False),
        gained(0.85, "accuracy"),
    ]
    table = judged("scale", *rows)
    # With few it comes within .10, too: that many do says nothing.
    assert table["estimate"].to_list() == pytest.approx([0.35, -0.06, 0.05])
    # "within .10" has its own margin
    assert table["verdict"].to_list() == ["holds", "fails", "holds"]


def similarity(metric, value, model="m", learner="gd-kv", chosen=True, layer=None):
    return {
        **estimate(value, 0.01),
        **{"model": model, "learner": learner, "metric": metric, "chosen": chosen, "layer": layer},
    }


def test_attention_is_compared_with_its_baselines_and_controls():
    rows = [
        similarity("sim_aou_over", 0.2),
        similarity("sim_aou_over", 0.1, layer=0),
        similarity("sim_aou_over", 0.1, chosen=False, learner="gd-kv@9"),
        similarity("sim_aou_over", 0.1, model="m-random"),
        similarity("sim_aou_untrained", -0.01, model="m-random", learner="gd-kv@9"),
        similarity("sim_aou_raw", 0.4, learner="layerwise"),
        similarity("sim_aou_raw_causal", 0.3, learner="layerwise"),
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


def test_models_are_the_sample_of_weights():
    def missing(matrix, value, models, threshold=0.01):
        key = {"model": None, "matrix": matrix, "threshold": threshold, "measure": "missing"}
        numbers = {"estimate": value, "error": 0.01, "df": models - 1.0, "models": models}
        return {**key, **numbers}

    rows = [missing("q", 0.6, 4), missing("v", -0.1, 4), missing("k", 0.6, 4)]
    rows += [missing("q", 0.9, 4, 0.001), missing("q", 0.9, 1)]
    table = judged("sparsity", *rows)
    found = table.select("model", "learner", "draws", "verdict").rows()
    assert found == [("4 models", "W_Q", 4, "holds"), ("4 models", "W_V", 4, "fails")]
    assert table["p"].to_list() == pytest.approx([2 * stats.t.sf(x, 3) for x in (60, 10)])


@pytest.mark.parametrize(("cosine", "expected"), [(0.1, "holds"), (0.9, "fails")])
def test_changes_less_than_half_alike(cosine, expected):
    """What all queries share decides nothing: a vote of the labels shares it."""
    other = 1.0 - cosine
    rows = [
        *sens(0.0),
        estimate(other, learner="sgd", epoch=50, measure="pattern_cosine"),
        estimate(other, learner="sgd", epoch=50, measure="pattern_permuted"),
        estimate(cosine, learner="sgd", epoch=50, measure="pattern_own"),
    ]
    table = judged("order", *rows).filter(claim=CLAIMS["pattern"].claim)
    assert table["estimate"].to_list() == pytest.approx([0.5 - cosine])
    assert table["verdict"].to_list() == [expected]


def test_order_says_nothing_of_what_does_no_gradient_descent():
    rows = [
        estimate(value, learner="oracle", epoch=0, measure=measure)
        for measure, value in {"sen_below": 0.3, "pattern_cosine": 0.9, "pattern_own": 0.1}.items()
    ]
    assert judged("order", *rows).is_empty()
    assert len(judged("order", *rows, *sens(0.3))) == 1


def test_designs_learners_and_tasks_are_not_mixed():
    other = [{**row, "design": "e", "estimate": row["estimate"] + 5} for row in sens(0.3)]
    table = judged("order", *sens(0.3), *other)
    assert table["estimate"].to_list() == pytest.approx([0.3, 5.3])
    table = judged("dose", sloped(0.4, "a"), sloped(-0.4, "a", task="u"))
    assert dict(table.select("task", "verdict").rows()) == {"t": "holds", "u": "fails"}


@pytest.mark.parametrize("name", attention.CONTRASTS)
def test_a_likeness_is_beyond_its_baseline(name):
    for value, expected in ((0.2, "holds"), (-0.2, "fails")):
        table = judged("attention", similarity(attention.CONTRASTS[name], value))
        assert table["claim"].to_list() == [CLAIMS[name].claim]
        assert table.select("estimate", "verdict").row(0) == (value, expected)


def test_what_diverged_decides_nothing():
    lost = estimate(None, None, None)
    row = {**lost, "learner": "sgd", "epoch": 50, "measure": "sen_below"}
    assert judged("order", sens(0.3)[0] | {"epoch": 5}, row).is_empty()
    assert judged("scale", gained(None)).is_empty()
    assert judged("attention", similarity("sim_aou_over", None)).is_empty()


def sloped(value, departure, nature="not GD", **more):
    found = estimate(value, metric="tv_slope", departure=departure, nature=nature, dose=None)
    return {**found, **more}


def test_what_is_not_gd_falls_or_not_and_another_gd_says_nothing():
    rows = [
        sloped(0.4, "a"),
        sloped(-0.4, "b"),
        sloped(0.01, "c"),
        sloped(0.4, "d", "another kernel"),
        sloped(0.4, "e", "another rate, mostly"),
        sloped(0.4, "steps of GD", "another number of steps"),
        {**sloped(0.4, "a"), "metric": "tv", "dose": 1.0},
    ]
    table = judged("dose", *rows)
    assert table.select("learner", "verdict").rows() == [
        ("a", "holds"),
        ("b", "fails"),
        ("c", "cannot tell"),
    ]


def test_checkpoints_and_twins():
    changes = {
        "still": (0.6, 0.01),
        "down": (0.6, -0.01),
        "rising": (0.1, 0.7),
        "falling": (0, -0.7),
    }
    rows = [
        {**estimate(a, learner="icl", measure="accuracy_change"), "step": s, "model": m}
        for m, values in changes.items()
        for s, a in enumerate(values, 1)
    ]
    drift = [{"measure": "mean_abs_change", "step": s, "estimate": 0.1 * s} for s in range(3)]
    rows += [{**one, "model": m} for m in changes for one in drift]
    table = judged("checkpoints", *rows)
    assert {m: (x, v) for m, x, v in table.select("model", "estimate", "verdict").rows()} == {
        "still": (pytest.approx(0.09), "holds"),
        "down": (pytest.approx(0.09), "holds"),
        "rising": (pytest.approx(-0.6), "fails"),
        "falling": (pytest.approx(-0.6), "fails"),
    }
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


def test_the_martingale_gap_is_held_against_another_order():
    """Of what is imagined alone, at the reading nearest to ICL, by the excess."""
    own = {"a": "icl", "b": "icl-imagined", "family": "icl-imagined", "reading": "nearest"}
    own["foremost"] = False
    rows = [
        estimate(0.1, **own, metric="excess"),
        estimate(0.12, **own, metric="tv"),
        estimate(0.2, **{**own, "b": "oracle", "family": "oracle"}, metric="excess"),
        estimate(0.02, **own | {"model": "other"}, metric="excess"),
        estimate(0.3, **own | {"model": "wild"}, metric="excess"),
    ]
    table = judged("existence", *rows, roles={"wild": "control"})
    assert table.select("model", "claim", "learner", "estimate", "verdict").rows() == [
        ("m", CLAIMS["martingale"].claim, "icl-imagined", 0.1, "holds"),
        ("other", CLAIMS["martingale"].claim, "icl-imagined", 0.02, "negligible"),
    ]


def test_newton_is_judged_where_gradient_descent_is_not_the_model_itself():
    def of(model, apart, past):
        own = {"model": model, "nearest": True, "epoch": 2}
        return [
            estimate(apart, **own, family="gd", metric="tv"),
            estimate(past, **own, family="gd", metric="past_newton"),
            estimate(apart - past, **own, family="newton", metric="tv"),
        ]

    rows = of("exact", 1e-9, -0.3), of("trained", 0.5, 0.2), of("random", 0.5, -0.2)
    table = judged("steps", *(one for part in rows for one in part), roles={"random": "control"})
    assert table.select("model", "learner", "estimate", "verdict").rows() == [
        ("trained", "gd", 0.2, "holds")
    ]


def test_another_optimiser_is_judged_by_what_it_is_nearer():
    def row(learner, past, reading="nearest", **more):
        own = {"family": learner, "b": learner, "a": "icl", "reading": reading, "foremost": False}
        return estimate(past, **own, metric="past_gd", **more)

    # Newton's method on the last layer is no optimiser of what gradient descent trains.
    table = judged("existence", row("adam", -0.2), row("newton", 0.3), row("adam", 9, "accuracy"))
    assert table.select("learner", "estimate", "verdict").rows() == [("adam", 0.2, "holds")]
    control = judged("existence", row("adam", -0.2, model="random"), roles={"random": "control"})
    assert control.is_empty()


def test_icl_learns_labels_where_its_accuracy_falls_with_wrong_ones():
    def row(learner, slope, model="m"):
        own = {"learner": learner, "model": model, "epoch": 0, "metric": "accuracy_slope"}
        return estimate(slope, **own)

    rows = [row("icl", -0.8), row("icl", 0.01, "flat"), row("gd", -0.9)]
    table = judged("label_dose", *rows)
    assert table.select("model", "learner", "estimate", "verdict").rows() == [
        ("flat", "icl", -0.01, "negligible"),
        ("m", "icl", 0.8, "holds"),
    ]
