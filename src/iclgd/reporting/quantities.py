"""The findings of a study as one long table, and a committed copy of it, the reference.

``results/STUDY/findings.csv`` has a row for every cell of ``findings.txt`` with the very digits
that are printed there, so that two runs agree if and only if a reader sees the same in both.
``docs/reference/STUDY.csv`` is that file of one run, byte by byte. Pages quote it
(`quotes`), the report shows it beside its own run, and `differences` holds another run against it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import polars as pl

from iclgd.io import files
from iclgd.io.cli import InputError
from iclgd.reporting.findings import Row
from iclgd.study import places
from iclgd.study.names import base

# Columns of a table of findings that say what its row is of; all others are quantities.
NAMED = {"model": "model", "task": "task", "N": "shots", "learner": "learner"}
OTHERS = ("test", "metric", "departure", "dose", "matrix", "step", "measure", "at", "momentum")
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
# ``0.12 [0.10, 0.14], p 0.03 (0.11)``: all but the first part may be missing.
PRINTED = re.compile(
    rf"(?P<estimate>{NUMBER})(?: \[(?P<low>{NUMBER}), (?P<high>{NUMBER})\])?"
    rf"(?:, p (?P<p>{NUMBER}))?(?: \((?P<said>{NUMBER})\))?"
)
NOTHING = ("", "-")
VERDICT, VALUE = "verdict", "value"
CONFIGURATION, CHOSEN = "configuration", "rate and epoch"
MODELS, CLAIMS, ANSWER = "models", "claims", "answer"  # of no figure


@dataclass(frozen=True, order=True)
class Quantity:
    """One printed value. All fields are text, to keep the digits; empty where there is nothing."""

    figure: str
    kind: str
    model: str
    task: str
    shots: str
    learner: str
    of: str
    quantity: str
    estimate: str = ""
    low: str = ""
    high: str = ""
    p: str = ""
    said: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is of: figure to quantity."""
        return astuple(self)[:8]

    @property
    def parts(self) -> list[str]:
        """The key for readers: without what is empty, and of kinds only claims."""
        kind = CLAIMS if self.kind == CLAIMS != self.figure else ""
        return [part for part in (self.figure, kind, *self.key[2:]) if part]

    @property
    def name(self) -> str:
        """Its parts as selectors of `quotes` spell them."""
        return " / ".join(self.parts)

    @property
    def printed(self) -> str:
        """The value as it was printed."""
        ends = f" [{self.low}, {self.high}]" if self.low else ""
        p = f", p {self.p}" if self.p else ""
        said = f" ({self.said})" if self.said and self.estimate else self.said
        return f"{self.estimate}{ends}{p}{said}"


COLUMNS = tuple(one.name for one in fields(Quantity))
Found = dict[tuple[str, ...], Quantity]  # quantities by their key


# --- from tables of findings --------------------------------------------------------------


def of_table(figure: str, kind: str, table: Sequence[Row]) -> list[Quantity]:
    """A table of findings, header first, as quantities; cells with nothing in them are left out.

    Where verdicts are given, also how many of them there are of each sort.
    """
    head, *rows = table
    found = []
    for at, row in zip(of_rows(figure, kind, table), rows, strict=True):
        cells = dict(zip(head, row, strict=True))
        if chosen := _chosen(cells.get("learner", "")):
            found.append(_with(at, CHOSEN, said=chosen))
        found += [
            _printed(at, name, cell)
            for name, cell in cells.items()
            if name not in NAMED and name not in OTHERS and cell not in NOTHING
        ]
    said = [(one.of, one.said.partition(":")[0]) for one in found if one.quantity == VERDICT]
    sorts = "test" in head  # primary and exploratory ones
    return found + _counts(figure, kind, said if sorts else [("", word) for _, word in said])


def of_rows(figure: str, kind: str, table: Sequence[Row]) -> list[Quantity]:
    """What every row of a table of findings, header first, is of; its quantities are its columns.

    A learner stands without the rate and epoch that were chosen for it, so that a run that chose
    others has the same key; with its rate where a table shows several rates of it. Rows that are
    still alike, as of two designs with as many demonstrations, are numbered.
    """
    head, *rows = table
    rest = [place for place, name in enumerate(head) if name in OTHERS]

    def key(row: Row, learner) -> tuple[str, ...]:
        named = {NAMED[name]: cell for name, cell in zip(head, row, strict=True) if name in NAMED}
        named["learner"] = learner(named.get("learner", "").partition(", ")[0])
        of = " ".join(row[place] for place in rest)
        return (*(named.get(name, "") for name in NAMED.values()), of)

    short, long = ([key(row, learner) for row in rows] for learner in (base, str))
    alike, seen, found = Counter(short), Counter(), []
    for few, all_ in zip(short, long, strict=True):
        one = few if alike[few] == 1 else all_
        seen[one] += 1
        number = f"({seen[one]})" if seen[one] > 1 else ""
        found.append(Quantity(figure, kind, *one[:4], f"{one[4]} {number}".strip(), ""))
    return found


def of_claims(table: pl.DataFrame) -> list[Quantity]:
    """The papers' claims (``claims.parquet``): each cell, then the verdict on each claim."""
    found = []
    for at, row in zip(claim_cells(table), table.iter_rows(named=True), strict=True):
        numbers = {name: _short(row[name]) for name in ("estimate", "low", "high")}
        found.append(_with(at, VALUE, **numbers, p=_short(row["p_holm"])))
        found.append(_with(at, VERDICT, said=row["verdict"]))
        if row["draws"] is not None:
            queries = "" if row["queries"] is None else f" x {row['queries']}"
            found.append(_with(at, "draws x queries", said=f"{row['draws']}{queries}"))
    for (paper, claim), cells in table.group_by("paper", "claim", maintain_order=True):
        found.append(_with(claimed(paper, claim), VERDICT, said=cells["overall"][0]))
    return found + _counts(CLAIMS, CLAIMS, [("", word) for word in table["verdict"]])


