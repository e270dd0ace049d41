"""The functions for a model in memory, against plain transformers and torch."""

import copy

import numpy as np
import polars as pl
import pytest
import torch
from support.tasks import tiny_task
from transformers import AutoModelForCausalLM, AutoTokenizer

import iclgd
from iclgd import api
from iclgd.io.cli import InputError
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import registry

FOLDER = "models/llama-large"
PROMPT = "{text} : {label}\n"
SGD = {"rate": 0.05, "epochs": 3, "record": [0, 1, 3]}


@pytest.fixture(scope="module")
def loaded():
    """A built-in model and its tokenizer."""
    return AutoModelForCausalLM.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def examples():
    """Pairs of a text and its label word, classes taking turns."""
    task = tiny_task("topic4", rows=120, classes=4).sort("label", maintain_order=True)
    rows = task.with_columns(turn=pl.int_range(pl.len()).over("label")).sort("turn", "label")
    texts = rows["text"].str.strip_suffix(" :")
    return list(zip(texts, rows["answer"].str.strip_chars(), strict=True))


def logprobs(model, tokenizer, text: str) -> torch.Tensor:
    tokens = torch.tensor([tokenizer(text)["input_ids"]])
    return model(tokens).logits[0, -1].double().log_softmax(-1)


def test_icl_is_a_plain_forward_pass_after_the_demonstrations(loaded, examples):
    shown, asked = examples[:4], examples[8:14]
    found = iclgd.icl(*loaded, shown, asked, prompt=PROMPT)
    prefix = "".join(f"{text} : {label}\n" for text, label in shown)
    with torch.no_grad():
        plain = [logprobs(*loaded, f"{prefix}{text} :") for text, _ in asked]
    assert found.shape == (6, loaded[0].config.vocab_size)
    np.testing.assert_allclose(found, torch.stack(plain).numpy(), atol=2e-5)


def test_gd_is_plain_training_on_each_demonstration_alone(loaded, examples):
    shown, asked = examples[:4], examples[8:14]
    found = iclgd.gd(*loaded, shown, asked, prompt=PROMPT, learner=SGD)
    assert list(found) == [0, 1, 3]
    model, tokenizer = copy.deepcopy(loaded[0]), loaded[1]
    optimiser = torch.optim.SGD(model.parameters(), lr=SGD["rate"])
    for epoch in range(4):
        if epoch in found:
            with torch.no_grad():
                plain = [logprobs(model, tokenizer, f"{text} :") for text, _ in asked]
            np.testing.assert_allclose(found[epoch], torch.stack(plain).numpy(), atol=2e-4)
        losses = []
        for text, label in shown:
            answer = tokenizer(f"{text} : {label}")["input_ids"]
            before = tokenizer(f"{text} :")["input_ids"]
            losses.append(-logprobs(model, tokenizer, f"{text} :")[answer[len(before)]])
        optimiser.zero_grad()
        (sum(losses) / len(losses)).backward()
        optimiser.step()


def test_a_comparison_has_what_the_workflow_writes(loaded, examples):
    draws = [examples[:4], examples[4:8], examples[8:12]]
    asked = examples[12:36]
    one = iclgd.compare(*loaded, draws, asked, prompt=PROMPT, learner=SGD, orders=3)
    assert isinstance(one, iclgd.Comparison)
    assert one.logits.schema == LOGITS and dict(one.agreement.schema) == dict(registry.AGREEMENT)
    counts = one.logits.group_by("learner").len().sort("learner").rows()
    assert counts == [("gd", 3 * 3 * 24), ("icl", 3 * 3 * 24)]
    # The first order is the given one, and the first quarter of the queries only choose.
    alone = iclgd.icl(*loaded, draws[1], asked, prompt=PROMPT)
    stored = one.logits.filter(learner="icl", draw=1, order=0).sort("example")
    assert stored["top_ids"].list.first().to_list() == alone.argmax(1).tolist()
    assert stored["split"].to_list() == ["validation"] * 6 + ["test"] * 18
    means = one.summary
    assert means["learner"].to_list() == ["icl-reordered", "icl", "gd", "gd", "gd"]
    test = one.agreement.filter(b="gd", epoch=3, split="test")
    assert means.filter(learner="gd", epoch=3)["tv"][0] == pytest.approx(test["tv"].mean())
    assert one.verdict.partition(":")[0] in ("different", "inconclusive", "unspecific")
    assert one.plot().to_dict()["layer"][0]["mark"]["type"] == "line"


def test_the_model_is_left_as_it_was(loaded, examples):
    model, tokenizer = loaded
    model.train()
    model.get_input_embeddings().weight.requires_grad_(False)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    iclgd.gd(model, tokenizer, examples[:4], examples[8:14], prompt=PROMPT, learner=SGD)
    assert model.training
    needed = [one.requires_grad for one in model.parameters()]
    assert not needed[0] and all(needed[1:])
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    model.eval().requires_grad_(True)


def test_one_order_has_no_verdict(loaded, examples):
    shown = examples[:2]
    asked = [one for one in examples[2:] if one[1] in {label for _, label in shown}][:4]
    one = iclgd.compare(*loaded, shown, asked, prompt=PROMPT, learner=SGD, orders=1)
    assert one.verdict == "inconclusive: one order" and one.verdicts.is_empty()


def test_agreement_of_arrays_by_hand():
    p = np.log(np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]))
    q = np.log(np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]))
    found = iclgd.agreement(p, q)
    assert found.columns == list(api.OF_ARRAYS)
    assert found["tv"].to_list() == pytest.approx([0.0, 0.25])
    assert found["ocs"].to_list() == pytest.approx([1.0, (0.125 + 0.0625 + 0.125) / 0.375])
    with pytest.raises(ValueError, match="two arrays"):
        iclgd.agreement(p, q[:1])


@pytest.mark.parametrize(
    ("shown", "asked", "problem"),
    [
        ([], 4, "one at least"),
        (4, 3, "four queries at least"),
        ([[0, 1], [2]], 4, "same number of demonstrations"),
    ],
)
def test_what_cannot_be_compared_is_said(loaded, examples, shown, asked, problem):
    given = examples[:shown] if isinstance(shown, int) else shown
    if shown and not isinstance(shown, int):
        given = [[examples[i] for i in draw] for draw in shown]
    with pytest.raises(InputError, match=problem):
        iclgd.compare(*loaded, given, examples[8 : 8 + asked], prompt=PROMPT)


def test_a_label_that_no_demonstration_has_is_said(loaded, examples):
    with pytest.raises(InputError, match="label 'Nope'"):
        iclgd.icl(*loaded, examples[:4], [*examples[8:12], ("sola zome", "Nope")], prompt=PROMPT)


def test_nothing_else_is_exported():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        iclgd.__getattr__("nothing")
