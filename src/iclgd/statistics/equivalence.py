"""Is gradient descent as near to ICL as ICL is to itself? Tests of difference and equivalence.

Distances between next-token distributions, over test queries: d of ICL and GD, r of ICL and ICL
under another order of the same demonstrations (what ICL differs by for no reason that GD could
explain), z of ICL and the pretrained model (zero-shot), s of ICL and the nearest solver of
the task that does no GD. What is tested are means over queries of differences that are paired
cell by cell, so that the error of ICL's own noise r is part of every test:

difference   d - r > smallest: GD is farther from ICL than ICL is from itself by more than the
             smallest effect of interest, which is fixed before there are data (a test of a
             minimum effect: Murphy and Myors 1999)
equivalence  d - r < smallest: by less than that (non-inferiority, one of two one-sided tests:
             Schuirmann 1987; a distance that is smaller than r needs no other side)
learned      z > smallest: there is ICL that GD could be equal to
nearer       s - d > 0: GD is nearer than something that is no GD
as near      s - d < smallest: that is no nearer than GD by more than the smallest effect

Primary tests are declared in the study. Each kind of test has Holm's correction over the
primary tests, one-sided at 5 %; all others are made at 5 % each and are for exploration. What
is shown beside a verdict are the bounds at the levels of these tests
(`crossed.holm_levels`), so that the verdict can be read off from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics.distances import ESTIMATED
from iclgd.statistics import crossed
from iclgd.statistics.crossed import ALPHA, Spread
from iclgd.statistics.distances import PLACE, Run, estimates
from iclgd.statistics.families import family

SMALLEST = 0.05  # total variation: no answer is then more or less likely by more than 5 points
TOLERANCE = 1e-6  # distances below it are rounding: probabilities are stored in float32
FACTORS = tuple(2.0**k for k in range(-4, 5))  # of the smallest effect, for its curve
VERDICTS = ("equivalent", "negligible", "unspecific", "different", "inconclusive")
# Why a verdict is inconclusive, in the order in which the reasons count.
REASONS = {
    "no ICL": "demonstrations do not surely change the answers by the smallest effect",
    "rounding": "the same descent with its sums in another order ends farther off than that",
    "training goes on": "the runs that had not ended could still come near enough to change it",
    "solver": "it is near, and a solver that does no GD may be farther from ICL or as near",
    "few draws": "the bounds allow for both",
}
TESTED = ("excess", "excess_most", "untouched", "nearer", "nearer_most")


@dataclass(frozen=True)
class Tests:
    """What is tested against what; names are those of learners' entries, without rates.

    ``reference``: ICL under another order. ``smallest``: the smallest effect of interest.
    ``primary``: (model, task, design, learner) of every primary test, of which there may be none;
    None: every test is one.
    ``replicates``: learners to the same on reordered demonstrations. ``solvers``: learners that
    do no GD.
    """

    reference: str
    smallest: float
    primary: frozenset[tuple[str, str, str, str]] | None = None
    replicates: Mapping[str, str] = field(default_factory=dict)
    solvers: frozenset[str] = frozenset()


def judged(pairs: Iterable[pl.DataFrame], tests: Tests) -> pl.DataFrame:
    """Verdicts on every family of learners of agreement tables (``registry.AGREEMENT``).

    Runs without the reference (one demonstration has one order) are left out. Each family is
    judged at two rates and epochs, at each of them every draw at what the other draws choose
    (`choice`), by each of `DISTANCES`, at `FACTORS` of the smallest effect (``factor``; 1 is the
    verdict). Columns beside those of `distances.estimates`: ``smallest``, ``primary``; of each test
    ``p_`` and ``level_``; the bounds at these levels, ``excess_low``, ``excess_high``,
    ``excess_at_least``, ``untouched_least``, ``nearer_least``, ``nearer_at_most``; ``verdict`` and
    ``reason``;
    ``draws_needed`` to decide what is inconclusive, if these estimates are the truth;
    ``underpowered``: an excess of 0 would not be found below the smallest effect, nor one of twice
    the smallest effect above it, in more than 20 % of cases.
    Raises InputError where no table is of the reference.
    """
    found = [estimates(run) for run in _runs(pairs, tests)]
    if not found:
        raise InputError(f"no tables are of a learner and of the reference {tests.reference!r}")
    table = pl.concat(found).with_columns(primary=_is_primary(tests))
    tested = [_tested(table, tests.smallest, factor) for factor in FACTORS]
    return pl.concat(tested).sort(*PLACE, "b", "choice", "measure", "factor")


def _runs(pairs: Iterable[pl.DataFrame], tests: Tests) -> Iterable[Run]:
    """The tables by model, task, design and ICL; only runs with a reference and a learner."""
    icl, replicates = {}, {}
    for rows in pairs:
        a, b = (rows.head(1).select(family(side))["family"][0] for side in "ab")
        *run, first = rows.select(PLACE).row(0)
        if tests.replicates.get(a) == b:
            replicates.setdefault(tuple(run), []).append(rows)
        else:
            kind = "learners"
            kind = "reference" if b == tests.reference else kind
            kind = "solvers" if b in tests.solvers else kind
            parts = icl.setdefault((*run, first), {})
            parts.setdefault(kind, []).append(rows)
    for (*run, _), parts in icl.items():
        if "reference" in parts and "learners" in parts:
            parts["replicates"] = replicates.get(tuple(run), [])
            empty = parts["reference"][0].clear()
            yield Run(
                **{
                    kind: pl.concat([empty, *parts.get(kind, [])])
                    for kind in ("reference", "learners", "solvers", "replicates")
                }
            )


def _is_primary(tests: Tests) -> pl.Expr:
    if tests.primary is None:
        return pl.lit(True)
    declared = pl.Series([" ".join(one) for one in sorted(tests.primary)], dtype=pl.String)
    test = pl.concat_str("model", "task", "design", "family", separator=" ")
    return test.is_in(declared.implode())


def _tested(table: pl.DataFrame, smallest: float, factor: float) -> pl.DataFrame:
    """The table with tests, their bounds and verdicts at a multiple of the smallest effect."""
    smallest = smallest * factor
    table = table.with_columns(factor=pl.lit(factor), smallest=pl.lit(smallest))
    spread = {name: _spread(table, name) for name in TESTED}
    excess, most, untouched, nearer, nearer_most = spread.values()
    tests = {
        "difference": excess._replace(value=excess.value - smallest),
        "equivalence": crossed.mirrored(most, smallest),
        "learned": untouched._replace(value=untouched.value - smallest),
        "nearer": nearer,
        "solved": crossed.mirrored(nearer_most, smallest),
    }
    p = {f"p_{name}": crossed.p_above(one) for name, one in tests.items()}
    table = _numbers(table, p)
    levels = {f"level_{name}": _by_family(crossed.holm_levels, f"p_{name}") for name in tests}
    table = table.with_columns(**levels).with_columns(
        **{name: _by_family(crossed.holm, name) for name in p}
    )
    bounds = {
        "excess_low": (_bound(table, excess, "difference", 0), "excess"),
        "excess_high": (_bound(table, most, "equivalence", 1), "excess"),
        "untouched_least": (_bound(table, untouched, "learned", 0), "untouched"),
        "nearer_least": (_bound(table, nearer, "nearer", 0), "nearer"),
        "nearer_at_most": (_bound(table, nearer_most, "solved", 1), "nearer"),
    }
    table = _numbers(
        table, {name: end.clip(*ESTIMATED[of].range) for name, (end, of) in bounds.items()}
    )
    low = pl.col("excess_low")  # within rounding of 0 it decides nothing
    surely = pl.when(low > TOLERANCE).then(low).otherwise(low.clip(upper_bound=0))
    still = pl.col("excess") - pl.col("excess_settled")  # what runs could yet take away
    least = (surely - still).clip(*ESTIMATED["excess"].range)
    table = table.with_columns(excess_low=surely, excess_at_least=least)
    table = table.with_columns(_verdicts())
    needed = _draws_needed(table, tests["difference"], tests["equivalence"])
    weak = crossed.detectable(excess, _first_level(table)) > smallest
    weak |= np.isnan(excess.error)
    table = _numbers(table, {"draws_needed": needed}).with_columns(pl.Series("underpowered", weak))
    return table.drop(
        pl.selectors.matches("_(error|df|skew|mde)$") - pl.selectors.matches("^excess_[a-z]+$")
    )


def _spread(table: pl.DataFrame, name: str) -> Spread:
    parts = (name, *(f"{name}_{part}" for part in ("error", "df", "skew")))
    numbers = table.select(parts).cast(pl.Float64).to_numpy().T
    return Spread(*numbers[:3], np.nan_to_num(numbers[3]))


def _numbers(table: pl.DataFrame, columns: dict[str, np.ndarray]) -> pl.DataFrame:
    """The table with more columns, null where a number is NaN."""
    return table.with_columns(
        pl.Series(name, numbers, nan_to_null=True) for name, numbers in columns.items()
    )


def _by_family(method: Callable[[np.ndarray], np.ndarray], name: str) -> pl.Expr:
    """Holm's ``method`` on p-values: over the primary tests together, for others one by one."""

    def corrected(p: pl.Series) -> pl.Series:
        return pl.Series(method(p.to_numpy()), nan_to_null=True)

    alone = pl.when("primary").then(-1).otherwise(pl.int_range(pl.len()))
    family = ["measure", "choice", alone]
    return pl.col(name).map_batches(corrected, pl.Float64).over(family)