def claim_cells(table: pl.DataFrame) -> list[Quantity]:
    """What every row of ``claims.parquet`` is of; its quantities are `VALUE` and `VERDICT`."""
    found, seen = [], Counter()
    for row in table.iter_rows(named=True):
        place = ("" if row[name] is None else str(row[name]) for name in ("model", "task", "shots"))
        key = (row["figure"], CLAIMS, *place, base(row["learner"] or ""))
        claim = f"{row['paper']}: {row['claim']}"
        seen[key, claim] += 1
        number = f" ({seen[key, claim]})" if seen[key, claim] > 1 else ""
        found.append(Quantity(*key, f"{claim}{number}", ""))
    return found


def claimed(paper: str, claim: str) -> Quantity:
    """What the verdict on a whole claim is of."""
    return Quantity(CLAIMS, CLAIMS, "", "", "", "", f"{paper}: {claim}", "")


def of_configuration(figure: str, kind: str, configuration: str) -> Quantity:
    """What a figure is of (`study.shared.meaning`), so that only like is compared with like."""
    return Quantity(figure, kind, "", "", "", "", "", CONFIGURATION, said=configuration)


def of_answer(sentence: str) -> Quantity:
    """The study's answer in one sentence (`answer.Answer`)."""
    return Quantity(ANSWER, ANSWER, "", "", "", "", "", "sentence", said=sentence)


def _counts(figure: str, kind: str, said: list[tuple[str, str]]) -> list[Quantity]:
    """How many verdicts there are, and of each sort: pairs of the tests' sort and the verdict."""
    counts = Counter((of, f"verdicts: {word}") for of, word in said)
    counts += Counter((of, "verdicts") for of, _ in said)
    return [
        Quantity(figure, kind, "", "", "", "", of, name, str(count))
        for (of, name), count in counts.items()
    ]


def _chosen(learner: str) -> str:
    """``0.1, epoch 5`` of ``gd@0.1, epoch 5``."""
    name, _, epoch = learner.partition(", ")
    return ", ".join(filter(None, (name.partition("@")[2], epoch)))


def _printed(at: Quantity, name: str, cell: str) -> Quantity:
    """A cell split into its numbers; what is not one, as it stands."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+", cell):
        return _with(at, name, estimate=cell.replace(",", ""))
    parts = PRINTED.fullmatch(cell)
    return _with(at, name, **(parts.groupdict("") if parts else {"said": cell}))


def _with(at: Quantity, name: str, **values: str) -> Quantity:
    return Quantity(*at.key[:-1], name, **values)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


# --- files --------------------------------------------------------------------------------


def write(path: Path, quantities: Iterable[Quantity]) -> None:
    """Sorted, so that a difference is one line. Raises ValueError for two of one key."""
    rows = sorted(quantities)
    twice = [key for key, count in Counter(one.key for one in rows).items() if count > 1]
    if twice:
        raise ValueError(f"two quantities are {twice[0]}")
    with files.whole(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(map(astuple, rows))


def read(path: Path) -> Found:
    """Quantities by key. Raises InputError for a file that is missing or no such table."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: no table of findings ({error})") from error
    if tuple(head) != COLUMNS:
        raise InputError(f"{path}: no table of findings: its columns are {', '.join(head)}")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS):
            raise InputError(f"{path}: row {line} has {len(row)} cells in place of {len(COLUMNS)}")
    return by_key(Quantity(*row) for row in rows)


def of_run(folder: Path) -> Found:
    """Those of a finished run, by the folder of its study. Raises InputError if it has none."""
    path = folder / "findings.csv"
    if not path.exists():
        raise InputError(f"{path} does not exist: finish the run, or name a study's folder")
    return read(path)


def by_key(quantities: Iterable[Quantity]) -> Found:
    return {one.key: one for one in quantities}


def reference(study: str) -> Found:
    """The committed reference of a study. Raises InputError where there is none."""
    path = Path(places.reference(study))
    if not path.exists():
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.csv"))) or "none"
        raise InputError(f"study {study!r} has no reference {path}; there are: {known}")
    return read(path)


# --- comparisons --------------------------------------------------------------------------


def differences(ours: Found, theirs: Found) -> list[str]:
    """A line for every quantity that is printed otherwise in ``ours`` than in the reference."""
    lines = []
    for key in sorted({*ours, *theirs}):
        here, there = (side[key].printed if key in side else None for side in (ours, theirs))
        if here != there:
            name = (ours.get(key) or theirs[key]).name
            lines.append(f"{name}: {here or 'nothing'} (reference run: {there or 'nothing'})")
    return lines


def comparable(theirs: Found, configurations: Mapping[str, str]) -> Found:
    """The quantities of a reference whose figures are configured as in this run.

    ``configurations``: this run's, by figure (`study.shared.meaning`). The verdict on a claim is
    of several figures: it is kept if all that decide claims are the same.
    """
    known = {one.figure: one.said for one in theirs.values() if one.quantity == CONFIGURATION}
    same = {name for name, one in configurations.items() if known.get(name) == one}
    deciding = {one.figure for one in theirs.values() if one.kind == CLAIMS} - {CLAIMS}
    if deciding <= same:
        same.add(CLAIMS)
    return {key: one for key, one in theirs.items() if one.figure in same}
