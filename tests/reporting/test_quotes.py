"""Pages that quote reference runs: tables that are written, prose that is checked."""

import pytest

from iclgd.io.cli import InputError
from iclgd.reporting import quantities, quotes
from iclgd.reporting.quantities import Quantity, by_key

ROWS = [
    Quantity("f", "size", "m", "t", "4", "icl", "", "accuracy", "1.00", "0.96", "1.00"),
    Quantity("f", "size", "m", "t", "4", "gd", "", "accuracy", "0.64", "0.53", "0.73"),
    Quantity("f", "size", "k", "t", "4", "gd", "", "accuracy", "0.005"),
    Quantity("f", "size", "m", "t", "8", "gd", "dose 0.5", "tv", "-0.25", said="0.31"),
    Quantity("f", "claims", "m", "t", "4", "gd", "A: b.", "verdict", said="holds"),
    # A figure with the name of another one's kind.
    Quantity("size", "size", "m", "t", "4", "gd", "", "accuracy", "0.7"),
]
PAGE = """before
<!-- table
study: mine
of: f / t
head: model | learner
columns: {accuracy: accuracy, distance: tv}
rows:
  M | GD: m / gd / 4; m / gd / dose
  M | ICL: m / icl
-->
old
<!-- end -->
after
"""


def known(study: str) -> dict:
    assert study == "mine"
    return by_key(ROWS)


def test_a_table_is_written_between_its_comments():
    text = quotes.rewritten(PAGE, known)
    assert text.splitlines()[10:15] == [
        "| model | learner | accuracy | distance |",
        "| --- | --- | --- | --- |",
        "| M | GD | .64 [.53, .73] | -.25 (.31) |",
        "| M | ICL | 1.00 [.96, 1.00] |  |",
        "<!-- end -->",
    ]
    assert text.startswith("before\n<!-- table\n") and text.endswith("<!-- end -->\nafter\n")
    assert quotes.rewritten(text, known) == text


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("m / gd / 4;", "gd / 4;", "f / k / t / 4 / gd / accuracy are one cell"),
        ("m / icl", "m / none", "no quantity in 'M | ICL'"),
        ("distance: tv", "distance: none", "no quantity in 'distance'"),
        ("head: model | learner\n", "", "its keys must be columns, head, of, rows, study"),
        ("head: model", "head: [", "no YAML"),
    ],
)
def test_a_table_that_cannot_be_written_is_one_line(old, new, problem):
    with pytest.raises(InputError, match=problem.replace("|", r"\|")) as error:
        quotes.rewritten(PAGE.replace(old, new), known)
    assert "\n" not in str(error.value)


def test_an_answer_is_written_between_its_comments_and_its_numbers_are_checked_by_that():
    text = "# Title\n\n<!-- answer: mine -->\nold 1\n<!-- end -->\n"
    found = by_key([*ROWS, quantities.of_answer("No. Farther in 5 of 6.")])
    new = quotes.rewritten(text, lambda study: found)
    assert new == text.replace("old 1", "**No. Farther in 5 of 6.**")
    assert quotes.unsupported(new, known, str) == []
    with pytest.raises(InputError, match="answer in a page: the reference has none"):
        quotes.rewritten(text, known)


def test_kinds_are_no_part_of_a_selector_but_for_claims():
    assert [one.name for one in quotes.chosen(known("mine"), "size")] == [
        "size / m / t / 4 / gd / accuracy"
    ]
    assert [one.said for one in quotes.chosen(known("mine"), "f / claims")] == ["holds"]
    assert quotes.chosen(known("mine"), "m / k") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (".48 [-.12, 1.00], +.07 and −.5", ["0.48", "-0.12", "1.00", "+0.07", "-0.5"]),
        ("27,456 to 95,872, or 1e-8", ["27456", "95872", "1e-8"]),
        ("n4, GPT-2, W_2, x@0.5 and (2024)", []),
        ("`epochs: 400` of [paper](https://x.org/2310.08540), 95 %", []),
        ("0.7 % of 14.", ["0.7", "14"]),
        ("<!-- from mine: f --> 3", ["3"]),
    ],
)
def test_the_numbers_of_a_text(text, found):
    assert list(quotes.numbers(text)) == found


def problems(text: str) -> list[str]:
    return quotes.unsupported(text, known, lambda study: "epochs: 400")


@pytest.mark.parametrize(
    "text",
    [
        "GD has .64 [.53, .73]. <!-- from mine: f / m / gd -->",
        "Rounded: .6. <!-- from mine: f / m / gd -->",
        "In other words, 0.5 %. <!-- from mine: f / k -->",
        "By .25, at 8, dose .5.\n<!-- from mine: f / dose -->",
        "ICL has 1.00,\nGD .64 at 400.\n<!-- from mine: icl; f / m / gd; config -->",
        "* .64 <!-- from mine: f / m / gd -->\n* .005 <!-- from mine: k -->",
        "ICL has 1.00, <!-- from mine: icl --> k .005. <!-- from mine: k -->",
        "7, by Xie (2022). <!-- from mine: by hand: 7 -->",
        "No number.",
        PAGE,
    ],
)
def test_prose_with_numbers_of_the_reference(text):
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("GD has .65. <!-- from mine: f / m / gd -->", ["GD has .65.: 0.65 is not in f / m / gd"]),
        ("GD has .640. <!-- from mine: k -->", ["GD has .640.: 0.640 is not in k"]),
        ("At .005, or 0.5 <!-- from mine: k -->", ["At .005, or 0.5: 0.5 is not in k"]),
        ("At 4.\n\nNo more. <!-- from mine: m -->", ["At 4.: it does not say what"]),
        ("* .64\n* .005 <!-- from mine: k -->", ["* .64: it does not say what"]),
        # A comment is about what stands since the one before it.
        (
            ".64 <!-- from mine: icl --> 1.00",
            [".64 1.00: it does not say what 1.00 is", ".64 1.00: 0.64 is not in icl"],
        ),
        (
            "1.00 <!-- from mine: k --> .005 <!-- from mine: icl -->",
            ["1.00 .005: 1.00 is not in k", "1.00 .005: 0.005 is not in icl"],
        ),
    ],
)
def test_a_number_that_the_reference_does_not_have_is_named(text, lines):
    found = problems(text)
    assert len(found) == len(lines)
    assert all(one.startswith(line) for one, line in zip(found, lines, strict=True))


def test_a_selector_of_nothing_is_one_line():
    with pytest.raises(InputError, match="'f / none' selects nothing of the reference of mine"):
        problems("At 4. <!-- from mine: f / none -->")
