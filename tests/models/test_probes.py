"""Assumptions about a model are tested, and the slow path is used where one fails."""

import pytest
import torch
from support.descents import RUNS, followed
from support.models import (
    ARCHITECTURES,
    LABELS,
    ONE_BY_ONE,
    VOCABULARY,
    loaded,
    sequences,
    tiny_model,
)
from support.shared_prompts import orders

from iclgd.io.cli import InputError
from iclgd.learners import gradient_descent, in_context, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import attention, families, forward, probes, tolerance
from iclgd.tasks.readouts.next_token import NextToken


def other_model(kind: str, **sizes):
    """A model of a kind that the other tests do not have, in evaluation mode."""
    from transformers import AutoConfig, AutoModelForCausalLM

    size = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**size, **sizes})
    return AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**SMALL, "intermediate_size": 24, "initializer_range": 0.15}
GPT = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.15}


def long_rope(switch: int):
    """Positions of which the factors change where a call is longer than ``switch``."""
    factors = {"short_factor": [1.0, 1.0], "long_factor": [4.0, 40.0]}
    limit = {"original_max_position_embeddings": switch}
    rope = {"rope_type": "longrope", "rope_theta": 1e4, **limit, **factors}
    sizes = {**LLAMA, **limit, "max_position_embeddings": 128, "initializer_range": 0.5}
    return other_model("phi3", **sizes, rope_scaling=rope)


def plain(model, rows: list[list[int]]) -> torch.Tensor:
    """Log-probabilities of the labels behind each whole row, alone."""
    found = []
    for row in rows:
        tokens = torch.tensor([row])
        logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
        found.append(logits[0, -1].double().log_softmax(-1)[LABELS])
    return torch.stack(found).detach()


def shared_beginnings(model, parts: list[list[list[int]]]) -> list[bool]:
    """Evaluate all parts as run_icl does, check every answer; which shared their prefix."""
    one, shared = loaded(model), []
    ways = probes.Ways(one, prefixes=True)
    for rows in parts:
        together, prefix = ways.of(rows)
        found = in_context.score(one, rows, NextToken(LABELS, VOCABULARY), prefix, together)
        expected = plain(model, rows)
        torch.testing.assert_close(
            torch.tensor(found.label_logprobs).double(), expected, rtol=0, atol=1e-5
        )
        shared.append(prefix is not None)
    return shared


def test_known_architectures_share_and_go_together(architecture, capsys):
    model = tiny_model(architecture, "float32")
    assert shared_beginnings(model, orders()) == [True] * 6
    ways = probes.Ways(loaded(model), prefixes=True)
    assert ways.of(sequences())[0] and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("kind", "sizes", "reason"),
    [
        ("openai-gpt", GPT, "its cache does not hold keys and values"),
        ("mamba", {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}, ""),
    ],
)
def test_what_keeps_no_keys_and_values_is_asked_with_whole_prompts(kind, sizes, reason, capsys):
    assert shared_beginnings(other_model(kind, **sizes), orders()) == [False] * 6
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"tiny: evaluated with whole prompts ({reason}")


def test_prompts_on_both_sides_of_a_switch_of_positions(capsys):
    model = long_rope(24)
    short, long = orders()[4], orders()[0]
    assert max(map(len, short)) < 24 < max(map(len, long)) and min(map(len, long)) < 24
    # Below the switch all is shared and goes together; where a part has both sides nothing is.
    assert shared_beginnings(model, [short, long, short]) == [True, False, True]
    message = capsys.readouterr().err
    assert "tiny: evaluated one at a time (log-probabilities differ by" in message
    assert "tiny: evaluated with whole prompts (log-probabilities differ by" in message


def test_demonstrations_on_both_sides_of_a_switch_are_trained_on_alone():
    model = long_rope(8)
    texts = [tokens for run in RUNS for tokens, _ in run]
    assert min(map(len, texts)) < 8 < max(map(len, texts))
    assert not probes.Ways(loaded(model)).of(texts)[0]
    expected = alone(model, RUNS[0])
    found = dict(
        (epoch, float(losses))
        for epoch, _, losses, *_ in gradient_descent.descend(
            model, trainable.choose(model, None)[1], batches(together=False)[:1], LEARNER
        )
    )
    assert found == pytest.approx(expected, abs=1e-5)
    mixed = gradient_descent.descend(
        model, trainable.choose(model, None)[1], batches(True)[:1], LEARNER
    )
    assert abs(float(next(mixed)[2]) - expected[0]) > 1e-3


LEARNER = Learner(rate=0.05, epochs=2)


def batches(together: bool) -> list[training_batch.Batch]:
    return training_batch.batches(RUNS, "label", "cpu", together)


def alone(model, run) -> dict[int, float]:
    """The mean loss at every epoch, by an ordinary loop over whole demonstrations."""
    import copy

    model = copy.deepcopy(model).requires_grad_(True)
    optimiser, found = torch.optim.SGD(model.parameters(), lr=LEARNER.rate), {}
    for epoch in range(LEARNER.epochs + 1):
        optimiser.zero_grad()
        losses = []
        for tokens, start in run:
            logprobs = model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)
            losses += [-logprobs[i - 1, tokens[i]] for i in range(start, len(tokens))]
        loss = torch.stack(losses).mean()
        loss.backward()
        found[epoch] = loss.item()
        optimiser.step()
    return found


