"""Show an artifact in a terminal: its description, columns with their values, first rows.

All text from files is escaped, so that no data set can control the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import polars as pl
from rich.table import Table
from rich.text import Text

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.text import plain
from iclgd.reporting import artifacts, dictionary
from iclgd.reporting.data.artifact import Artifact

BESIDE = 3  # rows of a table side by side
FEW, LONG = 4, 40  # values of a text column that are named, and their length
MANY = 60  # files of a folder; of more, only the kinds are listed


def show(path: Path, rows: int, where: str | None = None) -> Iterator[Text | Table]:
    """The text to print for a table, a manifest or a folder of them.

    ``rows``: of a table's head; ``where``: a condition in SQL on its rows. Raises InputError
    for what is missing, broken or neither of the three.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.is_dir():
        return _folder(path)
    if path.suffix in (".parquet", ".csv"):
        return _table(path, rows, where)
    if path.suffix == ".json":
        return _manifest(path)
    raise InputError(f"{path}: neither a table (.parquet, .csv), a manifest (.json) nor a folder")


def _table(path: Path, rows: int, where: str | None) -> Iterator[Text | Table]:
    frame = parquet.read(path) if path.suffix == ".parquet" else _csv(path)
    artifact, names = _known(path) or (dictionary.by_columns(frame.columns), {})
    yield from _heading(path, artifact, names)
    size = f"{len(frame):,} rows, {frame.width} columns, {_size(path.stat().st_size)}"
    if where:
        try:
            frame = frame.sql(f"SELECT * FROM self WHERE {where}")
        except pl.exceptions.PolarsError as error:
            raise InputError(f"--where {where}: {str(error).splitlines()[0]}") from error
        size += f"; {len(frame):,} rows where {plain(where)}"
    yield Text(size + "\n")
    lines = _lines("column", "type", "nulls", "values", "meaning")
    for column in frame.iter_columns():
        meaning = (artifact and artifact.meaning(column.name)) or ""
        kind = str(column.dtype).lower().replace("string", "text")
        cells = (column.name, kind, f"{column.null_count():,}", _values(column), meaning)
        lines.add_row(*map(_cell, cells))
    yield lines
    for start in range(0, min(rows, len(frame)), BESIDE):
        part = frame[start : min(start + BESIDE, rows)]
        lines = _lines("\ncolumn", *(f"\nrow {start + i}" for i in range(len(part))))
        lines.expand = True
        for column in lines.columns[1:]:
            column.no_wrap, column.overflow, column.ratio = True, "ellipsis", 1
        for column in part.iter_columns():
            lines.add_row(_cell(column.name), *(_cell(_short(one)) for one in column.to_list()))
        yield lines


def _csv(path: Path) -> pl.DataFrame:
    """A table of text; empty cells are null."""
    try:
        return pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: no CSV table ({str(error).splitlines()[0]})") from error


def _manifest(path: Path) -> Iterator[Text | Table]:
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a whole JSON file ({error})") from error
    if not isinstance(entries, dict):
        raise InputError(f"{path}: not a manifest, which is an object, {{...}}")
    artifact, names = _known(path) or (None, {})
    yield from _heading(path, artifact, names)
    lines = _lines("key", "value", "meaning")
    for key, value in entries.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.add_row(_cell(key), _cell(shown), _cell((artifact and artifact.meaning(key)) or ""))
    yield lines


def _folder(path: Path) -> Iterator[Text | Table]:
    """Its tables and manifests, one by one or by kind; hidden files are still being written."""
    files = [
        (one, found[0] if (found := _known(one)) else None)
        for one in sorted(path.rglob("*"))
        if one.suffix in (".parquet", ".json", ".csv")
        and not any(part.startswith(".") for part in one.relative_to(path).parts)
    ]
    files = [(one, kind) for one, kind in files if kind or one.suffix == ".parquet"]
    if not files:
        raise InputError(f"{path}: no artifact in this folder")
    yield Text(f"{plain(str(path))}: {len(files):,} artifacts\n")
    few = len(files) <= MANY
    lines = _lines("file" if few else "files", *([] if few else ["number"]), "rows", "size", "what")
    for column in lines.columns[1:-1]:
        column.justify = "right"
    files.sort(key=lambda one: artifacts.ARTIFACTS.index(one[1]) if one[1] else -1)
    for kind, group in groupby(files, key=lambda one: one[1]):
        parts = [
            (one, parquet.length(one) if one.suffix == ".parquet" else None, one.stat().st_size)
            for one, _ in group
        ]
        what = kind.what if kind else ""
        if few:
            for one, rows, size in parts:
                lines.add_row(
                    *map(_cell, (str(one.relative_to(path)), _count(rows), _size(size), what))
                )
                what = ""
        else:
            rows = [rows for _, rows, _ in parts]
            total = None if None in rows else sum(rows)
            size = sum(size for *_, size in parts)
            name = kind.path if kind else "other tables"
            cells = (name, f"{len(parts):,}", _count(total), _size(size), what)
            lines.add_row(*map(_cell, cells))
    yield lines


def _known(path: Path) -> tuple[Artifact, dict[str, str]] | None:
    """The artifact that lies at this path, if that leads through a folder ``results``."""
    parts = path.absolute().parts
    if "results" not in parts:
        return None
    start = len(parts) - 1 - parts[::-1].index("results")
    return dictionary.of("/".join(parts[start:]))


def _heading(path: Path, artifact, names: dict[str, str]) -> Iterator[Text]:
    yield Text(plain(str(path)), style="bold")
    if artifact:
        yield Text(f"{artifact.what[0].upper()}{artifact.what[1:]}.")
    if names:
        yield Text(" · ".join(f"{name} {plain(value)}" for name, value in names.items()))


def _values(column: pl.Series) -> str:
    """What a column holds: the range and mean of numbers, a few of its texts."""
    known = column.drop_nulls()
    if known.is_empty():
        return "none"
    if column.dtype == pl.Boolean:
        return f"true in {100 * known.mean():.3g} %"
    if column.dtype.is_numeric():
        low, high = known.min(), known.max()
        if low == high:
            return _short(low)
        if column.dtype.is_float():
            inner = f"mean {known.mean():.4g}, sd {known.std():.3g}"
        else:
            inner = f"{known.n_unique():,} values"
        return f"{_short(low)} to {_short(high)}, {inner}"
    if isinstance(column.dtype, pl.List):
        least, most = known.list.len().min(), known.list.len().max()
        return f"lists of {least}" if least == most else f"lists of {least} to {most}"
    if column.dtype == pl.String:
        found = known.unique(maintain_order=True)
        texts = found.head(FEW).to_list()
        named = ", ".join(one if len(one) <= LONG else f"{one[:LONG]}…" for one in texts)
        return named if len(found) <= FEW else f"{len(found):,} texts: {named}, …"
    return ""


def _short(value) -> str:
    """One value of a row."""
    if isinstance(value, list):
        rest = f", … {len(value)} in all" if len(value) > 2 else ""
        return f"[{', '.join(map(_short, value[:2]))}{rest}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "null" if value is None else str(value)


def _count(rows: int | None) -> str:
    return "" if rows is None else f"{rows:,}"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _lines(*heads: str) -> Table:
    lines = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in lines.columns:
        column.overflow = "fold"
    return lines


def _cell(text: str) -> Text:
    return Text(plain(text))
