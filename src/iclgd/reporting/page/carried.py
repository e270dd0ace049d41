"""What the page carries along, so that it survives being mailed: tables as CSV, and its findings.

Files beside the page are gone when it is sent; these are part of it.
"""

from __future__ import annotations

import base64

import polars as pl

from iclgd.reporting.quantities import ANSWER, VERDICT, Found

DIGITS = 6  # significant ones, of a table as CSV


def csv(table: pl.DataFrame) -> str:
    """A table as the address of a CSV file; lists in its cells are joined by spaces."""
    flat = table.with_columns(
        pl.col(name).cast(pl.List(pl.String)).list.join(" ")
        for name, kind in table.schema.items()
        if isinstance(kind, pl.List)
    ).with_columns(pl.selectors.float().round_sig_figs(DIGITS))
    data = base64.b64encode(flat.write_csv().encode()).decode()
    return f"data:text/csv;base64,{data}"


def findings(found: Found) -> list[tuple[str, str, bool]]:
    """Every quantity of a run for a comparison with another page.

    Its name, its value as printed, and whether it is a verdict, or the study's answer. What a
    figure was configured as comes as a quantity, too, named ``FIGURE / configuration``.
    """
    return [
        (one.name, one.printed, one.quantity.startswith(VERDICT) or one.kind == ANSWER)
        for _, one in sorted(found.items())
    ]