def test_what_was_tried_holds_for_all_lengths_between():
    ways, tried = probes.Ways(loaded(tiny_model("llama"))), []

    def attempt(reason: str | None) -> str | None:
        tried.append(reason)
        return reason

    def known(first: int, last: int, reason: str | None = None) -> bool:
        return ways._known("prefix", first, last, lambda: attempt(reason))

    assert known(10, 20) and known(12, 18) and len(tried) == 1
    assert known(12, 22) and len(tried) == 2
    assert not known(20, 30, "no") and not known(18, 31) and len(tried) == 3
    assert known(20, 24) and known(25, 29) and len(tried) == 5


def test_an_encoder_is_refused():
    model = other_model("bert", **SMALL, intermediate_size=24, initializer_range=0.15)
    with pytest.raises(InputError, match=r"^model tiny \(bert\) is no causal language model: what"):
        probes.Ways(loaded(model)).of(sequences())


def test_an_unembedding_that_is_not_asked_is_noticed(monkeypatch):
    model = tiny_model("llama")
    monkeypatch.setattr(type(model), "get_output_embeddings", lambda self: self.model.layers[1].mlp)
    with pytest.raises(InputError, match="is no causal language model: "):
        families.CAUSAL.check(loaded(model), sequences()[0])


def test_a_model_that_names_no_unembedding_is_asked_all_the_same(monkeypatch):
    model, rows = tiny_model("llama"), sequences()
    expected = plain(model, rows)
    monkeypatch.setattr(type(model), "get_output_embeddings", lambda self: None)
    found = in_context.score(loaded(model), rows, NextToken(LABELS, VOCABULARY)).label_logprobs
    torch.testing.assert_close(torch.tensor(found).double(), expected, rtol=0, atol=1e-5)


def test_want_of_memory_is_no_answer():
    def attempt():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="allocate"):
        tolerance.failure(attempt)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("loss", ["label", "all"])
def test_two_runs_side_by_side_are_what_each_is_alone(architecture, loss):
    model, chosen = trainable.choose(tiny_model(architecture), None)
    both = [training_batch.tensors(run, loss) for run in RUNS[:2]]
    learner = Learner(rate=0.1, loss=loss)
    if architecture in ONE_BY_ONE:
        assert gradient_descent.runs_at_once(model, chosen, both, learner) == 1
    else:
        assert gradient_descent.side_by_side(model, chosen, both, learner) is None


def test_runs_that_reach_each_other_are_trained_one_at_a_time(monkeypatch, capsys):
    """A mean over the runs, as no model here takes one."""
    model, chosen = trainable.choose(tiny_model("llama"), None)
    over_runs = gradient_descent.over_runs

    def mixed(function, weights, *rest, stacked):
        losses = over_runs(function, weights, *rest, stacked=stacked)
        return losses.mean().expand_as(losses)

    monkeypatch.setattr(gradient_descent, "over_runs", mixed)
    both = [training_batch.tensors(run, "label") for run in RUNS[:2]]
    assert gradient_descent.runs_at_once(model, chosen, both, Learner(rate=0.1)) == 1
    assert "side by side they fail (losses or gradients differ by" in capsys.readouterr().err


def test_a_padding_token_in_the_configuration_changes_nothing():
    model = tiny_model("gpt2", pad_token_id=0)
    expected = followed(tiny_model("gpt2"), RUNS, LEARNER)
    assert trainable.choose(model, None)[0] is model
    both = [training_batch.tensors(run, "label") for run in RUNS]
    assert gradient_descent.runs_at_once(model, trainable.choose(model, None)[1], both, LEARNER) > 1
    found = followed(model, RUNS, LEARNER)
    for epoch, (rows, losses) in expected.items():
        torch.testing.assert_close(found[epoch][0], rows, rtol=0, atol=1e-9)
        torch.testing.assert_close(found[epoch][1], losses, rtol=0, atol=1e-9)


GEMMA = {**LLAMA, "num_key_value_heads": 2, "head_dim": 4, "query_pre_attn_scalar": 4}


@pytest.mark.parametrize(
    ("kind", "sizes", "implementation"),
    [
        ("llama", LLAMA, "plain"),
        ("gemma2", {**GEMMA, "attn_logit_softcapping": 0.5}, "eager"),
        (
            "gpt_oss",
            {**LLAMA, "num_key_value_heads": 2, "head_dim": 4, "num_local_experts": 4},
            "eager",
        ),
    ],
)
def test_attention_that_does_more_than_ours_stays(kind, sizes, implementation):
    model = other_model(kind, **sizes)
    if kind == "gpt_oss":
        model.model.layers[0].self_attn.sinks.data.fill_(2.0)
    tokens, last = torch.tensor([[7, 9, 11, 5]]), torch.tensor([[3]])
    expected = forward.logits_at(model, tokens, last)
    attention.simplify(model)
    found = forward.logits_at(model, tokens, last)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert model.config._attn_implementation == implementation
