"""How often 95 % intervals cover the truth, by simulation at the default sizes.

The components of variance (between draws, between queries, between cells) are those of accuracy,
token overlap and total variation in the default study, where draws matter most, and some where
only queries or only cells do.
"""

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from iclgd.statistics import resampling

DRAWS, QUERIES, STUDIES = 5, 96, 2000
COMPONENTS = {
    "accuracy of GD": (0.22, 0.0, 0.45),
    "accuracy of GD, deep layer": (0.11, 0.20, 0.39),
    "token overlap": (0.08, 0.0, 0.19),
    "token overlap, GPT-J shape": (0.011, 0.104, 0.049),
    "total variation": (0.20, 0.015, 0.31),
    "accuracy at chance": (0.044, 0.0, 0.50),
    "queries alone": (0.0, 0.4, 0.2),
}
LEAST = {"cells alone": (0.0, 0.0, 0.5)}


def studies(name, draws=DRAWS, queries=QUERIES):
    """Simulated cells [studies, draws, queries] of mean 0."""
    a, b, c = (COMPONENTS | LEAST)[name]
    rng = np.random.default_rng(len(name))
    parts = ((a, (draws, 1)), (b, (1, queries)), (c, (draws, queries)))
    return sum(scale * rng.normal(size=(STUDIES, *shape)) for scale, shape in parts)


def spread(cells):
    """What `resampling.ratio` says of each study."""
    blocks = (resampling.ratio(cells[i : i + 100, None]) for i in range(0, len(cells), 100))
    return resampling.Spread(*(np.concatenate(part) for part in zip(*blocks, strict=True)))


def covered(ends, truth):
    low, high = ends
    return ((low <= truth) & (truth <= high)).mean()


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_interval_of_a_mean_covers(name):
    assert 0.93 <= covered(resampling.interval(spread(studies(name))), 0) <= 0.97


def test_where_only_cells_vary_it_is_wider_than_it_had_to_be():
    assert 0.95 <= covered(resampling.interval(spread(studies("cells alone"))), 0) <= 0.985


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("accuracy of GD", 0.6),
        ("accuracy of GD, deep layer", 0.72),
        ("accuracy of GD, deep layer", 0.9),
        ("accuracy at chance", 0.5),
    ],
)
def test_the_interval_of_a_proportion_covers(name, truth):
    scale = np.linalg.norm(COMPONENTS[name])
    found = spread(1.0 * (studies(name) > -scale * ndtri(truth)))
    ends = resampling.proportion_interval(found, DRAWS, QUERIES)
    assert 0.93 <= covered(ends, truth) <= 0.97


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.98])
def test_the_exact_interval_of_a_small_task_covers_at_least(truth):
    name, queries = "accuracy at chance", 42
    scale = np.linalg.norm(COMPONENTS[name])
    found = spread(1.0 * (studies(name, queries=queries) > -scale * ndtri(truth)))
    ends = resampling.proportion_interval(found, DRAWS, queries)
    assert covered(ends, truth) >= 0.95


def test_others_do_not_cover():
    rng = np.random.default_rng(0)
    draw_weights, query_weights = resampling.weights(DRAWS, QUERIES)
    of_draws, of_queries = studies("accuracy of GD"), studies("queries alone")

    def percentiles(means):
        return np.quantile(means, [0.025, 0.975], axis=1)

    items = percentiles(of_draws.mean(1) @ query_weights)
    assert covered(items, 0) < 0.5  # resampling queries alone
    cells = of_draws.reshape(STUDIES, -1) @ rng.multinomial(480, [1 / 480] * 480, 500).T / 480
    assert covered(percentiles(cells), 0) < 0.5  # cells as if independent
    both = np.einsum("sdb,db->sb", of_draws[:500] @ query_weights, draw_weights)
    assert covered(percentiles(both), 0) < 0.91  # both, but percentiles of five draws
    means = of_queries.mean(2)
    half = stdtrit(DRAWS - 1, 0.975) * means.std(1, ddof=1) / np.sqrt(DRAWS)
    ends = means.mean(1) - half, means.mean(1) + half
    assert covered(ends, 0) < 0.7  # Student's t over draws, queries taken as the only ones


SEEDS = {  # one value of a share a draw or seed
    "near one": lambda rng, size: rng.beta(8, 2, size),
    "in the middle": lambda rng, size: rng.beta(2, 2, size),
    "at either end": lambda rng, size: rng.beta(0.4, 0.4, size),
    "skewed": lambda rng, size: rng.beta(0.4, 1.6, size),
    "nearly all the same": lambda rng, size: rng.beta(95, 5, size),
    "half of them one": lambda rng, size: np.where(
        rng.random(size) < 0.5, 1, rng.uniform(0.3, 0.8, size)
    ),
    "learned or not": lambda rng, size: 1.0 * (rng.random(size) < 0.8),
}


@pytest.mark.parametrize("draws", [3, 4, 5])
@pytest.mark.parametrize("name", SEEDS)
def test_the_interval_of_few_draws_covers_and_a_cut_t_does_so_less(name, draws):
    """Wilson's interval with the effective number of draws, of shares that are far from normal."""
    rng = np.random.default_rng(0)
    truth = SEEDS[name](rng, 10**6).mean()
    values = SEEDS[name](rng, (4 * STUDIES, draws))
    error = values.std(1, ddof=1) / draws**0.5
    df = np.full(len(values), draws - 1.0)
    found = resampling.Spread(values.mean(1), error, df)
    ends = resampling.draws_interval(found, (0, 1), np.full(len(values), float(draws)))
    assert (ends[0] >= 0).all() and (ends[0] <= ends[1]).all() and (ends[1] <= 1).all()
    mine = covered(ends, truth)
    assert mine >= (0.90 if name == "skewed" else 0.91)
    assert mine >= covered(resampling.interval(found), truth) - 0.005
