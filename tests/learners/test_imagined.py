"""One more example, imagined: prompts and mixtures by hand, readers that it moves and does not."""

import copy
import math

import numpy as np
import polars as pl
import pytest
import torch
from support.models import VOCABULARY, save_model, tiny_model, tiny_tokenizer
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import bayes, imagined, in_context, solving
from iclgd.models import loading
from iclgd.tasks import ginc, prompts, sampling
from iclgd.tasks.prompts import Demonstrations
from iclgd.tasks.readouts.next_token import NextToken

NAMES = {"task": "topic2", "design": "n"}


def runs_of(task: pl.DataFrame, shots: int, drawn: bool = False) -> list[Demonstrations]:
    return prompts.in_order(sampling.demonstrations(task, "n", shots, 2, range(3), drawn))


def dense(found) -> np.ndarray:
    """Probabilities [rows, vocabulary] of answers that kept every token."""
    p = np.empty(found.top_ids.shape)
    np.put_along_axis(p, found.top_ids.astype(int), np.exp(found.top_logprobs.astype(float)), 1)
    return p


def apart(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).sum(-1).max()) / 2


# --- what is imagined -----------------------------------------------------------------------


@pytest.mark.parametrize("drawn", [False, True])
def test_prompts_by_hand(drawn):
    """The demonstrations, then x' with each label word in the order of labels, then the query."""
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    runs, words = runs_of(task, 3, drawn), prompts.labels(task)
    assert not drawn or any(run.binding != tuple(sorted(run.binding)) for run in runs)
    more, cases = imagined.imagine(task, runs)
    row = {one["example"]: one for one in task.iter_rows(named=True)}
    queries = prompts.queries(task)[:2]
    for run, case in zip(runs, cases, strict=True):
        one = case.asked.row(0, named=True)
        assert case.run is run and one["split"] == "train" and one["example"] not in run.examples
        binding = run.binding or (0, 1, 2, 3)
        shown = "".join(
            row[i]["text"] + words[binding[row[i]["label"]]] + "\n" for i in run.examples
        )
        assert prompts.icl_prompts(more, run, case.asked) == [shown + one["text"]]
        for word, after in zip(words, case.after, strict=True):
            expected = [shown + one["text"] + word + "\n" + text for text in queries["text"]]
            assert prompts.icl_prompts(more, after, queries) == expected
    assert len({case.asked["example"][0] for case in cases[::2]}) > 1  # each draw has its own
    assert cases[0].asked.equals(cases[1].asked)  # and its orders the same
    assert prompts.queries(more).equals(prompts.queries(task))
    assert more[: len(task)].equals(task) and prompts.labels(more) == words


def test_its_own_label_is_never_read():
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    runs, words = runs_of(task, 3), prompts.labels(task)
    more, cases = imagined.imagine(task, runs)
    own = [case.asked["example"][0] for case in cases]
    other = (pl.col("label") + 1) % 4
    changed = pl.when(pl.col("example").is_in(own)).then(other).otherwise("label")
    lied = task.with_columns(label=changed.cast(pl.Int32)).with_columns(
        answer=pl.col("label").replace_strict(dict(enumerate(words)), return_dtype=pl.String)
    )
    assert not lied.equals(task)
    again, same = imagined.imagine(lied, runs)
    assert [case.after for case in same] == [case.after for case in cases]
    assert again[len(task) :].equals(more[len(task) :])


def test_there_must_be_a_row_to_imagine():
    task = tiny_task()
    every = tuple(task.filter(split="train")["example"])
    with pytest.raises(InputError, match="task topic2: every training row is a demonstration"):
        imagined.imagine(task, [Demonstrations(0, 0, every)])


# --- mixtures -------------------------------------------------------------------------------


