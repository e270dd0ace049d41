"""Rows of local data files, read strictly, and rendered in a prompt format.

Needs the standard library alone (but for Parquet): the check of the configuration reads the
same rows by the same functions before any job.
"""

from __future__ import annotations

import csv
import json
import pickle
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from iclgd.io import text
from iclgd.io.cli import InputError

Placed = tuple[str, dict]  # a place for messages (file and line), and the row there
# A CSV field from its first character on: in quotes, or with none (RFC 4180).
QUOTED, PLAIN = re.compile(r'"[^"]*(?:""[^"]*)*"'), re.compile(r"[^,\r\n]*")
NEEDED = "one of .jsonl, .json, .csv, .parquet, .pickle, .pkl or .dataset (a pickle) is needed"
PICKLES = (".pickle", ".pkl", ".dataset")
PAIRS = "a list of ([text], label) is needed"
UNREADABLE = (OSError, UnicodeDecodeError, csv.Error)


def read(path: Path, entry: dict) -> Iterator[Placed]:
    """Rows of a JSONL, JSON (an array), CSV (with a header), Parquet or pickle file, and places.

    ``entry``: the task's; its labels tell a CSV field that has swallowed rows. Raises
    InputError that names file and line of a malformed row, or a file without rows.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if not readable(path.name):
        raise InputError(f"{path}: {NEEDED}")
    reader = READERS[path.suffix.lower()]
    place = ""
    try:
        for place, row in reader(path, entry):
            yield place, row
    except UNREADABLE as error:
        after = f", after {place}" if place else ""
        raise InputError(f"{path}{after}: {' '.join(str(error).split())}") from error
    if not place:
        raise InputError(f"{path}: there are no rows in it")


def readable(name: str) -> bool:
    """Whether a file of this name is of a kind that `read` knows."""
    return Path(name).suffix.lower() in READERS


def read_as(path: Path, entry: dict, called: str) -> Iterator[Placed]:
    """`read`, with what the file is ``called`` in places and errors, not where it lies."""
    try:
        for place, row in read(path, entry):
            yield place.replace(str(path), called, 1), row
    except InputError as error:
        raise InputError(error.args[0].replace(str(path), called)) from error


# --- JSON ---------------------------------------------------------------------------------


def _jsonl(path: Path, _: dict) -> Iterator[Placed]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():  # blank lines are no rows
                place = f"{path}, line {number}"
                yield place, _object(place, _parsed(place, line, "object"))


def _json(path: Path, entry: dict) -> Iterator[Placed]:
    """An array of objects, however it is laid out, or lines of objects as in JSONL."""
    if not is_array(path):
        yield from _jsonl(path, entry)
        return
    found = _parsed(str(path), path.read_text(encoding="utf-8-sig"), "array")
    for number, row in enumerate(found, start=1):
        place = f"{path}, row {number}"
        yield place, _object(place, row)


def is_array(path: Path) -> bool:
    """Whether a JSON file begins as an array does."""
    with path.open("rb") as file:
        return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _parsed(place: str, content: str, kind: str):
    try:
        return json.loads(content, object_pairs_hook=_map)
    except (ValueError, RecursionError) as error:  # also of numbers without end
        reason = getattr(error, "msg", error)
        if kind == "array" and isinstance(error, json.JSONDecodeError):
            place = f"{place}, line {error.lineno}"
        raise InputError(f"{place}: not a JSON {kind} ({reason})") from error


def _map(pairs: list[tuple]) -> dict:
    """A JSON object; ValueError if a key stands twice, of which the first would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(k for k, _ in pairs).items() if count > 1)
        raise ValueError(f"two values are called {twice!r}")
    return found


def _object(place: str, value) -> dict:
    if not isinstance(value, dict):
        raise InputError(f"{place}: not a JSON object")
    return value


# --- CSV ----------------------------------------------------------------------------------


