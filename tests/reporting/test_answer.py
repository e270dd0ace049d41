"""The answer of a study: its sentence from how many tests came to what, its table, its notes."""

import json

import polars as pl
import pytest
from support import summaries, summaries_verdicts
from support.roles import ROLES
from support.steps import run_step

from iclgd.io.cli import InputError
from iclgd.reporting import answer, quantities
from iclgd.reporting.names import Names

LABELS = {"m": "Model M", "t": "Task T", "gd": "GD, whole model", "vote": "vote"}
KNOWN = {
    "m": "model",
    "n": "model",
    "made": "construction",
    "t": "task",
    "wrong": "control",
    "gd": "gd",
}
NAMES = Names(KNOWN | {"icl": "icl", "vote": "solver"}, LABELS)


def judged(verdict, model="m", b="gd@0.1", **more) -> dict:
    row = {"model": model, "task": "t", "design": "n4", "shots": 4, "b": b, "epoch": 5}
    row |= {"measure": "tv", "factor": 1.0, "choice": "nearest", "primary": True}
    row |= {"verdict": verdict, "reason": "few draws" if verdict == "inconclusive" else None}
    row |= {"estimate": 0.331, "reference": 0.224, "solver": 0.3, "solver_name": "vote"}
    row |= {"smallest": 0.05, "draws": 20, "draws_needed": None, "b_role": "gd"}
    return row | more


def of(*rows, **more):
    return answer.of_study({"equivalence": [pl.DataFrame(rows)], **more}, None, NAMES)


@pytest.mark.parametrize(
    ("verdicts", "lead"),
    [
        (["equivalent"] * 2, "Yes, by every test."),
        (["equivalent", "different"], "In part."),
        (["different"] * 3, "No."),
        (["different", "different", "inconclusive"], "Mostly not."),
        (["different", "unspecific"], "Not shown."),
        (["negligible", "inconclusive"], "Not shown."),
        (["inconclusive"] * 2, "Undecided."),
    ],
)
def test_the_first_words_are_what_the_verdicts_add_up_to(verdicts, lead):
    rows = [judged(verdict, b=f"gd-{at}@1") for at, verdict in enumerate(verdicts)]
    said = of(*rows).sentence
    assert said.startswith(f"{lead} In Model M, ")
    assert "gradient descent on the same demonstrations is " in said
    assert said.endswith("in none.") == ("equivalent" not in verdicts and len(set(verdicts)) > 1)


def test_the_sentence_counts_every_verdict_most_frequent_first():
    verdicts = ["inconclusive", "different", "negligible", "different"]
    rows = [judged(verdict, b=f"gd-{at}@1") for at, verdict in enumerate(verdicts)]
    assert of(*rows).sentence == (
        "Not shown. In Model M, gradient descent on the same demonstrations is farther from ICL"
        " than ICL is from itself with its demonstrations reordered in 2 of 4 primary tests,"
        " farther, but by less than 0.05, in 1, undecided in 1; as"
        " near as ICL is to itself in none."
    )


def test_only_primary_tests_are_asked_where_there_are_any():
    explored = judged("equivalent", b="adam@1", primary=False)
    assert "of 1 primary test." in of(judged("different"), explored).sentence
    assert "of 2 tests" in of({**judged("different"), "primary": False}, explored).sentence


def test_other_measures_choices_and_effects_are_not_counted():
    others = [{"measure": "label_tv"}, {"factor": 2.0}, {"choice": "accuracy"}]
    found = of(judged("different"), *(judged("equivalent", **one) for one in others))
    assert found.sentence.startswith("No.")


def test_a_line_for_each_test_with_what_stands_in_its_way():
    found = of(judged("different"), judged("inconclusive", b="gd-v@1", draws_needed=190.0))
    assert found.tests == [
        answer.HEAD,
        ["Task T, 4 · whole model", "different", "0.33", "0.22", "0.3 (vote)"],
        ["Task T, 4 · gd-v", "inconclusive: 20 draws, 190 needed", "0.33", "0.22", "0.3 (vote)"],
    ]


def test_many_tests_are_told_model_by_model():
    rows = [judged("different", b=f"gd-{at}@1", estimate=0.2 + at / 10) for at in range(5)]
    rows += [judged("unspecific", "n", f"gd-{at}@1") for at in range(3)]
    rows += [judged("different", "n", "gd-9@1")]
    found = of(*rows)
    assert found.tests == [
        answer.MANY,
        ["Model M", "5 different", "0.2–0.6", "0.22", "0.3"],
        ["n", "3 unspecific, 1 different", "0.33", "0.22", "0.3"],
    ]
    assert "In 2 models, " in found.sentence


def test_the_construction_is_a_control_and_no_part_of_the_answer():
    found = of(judged("different"), judged("equivalent", "made", primary=False))
    assert found.sentence.startswith("No.") and len(found.tests) == 2
    assert found.notes == [
        "Positive control, models in which ICL is GD by construction: equivalent 1 of 1."
    ]


def test_without_tests_it_says_that_it_does_not_say():
    found = answer.of_study({}, None, NAMES)
    assert found.sentence.startswith("This study does not say") and not found.tests
    assert found.lines() == [answer.QUESTION, found.sentence, ""]


