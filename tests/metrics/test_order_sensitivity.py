"""Order sensitivity: Sen, patterns and Mantel's test; the split of the variance."""

import itertools

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import pdist
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.metrics import order_patterns, order_sensitivity, order_variance
from iclgd.statistics import intervals

VOCABULARY, LABELS = 6, [1, 4]


def found(p, keep=None):
    """``Orders`` of probabilities [Q, O, V]."""
    p = np.asarray(p, float)
    ids = np.argsort(-p, axis=-1, kind="stable")[..., :keep]
    kept = np.log(np.take_along_axis(p, ids, -1))
    return order_sensitivity.Orders(
        np.arange(p.shape[1]), np.arange(len(p)), ids, kept, np.log(p[..., LABELS])
    )


def random(queries=5, orders=6, seed=0, vocabulary=VOCABULARY):
    return np.random.default_rng(seed).dirichlet(np.ones(vocabulary), (queries, orders))


def logits(p, learner="icl", epoch=0, draw=0, status="ok"):
    """A logits table of probabilities [Q, O, V]; query 0 is for validation."""
    rows = []
    for (q, o), _ in np.ndenumerate(p[..., 0]):
        ids = np.argsort(-p[q, o])
        rows.append(
            {
                **{"model": "m", "task": "t", "design": "d", "shots": 3, "learner": learner},
                **{"draw": draw, "order": o, "epoch": epoch, "example": 100 + q},
                **{"split": "test" if q else "validation", "label": q % 2, "status": status},
                **{"answer_id": LABELS[q % 2], "loss": None, "tail_mass": 0.0},
                **{"state": None, "trained": None},
                "label_logprobs": np.log(p[q, o, LABELS]).tolist(),
                "top_ids": ids.tolist(),
                "top_logprobs": np.log(p[q, o, ids]).tolist(),
            }
        )
    return pl.DataFrame(rows).select(LOGITS.keys()).cast(dict(LOGITS))


