"""The answer of a study on one screen: one sentence, a line for each test, and what qualifies it.

It is computed from the summaries of kind ``equivalence``, the papers' claims, and the tables of
agreement. The end of a run, the report's first screen, and the README show the same `Answer`.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from iclgd.io import files
from iclgd.io.cli import InputError
from iclgd.reporting import findings, select
from iclgd.reporting.claims import overview
from iclgd.reporting.findings import Row, short, spread
from iclgd.reporting.kinds import controls, equivalence, existence
from iclgd.reporting.names import ZERO_SHOT, Names
from iclgd.statistics.equivalence import VERDICTS
from iclgd.study.names import base, value

QUESTION = "Is in-context learning gradient descent?"
WIDE = 100  # characters of a line
LINES = 14  # of the answer as text; where the report is follows it
TESTS = 6  # of more tests, only how many came to each verdict is told, model by model
HEAD = ["test", "verdict", "GD from ICL", "ICL reordered", "nearest without GD"]
NUMBERS = ("estimate", "reference", "solver")  # of the last three columns
MANY = ["model", "verdicts", "GD from ICL", "ICL reordered", "nearest without GD"]


# What a verdict says of GD. The report always tells how many tests came to the first three.
MEANING = {
    "equivalent": "as near to ICL as ICL is to itself",
    "different": "farther from ICL than ICL is from itself",
    "inconclusive": "undecided",
    "negligible": "farther, but too little to matter",
    "unspecific": "near, but no nearer than a solver without GD",
}
ALWAYS = 3


@dataclass(frozen=True)
class Answer:
    """``sentence`` says it; ``tests``: a table, header first; ``notes``: what to know with it.

    ``verdicts``: how many tests came to each of `MEANING`; empty where there are no tests.
    """

    sentence: str
    tests: list[Row]
    notes: list[str]
    verdicts: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The answer as text of at most `LINES` lines of at most `WIDE` columns.

        Notes that do not fit are left to the report, which has them all.
        """
        told = [QUESTION, *_wrapped(self.sentence), ""]
        if self.tests:
            told += [f"  {line}" for line in findings.layout(self.tests)]
        for note in map(_wrapped, self.notes):
            told += note if len(told) + len(note) <= LINES else []
        return told


def read(path: Path) -> Answer:
    """An answer that `write` wrote. Raises InputError for any other file."""
    try:
        return Answer(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: no answer of a study ({error})") from error


def write(answer: Answer, path: Path) -> None:
    with files.whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(answer), ensure_ascii=False, indent=1) + "\n")


def of_study(
    summaries: Mapping[str, Iterable[pl.DataFrame]], claims: pl.DataFrame | None, names: Names
) -> Answer:
    """The answer of a study from its summaries by kind, with roles (`Names.with_roles`).

    Those of the kinds ``equivalence``, ``agreement``, ``controls`` and ``existence`` have a say.
    ``claims``:
    `judge.judged`, if there are any.
    """
    verdicts = list(summaries.get("equivalence", ()))
    tests, constructions = _asked(verdicts, "tv", names)
    notes = [  # what qualifies the sentence comes first
        *_among_labels(_asked(verdicts, "label_tv", names)[0]),
        *_unlearned(summaries.get("agreement", ()), names),
        *_existence(summaries.get("existence", ()), names),
        *_constructions(constructions),
        *_controls(summaries.get("controls", ()), names),
    ]
    if claims is not None and len(claims):
        notes.append(f"The papers' claims, cell by cell: {overview.counts(claims)}.")
    return Answer(sentence(tests, names), _tests(tests, names), notes, _verdicts(tests))


def _asked(
    verdicts: Iterable[pl.DataFrame], measure: str, names: Names
) -> tuple[list[dict], list[dict]]:
    """The tests that decide, the primary ones if there are any, and those of constructions.

    Each is the row of a distance at the rate and epoch nearest to ICL. A test of several
    figures is one test; those of negative controls are none of the answer.
    """
    found = {}
    for summary in verdicts:
        rows = summary.filter(measure=measure, factor=1.0, choice="nearest").drop_nulls("estimate")
        for row in rows.iter_rows(named=True):
            found.setdefault(tuple(row[key] for key in equivalence.TEST), row)
    tests, constructions = [], []
    for row in found.values():
        roles = (names.roles.get(base(row["model"])), names.roles.get(row["task"]))
        if "construction" in roles:
            constructions.append(row)
        elif "control" not in roles:
            tests.append(row)
    return [row for row in tests if row["primary"]] or tests, constructions


def sentence(tests: Sequence[dict], names: Names) -> str:
    """What the tests, rows of a summary of equivalence, say together."""
    if not tests:
        return "This study does not say: none of its figures compares GD with ICL by a test."
    found = Counter(row["verdict"] for row in tests)
    models = {row["model"]: None for row in tests}
    where = names.label(next(iter(models))) if len(models) == 1 else f"{len(models)} models"
    kind = "primary test" if tests[0]["primary"] else "test"
    if found["inconclusive"] == len(tests):
        tell = f"no {kind} of {len(tests)} tells"
        asked = "gradient descent on the same demonstrations is as near to ICL as ICL is to itself"
        return f"{_lead(found)}. In {where}, {tell} whether {asked}."
    said = {
        "different": "farther from ICL than ICL is from itself with its demonstrations reordered",
        "equivalent": "as near to ICL as ICL is to itself, and nearer than any solver without GD,",
        "negligible": f"farther, but by less than {tests[0]['smallest']:g},",
        "unspecific": "near, but no nearer than a solver without GD,",
        "inconclusive": "undecided",
    }
    order = sorted(found, key=lambda verdict: (-found[verdict], VERDICTS.index(verdict)))
    first, *rest = (f"{said[verdict]} in {found[verdict]}" for verdict in order)
    first += f" of {len(tests)} {kind}{'' if len(tests) == 1 else 's'}"
    counted = ", ".join([first, *rest])
    if rest and not found["equivalent"]:
        counted += "; as near as ICL is to itself in none"
    return f"{_lead(found)}. In {where}, gradient descent on the same demonstrations is {counted}."


