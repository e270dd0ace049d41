"""How often 95 % intervals cover the truth and tests err, by simulation at the default sizes.

The components of variance (between draws, between queries, between cells) are those of accuracy,
token overlap and total variation in a study of small models, where draws matter most, and some
where only queries or only cells do. docs/methods.md quotes what is printed here (`pytest -s`), and
is held against it.
"""

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit
from support.workflow import ROOT

from iclgd.statistics import crossed, equivalence

pytestmark = pytest.mark.slow
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
    """What `crossed.ratio` says of each study."""
    return crossed.ratio(cells[:, None])


def covered(ends, truth):
    low, high = ends
    return ((low <= truth) & (truth <= high)).mean()


def is_quoted(table, row, found):
    """That the row of a table of docs/methods.md has these rates, but for the simulation's noise.

    ``table`` begins its header; ``found``: rates by column.
    """
    print(f"{table}: {row}: " + ", ".join(f"{name} {rate:.3f}" for name, rate in found.items()))
    lines = (ROOT / "docs/methods.md").read_text().partition(f"\n| {table} |")[2].splitlines()
    head, _, *rows = ([cell.strip() for cell in one.strip("| ").split("|")] for one in lines)
    quoted = dict(zip(head, next(one[1:] for one in rows if one[0] == row), strict=True))
    for name, rate in found.items():
        noise = 3 * (rate * (1 - rate) / (2 * STUDIES)) ** 0.5
        assert float(quoted[name]) == pytest.approx(rate, abs=noise + 0.0005), (row, name)


@pytest.mark.parametrize("name", COMPONENTS | LEAST)
def test_the_interval_of_a_mean_covers(name):
    # Where queries or cells matter, it is wider than it had to be: there are no more degrees
    # of freedom than the draws give.
    between_draws, *others = (COMPONENTS | LEAST)[name]
    most = 0.97 if between_draws > 4 * np.linalg.norm(others) / QUERIES**0.5 else 0.999
    assert 0.93 <= covered(crossed.interval(spread(studies(name))), 0) <= most


# Effects of draws: their mean, and how they are drawn.
EFFECTS = {
    "normal": (0.0, lambda rng, size: rng.normal(size=size)),
    "gamma, skewness 1": (4.0, lambda rng, size: rng.gamma(4.0, 1.0, size)),
    "exponential": (1.0, lambda rng, size: rng.exponential(1.0, size)),
    "beta(.4, 1.6)": (0.2, lambda rng, size: rng.beta(0.4, 1.6, size)),
    "one in five fails": (0.2, lambda rng, size: 1.0 * (rng.random(size) < 0.2)),
}
# Least coverage with so many draws. Below 20 draws no interval can know of failures that
# come once in five draws, and have not come yet (one time in three with five draws).
COVERAGE = {
    "normal": {5: 0.94, 10: 0.94, 20: 0.94},
    "gamma, skewness 1": {5: 0.92, 10: 0.93, 20: 0.93},
    "exponential": {5: 0.90, 10: 0.92, 20: 0.93},
    "beta(.4, 1.6)": {5: 0.91, 10: 0.93, 20: 0.93},
    "one in five fails": {5: 0.0, 10: 0.0, 20: 0.93},
}


def of_draws(values, noise=0.02, queries=12):
    """Cells [studies, draws, queries] whose draws have these effects [studies, draws]."""
    rng = np.random.default_rng(1)
    return values[..., None] + noise * values.std() * rng.normal(size=(*values.shape, queries))


@pytest.mark.slow
@pytest.mark.parametrize("name", EFFECTS)
def test_the_interval_covers_where_effects_of_draws_are_skewed(name):
    mean, drawn = EFFECTS[name]
    found = {}
    for draws, least in COVERAGE[name].items():
        effects = spread(of_draws(drawn(np.random.default_rng(draws), (2 * STUDIES, draws))))
        student = covered(crossed.interval(effects._replace(skew=0.0)), mean)
        mine = covered(crossed.interval(effects), mean)
        assert least <= mine <= 0.99
        assert mine >= student - 0.01
        found |= {f"{draws} draws": mine, f"Student's t, {draws}": student}
    is_quoted("effects of draws", name, found)


