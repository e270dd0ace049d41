"""GINC: documents, the exact Bayesian reader, tasks, and the reader as a learner."""

import itertools
from collections import Counter

import numpy as np
import polars as pl
import pytest
from support.models import save_model, tiny_model, tiny_tokenizer
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.tasks import ginc, prompts, sampling, synthetic


def posterior(family, tokens):
    """p(concept | tokens), [count, C]."""
    return ginc.beliefs(family, tokens).sum(2)


def tiny_family(concepts: int, seed: int = 0) -> ginc.Family:
    """Random hidden Markov models with 3 states over 4 tokens; every state may emit every token."""
    rng = np.random.default_rng(seed)
    start, transition = rng.random((concepts, 3)), rng.random((concepts, 3, 3))
    emission = rng.random((3, 4))
    return ginc.Family(*(x / x.sum(-1, keepdims=True) for x in (start, transition, emission)))


def enumerated(family: ginc.Family, tokens: tuple[int, ...]) -> float:
    """p(tokens): the sum over all concepts and all paths of states, one by one."""
    total, concepts = 0.0, len(family.start)
    for c, path in itertools.product(
        range(concepts), itertools.product(range(3), repeat=len(tokens))
    ):
        p = family.start[c, path[0]] / concepts
        for one, then in itertools.pairwise(path):
            p *= family.transition[c, one, then]
        for state, token in zip(path, tokens, strict=True):
            p *= family.emission[state, token]
        total += p
    return total


@pytest.mark.parametrize("concepts", [1, 3])
@pytest.mark.parametrize("tokens", [(2,), (0, 3), (1, 1, 0, 2)])
def test_prediction_equals_the_sum_over_all_paths(concepts, tokens):
    family = tiny_family(concepts)
    found = ginc.predict(family, np.array([tokens]))[0]
    expected = [enumerated(family, (*tokens, v)) / enumerated(family, tokens) for v in range(4)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_hand_computed():
    """Two concepts that tell what they are: one always changes its state, one never does."""
    family = ginc.Family(
        np.full((2, 2), 0.5), np.array([[[0, 1], [1, 0]], [[1, 0], [0, 1]]]), np.eye(2)
    )
    np.testing.assert_allclose(ginc.predict(family, np.array([[0], [1]])), [[0.5, 0.5]] * 2)
    np.testing.assert_allclose(posterior(family, np.array([[0, 1]])), [[1, 0]])
    np.testing.assert_allclose(ginc.predict(family, np.array([[0, 1], [1, 1]])), [[1, 0], [0, 1]])
    with pytest.raises(InputError, match="token 1 at place 2 of 1"):
        ginc.predict(family, np.array([[0, 0, 0, 0], [0, 1, 1, 0]]))


@pytest.mark.parametrize("seed", range(3))
def test_predictions_and_posteriors_are_distributions(seed):
    tokens = ginc.documents(np.random.default_rng(seed), 8, 40)[:, 1:]
    for found in (ginc.predict, posterior):
        p = found(ginc.family(), tokens)
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(1), 1, rtol=0, atol=1e-12)
    # What a document cannot hold is impossible, and all else is not.
    possible = np.unique(ginc.memory())
    assert set(np.flatnonzero(ginc.predict(ginc.family(), tokens).min(0) > 0)) == set(possible)


def test_one_concept_is_filtering():
    """With one concept, belief is the filter of a hidden Markov model, step by step."""
    family = tiny_family(1)
    tokens = np.random.default_rng(1).integers(0, 4, (5, 30))
    belief = np.repeat(family.start, 5, 0)
    for t in range(30):
        belief = belief * family.emission[:, tokens[:, t]].T
        belief = belief / belief.sum(1, keepdims=True) @ family.transition[0]
    np.testing.assert_allclose(ginc.beliefs(family, tokens)[:, 0], belief, rtol=0, atol=1e-12)


def test_a_concept_mixed_with_itself_changes_nothing():
    one = tiny_family(1)
    twice = ginc.Family(one.start.repeat(2, 0), one.transition.repeat(2, 0), one.emission)
    tokens = np.random.default_rng(1).integers(0, 4, (5, 6))
    found = ginc.predict(twice, tokens)
    np.testing.assert_allclose(found, ginc.predict(one, tokens), rtol=0, atol=1e-12)
    np.testing.assert_allclose(posterior(twice, tokens), 0.5, rtol=0, atol=1e-12)


def test_documents_are_of_the_language():
    family = ginc.family()
    for matrix in (family.start, family.transition, family.emission):
        np.testing.assert_allclose(matrix.sum(-1), 1, rtol=0, atol=1e-12)
    assert (family.transition > 0).all()
    emitted = ginc.memory()
    assert (emitted[:, 0] == synthetic.NEWLINE).all()
    for words in emitted[:, 1:].T:
        assert len(set(words)) == ginc.ENTITIES
    found = ginc.documents(np.random.default_rng(0), 100, 64)
    assert found.shape == (100, 64) and (found[:, 0] == synthetic.BOS).all()
    assert (ginc.documents(np.random.default_rng(0), 100, 64) == found).all()
    # Their concept shows: the reader is surer of it, the more it has read.
    sure = [posterior(family, found[:, 1:n]).max(1).mean() for n in (2, 8, 64)]
    assert 1 / ginc.CONCEPTS <= sure[0] < sure[1] < sure[2] and sure[2] > 0.99


