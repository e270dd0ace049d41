"""Prompts are what a reader would write, tokenised in place and never cut."""

import polars as pl
import pytest
from support.tasks import tiny_task

from iclgd.io import parquet, text
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.task import TASK
from iclgd.tasks import answer_tokens, prompts, readers
from iclgd.tasks.prompts import Demonstrations


@pytest.mark.parametrize(
    ("prompt", "parts", "rest"),
    [
        (
            "Review: {text}\nSentiment: {label}\n\n",
            (("Review: ", "text"),),
            ("\nSentiment:", " ", "\n\n"),
        ),
        ("{text} = {label}", (("", "text"),), (" =", " ", "")),
        ("{a}{b}\nanswer:{label}\n", (("", "a"), ("", "b")), ("\nanswer:", "", "\n")),
        ("{{{a}}} is {{}}: {label}}}", (("{", "a"),), ("} is {}:", " ", "}")),
        ("{label}", (), ("", "", "")),
    ],
)
def test_templates_are_split_at_their_fields(prompt, parts, rest):
    template = readers.parse_template(prompt)
    assert template == text.Template(parts, *rest)
    row = {"a": "1{b}", "b": "{label}", "text": "{0} {text!r}"}
    filled = template.fill(row) + template.space + "good" + template.ending
    assert filled == prompt.format(label="good", **row)


@pytest.mark.parametrize("prompt", ["Review: {text}", "{label} {text} {label}"])
def test_templates_have_one_label(prompt):
    with pytest.raises(InputError, match=r"\{label\} must stand in it exactly once"):
        readers.parse_template(prompt)


EVALUATED = [
    *("{text.__class__}", "{text.__class__.__mro__[1]}", "{text[0]}", "{text[key]}", "{0}", "{}"),
    *("{text!r}", "{text!s:>9}", "{text:>1000000000}", "{text:{label}}", "{a b}", "{{{}}}"),
    *("{label:>1000000000}", "{label!a}", "{text-1}", "{len(text)}", "{__import__('os')}"),
]


@pytest.mark.parametrize("part", EVALUATED)
def test_templates_evaluate_nothing(part):
    with pytest.raises(InputError, match="the name of a field alone may stand in braces"):
        readers.parse_template(f"{part} {{text}} {{label}}")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{text} {label", "expected '}' before end of string"),
        ("{text}} {label}", "Single '}'"),
        ("{text!} {label}", "conversion"),
        ("{text}: {label} {other}", r"\{other\} stands after \{label\}"),
    ],
)
def test_broken_templates_are_named(prompt, message):
    with pytest.raises(InputError, match=message):
        readers.parse_template(prompt)


