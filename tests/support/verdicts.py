"""What a verdict must be, by what stands beside it."""

from __future__ import annotations


def read_off(row: dict) -> tuple[str, str | None]:
    """The verdict and the reason that a reader sees in the bounds beside it."""

    def above(name: str, least: float) -> bool:
        return row[name] is not None and row[name] > least

    smallest = row["smallest"]
    goes_on = "last epoch" in (row["border"] or "") and (row["ended"] or 0) < 1
    goes_on = goes_on and row["ended"] is not None and not above("excess_at_least", smallest)
    within = row["excess_high"] is not None and row["excess_high"] < smallest
    if row["untouched_least"] is None:
        return "inconclusive", "few draws"
    if not above("untouched_least", smallest):
        return "inconclusive", "no ICL"
    if above("rounding", smallest):
        return "inconclusive", "rounding"
    if within:
        if row["solver_name"] is None or above("nearer_least", 0):
            return "negligible" if above("excess_low", 0) else "equivalent", None
        known = row["nearer_at_most"] is not None and row["nearer_at_most"] < smallest
        return ("unspecific", None) if known else ("inconclusive", "solver")
    if above("excess_low", smallest) and not goes_on:
        return "different", None
    return "inconclusive", "training goes on" if goes_on else "few draws"
