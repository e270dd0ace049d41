"""What a verdict of equivalence must be, by what stands beside it."""

from __future__ import annotations


def read_off(row):
    """The verdict that a reader sees in the bounds and the margin beside it."""
    if row["excess_low"] is not None and row["excess_low"] > 0:
        return "trivially both" if row["distance_most"] < row["margin"] else "different"
    known = row["distance_most"] is not None and row["untouched_least"] is not None
    near = known and row["distance_most"] < row["margin"] < row["untouched_least"]
    return "equivalent" if near else "inconclusive"
