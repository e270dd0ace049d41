"""Parquet files passed between steps: order of rows, atomic writes, parts.

The same table gives the same bytes: columns and rows have one order, and no time stamp or
host name is stored. A table appears under its name only when complete.
"""

from __future__ import annotations

import glob
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from iclgd.io import files
from iclgd.io.cli import InputError

# Rows that a long table holds together: about 40 MB of logits with 1,024 tokens each.
ROWS = 4096
_ROW = "number of the row"
_NOT_KEYS = {"split", "label", "status", "state", "trained"}


def write(frame: pl.DataFrame, path: str | Path, schema: pl.Schema | None = None) -> None:
    """Write ``frame`` as Parquet (`files.whole`).

    With a schema, columns are cast to it and rows sorted by its leading key columns; a
    missing or an unknown column raises polars.exceptions.SchemaError. Without one the
    caller has put columns and rows in order.
    """
    path = Path(path)
    if schema is not None:
        frame = match(frame, schema)
    with files.whole(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


class Parts:
    """A table that is written run by run, so that it never needs to fit the memory.

    The parts wait in a folder beside the table. At the end of the ``with`` block the table
    appears under its name, its rows in the order of its keys, whatever the order of the runs.

    With a ``fingerprint`` of all that the rows depend on (`fingerprints.of`), parts outlive a
    writer that dies or fails: the next one with the same fingerprint begins with them in
    ``parts``. All others are removed.
    """

    def __init__(self, path: Path, schema: pl.Schema, fingerprint: str | None = None):
        self.path, self.schema, self.kept = path, schema, fingerprint is not None
        self.own = secrets.token_hex(4)
        self.folder = path.with_name(f".{path.name}.{fingerprint or self.own}.parts")
        self.parts: dict[tuple[int, ...], Path] = {}

    def __enter__(self) -> Parts:
        for old in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.parts"):
            if old != self.folder:
                files.remove(old)
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in self.folder.glob("*.arrow"):
            self.parts[tuple(map(int, part.stem.split("-")))] = part
        return self

    def add(self, run: tuple[int, ...], frame: pl.DataFrame) -> None:
        """Add all rows of a ``run``: (draw, order, epoch, first query)."""
        part = self.folder / f"{'-'.join(map(str, run))}.arrow"
        temporary = part.with_suffix(f".{self.own}")
        with files.room_for(self.path):
            match(frame, self.schema).write_ipc(temporary)
        self.parts[run] = temporary.rename(part)

    def repeat(self, run: tuple[int, ...], earlier: tuple[int, ...], **columns) -> None:
        """Add the rows of an ``earlier`` run as those of ``run``, with other values in some
        ``columns``."""
        frame = pl.read_ipc(self.parts[earlier])
        self.add(run, frame.with_columns(pl.lit(one).alias(name) for name, one in columns.items()))

    def __exit__(self, kind, *_) -> None:
        keep = kind is not None and self.kept and not issubclass(kind, files.DiskFull)
        try:
            if kind is None:
                with files.whole(self.path) as temporary:
                    parts = [self.parts[run] for run in sorted(self.parts)]
                    ordered = pl.scan_ipc(parts, glob=False)
                    ordered.sink_parquet(temporary, compression="zstd", row_group_size=ROWS)
        finally:
            if not keep:
                files.remove(self.folder)


def match(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """``frame`` with just the columns of a schema, of its types, sorted by its key columns.

    Raises polars.exceptions.SchemaError for a missing or an unknown column.
    """
    extra, missing = set(frame.columns) - set(schema), set(schema) - set(frame.columns)
    if extra or missing:
        raise pl.exceptions.SchemaError(f"columns missing {missing}, not expected {extra}")
    keys = [
        name
        for name, kind in schema.items()
        if name not in _NOT_KEYS and kind in (pl.String, pl.Int32)
    ]
    return frame.select(schema.keys()).cast(dict(schema)).sort(keys, maintain_order=True)


def read(
    path: str | Path,
    schema: dict[str, pl.DataType | None] | None = None,
    rows: Iterable[int] | None = None,
) -> pl.DataFrame:
    """Read the columns of a schema, or all; a type of None is any.

    Of few ``rows`` (numbers from 0, each once, in their order in the table) only the row groups
    that they are in are read.

    Raises InputError naming the path, and the column that is missing or of another type.
    """
    with _whole(path):
        table = pl.scan_parquet(path, glob=False)
        found = table.collect_schema()
        for name, kind in (schema or {}).items():
            if name not in found:
                raise InputError(f"{path}: no column {name!r}; it has {', '.join(found)}")
            if kind is not None and found[name] != kind:
                raise InputError(f"{path}: column {name!r} holds {found[name]}, not {kind}")
        if rows is None:
            return pl.read_parquet(path, columns=list(schema or found), glob=False)
        # Polars skips row groups by comparisons with numbers, but not by `is_in`.
        wanted = pl.any_horizontal(pl.lit(False), *(pl.col(_ROW) == row for row in rows))
        return table.with_row_index(_ROW).filter(wanted).select(list(schema or found)).collect()


def length(path: str | Path) -> int:
    """The number of a table's rows, without reading them. Raises InputError as `read`."""
    with _whole(path):
        return pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()


@contextmanager
def _whole(path: str | Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: not a whole table ({' '.join(str(error).split())})") from error


def only(frame: pl.DataFrame, column: str) -> str:
    """The one value of a column that is constant in this table, such as ``task``."""
    values = frame[column].unique().to_list()
    if len(values) != 1:
        raise InputError(f"column {column!r} should hold one value, it holds {values}")
    return values[0]


def matrix(column: pl.Series) -> np.ndarray:
    """A column of lists of one length, without nulls, as an array [rows, length]."""
    return column.list.to_array(len(column[0])).to_numpy()
