"""What the reference run says, for the report's verdicts and claims; None where it says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from iclgd.reporting import quantities
from iclgd.reporting.findings import Row
from iclgd.reporting.quantities import VALUE, VERDICT, Found, Quantity


@dataclass(frozen=True)
class Beside:
    """What the reference run printed in place of some values, and whether this run did, too."""

    said: str
    same: bool


def verdicts(figure: str, kind: str, table: Sequence[Row], known: Found) -> list[Beside] | None:
    """Excess and verdict for every row of a table of findings, header first.

    ``known``: the quantities of a reference run that can be compared (`quantities.comparable`).
    """
    ours = quantities.by_key(quantities.of_table(figure, kind, table))
    rows = quantities.of_rows(figure, kind, table)
    return _beside(rows, ("excess", VERDICT), ours, known) if VERDICT in table[0] else None


def cells(table: pl.DataFrame, known: Found) -> list[Beside] | None:
    """Value and verdict for every row of ``claims.parquet``."""
    ours = quantities.by_key(quantities.of_claims(table))
    return _beside(quantities.claim_cells(table), (VALUE, VERDICT), ours, known)


def claims(table: pl.DataFrame, known: Found) -> dict[tuple[str, str], Beside] | None:
    """The verdict on every paper's claim."""
    pairs = table.select("paper", "claim").unique(maintain_order=True).rows()
    ours = quantities.by_key(quantities.of_claims(table))
    rows = [quantities.claimed(*pair) for pair in pairs]
    found = _beside(rows, (VERDICT,), ours, known)
    return found and dict(zip(pairs, found, strict=True))


def _beside(
    rows: Iterable[Quantity], names: Sequence[str], ours: Found, known: Found
) -> list[Beside] | None:
    def printed(row: Quantity, run: Found) -> str:
        keys = [(*row.key[:-1], name) for name in names]
        return ", ".join(run[key].printed for key in keys if key in run)

    said = [(printed(row, ours), printed(row, known)) for row in rows]
    if not any(there for _, there in said):
        return None
    return [Beside(there, here == there) for here, there in said]