def _first_level(table: pl.DataFrame) -> np.ndarray:
    """The level that Holm's procedure leaves the first of the tests."""
    count = pl.col("primary").sum().over("measure", "choice")
    tests = table.select(pl.when("primary").then(count).otherwise(1)).to_series().to_numpy()
    return ALPHA / tests


def _bound(table: pl.DataFrame, spread: Spread, test: str, end: int) -> np.ndarray:
    """The lower (0) or upper (1) bound of an estimate at the level of a test."""
    return crossed.bounds(spread, 1 - 2 * table[f"level_{test}"].to_numpy())[end]


def _verdicts() -> list[pl.Expr]:
    """``verdict``, and of what is inconclusive the ``reason`` (`REASONS`).

    Nothing is said where there is no ICL, or where rounding alone moves the learner by
    more than the smallest effect. Different: farther from ICL than ICL from itself by surely more
    than the smallest effect, even if runs that had not ended at the last epoch, where that is the
    nearest, went on to ICL itself. Near is what is farther by surely less. It is equivalent if it
    is surely nearer than every solver at hand, or negligible if it is surely farther than ICL from
    itself, too; unspecific if it is surely not nearer than the best solver by the smallest effect:
    that says nothing about GD.
    """
    smallest = pl.col("smallest")
    farther = (pl.col("excess_low") > smallest).fill_null(False)
    apart = (pl.col("excess_low") > 0).fill_null(False)
    within = (pl.col("excess_high") < smallest).fill_null(False)
    learned = (pl.col("untouched_least") > smallest).fill_null(False)
    nearer = pl.col("solver_name").is_null() | (pl.col("nearer_least") > 0).fill_null(False)
    solved = (pl.col("nearer_at_most") < smallest).fill_null(False)
    rounded = (pl.col("rounding") > smallest).fill_null(False)
    at_end = pl.col("border").str.contains("last epoch").fill_null(False)
    settled = (pl.col("excess_at_least") > smallest).fill_null(False)
    goes_on = at_end & (pl.col("ended") < 1).fill_null(False) & ~settled
    several = pl.col("untouched_least").is_not_null()
    cases = (
        (~several, "few draws"),
        (~learned, "no ICL"),
        (rounded, "rounding"),
        (farther & ~goes_on, "different"),
        (goes_on & ~within, "training goes on"),
        (within & nearer & apart, "negligible"),
        (within & nearer, "equivalent"),
        (within & solved, "unspecific"),
        (within, "solver"),
    )
    found = pl.lit("few draws")
    for case, name in reversed(cases):
        found = pl.when(case).then(pl.lit(name)).otherwise(found)
    known, tested = found.is_in(VERDICTS), pl.col("measure") != "gain"
    verdict = pl.when(known).then(found).otherwise(pl.lit("inconclusive"))
    return [
        pl.when(tested).then(verdict).alias("verdict"),
        pl.when(tested & ~known).then(found).alias("reason"),
    ]


def _draws_needed(table: pl.DataFrame, farther: Spread, within: Spread) -> np.ndarray:
    """Draws with which one of both tests would decide; NaN where something else is in the way."""
    draws = table["draws"].to_numpy()
    needed = [
        crossed.draws_needed(spread, draws, table[f"level_{test}"].to_numpy())
        for spread, test in ((farther, "difference"), (within, "equivalence"))
    ]
    few = (table["reason"] == "few draws").fill_null(False).to_numpy()
    return np.where(few, np.fmin(*needed), np.nan)