def _verdicts(tests: Sequence[dict]) -> dict[str, int]:
    """How many tests came to which verdict, in the order of `MEANING`."""
    found = Counter(row["verdict"] for row in tests)
    shown = {one: found[one] for place, one in enumerate(MEANING) if place < ALWAYS or found[one]}
    return shown if tests else {}


def _lead(found: Counter) -> str:
    """The answer in two words, from how many tests came to which verdict."""
    of = found.total()
    if found["equivalent"]:
        return "Yes, by every test" if found["equivalent"] == of else "In part"
    if found["different"] == of:
        return "No"
    if found["inconclusive"] == of:
        return "Undecided"
    return "Mostly not" if found["different"] > of / 2 else "Not shown"


def _tests(tests: Sequence[dict], names: Names) -> list[Row]:
    """A line for each test; of many, one for each model."""
    if not tests:
        return []
    by_model: dict[str, list[dict]] = {}
    for row in tests:
        by_model.setdefault(row["model"], []).append(row)
    if len(tests) <= TESTS:
        return [HEAD, *(_test(row, names, len(by_model) > 1) for row in tests)]
    found = [MANY]
    for model, own in by_model.items():
        counts = Counter(row["verdict"] for row in own).most_common()
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts)
        ranges = (spread([row[name] for row in own]) for name in NUMBERS)
        found.append([names.label(model), said, *ranges])
    return found


def _test(row: dict, names: Names, several: bool) -> Row:
    place = [names.label(row["model"])] if several else []
    place += [f"{names.label(row['task'])}, {row['shots']}", names.short(row["b"])]
    verdict = equivalence.in_words(row)
    if row["draws_needed"] is not None:
        verdict = f"{row['verdict']}: {row['draws']} draws, {row['draws_needed']:.0f} needed"
    numbers = [short(row[name]) for name in NUMBERS]
    if row["solver_name"]:
        solver = row["solver_name"]
        numbers[-1] += f" ({names.labels.get(base(solver), solver)})"
    return [" · ".join(place), verdict, *numbers]


def _among_labels(tests: Sequence[dict]) -> list[str]:
    """What the same tests say of the distributions over the label words alone."""
    found = Counter(row["verdict"] for row in tests)
    told = ", ".join(f"{verdict} {count}" for verdict, count in found.most_common())
    return [f"Among the label words alone, of {len(tests)}: {told}."] if tests else []


def _constructions(tests: Sequence[dict]) -> list[str]:
    """Whether the tests say *equivalent* where ICL is GD by construction: of the weights at a dose
    of nothing, on functions where attention is all softmax."""
    on_functions = "gd-kernel"
    found = Counter(
        row["verdict"]
        for row in tests
        if row["b_role"] != "newton"
        and bool(value(row["model"])) == (row["b_role"] == on_functions)
    )
    if not found:
        return []
    told = ", ".join(f"{verdict} {count} of {found.total()}" for verdict, count in found.items())
    return [f"Positive control, models in which ICL is GD by construction: {told}."]


def _existence(summaries: Iterable[pl.DataFrame], names: Names) -> list[str]:
    """Where the gap arises; then what lies between."""
    found = []
    for summary in summaries:
        if said := existence.headline(summary, names):
            between = existence.chain(summary, names)
            # A note of its own: where there is no room for both, the report has it.
            found += [f"{said}.", *([f"{between[0].upper()}{between[1:]}."] if between else [])]
    return found


def _controls(summaries: Iterable[pl.DataFrame], names: Names) -> list[str]:
    said = (controls.headline(summary, names) for summary in summaries)
    return [f"{one}." for one in said if one]


def _unlearned(agreements: Iterable[pl.DataFrame], names: Names) -> list[str]:
    """Tasks on which ICL is no more accurate than the model without demonstrations."""
    agreements = list(agreements)
    several = len({model for summary in agreements for model in summary["model"]}) > 1
    found = {}
    for summary in agreements:
        for run, rows in select.runs(select.compared(summary, ["accuracy_b"])):
            model, task = run["model"], run["task"]
            known = dict(rows.select("who", "estimate").rows())
            icl = next((known[one] for one in known if names.role(one) == "icl"), None)
            zero = known.get(ZERO_SHOT)
            controlled = "control" in (names.roles.get(base(model)), names.roles.get(task))
            if None not in (icl, zero) and icl <= zero and not controlled:
                label = f"{names.label(model)} on " if several else ""
                label += f"{names.label(task)}, {run['shots']}"
                found[label] = f"{label} ({icl:.2f}; {zero:.2f})"
    if not found:
        return []
    told = "; ".join(list(found.values())[:3]) + ("; ..." if len(found) > 3 else "")
    return [f"ICL is no more accurate than the model without demonstrations: {told}."]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDE)