def accuracies(icl, zero):
    run = {"model": "m", "task": "t", "design": "n4", "shots": 4, "a": "icl", "b": "gd@0.1"}
    run |= {"a_role": "icl", "b_role": "gd", "chosen": True, "draws": 3, "diverged": 0.0}
    rows = [("accuracy_a", 5, icl), ("accuracy_b", 0, zero), ("accuracy_b", 5, 0.5)]
    return pl.DataFrame(
        [run | dict(zip(("metric", "epoch", "estimate"), r, strict=True)) for r in rows]
    )


@pytest.mark.parametrize(("icl", "zero", "told"), [(0.05, 0.17, 1), (0.17, 0.17, 1), (0.5, 0.2, 0)])
def test_a_task_that_demonstrations_do_not_help_with_is_named(icl, zero, told):
    found = of(judged("different"), agreement=[accuracies(icl, zero)])
    assert len(found.notes) == told
    if told:
        assert f"demonstrations: Task T, 4 ({icl:.2f}; {zero:.2f})" in found.notes[0]


def test_the_label_words_alone_are_told_of_the_same_tests():
    rows = [judged("different"), judged("different", b="gd-v")]
    rows += [judged("different", measure="label_tv")]
    rows += [judged("inconclusive", b="gd-v", measure="label_tv")]
    found = of(*rows)
    assert found.sentence.startswith("No.")
    assert found.notes == ["Among the label words alone, of 2: different 1, inconclusive 1."]


def test_notes_that_do_not_fit_are_left_to_the_report():
    table = [answer.HEAD, *([["x"] * 5] * 6)]
    two_lines = "a" * 90 + " b" * 20
    found = answer.Answer("No. " * 60, table, ["first", two_lines, "short", "last"])
    lines = found.lines()  # a question, three lines of a sentence, a blank, seven of a table
    assert len(lines) == answer.LINES
    assert lines[-2:] == ["first", "short"]


def test_the_step_writes_at_most_fifteen_lines_that_the_next_steps_read(tmp_path):
    verdicts = summaries_verdicts.equivalence(tmp_path / "verdicts.parquet", ("llama-7b", "gptj"))
    agreement = summaries.agreement(tmp_path / "agreement.parquet")
    figures = {
        kind: {"name": kind, "kind": name, "roles": ROLES, "labels": {"gptj": "GPT-J"}}
        for kind, name in (("verdicts", "equivalence"), ("agreement", "agreement"))
    }
    given = ["--summaries", verdicts, agreement, "--figures", json.dumps(figures)]
    given += ["--report", "results/mine/report.html", "--text", tmp_path / "answer.txt"]
    run_step("answer_question", *given, "--output", tmp_path / "answer.json")
    lines = (tmp_path / "answer.txt").read_text().splitlines()
    assert len(lines) <= 15 and max(map(len, lines)) <= 120
    assert lines[0] == answer.QUESTION and lines[-1].startswith("The report: results/mine")
    found = answer.read(tmp_path / "answer.json")
    assert found.lines() == lines[:-1]
    assert quantities.of_answer(found.sentence).printed == found.sentence


def test_controls_are_told_by_metric_and_never_asked():
    lanes = [("pair", "ocs", 0.9, 0.5), ("pair", "ocs", 0.4, 0.5), ("pair", "rbo", 0.6, 0.5)]
    rows = [*lanes, ("control", "rbo", 0.1, 0.5), ("pair", "similarity", 0.6, None)]
    table = pl.DataFrame(rows, ["kind", "metric", "estimate", "floor"], orient="row")
    wrong = judged("equivalent", primary=False, task="wrong")
    found = of(judged("different", primary=False), wrong, controls=[table])
    assert found.sentence.startswith("No.")
    (note,) = found.notes
    assert note.endswith("by OCS @10 (cosine) in 1 of 2, rank-biased overlap in 1 of 1.")


def test_what_is_no_answer_is_refused(tmp_path):
    path = tmp_path / "answer.json"
    with pytest.raises(InputError, match="no answer of a study"):
        answer.read(path)
    path.write_text('{"sentence": "No."}')
    with pytest.raises(InputError, match="no answer of a study"):
        answer.read(path)


def test_where_the_gap_arises_is_a_note(tmp_path):
    names = Names(ROLES | {"llama-7b": "model", "gpt2-xl": "model", "agnews": "task"})
    summary = names.with_roles(pl.read_parquet(summaries_verdicts.existence(tmp_path / "e")))
    note, between = answer.of_study({"existence": [summary]}, None, names).notes
    assert note.startswith("What ICL taught on other texts comes to 2 times ICL's distance from")
    assert note.endswith("to 4 times: surely nearer.")
    assert between == (
        "With teachers shuffled between texts it comes to 8 times (what ICL taught: surely nearer);"
        " training on the right labels of the same texts to 2.1 times (what ICL taught: not told"
        " apart); the best first-order step on the demonstrations to 3.5 times (what ICL taught:"
        " surely nearer)."
    )
    # A model that is a control has no say.
    names = Names({**names.roles, "gpt2-xl": "control"})
    said = answer.of_study({"existence": [summary.filter(model="gpt2-xl")]}, None, names).notes
    assert said == []
