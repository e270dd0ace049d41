"""The headline of verdicts counts the primary tests, and all tests where none is primary."""

import polars as pl

from iclgd.reporting.kinds import equivalence


def headline(*tests):
    return equivalence.sentence(pl.DataFrame(tests, ["primary", "verdict"], orient="row"))


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
