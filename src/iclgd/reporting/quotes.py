"""What pages quote of the reference runs: tables that are written from them, prose that is checked.

A table stands between a comment that says what is in it, in YAML, and ``<!-- end -->``; a selector
names rows of ``docs/reference/STUDY.csv`` by some of the parts of their keys, in any order, and
``;`` stands between several. A cell is the one row that is of its line and of its column::

    <!-- table
    study: default
    of: topic4 / 4
    head: question
    columns: {GPT-J shape: gptj, large: llama-large}
    rows: {accuracy of ICL: agreement / icl / accuracy}
    -->
    ...
    <!-- end -->

The answer of a study (`answer.Answer.sentence`) is written between ``<!-- answer: default -->`` and
``<!-- end -->``.

Prose says after its numbers which rows they are of: ``<!-- from default: equivalence / gptj / gd;
dose -->``. Every number since the last such comment of the paragraph has to be printed there, or be
a coarser rounding of it. Numbers that are settings are ``config``; any other is said to be
``by hand: 0.5``. The fewer rows a comment names, the more it checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import yaml

from iclgd.io.cli import InputError
from iclgd.reporting.quantities import ANSWER, Found, Quantity

PAGES = ("README.md", "docs/results.md")
TABLE = re.compile(r"(<!-- table\n(.*?)\n-->\n).*?(<!-- end -->)", re.DOTALL)
SAID = re.compile(r"(<!-- answer: ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FROM = re.compile(r"<!-- from ([\w.-]+): (.*?) -->", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Where a new paragraph begins: after an empty line, or with an item of a list or a heading.
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=(?:[*-] |#))")
# Not within a name (n4, GPT-2, 2310.08540v1), a link's address or code.
NUMBER = re.compile(r"(?<![\w.@/-])[-+−]?(?:\d[\d,]*\d|\d)?(?:\.\d+)?(?:e[-+]?\d+)?(?![\w]|\.\d)")
# Code, addresses, years of papers, the level of intervals.
UNCOUNTED = re.compile(r"`[^`]*`|\]\([^)]*\)|\((?:19|20)\d\d\)|95 %")
KEYS = {"study", "of", "head", "columns", "rows"}
References = Callable[[str], Found]  # a study's committed quantities


# --- selectors ----------------------------------------------------------------------------


def chosen(known: Found, selector: str) -> list[Quantity]:
    """The quantities whose keys have all ``parts / of / a selector``.

    A part is a field of the key, or a word of its field ``of``. Of kinds only claims can be meant:
    a figure may have the name of another one's kind.
    """
    parts = {part.strip() for part in selector.split(" / ")}
    return [one for one in known.values() if parts <= {*one.parts, *one.of.split()}]


# --- tables and answers ---------------------------------------------------------------------


def rewritten(text: str, references: References) -> str:
    """``text`` with all its tables and answers written anew.

    Raises InputError naming what is wrong in one.
    """
    text = SAID.sub(lambda found: f"{found[1]}{_answer(references(found[2]))}\n{found[3]}", text)
    return TABLE.sub(lambda found: f"{found[1]}{_table(found[2], references)}{found[3]}", text)


def _answer(known: Found) -> str:
    said = [one.said for one in known.values() if one.kind == ANSWER]
    if not said:
        raise InputError("answer in a page: the reference has none; write it anew")
    return f"**{said[0]}**"


def _table(spec: str, references: References) -> str:
    try:
        entry = yaml.safe_load(spec)
    except yaml.YAMLError as error:
        raise InputError(f"table in a page: no YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(entry, dict) or set(entry) != KEYS:
        raise InputError(f"table in a page: its keys must be {', '.join(sorted(KEYS))}")
    known = references(entry["study"])
    cells = [
        [_cell(known, row, f"{column} / {entry['of']}") for column in entry["columns"].values()]
        for row in entry["rows"].values()
    ]
    for names, lines in ((entry["rows"], cells), (entry["columns"], zip(*cells, strict=True))):
        for name, line in zip(names, lines, strict=True):
            if not any(line):
                raise InputError(f"table in a page: no quantity in {name!r}")
    head = [*(part.strip() for part in entry["head"].split("|")), *entry["columns"]]
    rows = [
        [*(part.strip() for part in name.split("|")), *line]
        for name, line in zip(entry["rows"], cells, strict=True)
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(known: Found, row: str, column: str) -> str:
    """The one quantity of a line and a column as pages print it; empty where there is none."""
    found = [one for part in row.split(";") for one in chosen(known, f"{part} / {column}")]
    if len(found) > 1:
        raise InputError(f"table in a page: {found[0].name} and {found[1].name} are one cell")
    return re.sub(r"(?<!\d)0(?=\.\d)", "", found[0].printed) if found else ""


# --- prose --------------------------------------------------------------------------------


def unsupported(text: str, references: References, settings: Callable[[str], str]) -> list[str]:
    """A line for every number in the prose of a page that is not where it is said to be.

    ``settings``: the configuration of a study, as text. Tables that are written count as checked,
    others have to say what they are from. Raises InputError for a
    selector that selects nothing.
    """
    lines = []
    for paragraph in PARAGRAPH.split(TABLE.sub("", SAID.sub("", text))):
        *parts, rest = FROM.split(paragraph)
        if unsaid := list(numbers(rest)):
            told = f"it does not say what {', '.join(unsaid)} is from"
            lines.append(f"{_start(paragraph)}: {told}")
        for part, study, of in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            known = list(_printed(study, of, references, settings))
            percent = "%" in UNCOUNTED.sub("", part)
            lines += [
                f"{_start(paragraph)}: {number} is not in {' '.join(of.split())}"
                for number in numbers(part)
                if not any(_is(number, one, percent) for one in known)
            ]
    return lines


def numbers(text: str) -> Iterator[str]:
    """The numbers in a text, in digits; those in code, in addresses and of the level do not count.

    ``.48`` and ``27,456`` become 0.48 and 27456.
    """
    for found in NUMBER.findall(UNCOUNTED.sub(" ", COMMENT.sub(" ", text))):
        if any(map(str.isdigit, found)):
            yield re.sub(r"^([-+]?)\.", r"\g<1>0.", found.replace("−", "-").replace(",", ""))


def _printed(
    study: str, of: str, references: References, settings: Callable[[str], str]
) -> Iterator[Decimal]:
    """Every number of the rows that a comment names."""
    for selector in map(str.strip, of.split(";")):
        if selector == "config":
            texts = [settings(study)]
        elif selector.startswith("by hand: "):
            texts = [selector]
        else:
            rows = chosen(references(study), selector)
            texts = [f"{one.shots} {one.of} {one.printed}" for one in rows]
            if not texts:
                raise InputError(f"page: {selector!r} selects nothing of the reference of {study}")
        for text in texts:
            yield from map(Decimal, numbers(text))


def _is(number: str, printed: Decimal, percent: bool) -> bool:
    """Whether a number is a printed one, or that rounded to fewer digits; as a percentage, too."""
    value = Decimal(number)
    return any(
        abs(value) == abs(_rounded(printed * scale, value, how))
        for scale in ((1, 100) if percent else (1,))
        for how in (ROUND_HALF_EVEN, ROUND_HALF_UP)
    )


def _rounded(printed: Decimal, like: Decimal, how: str) -> Decimal:
    return printed.quantize(Decimal(1).scaleb(like.as_tuple().exponent), rounding=how)


def _start(paragraph: str) -> str:
    plain = " ".join(COMMENT.sub("", paragraph).split())
    return plain if len(plain) < 50 else f"{plain[:47]}..."
