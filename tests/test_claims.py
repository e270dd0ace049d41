"""Claims: what decides them by hand, verdicts, Holm, and the whole table."""

import polars as pl
import pytest
from scipy import stats

from iclgd import claims, evidence

RUN = {"model": "m", "task": "t", "design": "d", "shots": 8}


def summary(*rows):
    return pl.DataFrame(rows, infer_schema_length=None)


def estimate(value, error=0.01, df=4.0, **more):
    return {**RUN, "estimate": value, "error": error, "df": df, "draws": 5, "queries": 96, **more}


def judged(kind, *rows, roles=None):
    table = claims.judged([("figure", kind, summary(*rows))], roles or {})
    assert table.schema == claims.SCHEMA
    return table


def test_a_difference_has_the_error_of_independent_estimates():
    # Errors 3 and 4: 5. Welch: 625 / (81 / 4 + 256 / 8).
    found = evidence._minus(estimate(2, 3.0, 4.0), estimate(1, 4.0, 8.0) | {"draws": 3})
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
    table = judged("attention", *rows, roles={"m-random": "control", "layerwise": "causal"})
    found = {
        claim: (model, estimate)
        for claim, model, estimate in table.select("claim", "model", "estimate").rows()
    }
    expected = {"aou": ("m", 0.2), "untrained": ("m-random", 0.04), "causal": ("m", 0.3)}
    assert found == {
        claims.CLAIMS[name].claim: (model, pytest.approx(value))
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


def test_the_positive_control_decides_by_its_verdict():
    row = estimate(0.0, b="gd", choice="nearest", measure="tv", factor=1.0, verdict="equivalent")
    row |= {"excess": 0.0, "excess_low": 0.0, "excess_high": 0.0, "excess_error": 0.0}
    row |= {"excess_df": 4.0}
    roles = {"made": "construction"}
    rows = [row | {"model": "made"}, row | {"model": "made@0.5", "verdict": "different"}]
    table = judged("equivalence", *rows, row | {"factor": 2.0, "model": "made"}, roles=roles)
    assert table.select("model", "claim", "verdict").rows() == [
        ("made", claims.CLAIMS["construction"].claim, "holds")
    ]
    unsure = judged("equivalence", rows[0] | {"verdict": "inconclusive"}, roles=roles)
    assert unsure["verdict"].to_list() == ["cannot tell"]


def test_departures_fall_or_not():
    rows = [
        estimate(0.1 * i, metric="tv", dose=float(i), departure=d, response=r)
        for d, r in (("a", "falls"), ("b", "blind"))
        for i in range(3)
    ]
    table = judged("dose", *rows)
    assert table.select("learner", "estimate", "verdict").rows() == [
        ("a", pytest.approx(0.2), "holds"),
        ("b", pytest.approx(0.2), "fails"),
    ]


def test_checkpoints_and_twins():
    rows = [
        {**estimate(a, learner="icl", measure="accuracy"), "step": s, "model": m}
        for m, values in (("still", (0.1, 0.7, 0.71)), ("rising", (0.1, 0.2, 0.9)))
        for s, a in enumerate(values)
    ]
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
    table = claims.judged([("depth", "depth", pl.DataFrame({"model": ["m"]}))], {})
    assert table.schema == claims.SCHEMA and table.is_empty()
    assert claims.judged([], {}).is_empty()


def test_every_claim_can_be_found_and_says_what_decides_it():
    import inspect

    source = inspect.getsource(evidence)
    for name, claim in claims.CLAIMS.items():
        assert f'"{name}"' in source
        assert claim.claim.endswith(".") and claim.quantity
        assert claim.effect is None or claim.effect > 0