def merging_tokenizer():
    """One token a character, but for the merges "e:" + " y" -> "e: y" and " " + "y"."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    characters = [*" :abcdefghijklmnopqrstuvwxyz"]
    merges = [(" ", "y"), ("e", ":"), ("e:", " y")]
    vocabulary = characters + ["".join(pair) for pair in merges]
    model = models.BPE({token: i for i, token in enumerate(vocabulary)}, merges)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))


def test_answers_are_tokenised_in_place():
    tokenizer = merging_tokenizer()
    ((tokens, start),) = answer_tokens.encode_answers(tokenizer, ["mood:"], [" yes"])
    assert tokenizer.convert_ids_to_tokens(tokens[start:]) == [" y", "e", "s"]
    assert tokens[:start] == prompts.encode(tokenizer, ["mood:"])[0]


def test_a_merge_across_the_boundary_is_an_error():
    with pytest.raises(InputError, match=r"merges the answer ' yes' with the end .*'the page:'"):
        answer_tokens.encode_answers(merging_tokenizer(), ["the page:"], [" yes"])


def test_an_answer_without_tokens_is_an_error(tokenizer):
    with pytest.raises(InputError, match=r"merges the answer ' '"):
        answer_tokens.encode_answers(tokenizer, ["dog :"], [" "])


def worded(words: list[str]) -> pl.DataFrame:
    """A task with one row for every label word, its prompt ending in ``mood:``."""
    rows = [{"text": "mood:", "answer": f" {word}", "label": i} for i, word in enumerate(words)]
    shared = {"task": "moods", "split": "train", "instruction": "", "ending": "\n"}
    return parquet.match(pl.DataFrame([{**shared, "example": 0, **row} for row in rows]), TASK)


def test_label_ids_are_the_first_tokens_in_label_order(task, tokenizer):
    assert answer_tokens.label_ids(tokenizer, task) == tokenizer.convert_tokens_to_ids(
        [answer.strip() for answer in prompts.labels(task)]
    )
    ids = answer_tokens.label_ids(merging_tokenizer(), worded(["no", "yes"]))
    assert merging_tokenizer().convert_ids_to_tokens(ids) == [" ", " y"]


def test_two_labels_with_one_first_token_are_named():
    with pytest.raises(InputError, match=r"task moods: .*' yes' and ' yellow' .*' y'"):
        answer_tokens.label_ids(merging_tokenizer(), worded(["no", "yes", "yellow"]))


def test_labels_are_numbered_from_zero_with_one_answer_each():
    assert prompts.labels(worded(["no", "yes"])) == [" no", " yes"]
    with pytest.raises(InputError, match=r"labels must be 0, 1"):
        prompts.labels(worded(["no", "yes"]).filter(pl.col("label") == 1))


def test_prompts_that_do_not_fit_name_task_design_and_length():
    prompts.check_length([5, 64], 64, "topic2", "n8")
    prompts.check_length([5, 10_000], None, "topic2", "n8")
    with pytest.raises(InputError, match=r"task topic2, design n8: a prompt has 65 .* holds 64"):
        prompts.check_length([5, 65, 7], 64, "topic2", "n8")


def test_icl_prompts_show_the_demonstrations_in_order():
    task = tiny_task(instruction="Sort the words.\n")
    train = task.filter(pl.col("split") == "train")
    a, b = (train.row(i, named=True) for i in (1, 0))
    query_rows = prompts.queries(task)
    found = prompts.icl_prompts(
        task, Demonstrations(0, 0, (a["example"], b["example"])), query_rows
    )
    assert len(found) == len(query_rows) == 12
    assert found[0] == (
        f"Sort the words.\n{a['text']}{a['answer']}\n{b['text']}{b['answer']}\n"
        f"{query_rows['text'][0]}"
    )
    assert found[0].endswith(" :")
    assert prompts.icl_prompts(task, Demonstrations(0, 0, ()), query_rows)[0] == (
        f"Sort the words.\n{query_rows['text'][0]}"
    )


def test_runs_come_in_the_order_of_draw_and_order_and_keep_positions():
    rows = [
        ("t", "d", draw, order, position, 10 * draw + (position if order else 2 - position), None)
        for draw in (1, 0)
        for order in (1, 0)
        for position in (2, 0, 1)
    ]
    table = pl.DataFrame(rows, schema=DEMONSTRATIONS, orient="row")
    expected = [
        Demonstrations(0, 0, (2, 1, 0)),
        Demonstrations(0, 1, (0, 1, 2)),
        Demonstrations(1, 0, (12, 11, 10)),
        Demonstrations(1, 1, (10, 11, 12)),
    ]
    assert prompts.in_order(table) == expected
    assert prompts.in_order(table, orders=1) == expected[::2]


def test_a_binding_gives_the_rows_of_a_draw_other_labels():
    task = tiny_task("topic4", rows=60, classes=4)
    words = prompts.labels(task)
    run = Demonstrations(3, 0, (1, 6), binding=(2, 0, 3, 1))
    rows = prompts.bound(task, run, words)
    assert rows["label"].to_list() == [run.binding[label] for label in task["label"]]
    assert rows["answer"].to_list() == [words[label] for label in rows["label"]]
    assert prompts.labels(rows) == words
    assert rows.drop("label", "answer").equals(task.drop("label", "answer"))
    assert prompts.rows_of(task, [run])[run.binding][6]["label"] == rows["label"][6]
    asked = prompts.queries(task)
    permuted = prompts.icl_prompts(rows, Demonstrations(3, 0, (1, 6)), asked)
    assert prompts.icl_prompts(task, run, asked) == permuted
    assert prompts.icl_prompts(task, Demonstrations(3, 0, (1, 6)), asked) != permuted
