"""Every prompt joins with its answer: the label's one token stands there, for every row."""

import copy
from types import SimpleNamespace

import polars as pl
import pytest
from support.models import tiny_model, tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.task import TASK
from iclgd.metrics import token_alignment
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.prompts import Demonstrations

SPECIAL = ("<s>", "</s>")


def digits(*merges: tuple[str, str], front: str = "", behind: str = ""):
    """One token a character, and one for each pair of ``merges``; specials in front and behind."""
    characters = [*SPECIAL, *"\n :.xf0125"]
    vocabulary = characters + ["".join(pair) for pair in merges]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(vocabulary)}, list(merges)))
    if front or behind:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{front} $A {behind}".split(), special_tokens=[(SPECIAL[0], 0), (SPECIAL[1], 1)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


def table(texts: list[str], shown: list[str], ending: str = "\n", instruction: str = ""):
    """A task of queries and training rows, labels 0 and 1 in turn; shown rows come first."""
    rows = [(text, "train") for text in shown] + [(text, "test") for text in texts]
    return parquet.match(
        pl.DataFrame(
            [
                {
                    **{"task": "digits", "example": i, "split": split, "text": text},
                    **{"instruction": instruction, "ending": ending},
                    **{"answer": str(i % 2), "label": i % 2},
                }
                for i, (text, split) in enumerate(rows)
            ]
        ),
        TASK,
    )


FIT = ["f x", "f 2", "f .", "x x"]
MERGES = digits(("5", "0"))  # "5" and the label "0" become one token


def test_every_query_is_checked_not_the_first_alone():
    assert answer_tokens.label_ids(MERGES, table(FIT, FIT)) == MERGES.convert_tokens_to_ids(
        ["0", "1"]
    )
    message = (
        r"task digits, example 6: the tokenizer merges the answer '0' with the end of the prompt "
        r"'f 5': end the answer prefix differently \('50' stands in place of '5' and '0'\)"
    )
    with pytest.raises(InputError, match=message):
        answer_tokens.label_ids(MERGES, table([*FIT[:2], "f 5", "x"], FIT))
    # The label need not be the query's own: it has a probability behind every query.
    with pytest.raises(InputError, match=r"example 5: .* '0' .*\('50' stands in place of"):
        answer_tokens.label_ids(MERGES, table(["f x", "f 5"], FIT))
    # Behind the first query nothing is known yet of the label's token.
    with pytest.raises(InputError, match=r"example 4: .*\('50' stands in place of '5' and '0'\)"):
        answer_tokens.label_ids(MERGES, table(["f 5", "f x"], FIT))


def test_every_demonstration_that_is_shown_is_checked():
    task = table(FIT, ["f x", "x", "f 5", "f x"])
    runs = [Demonstrations(0, 0, (0, 1)), Demonstrations(0, 1, (3, 0))]
    assert len(answer_tokens.label_ids(MERGES, task, runs)) == 2
    with pytest.raises(InputError, match=r"task digits, example 2: .* merges the answer '0'"):
        answer_tokens.label_ids(MERGES, task, [*runs, Demonstrations(1, 0, (0, 2))])


def test_what_follows_an_answer_must_leave_its_first_token_alone():
    merging = digits(("0", "\n"), ("0", "x"))
    message = r"example 0: the answer '0' begins with '0\\n' after 'f 2', and with '0' elsewhere"
    with pytest.raises(InputError, match=message):
        answer_tokens.label_ids(merging, table(FIT, ["f 2", "f"]), [Demonstrations(0, 0, (0,))])
    task = table(["f", "f f"], ["f 2", "f", "x", "f"], ending="")
    assert answer_tokens.label_ids(merging, task, [Demonstrations(0, 0, (0, 1))])
    with pytest.raises(InputError, match=r"example 0: the answer '0' begins with '0x'"):
        answer_tokens.label_ids(merging, task, [Demonstrations(0, 0, (1, 0, 2))])


def test_an_answer_may_begin_with_another_token_though_nothing_is_merged():
    """Greedy words: " 0" behind a letter, "0" behind a full stop that has taken the space."""
    words = {"[UNK]": 0, "f": 1, "x": 2, ".": 3, "0": 4, "1": 5, "##0": 6, "##1": 7}
    backend = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    task = table(["f .", "f x"], FIT)
    message = r"example 5: the answer '0' begins with '##0' after 'f x', and with '0' elsewhere"
    with pytest.raises(InputError, match=message):
        answer_tokens.label_ids(PreTrainedTokenizerFast(tokenizer_object=backend), task)


def test_the_whole_prompt_is_checked_where_it_does_not_end_as_the_query_does():
    tokenizer = digits(("\n", "5"), ("\n5", "0"))  # alone, a query "5" joins; behind a line, not
    task = table(["f x", "5", "x 5", "f x."], FIT)
    run, queries = Demonstrations(3, 1, (0, 1)), prompts.queries(task)
    ids = answer_tokens.label_ids(tokenizer, task, [run])
    message = (
        r"task digits, example 5: draw 3, order 1: .* merges the answer '0' .*\('\\n50' stands"
    )
    with pytest.raises(InputError, match=message):
        answer_tokens.encode_icl(tokenizer, task, run, queries, ids)
    fit = queries.filter(pl.col("text") != "5")
    found = answer_tokens.encode_icl(tokenizer, task, run, fit, ids)
    assert found == prompts.encode(tokenizer, prompts.icl_prompts(task, run, fit))


# --- special tokens -----------------------------------------------------------------------