def test_sen_by_hand():
    # Two orders: the deviation (ddof = 1) is the difference over sqrt(2). Query 0 changes by
    # .2 on tokens 0 and 1, query 1 not at all; of the label words only token 1 changes.
    p = [[[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [0.3, 0.3, 0.1, 0.1, 0.1, 0.1]], [[1 / 6] * 6] * 2]
    assert order_sensitivity.sen(found(p)) == pytest.approx([0.4 / np.sqrt(2), 0])
    assert order_sensitivity.label_sen(found(p)) == pytest.approx([0.2 / np.sqrt(2), 0])


def test_sen_of_equal_orders_is_zero_and_of_one_order_undefined():
    p = np.repeat(random(orders=1), 4, axis=1)
    assert order_sensitivity.sen(found(p)) == pytest.approx(0, abs=1e-15)
    for measure in (order_sensitivity.sen, order_sensitivity.label_sen):
        assert np.isnan(measure(found(p[:, :1]))).tolist() == [True] * 5


def test_sen_of_kept_tokens_takes_the_others_as_zero():
    p = random(orders=3)
    cut = np.where(np.argsort(np.argsort(-p, -1), -1) < 2, p, 0)
    assert order_sensitivity.sen(found(p, keep=2)) == pytest.approx(cut.std(1, ddof=1).sum(-1))


def test_blocks_and_columns_do_not_change_a_value(monkeypatch):
    # 500 tokens of which 3 are kept: numbered anew; CELLS = 1: one query at a time.
    a, b = (found(random(seed=s, vocabulary=500), keep=3) for s in (1, 2))
    whole = order_sensitivity.sen(a), order_sensitivity.against(a, b)
    monkeypatch.setattr(order_sensitivity, "CELLS", 1)
    assert np.array_equal(order_sensitivity.sen(a), whole[0])
    cosines, test = order_sensitivity.against(a, b)
    for name, values in cosines.items():
        assert values == pytest.approx(whole[1][0][name])
    assert test == pytest.approx(whole[1][1])
    dense = list(order_sensitivity.probabilities(a.ids, a.logprobs))
    assert [len(block) for _, block in dense] == [1] * 5
    assert max(block.shape[2] for _, block in dense) <= 18
    total = np.concatenate([block.sum(2) for _, block in dense])
    assert total == pytest.approx(np.exp(a.logprobs).sum(2))


def test_columns_are_told_their_tokens():
    """Queries that kept different tokens are compared token by token."""
    p = [random(seed=s, vocabulary=500) for s in (1, 2)]
    cut = [np.where(np.argsort(np.argsort(-x, -1), -1) < 3, x, 0) for x in p]
    everywhere = np.tile(np.arange(500), (5, 1))
    expected = order_patterns.alike(lambda: iter([(everywhere, *cut)]), 500)
    found_, _ = order_sensitivity.against(*(found(x, keep=3) for x in p))
    for name, values in expected.items():
        assert found_[name] == pytest.approx(values)
    ids = np.array([[[7, 2]], [[2, 2]]])
    ((numbers, block),) = order_sensitivity.probabilities(ids, np.log(ids / 10))
    assert numbers.tolist() == [[2, 7], [2, 8]]
    assert block == pytest.approx(np.array([[[0.2, 0.7]], [[0.2, 0.0]]]))


def test_distances_are_total_variation():
    p = random(queries=2, orders=3)
    expected = [np.abs(p[:, i] - p[:, j]).sum() / 2 for i, j in ((0, 1), (0, 2), (1, 2))]
    assert order_sensitivity.distances(p) == pytest.approx(expected)


def test_mantel():
    rng = np.random.default_rng(0)
    a, b = (pdist(rng.normal(size=(8, 2))) for _ in range(2))
    r, p = order_sensitivity.mantel(a, a)
    assert r == pytest.approx(1)
    assert p == pytest.approx(0.001)
    r, p = order_sensitivity.mantel(a, b)
    assert r == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert 0.01 < p < 1
    assert order_sensitivity.mantel(a, b) == (r, p)
    assert order_sensitivity.mantel(a, np.ones(28)) is None
    assert order_sensitivity.mantel(a[:1], b[:1]) is None


def test_mantel_p_is_one_sided():
    line = pdist(np.arange(8.0)[:, None])
    _, p = order_sensitivity.mantel(line, line.max() - line)
    assert p > 0.99


def test_fisher():
    # One p stays itself; for two it is x (1 - ln x) of their product x.
    assert order_sensitivity.fisher([0.03]) == pytest.approx(0.03)
    assert order_sensitivity.fisher([0.1, 0.2]) == pytest.approx(0.02 * (1 - np.log(0.02)))


def test_against_takes_the_orders_both_have():
    a, b = found(random()), found(random(seed=1))
    some = np.array([0, 2, 3, 5])
    (cosines, test), expected = (
        order_sensitivity.against(a.only(some), b),
        order_sensitivity.against(*(x.only(some) for x in (a, b))),
    )
    assert test == expected[1]
    assert {n: v.tolist() for n, v in cosines.items()} == {
        n: v.tolist() for n, v in expected[0].items()
    }
    cosines, test = order_sensitivity.against(a.only(some[:1]), b)
    assert all(np.isnan(values).all() for values in cosines.values()) and test is None


def test_against_allows_different_numbers_of_kept_tokens():
    p = random()
    cosines, (_, p_value) = order_sensitivity.against(found(p), found(p, keep=5))
    assert p_value < 0.01
    assert 0.9 < cosines["pattern_cosine"].mean() < 1


def test_read_is_complete_or_an_error():
    table = logits(random())
    assert order_sensitivity.read(table.reverse()).ids.shape == (5, 6, 6)
    assert order_sensitivity.read(table.with_columns(pl.lit("diverged").alias("status"))) is None
    with pytest.raises(InputError, match="learner icl, draw 0, epoch 0: not every query"):
        order_sensitivity.read(table.head(-1))


def test_summarise_order(tmp_path):
    paths, same = [], {}
    for draw in range(2):
        same[draw] = random(seed=draw)
        still = np.repeat(same[draw][:, :1], 6, axis=1)
        vote = np.repeat(random(1, seed=draw + 9), 5, axis=0)  # whatever is asked
        learners = {"icl": (same[draw], 0), "sgd": (same[draw], 5), "gd": (still, 5)}
        for name, (p, epoch) in {**learners, "vote": (vote, 0)}.items():
            status = "diverged" if (name, draw) == ("gd", 1) else "ok"
            paths.append(tmp_path / f"{name}{draw}.parquet")
            parquet.write(logits(p, name, epoch, draw, status), paths[-1], LOGITS)
    run_step(
        "summarise_order",
        *figure("order", reference="icl"),
        "--logits",
        *paths,
        "--output",
        tmp_path / "out.parquet",
    )
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table.columns == [
        *("model", "task", "design", "shots", "learner", "epoch", "measure"),
        *intervals.ESTIMATE,
        "diverged",
    ]
    row = {(r["learner"], r["measure"]): r for r in table.iter_rows(named=True)}
    expected = np.mean([same[d][1:].std(1, ddof=1).sum(-1).mean() for d in range(2)])
    assert row["icl", "sen"]["estimate"] == pytest.approx(expected, rel=1e-5)
    assert ("icl", "mantel_r") not in row and ("icl", "sen_below") not in row
    # The same answers, so nothing is below; those that keep still are below by ICL's whole Sen.
    assert (row["sgd", "sen_below"]["estimate"], row["sgd", "sen_below"]["error"]) == (0, 0)
    first = same[0][1:].std(1, ddof=1).sum(-1).mean()
    assert row["gd", "sen_below"]["estimate"] == pytest.approx(first, rel=1e-5)
    assert row["gd", "sen_below"]["draws"] == 1
    assert row["sgd", "pattern_cosine"]["estimate"] == pytest.approx(1)
    assert row["sgd", "mantel_r"]["estimate"] == pytest.approx(1)
    assert row["sgd", "mantel_p"]["estimate"] < 0.01
    assert row["sgd", "mantel_p"]["low"] is None
    assert row["gd", "sen"]["estimate"] == pytest.approx(0)
    assert (row["gd", "sen"]["draws"], row["gd", "sen"]["diverged"]) == (1, 0.5)
    assert row["gd", "pattern_cosine"]["estimate"] is None
    # Controls: the same answers are alike in all that is the queries' own, a vote in nothing.
    for name in order_patterns.PATTERNS:
        assert ("icl", name) not in row
    one = {name: row["sgd", f"pattern_{name}"]["estimate"] for name in ("permuted", "beyond")}
    assert sum(one.values()) == pytest.approx(1)
    assert -0.6 < one["permuted"] < 0.6
    assert row["sgd", "pattern_own"]["estimate"] == pytest.approx(1)
    same_for_all = row["vote", "pattern_cosine"], row["vote", "pattern_permuted"]
    assert same_for_all[0]["estimate"] == pytest.approx(same_for_all[1]["estimate"])
    beyond = row["vote", "pattern_beyond"]
    assert (beyond["low"], beyond["high"]) == pytest.approx((0, 0), abs=1e-6)
    assert row["vote", "pattern_own"]["estimate"] is None


ORDERS = np.array(list(itertools.permutations(range(4))))
TWO_LABELS = np.array([0, 0, 1, 1])


def test_log_odds_by_hand():
    p = np.log([[0.2, 0.1, 0.3]])
    assert order_variance.log_odds(p, np.array([0]))[0] == pytest.approx(np.log(0.2 / 0.4))


def planted(rng, source):
    """Outcomes [24, 3] whose variance comes from one source alone."""
    if source == "last label":
        return rng.normal(size=(2, 3))[TWO_LABELS[ORDERS[:, -1]]]
    if source == "last demonstration":
        within = rng.normal(size=(2, 3))  # differences that cancel within a label
        return np.concatenate([within[:1], -within[:1], within[1:], -within[1:]])[ORDERS[:, -1]]
    if source == "positions":
        return rng.normal(size=(4, 3))[ORDERS[:, 0]]
    return (ORDERS[:, :1] < ORDERS[:, 1:2]) * (ORDERS[:, 2:3] < ORDERS[:, 3:]) * rng.normal(size=3)


@pytest.mark.parametrize("source", order_variance.SOURCES)
def test_planted_effects_are_recovered(source):
    outcomes = planted(np.random.default_rng(0), source)
    shares = order_variance.shares(outcomes, ORDERS, TWO_LABELS[ORDERS])
    assert sum(shares.values()) == pytest.approx(1)
    if source in ("last label", "last demonstration"):
        assert shares[source] == pytest.approx(1)
    # An effect of the first position is partly one of the last: the demo is not there.
    assert shares[source] > 0.5 or source == "rest"
    assert (shares["rest"] > 0.1) == (source == "rest")


def test_shares_of_noise_sum_to_one_and_are_none_below_rounding():
    outcomes = np.random.default_rng(1).normal(size=(24, 9))
    shares = order_variance.shares(outcomes, ORDERS, TWO_LABELS[ORDERS])
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) > 0
    # 24 orders have 23 degrees of freedom: 1 for the label, 2, 6, and 14 for the rest.
    many = np.random.default_rng(1).normal(size=(24, 20_000))
    expected = np.array([1, 2, 6, 14]) / 23
    found = order_variance.shares(many, ORDERS, TWO_LABELS[ORDERS])
    assert list(found.values()) == pytest.approx(expected, abs=0.005)
    assert set(order_variance.shares(1e-7 * outcomes, ORDERS, TWO_LABELS[ORDERS]).values()) == {
        None
    }


