"""Figures of order: what the headline and the table say of cosines and their controls."""

import polars as pl
import pytest

from iclgd.reporting.kinds import order
from iclgd.reporting.names import Names

NAMES = Names(
    {"icl": "icl", "one": "sgd", "two": "sgd", "votes": "solver"},
    {"icl": "ICL", "one": "SGD", "two": "other SGD", "votes": "a vote"},
)
RUN = {"model": "m", "task": "t", "design": "d", "shots": 8}


def row(learner, measure, value, wide=0.1, epoch=2):
    ends = {"low": value - wide, "high": value + wide} if wide else {"low": None, "high": None}
    return {
        **RUN,
        "learner": learner,
        "epoch": epoch,
        "measure": measure,
        "estimate": value,
        **ends,
    }


def told(*rows):
    schema = {"low": pl.Float64, "high": pl.Float64}
    frame = pl.DataFrame(rows, schema_overrides=schema)
    return order.headline(NAMES.with_roles(frame), NAMES)


ALIKE = row("one", "pattern_cosine", 0.93, 0.02)
VOTE = row("votes", "pattern_cosine", 0.97, 0.01, epoch=0)
PERMUTED = row("one", "pattern_permuted", 0.92, 0.02)
BEGINS = "SGD changes with order as ICL does (cosine .93)"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([ALIKE], f"{BEGINS}."),
        ([ALIKE, VOTE], f"{BEGINS}, but so does a vote, without GD (.97)."),
        ([ALIKE, PERMUTED], f"{BEGINS}, but so does SGD asked another query (.92)."),
        (
            [ALIKE, VOTE, PERMUTED, row("one", "pattern_own", 0.1)],
            f"{BEGINS}, but so does a vote, without GD (.97), and so does SGD asked another query"
            " (.92); what is a query's own does not (.10).",
        ),
        (
            [ALIKE, row("one", "pattern_permuted", 0.2), row("one", "pattern_own", 0.8)],
            f"{BEGINS}; what is a query's own does so, too (.80).",
        ),
        (
            [ALIKE, row("one", "pattern_own", 0.45)],
            f"{BEGINS}; what is a query's own may or may not do so (.45).",
        ),
        # Surely alike comes before a greater estimate that is not sure, and the last epoch counts.
        ([row("two", "pattern_cosine", 0.99, 0.6), ALIKE], f"{BEGINS}."),
        ([row("one", "pattern_cosine", 0.1, epoch=1), ALIKE], f"{BEGINS}."),
        (
            [row("one", "pattern_cosine", -0.02), row("two", "pattern_cosine", 0.2)],
            "No gradient descent here changes with order as ICL does: cosine at most .20,"
            " surely below .5 (other SGD).",
        ),
        (
            [row("one", "pattern_cosine", 0.6, 0.2), row("two", "pattern_cosine", 0.2)],
            "It is open whether gradient descent changes with order as ICL does: cosine at most"
            " .60 (SGD).",
        ),
        (
            [row("one", "pattern_cosine", 0.93, None)],
            "It is open whether gradient descent changes with order as ICL does: cosine at most"
            " .93 (SGD).",
        ),
        ([VOTE], "No gradient descent here changes with the order."),
    ],
)
def test_sentence(rows, expected):
    assert told(*rows) == expected


def test_controls_are_those_of_the_same_model_and_task():
    elsewhere = [{**one, "task": "u"} for one in (VOTE, row("one", "pattern_own", 0.8))]
    assert told(ALIKE, *elsewhere) == f"{BEGINS}."


def test_table_marks_what_does_no_gradient_descent():
    rows = [ALIKE, VOTE, PERMUTED, row("icl", "sen", 0.4, epoch=0)]
    head, *body = order.findings(NAMES.with_roles(pl.DataFrame(rows)))
    assert head[3:5] == ["learner", "method"]
    found = {line[3]: line[4:] for line in body}
    assert found["icl"] == ["ICL", "0.40 [0.30, 0.50]", "-", "-", "-", "-"]
    assert found["votes"][:3] == ["no GD", "-", "0.97 [0.96, 0.98]"]
    assert found["one"][0] == "GD"
    assert found["one"][2:4] == ["0.93 [0.91, 0.95]", "0.92 [0.90, 0.94]"]