def test_transitions_of_documents_are_those_of_the_concept():
    rng = np.random.default_rng(0)
    walk = ginc._walk(rng, np.full(4000, 2), np.full(4000, 11), 2)[:, 1]
    seen = np.bincount(walk, minlength=ginc.ENTITIES * ginc.PROPERTIES) / 4000
    assert np.abs(seen - ginc.family().transition[2, 11]).max() < 0.04


def test_probes_are_examples_of_one_concept_with_their_likeliest_token():
    tokens, answers, labels = ginc.probe(np.random.default_rng(0), 64, 3, 4)
    assert tokens.shape == (64, 1 + 3 * 5 + 3) and labels.shape == (64, len(synthetic.VOCABULARY))
    lines = tokens[:, 1:16].reshape(64, 3, 5)
    assert (lines[..., 4] == synthetic.NEWLINE).all()
    assert (lines[..., :4] != synthetic.NEWLINE).all() and (answers != synthetic.NEWLINE).all()


def test_examples_help_the_reader():
    rights = []
    for shots in (0, 8):
        tokens, answers, _ = ginc.probe(np.random.default_rng(0), 256, shots, 5)
        rights.append((ginc.predict(ginc.family(), tokens[:, 1:]).argmax(1) == answers).mean())
    assert rights[0] + 0.1 < rights[1] and rights[1] > 0.8


def ginc_task(rows: int = 80, classes: int = 4) -> list[dict]:
    return ginc.make_task(np.random.default_rng(3), "ginc", rows, classes)


def test_task_is_balanced_and_all_its_texts_differ():
    rows = ginc_task()
    assert Counter(row["label"] for row in rows) == dict.fromkeys(range(4), 20)
    assert len({row["text"] for row in rows}) == 80
    assert len({(row["label"], row["label_text"]) for row in rows}) == 4
    assert {len(row["text"].split()) for row in rows} == {4}


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [(100_000, 4, "only [0-9]+ different examples"), (80, 11, "GINC has 10 entities")],
)
def test_impossible_tasks_are_refused(rows, classes, message):
    with pytest.raises(InputError, match=message):
        ginc_task(rows, classes)


GENERATE = '{"generate": {"kind": "ginc", "rows": 60, "classes": 3}, "queries": 12, '
GENERATE += '"prompt": "{text} {label}\\n"}'


@pytest.fixture
def step_arguments(tmp_path):
    """Arguments of a step that answers a task of GINC, with the paths of its tables."""
    run_step("prepare_task", "--task", "g", "--entry", GENERATE, "--output", tmp_path / "t.parquet")
    task = parquet.read(tmp_path / "t.parquet", TASK)
    shown = sampling.demonstrations(task, "n3", 3, 2, range(2))
    parquet.write(shown, tmp_path / "d.parquet", DEMONSTRATIONS)
    model = save_model(tiny_model("llama", "float32"), tmp_path)
    return ["--model", model, "--task", tmp_path / "t.parquet",
            "--demonstrations", tmp_path / "d.parquet"]  # fmt: skip


def test_the_reader_is_a_learner_like_any_other(step_arguments, tmp_path):
    run_step("run_icl", *step_arguments, "--output", tmp_path / "run_icl.parquet")
    read = ("--language", "ginc", "--output", tmp_path / "run_bayes.parquet")
    run_step("run_bayes", *step_arguments, *read)
    icl, bayes = (parquet.read(tmp_path / f"run_{one}.parquet", LOGITS) for one in ("icl", "bayes"))
    keys = ["task", "design", "draw", "order", "epoch", "example", "split", "label", "answer_id"]
    assert icl.select(keys).equals(bayes.select(keys))
    assert bayes["status"].unique().to_list() == ["ok"]
    # One row by hand: the prompt as the model sees it.
    one = bayes.row(17, named=True)
    task = parquet.read(step_arguments[3], TASK)
    runs = prompts.in_order(parquet.read(step_arguments[5], DEMONSTRATIONS))
    run = next(r for r in runs if (r.draw, r.order) == (one["draw"], one["order"]))
    (text,) = prompts.icl_prompts(task, run, task.filter(pl.col("example") == one["example"]))
    (ids,) = tiny_tokenizer()([text])["input_ids"]
    assert len(ids) == 1 + 3 * 6 + 4
    p = ginc.predict(ginc.family(), np.array([ids[1:]]))[0]
    found = dict(zip(one["top_ids"], one["top_logprobs"], strict=True))
    for token in np.flatnonzero(p):
        assert found[token] == pytest.approx(np.log(p[token]), abs=1e-5)
    assert bayes.select((pl.col("top_ids").list.first() == pl.col("answer_id")).mean()).item() > 0.5


def test_what_the_reader_cannot_read_is_named(step_arguments, tmp_path):
    parquet.write(tiny_task(), tmp_path / "other.parquet", TASK)
    shown = sampling.demonstrations(tiny_task(), "n3", 3, 1, range(1))
    parquet.write(shown, tmp_path / "d.parquet", DEMONSTRATIONS)
    step_arguments[3] = tmp_path / "other.parquet"
    read = ("--language", "ginc", "--output", tmp_path / "o.parquet")
    with pytest.raises(InputError, match="task topic2: 'rifu' is no word of GINC"):
        run_step("run_bayes", *step_arguments, *read)
    with pytest.raises(InputError, match="task t: examples of GINC are of one length"):
        ginc.symbols([[0, 2], [0, 2, 2]], "t")