@pytest.mark.parametrize("front", ["", "<s>"])
def test_what_a_tokenizer_puts_behind_a_text_is_removed_and_said_once(front, capsys):
    plain, adds = digits(front=front), digits(front=front, behind="</s>")
    assert adds("f")["input_ids"][-1] == 1
    task, run = table(FIT, FIT, instruction="x.\n"), Demonstrations(0, 0, (0, 1))
    queries = prompts.queries(task)
    found = []
    for tokenizer in (plain, adds):
        ids = answer_tokens.label_ids(tokenizer, task, [run])
        sequences = answer_tokens.encode_icl(tokenizer, task, run, queries, ids)
        encoded = answer_tokens.encode_demonstrations(tokenizer, task, [run])
        alone = prompts.encode(tokenizer, (queries["instruction"] + queries["text"]).to_list())
        shown = [tokens for tokens, _ in encoded[0]]
        aligned = token_alignment.align(tokenizer, task, run, shown, queries, alone)
        found.append((ids, sequences, encoded, alone, aligned))
    assert found[0] == found[1]
    assert capsys.readouterr().err == "the tokenizer puts </s> at the end of every text: removed\n"


def test_sep_is_removed_and_cls_is_not():
    backend = Tokenizer(models.WordLevel({"[CLS]": 0, "[SEP]": 1, "[UNK]": 2}, "[UNK]"))
    backend.post_processor = processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert prompts.encode(tokenizer, ["f", ""]) == [[0, 2], [0]]


def test_special_tokens_within_a_text_are_text():
    assert prompts.encode(digits(front="<s>", behind="</s>"), ["</s>", "<s>f</s>"]) == [
        [0, 1],
        [0, 0, 7, 1],
    ]


def test_special_tokens_that_cannot_be_told_apart_are_an_error():
    tokenizer = digits(front="<s>", behind="</s>")
    with pytest.raises(InputError, match=r"which tokens of 'a' are special"):
        prompts.encode(tokenizer, [""])  # nor does it know an "a"


def test_prompts_are_neither_cut_nor_padded_whatever_the_tokenizer_is_set_to(tmp_path):
    backend = copy.deepcopy(digits().backend_tokenizer)
    backend.enable_truncation(2)
    backend.enable_padding(length=12, pad_id=1, pad_token="</s>")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=2)
    assert prompts.encode(tokenizer, ["f x.", "f"]) == prompts.encode(digits(), ["f x.", "f"])
    spans = prompts.encode_with_offsets(tokenizer, ["f x.", "f"])[1]
    assert list(map(len, spans)) == [4, 1]


def test_a_tokenizer_without_offsets_is_named():
    with pytest.raises(InputError, match="cannot tell where in a text its tokens stand"):
        prompts.encode_with_offsets(SimpleNamespace(is_fast=False), ["f"])


# --- tokens that say nothing --------------------------------------------------------------


def test_an_unknown_label_word_is_named():
    task = table(FIT, FIT).with_columns(
        answer=pl.col("answer").replace({"0": " Negative", "1": " Dag"})
    )
    message = r"task digits: the label word ' Negative' is unknown to the tokenizer .*'<unk>'"
    with pytest.raises(InputError, match=message):
        answer_tokens.label_ids(tiny_tokenizer(), task)


def test_unknown_tokens_of_rows_are_counted_in_the_log(capsys):
    words = {"[UNK]": 0, "f": 1, "0": 2, "1": 3, ":": 4}
    backend = Tokenizer(models.WordLevel(words, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    task = table(["f :", "y :", "f f y :", "f f :"], ["y y :", "f :"])
    task = task.with_columns(answer=" " + pl.col("answer"))
    answer_tokens.label_ids(tokenizer, task, [Demonstrations(0, 0, (1,))])
    answer_tokens.label_ids(tokenizer, task, [Demonstrations(0, 0, (0, 1))])
    warning = "tokens of queries and demonstrations are unknown to the tokenizer ([UNK])\n"
    assert (
        capsys.readouterr().err == f"task digits: 2 of 13 {warning}task digits: 4 of 16 {warning}"
    )


@pytest.mark.parametrize(("split", "example"), [("query", 5), ("demonstration", 1)])
def test_a_token_without_embedding_is_named_before_it_is_asked(split, example):
    tokenizer = digits()
    model = tiny_model("llama", vocab_size=len(tokenizer))
    tokenizer.add_tokens(["<extra>"])
    texts, shown = (["f x", "f <extra> x"], FIT) if split == "query" else (FIT, ["f", "<extra> x"])
    task, run = table(texts, shown), Demonstrations(0, 0, (0, 1))
    message = rf"digits, example {example}: the model has no embedding of .*'<extra>' in '.*<extra>"
    with pytest.raises(InputError, match=message):
        answer_tokens.label_ids(tokenizer, task, [run], model)
    answer_tokens.label_ids(tokenizer, task, [run], tiny_model("llama", vocab_size=len(tokenizer)))


@pytest.mark.parametrize(("texts", "shown", "example"), [(["f", ""], FIT, 5), (FIT, [""], 0)])
def test_an_empty_prompt_without_bos_is_named(texts, shown, example):
    runs = [Demonstrations(0, 0, (0,))]
    message = rf"task digits, example {example}: the prompt '' has no tokens"
    with pytest.raises(InputError, match=message):
        answer_tokens.label_ids(digits(), table(texts, shown), runs)
    assert answer_tokens.label_ids(digits(front="<s>"), table(texts, shown), runs)
    assert answer_tokens.label_ids(digits(), table(texts, shown, instruction="x:"), runs)
    with pytest.raises(InputError, match=r"the prompt '' has no tokens"):
        answer_tokens.encode_answers(digits(), [""], ["0"])