def logs(*rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


def test_a_mixture_by_hand():
    """p(y | x') = .2, .3 of five tokens: two fifths and three fifths among the labels."""
    weights = imagined.label_weights(logs([0.1, 0.2, 0.3, 0.4])[0], [1, 2])
    torch.testing.assert_close(weights.exp(), torch.tensor([0.4, 0.6], dtype=torch.float64))
    worlds = [logs([0.5, 0.25, 0.125, 0.125]), logs([0.0, 0.25, 0.25, 0.5]) + 7]  # logits shift
    found = imagined.mixed(weights, worlds).exp()
    expected = torch.tensor([[0.2, 0.25, 0.2, 0.35]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)


def test_the_order_of_label_words_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    worlds = torch.randn(5, 3, 40, generator=generator, dtype=torch.float64)
    weights = torch.randn(5, generator=generator, dtype=torch.float64).log_softmax(0)
    order = torch.tensor([3, 0, 4, 1, 2])
    found = imagined.mixed(weights, worlds)
    torch.testing.assert_close(imagined.mixed(weights[order], worlds[order]), found)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(3, dtype=torch.float64))


# --- ICL ------------------------------------------------------------------------------------


def one(model) -> loading.Loaded:
    return loading.Loaded("tiny", model, tiny_tokenizer(), "cpu", 128)


def both(model, task, runs):
    """ICL's answers as they are, and after an imagined example, by draw and order."""
    loaded, queries = one(model), prompts.queries(task)
    more, cases = imagined.imagine(task, runs)
    shown = [after for case in cases for after in case.after]
    readout = NextToken.of_task(loaded.tokenizer, more, shown, model, VOCABULARY)
    plain = in_context.answers(loaded, task, runs, [queries], readout, NAMES)
    after = imagined.answers(loaded, more, cases, [queries], readout, NAMES)
    return tuple(
        {(run.draw, run.order): dense(part) for run, _, part in found} for found in (plain, after)
    )


@pytest.mark.parametrize("drawn", [False, True])
def test_answers_equal_a_plain_twin(drawn):
    """Whole prompts one at a time; no prefix, no batches, no logarithms."""
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    runs, words = runs_of(task, 3, drawn), prompts.labels(task)
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    _, found = both(model, task, runs)
    more, cases = imagined.imagine(task, runs)

    def p(text: str) -> torch.Tensor:
        return model(torch.tensor(tokenizer([text])["input_ids"])).logits[0, -1].softmax(-1)

    labels = [tokenizer.convert_tokens_to_ids(word.strip()) for word in words]
    for case in cases:
        (before,) = prompts.icl_prompts(more, case.run, case.asked)
        weights = p(before)[labels] / p(before)[labels].sum()
        shown = before[: len(before) - len(case.asked["text"][0])]
        for place, query in enumerate(prompts.queries(task)["text"]):
            lines = [f"{shown}{case.asked['text'][0]}{word}\n{query}" for word in words]
            expected = sum(w * p(line) for w, line in zip(weights, lines, strict=True)).numpy()
            np.testing.assert_allclose(
                found[case.run.draw, case.run.order][place], expected, rtol=0, atol=1e-7
            )


def test_a_model_that_always_answers_the_same_has_no_gap():
    model = copy.deepcopy(tiny_model("llama"))
    torch.nn.init.zeros_(model.model.norm.weight)
    task = tiny_task()
    before, after = both(model, task, runs_of(task, 4))
    assert max(apart(before[key], after[key]) for key in before) < 1e-6
    before, after = both(tiny_model("llama"), task, runs_of(task, 4))
    assert min(apart(before[key], after[key]) for key in before) > 1e-3


# --- the exact reader -----------------------------------------------------------------------


def exact(task, runs, reader="topics"):
    """The exact reader's answers, now and after an imagined example, in float64."""
    tokenizer, queries = tiny_tokenizer(), prompts.queries(task)
    more, cases = imagined.imagine(task, runs)
    readout = NextToken.of_task(tokenizer, more, runs)
    read = bayes.READERS[reader]
    kept = []

    class Kept(NextToken):
        def read(self, logits):
            kept.append(logits.exp().numpy())

    whole = Kept(readout.targets, VOCABULARY)
    for case in cases:
        bayes.answer(read, tokenizer, task, case.run, queries, whole)
        bayes.imagined_answer(read, tokenizer, more, case, queries, whole)
        yield *kept[-2:], readout.targets


def test_the_exact_reader_of_topics_has_no_gap():
    """With all tags as label words it may see topics that no line has shown, and is unsure."""
    task = tiny_task("topic16", rows=160, classes=16, queries=40)
    unsure = 0
    for before, after, _ in exact(task, runs_of(task, 4, drawn=True)):
        assert apart(before, after) < 1e-12
        unsure += int((before.max(1) < 0.1).sum())
    assert unsure > 100
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    for before, after, _ in exact(task, runs_of(task, 4)):
        assert apart(before, after) < 1e-12


def test_answers_that_are_no_label_words_are_the_readers_only_gap():
    """Two of four topics are shown: a third one's tag is one of 14, of which two are label words.

    Of those two alone it is each with 1/2 before and after. For a query of the topic of x' the
    mixture has 1/2 where the reader has 1/14.
    """
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    gaps = set()
    for before, after, targets in exact(task, runs_of(task, 2)):
        labels = [p[:, targets] / p[:, targets].sum(1, keepdims=True) for p in (before, after)]
        assert apart(*labels) < 1e-12
        gaps |= set(np.abs(before - after).sum(1).round(12) / 2)
    # The query's topic: bound, the one of x', or the fourth (1/13 in each of two worlds).
    assert len(gaps) == 3
    assert min(gaps) == 0 and max(gaps) == pytest.approx(2 * (1 / 2 - 1 / 14))


def test_in_ginc_an_input_is_news():
    """At a fixed x' its reader has a gap, though it is exact: x' tells of the concept."""
    made = ginc.make_task(np.random.default_rng(3), "ginc", 40, 4)
    vocabulary = tiny_tokenizer().get_vocab()
    lines = [[vocabulary[word] for word in row["text"].split()] for row in made]
    tags = [vocabulary[row["label_text"]] for row in made]
    shown = [*lines[0], tags[0], ginc.synthetic.NEWLINE]

    def p(*tokens) -> np.ndarray:
        return ginc.predict(ginc.family(), np.array([[*tokens]]))[0]

    weights = p(*shown, *lines[1])
    worlds = [
        weights[y] * p(*shown, *lines[1], y, ginc.synthetic.NEWLINE, *lines[2])
        for y in np.flatnonzero(weights)
    ]
    assert apart(sum(worlds), p(*shown, *lines[2])) > 1e-3


# --- readers by hand ------------------------------------------------------------------------


def after_imagined(labels: list[int], answer) -> np.ndarray:
    """The mixture over one more label of what ``answer`` makes of ``labels``, [classes]."""
    now = answer(labels)
    return sum(w * answer([*labels, y]) for y, w in enumerate(now))


def vote(labels: list[int], decay: float) -> np.ndarray:
    shown = solving.Shown(np.array(labels), np.array([0]), 2)
    return solving.vote(shown, decay)[0]


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_a_vote_of_recent_labels_has_no_gap_though_order_moves_it(decay):
    """A label that is drawn by the shares adds them in the mean: necessary is not enough."""
    labels = [0, 0, 1, 1]
    found = after_imagined(labels, lambda shown: vote(shown, decay))
    np.testing.assert_allclose(found, vote(labels, decay), rtol=0, atol=1e-15)
    moved = apart(vote(labels, decay), vote(labels[::-1], decay))
    assert moved == pytest.approx(0 if decay == 1 else 0.6)


def test_a_vote_that_exaggerates_has_a_gap():
    """Shares 3/4 and 1/4 squared are 9/10 and 1/10. After one more label: 16/17, or 9/13."""

    def squared(labels: list[int]) -> np.ndarray:
        share = vote(labels, 1.0) ** 2
        return share / share.sum()

    found = after_imagined([0, 1, 0, 0], squared)
    assert found[0] == pytest.approx(0.9 * 16 / 17 + 0.1 * 9 / 13)
    assert apart(found, squared([0, 1, 0, 0])) == pytest.approx(0.9 * 16 / 17 + 0.9 / 13 - 0.9)


# --- the steps ------------------------------------------------------------------------------


@pytest.fixture
def step_arguments(tmp_path):
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    parquet.write(task, tmp_path / "t.parquet", TASK)
    shown = sampling.demonstrations(task, "n", 4, 2, range(2), True)
    parquet.write(shown, tmp_path / "d.parquet", DEMONSTRATIONS)
    model = save_model(tiny_model("llama", "float32"), tmp_path)
    return ["--model", model, "--task", tmp_path / "t.parquet",
            "--demonstrations", tmp_path / "d.parquet"]  # fmt: skip


def test_the_steps_write_tables_like_any_other(step_arguments, tmp_path):
    tables = {}
    for step, more in (("run_icl", []), ("run_bayes", ["--language", "topics"])):
        for number in ("0", "1"):
            out = tmp_path / f"{step}{number}.parquet"
            run_step(step, *step_arguments, *more, "--imagined", number, "--output", out)
            tables[step, number] = parquet.read(out, LOGITS)
    keys = ["task", "design", "shots", "draw", "order", "epoch", "example", "label", "answer_id"]
    first = tables["run_icl", "0"]
    for table in tables.values():
        assert table.select(keys).equals(first.select(keys))
        assert set(table["status"]) == {"ok"}
    now, after = (np.array(tables["run_bayes", n]["label_logprobs"].to_list(), float) for n in "01")
    assert apart(np.exp(now), np.exp(after)) < 1e-6
    right = tables["run_bayes", "0"].select(pl.col("top_ids").list.first() == pl.col("answer_id"))
    assert right.to_series().all()  # all four topics are shown
    assert not first.equals(tables["run_icl", "1"])


def test_examples_of_ginc_are_not_imagined(step_arguments, tmp_path):
    arguments = ["--language", "ginc", "--imagined", "1", "--output", tmp_path / "o.parquet"]
    with pytest.raises(InputError, match="--imagined: inputs of ginc tell of what makes"):
        run_step("run_bayes", *step_arguments, *arguments)


def test_logits_that_are_not_finite_are_named():
    model = copy.deepcopy(tiny_model("llama"))
    model.lm_head.weight[70] = math.nan
    task = tiny_task()
    with pytest.raises(InputError, match="tiny gives NaN or infinite logits on task topic2"):
        both(model, task, runs_of(task, 2))
