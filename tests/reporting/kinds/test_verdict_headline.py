"""The headline of verdicts counts the primary tests, and all tests where none is primary."""

import polars as pl

from iclgd.reporting.kinds import equivalence
from iclgd.reporting.names import Names


def headline(*tests):
    table = pl.DataFrame(tests, ["primary", "verdict"], orient="row")
    decides = {"measure": "tv", "factor": 1.0, "choice": "nearest", "estimate": 0.1}
    others = [{"measure": "label_tv"}, {"factor": 2.0}, {"choice": "accuracy"}, {"estimate": None}]
    rows = [
        table.with_columns(**{name: pl.lit(one) for name, one in (decides | other).items()})
        for other in ({}, *others)
    ]
    return equivalence.headline(pl.concat(rows, how="vertical_relaxed"), Names())


def test_primary_tests_are_counted_alone():
    tests = [
        (True, "different"),
        (True, "inconclusive"),
        (True, "different"),
        (False, "negligible"),
    ]
    assert headline(*tests) == ("Of 3 primary tests: none equivalent, 2 different, 1 inconclusive")


def test_without_primary_tests_all_are_counted():
    assert headline((False, "equivalent"), (False, "equivalent")) == ("Of 2 tests: 2 equivalent")