REFERENCE = (0.031, 0.015)  # mean and standard deviation over draws of ICL from itself
DRAWN = (5, 10, 20, 40)


def reference(rng, size):
    """Distances of ICL from itself, one a draw."""
    mean, deviation = REFERENCE
    return rng.gamma((mean / deviation) ** 2, deviation**2 / mean, size)


def excess(draws, shift, varies=True):
    """What `crossed` says of the excess of a learner that is ``shift`` farther on average."""
    rng, size = np.random.default_rng(draws), (2 * STUDIES, draws)
    learner = reference(rng, size) if varies else np.full(size, REFERENCE[0])
    return spread(of_draws(learner + shift - reference(rng, size)))


def different(draws, shift, tests=1, **more):
    """How often the first of so many tests finds its excess above the smallest effect."""
    found = excess(draws, shift - equivalence.SMALLEST, **more)
    return (crossed.p_above(found) < crossed.ALPHA / tests).mean()


def equivalent(draws, shift, tests=1, **more):
    """How often the first of so many tests finds its excess within the smallest effect."""
    found = crossed.mirrored(excess(draws, shift, **more), equivalence.SMALLEST)
    return (crossed.p_above(found) < crossed.ALPHA / tests).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said", "truth"),
    [
        ("equivalent, truly at the smallest effect", equivalent, equivalence.SMALLEST),
        ("different, truly at the smallest effect", different, equivalence.SMALLEST),
    ],
)
def test_tests_err_as_often_as_they_may(error, said, truth):
    for varies, row in ((True, error), (False, f"{error}; the learner hardly varies")):
        found = {f"{draws} draws": said(draws, truth, varies=varies) for draws in DRAWN}
        assert max(found.values()) <= 0.065
        is_quoted("error of a test at 5 %", row, found)
        # Far out in a tail, where Holm's procedure tests the first of many. Where ICL alone varies,
        # and is skewed to the side that counts, five or ten draws cannot know.
        first = {f"{draws} draws": said(draws, truth, 8, varies=varies) for draws in DRAWN}
        assert max(first.values()) <= 0.05 / 8 * (1.3 if varies else 2.5)
        is_quoted("error of the first of 8 tests, .006", row, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said", "truth"),
    [
        ("equivalent, truly ICL reordered", equivalent, 0.0),
        ("different, truly at twice the smallest effect", different, 2 * equivalence.SMALLEST),
    ],
)
def test_what_is_true_is_found(name, said, truth):
    """With five draws by a test alone, with ten by the first of twelve."""
    for tests, row in ((1, name), (12, f"{name}; the first of 12 tests")):
        found = {f"{draws} draws": said(draws, truth, tests) for draws in DRAWN}
        assert found[f"{5 if tests == 1 else 10} draws"] >= 0.8
        is_quoted("power", row, found)


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
    ends = crossed.proportion_interval(found, DRAWS, QUERIES)
    most = 0.97 if name == "accuracy of GD" else 0.999  # as for means
    assert 0.93 <= covered(ends, truth) <= most


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.98])
def test_the_exact_interval_of_a_small_task_covers_at_least(truth):
    name, queries = "accuracy at chance", 42
    scale = np.linalg.norm(COMPONENTS[name])
    found = spread(1.0 * (studies(name, queries=queries) > -scale * ndtri(truth)))
    ends = crossed.proportion_interval(found, DRAWS, queries)
    assert covered(ends, truth) >= 0.95


def test_others_do_not_cover():
    rng = np.random.default_rng(0)
    draw_weights, query_weights = (
        rng.multinomial(n, np.full(n, 1 / n), 2000).T / n for n in (DRAWS, QUERIES)
    )
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
    found = crossed.Spread(values.mean(1), error, df)
    ends = crossed.draws_interval(found, (0, 1), np.full(len(values), float(draws)))
    assert (ends[0] >= 0).all() and (ends[0] <= ends[1]).all() and (ends[1] <= 1).all()
    mine = covered(ends, truth)
    assert mine >= (0.90 if name == "skewed" else 0.91)
    assert mine >= covered(crossed.interval(found), truth) - 0.005
