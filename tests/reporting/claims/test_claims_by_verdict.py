"""What verdicts of equivalence say of claims: cells, primary tests, seeds, the positive control."""

import polars as pl
import pytest
from scipy import stats
from support.claims import CLAIMS, RUN, judged


def judgement(verdict, estimate=0.3, excess=0.1, measure="tv", choice="nearest", **more):
    """A row of an equivalence summary; it has learned in context."""
    ends = {f"excess_{end}": excess + d for end, d in (("low", -0.02), ("high", 0.02))}
    numbers = {"error": 0.01, "df": 9.0, "excess_error": 0.005, "excess_df": 4.0}
    numbers |= {"excess_skew": 0.0, "p_learned": 0.0}
    said = {"b": "gd@1", "factor": 1.0, "verdict": verdict, "measure": measure, "choice": choice}
    row = {**RUN, "estimate": estimate, "excess": excess, "draws": 5, "queries": 96}
    row |= {"smallest": 0.15, "reason": None, "primary": True}
    return {**row, **ends, **numbers, **said, **more}


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
        ("negligible", "negligible"),
        ("equivalent", "fails"),
        ("unspecific", "fails"),
        ("inconclusive", "cannot tell"),
    ],
)
def test_apart_is_what_the_verdict_says(verdict, expected):
    row = judgement(verdict, excess=0.01 if expected == "fails" else 0.1)  # bounds: .02 beside it
    assert judged("equivalence", row)["verdict"].to_list() == [expected]


def test_what_is_surely_farther_by_less_than_matters_is_negligible():
    row = judgement("unspecific", excess=0.03)
    assert judged("equivalence", row)["verdict"].to_list() == ["negligible"]


def test_claims_about_models_are_about_primary_tests_where_there_are_any():
    rows = [judgement("different"), judgement("equivalent", b="adam@1", primary=False)]
    rows.append(judgement("equivalent", model="made", primary=False))
    table = judged("equivalence", *rows, roles={"made": "construction"})
    assert table.select("model", "learner", "verdict").rows() == [
        ("m", "gd@1", "holds"),
        ("made", "gd@1", "holds"),
    ]
    table = judged("equivalence", *(row | {"primary": False} for row in rows[:2]))
    assert set(table["learner"]) == {"gd@1", "adam@1"}


def test_seeds_are_a_sample_of_models():
    """Excesses of .1, .2 and .6 by hand: mean .3, error sqrt(.07 / 3), 2 degrees of freedom."""
    rows = [judgement("different", excess=x, model=f"m{i}") for i, x in enumerate((0.1, 0.2, 0.6))]
    rows.append(judgement("different", excess=0.9, model="other"))
    table = judged("equivalence", *rows, seeds=["m0", "m1", "m2"])
    row = table.row(by_predicate=pl.col("claim") == CLAIMS["seeds"].claim, named=True)
    assert (row["model"], row["learner"], row["estimate"]) == ("3 seeds", "gd", pytest.approx(0.3))
    error = (0.07 / 3) ** 0.5
    assert row["p"] == pytest.approx(2 * stats.t.sf(0.3 / error, 2))
    assert row["high"] == pytest.approx(0.3 + stats.t.ppf(0.975, 2) * error)
    assert row["verdict"] == "cannot tell"
    one = judged("equivalence", *rows, seeds=["m0"])
    assert CLAIMS["seeds"].claim not in one["claim"]


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
    # What is left of a smallest effect of .15 with an excess of .1, surely below .12.
    left = table.select("estimate", "low", "high").row(0)
    assert left == pytest.approx((0.05, 0.03, 0.07))
    unsure = judged("equivalence", judgement("inconclusive", model="made"), roles=roles)
    assert unsure["verdict"].to_list() == ["cannot tell"]


def test_bayes_is_compared_where_the_model_learned():
    rows = [judgement("different"), judgement("equivalent", b="bayes", primary=False)]
    table = judged("equivalence", *rows).filter(claim=CLAIMS["bayes"].claim)
    assert table.select("learner", "verdict").rows() == [("bayes", "holds")]


def test_what_is_imagined_is_no_gradient_descent_that_is_apart():
    gd, ours = judgement("different"), judgement("different", b="icl-imagined")
    assert judged("equivalence", gd, ours)["learner"].unique().to_list() == ["gd@1"]