def test_all_orders_are_needed():
    order_variance.check(ORDERS, "gd")
    for wrong in (ORDERS[:-1], np.vstack([ORDERS[:-1], ORDERS[:1]])):
        with pytest.raises(InputError, match="gd: 23 different orders of 4"):
            order_variance.check(wrong, "gd")


def test_summarise_variance(tmp_path):
    # Three demonstrations, labels 0, 0, 1; the odds depend on the label of the last alone.
    places = list(itertools.permutations(range(3)))
    labels = [0, 0, 1]
    shown = [("t", "d", 0, o, i, p, None) for o, ps in enumerate(places) for i, p in enumerate(ps)]
    task = [("t", e, "train", "", "", "", "", label) for e, label in enumerate(labels)]
    p = np.full((4, 6, VOCABULARY), 0.1)
    p[..., LABELS] += [[[0.05, 0.35] if labels[ps[-1]] else [0.3, 0.1] for ps in places]] * 4
    files = {name: tmp_path / f"{name}.parquet" for name in ("demos", "task", "logits", "out")}
    frame = {}
    for name, rows, schema in (
        ("demos", shown, DEMONSTRATIONS),
        ("task", task, TASK),
    ):
        frame[name] = pl.DataFrame(rows, schema=schema, orient="row")
        parquet.write(frame[name], files[name], schema)
    parquet.write(logits(p), files["logits"], LOGITS)
    arguments = ["--logits", files["logits"], "--demonstrations", files["demos"]]
    run_step(
        "summarise_variance",
        *figure("variance"),
        *arguments,
        "--task",
        files["task"],
        "--output",
        files["out"],
    )
    table = pl.read_parquet(files["out"])
    assert table.columns == [
        *("model", "task", "design", "shots", "learner", "epoch", "source"),
        *("estimate", "low", "high", "error", "df", "draws"),
    ]
    shares = dict(table.select("source", "estimate").rows())
    assert shares["last label"] == pytest.approx(1)
    with pytest.raises(InputError, match="task t, design d, learner icl, draw 0: the demon"):
        order_variance.shares_of(
            logits(p), frame["demos"].filter(pl.col("order") > 0), frame["task"]
        )
    some = logits(p).filter(pl.col("order") > 0)
    with pytest.raises(InputError, match="draw 0: 5 different orders of 3"):
        order_variance.shares_of(some, frame["demos"], frame["task"])
    assert sum(shares.values()) == pytest.approx(1)