def _csv(path: Path, entry: dict) -> Iterator[Placed]:
    names: list[str] = []
    for number, lines in _records(path):
        _check_quotes(path, number, "".join(lines))
        fields = next(csv.reader(lines, strict=True))
        place = f"{path}, line {number + len(lines) - 1}"
        if not names:
            names = fields
            _check_header(place, names)
            continue
        if len(fields) != len(names):
            raise InputError(f"{place}: {len(names)} fields expected, found {len(fields)}")
        if len(lines) > 1 and _swallowed(lines, names, entry):
            raise InputError(
                f"{path}, line {number}: the quoted field that begins here holds whole rows: is "
                "its closing quote missing? (if it is right as it is, write the file as JSONL)"
            )
        yield place, dict(zip(names, fields, strict=True))


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line and the lines of every record: those between even quotes."""
    lines: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        quotes = 0
        for number, line in enumerate(file, start=1):
            quotes += line.count('"')
            lines.append(line)
            if quotes % 2 == 0:
                if lines != [line] or line.strip("\r\n"):  # blank lines are no rows
                    yield number - len(lines) + 1, lines
                lines = []
        if lines:
            yield number - len(lines) + 1, lines


def _check_quotes(path: Path, number: int, record: str) -> None:
    """Raise InputError naming the line of a quote that RFC 4180 does not allow in a record."""
    if '"' not in record:
        return

    def line(at: int) -> int:
        return number + len(re.findall(r"\r\n|\r|\n", record[:at]))

    record, at = record.rstrip("\r\n"), 0
    while at <= len(record):
        if record.startswith('"', at):
            quoted = QUOTED.match(record, at)
            if quoted is None:
                raise InputError(f"{path}, line {line(at)}: the quote that opens here never closes")
            end = quoted.end()
            if record[end : end + 1] not in ("", ","):
                raise InputError(
                    f"{path}, line {line(at)}: the quote that opens here closes in line "
                    f"{line(end)}, and {record[end : end + 20]!r} follows it (a quote within "
                    "a quoted field is written twice)"
                )
        else:
            end = PLAIN.match(record, at).end()
            if '"' in record[at:end]:
                raise InputError(
                    f"{path}, line {line(at)}: a quote within the field {record[at:end][:40]!r}: "
                    "write the field in quotes, and those within it twice"
                )
        at = end + 1


def _check_header(place: str, names: list[str]) -> None:
    if "\0" in "".join(names):
        raise InputError(f"{place}: NUL characters in the header: the file must be UTF-8")
    for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            raise InputError(f"{place}: the columns are separated by {called}; commas are needed")
    for number, name in enumerate(names, start=1):
        if number > 1 and not name.strip():  # the first may be the index that pandas writes
            raise InputError(f"{place}: column {number} of {len(names)} has no name")
        if name in names[: number - 1]:
            raise InputError(f"{place}: two columns are called {name!r}")


def _swallowed(lines: list[str], names: list[str], entry: dict) -> bool:
    """Whether the first lines of a record each read as a row with one of the labels.

    A quote that is not closed where it should be, and by chance is closed later on, leaves a
    record that is well formed.
    """
    field, known = (
        entry.get("label_field", "label"),
        {*entry.get("labels", ()), *left_out_labels(entry)},
    )

    def is_row(line: str) -> bool:
        fields = line.rstrip("\r\n").replace('"', "").split(",")
        row = dict(zip(names, fields, strict=False))
        return len(fields) == len(names) and row.get(field, "").strip() in known

    return all(map(is_row, lines[:2]))


# --- Parquet ------------------------------------------------------------------------------


def _parquet(path: Path, _: dict) -> Iterator[Placed]:
    import polars as pl  # the check of the configuration, which must be quick, reads none

    try:
        table = pl.read_parquet(path, glob=False)
        for number, row in enumerate(table.iter_rows(named=True), start=1):
            yield f"{path}, row {number}", row
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from error


# --- pickles of plain lists ----------------------------------------------------------------


class _Plain(pickle.Unpickler):
    """Numbers, texts, lists, tuples and maps alone: without globals a pickle can run nothing."""

    def find_class(self, module: str, name: str):
        raise InputError(f"refused: it names {module}.{name}, and no plain data need that")


def _pickle(path: Path, _: dict) -> Iterator[Placed]:
    """Rows of a list of ``([text], label)``, as StaICC has them, with fields text and label."""
    with path.open("rb") as file:
        try:
            found = _Plain(file).load()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # a broken pickle may raise anything
            raise InputError(f"{path}: not a pickle ({error})") from error
    if not isinstance(found, list):
        raise InputError(f"{path}: a pickle of a {type(found).__name__}; {PAIRS}")
    for number, row in enumerate(found, start=1):
        place = f"{path}, row {number}"
        match row:
            case ([str(content)], int() | str() as label):
                yield place, {"text": content, "label": label}
            case _:
                raise InputError(f"{place}: {PAIRS}")


READERS = {
    **{".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet},
    **dict.fromkeys(PICKLES, _pickle),
}

# --- rows in a prompt ---------------------------------------------------------------------


def parse_template(prompt: str) -> text.Template:
    """The template of a prompt; InputError where ``text.parse_template`` raises ValueError."""
    try:
        return text.parse_template(prompt)
    except ValueError as error:
        raise InputError(f"prompt {prompt!r}: {error}") from error


def left_out_labels(entry: dict) -> set[str | None]:
    """Values of the label field whose rows are left out; None is a null field."""
    return {value if value is None else str(value) for value in entry.get("leave_out", [])}


def render(rows: Iterator[Placed], entry: dict, task: str) -> Iterator[tuple[str, dict | None]]:
    """Fill the prompt of ``entry`` with every row: its place, ``{"text", "answer", "label"}``.

    ``entry`` has ``prompt``, ``labels`` (a map from the value of the label field to the
    label word; its order numbers the labels) and maybe ``label_field`` and ``leave_out`` (a
    row with such a label becomes None). Raises InputError that names the place of a row whose
    fields or label do not fit.
    """
    template = parse_template(entry["prompt"])
    fields = [field for _, field in template.parts]
    label_field, words = entry.get("label_field", "label"), entry["labels"]
    number = {value: i for i, value in enumerate(words)}
    unwanted = left_out_labels(entry)
    for place, row in rows:
        if None in unwanted and label_field in row and _is_null(row[label_field]):
            yield place, None
            continue
        value = _text(place, row, label_field)
        if value in unwanted:
            yield place, None
            continue
        if value not in number:
            raise InputError(
                f"{place}: label {value!r} of task {task} is not in its list: {', '.join(words)}"
            )
        filled = template.fill({field: _text(place, row, field).strip() for field in fields})
        answer = template.space + words[value]
        yield place, {"text": filled, "answer": answer, "label": number[value]}


def _is_null(value) -> bool:
    return value is None or value != value  # not a number: how pandas writes what is missing


def _text(place: str, row: dict, field: str) -> str:
    """A field of ``row`` as text. Raises InputError if it is none: absent, null, nested ..."""
    if field not in row:
        raise InputError(f"{place}: no field {field!r}; it has {', '.join(map(str, row))}")
    value = row[field]
    if isinstance(value, (dict, list, bytes)):
        raise InputError(f"{place}: field {field!r} is a {type(value).__name__}, not text")
    if _is_null(value):
        raise InputError(f"{place}: field {field!r} is null")
    found = str(value)
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: field {field!r} is not Unicode ({error.reason})") from error
    return found


def check_classes(found: dict[str, set[int]], entry: dict, task: str) -> None:
    """Raise InputError naming a class and the only split (of those in ``found``) that has it.

    ``found``: numbers of the labels by split. A class that no split has is named as such.
    """
    for number, (value, word) in enumerate(entry["labels"].items()):
        lacking = [split for split, labels in found.items() if number not in labels]
        if len(lacking) == len(found):
            raise InputError(f"task {task}: no row has the label word {word!r}")
        if lacking:
            raise InputError(
                f"task {task}: no row of {lacking[0]} has the label {value!r} ({word}): both train "
                "and test need every class"
            )
