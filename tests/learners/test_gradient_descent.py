"""Many runs at a time equal one plain run at a time, and a twin in ten lines of torch."""

import copy

import numpy as np
import pytest
import torch
from support.descents import QUERIES, RUNS, compare, followed, logprobs
from support.models import ONE_BY_ONE, VOCABULARY, tiny_model, tolerance

from iclgd.io.cli import InputError
from iclgd.learners import evaluation, gradient_descent, settings, trainable, training_batch
from iclgd.learners.optimisers import OPTIMISERS, Optimiser
from iclgd.learners.settings import Learner
from iclgd.models import architectures
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

V_MID = {"layers": [0.5, 2], "matrices": ["v"]}
QKV = {"layers": [1], "matrices": ["q", "k", "v", "o", "mlp"]}


def mask(model, name: str, train: dict | None) -> torch.Tensor | float:
    """1 where ``train`` lets a parameter move, 0 elsewhere."""
    if train is None:
        return 1.0
    if "lora" in train:
        return float("lora_" in name)
    found = torch.zeros_like(model.get_parameter(name))
    for layer in train["layers"]:
        number = architectures.layer_number(model.config, layer)
        for matrix in train["matrices"]:
            if name in architectures.parameter_names(model.config, number, matrix):
                architectures.view(model.config, matrix)(found).fill_(1)
    return found


class Nesterov:
    """Sutskever et al. 2013 as torch writes it: b = m b + g, w = w - rate (g + m b)."""

    def __init__(self, weights, rate: float, momentum: float = 0.9):
        self.weights, self.rate, self.momentum = list(weights), rate, momentum
        self.velocity = [torch.zeros_like(weight) for weight in self.weights]

    def zero_grad(self) -> None:
        for weight in self.weights:
            weight.grad = None

    def step(self) -> None:
        for weight, velocity in zip(self.weights, self.velocity, strict=True):
            velocity.mul_(self.momentum).add_(weight.grad)
            weight.data -= self.rate * (weight.grad + self.momentum * velocity)


class Sign(Nesterov):
    def step(self) -> None:
        for weight in self.weights:
            weight.data -= self.rate * ((weight.grad > 0).double() - (weight.grad < 0).double())


def twin(model, demos, learner: Learner) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """The same descent as plainly as torch allows: no padding, no stacking, no hooks."""
    model = copy.deepcopy(model).requires_grad_(True)
    masks = {name: mask(model, name, learner.train) for name, _ in model.named_parameters()}
    optimiser = {
        "sgd": lambda p: torch.optim.SGD(p, lr=learner.rate, **learner.settings),
        "adam": lambda p: torch.optim.Adam(p, lr=learner.rate),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=learner.rate, **learner.settings),
        "nesterov": lambda p: Nesterov(p, learner.rate, **learner.settings),
        "sign": lambda p: Sign(p, learner.rate),
    }[learner.optimiser](model.parameters())

    def loss(part) -> torch.Tensor:
        losses = []
        for tokens, start in part:
            first = start if learner.loss == "label" else 1
            scores = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
            losses += [-scores[i - 1, tokens[i]] for i in range(first, len(tokens))]
        return torch.stack(losses).mean()

    found = {}
    for epoch in range(learner.epochs + 1):
        if epoch in learner.recorded():
            with torch.no_grad():
                rows = [model(torch.tensor([q])).logits[0, -1].log_softmax(-1) for q in QUERIES]
                found[epoch] = torch.stack(rows), loss(demos)
        for start in range(0, len(demos), learner.batch or len(demos)):
            optimiser.zero_grad()
            loss(demos[start : start + (learner.batch or len(demos))]).backward()
            for name, parameter in model.named_parameters():
                parameter.grad *= masks[name]
            optimiser.step()
    return found


def check(model, learner: Learner, atol: float, runs=RUNS) -> None:
    """One run alone, and ``runs`` side by side, against a twin of each."""
    if model.config.model_type in ONE_BY_ONE:
        runs = runs[:1]
    twins = [twin(model, run, learner) for run in runs]
    compare(followed(model, runs[:1], learner), twins[:1], atol)
    if len(runs) > 1:
        compare(followed(model, runs, learner), twins, atol)


LEARNERS = {
    "full batch": Learner(rate=0.05, epochs=2),
    "a block": Learner(rate=0.1, epochs=2, batch=2, settings={"momentum": 0.5}, train=QKV),
    "v": Learner(rate=0.5, epochs=3, train=V_MID),
    "batch 1": Learner(rate=0.02, epochs=3, batch=1, record=(1, 2)),
    "batch 2, momentum": Learner(rate=0.02, epochs=3, batch=2, settings={"momentum": 0.9}),
    "batch 4, all tokens": Learner(rate=0.1, epochs=3, batch=4, loss="all"),
    "adam": Learner(rate=0.003, epochs=3, batch=3, optimiser="adam"),
    "nesterov": Learner(rate=0.02, epochs=3, batch=3, optimiser="nesterov"),
    "nesterov, a block": Learner(
        rate=0.1, epochs=3, optimiser="nesterov", settings={"momentum": 0.5}, train=QKV
    ),
    "sign": Learner(rate=0.001, epochs=3, optimiser="sign", train=V_MID),
}


@pytest.mark.parametrize("name", ["full batch", "a block"])
def test_stacked_runs_equal_plain_twins_in_float64(architecture, name):
    check(tiny_model(architecture), LEARNERS[name], tolerance(architecture), RUNS[:2])


@pytest.mark.parametrize("name", list(LEARNERS)[2:])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"], indirect=True)
def test_every_optimiser_equals_its_plain_twin(architecture, name):
    check(tiny_model(architecture), LEARNERS[name], 1e-9)


def test_stacked_runs_equal_plain_twins_in_float32(architecture):
    check(tiny_model(architecture, "float32"), LEARNERS["full batch"], 1e-5, RUNS[:2])


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox"], indirect=True)
def test_adapters_equal_their_twin_and_begin_untouched(architecture):
    model = tiny_model(architecture)
    lora = {"rank": 2, "alpha": 4, "matrices": ["q", "k", "v", "o"]}
    learner = Learner(rate=0.2, epochs=4, train={"lora": lora})
    untouched = [model(torch.tensor([q])).logits[0, -1].log_softmax(-1) for q in QUERIES]
    wrapped, chosen = trainable.choose(model, learner.train)
    twins = [twin(wrapped, run, learner) for run in RUNS]
    batches = [training_batch.tensors(run, "label") for run in RUNS]
    found = {
        epoch: (logprobs(wrapped, weights), losses)
        for epoch, weights, losses, *_ in gradient_descent.descend(
            wrapped, chosen, batches, learner
        )
    }
    assert all("lora_" in name for name in chosen.start)
    torch.testing.assert_close(found[0][0][1], torch.stack(untouched), rtol=0, atol=1e-12)
    compare(found, twins, 1e-9)


def test_adapters_do_not_depend_on_what_was_drawn_before():
    train = {"lora": {"rank": 2, "matrices": ["v"]}}
    _, one = trainable.choose(tiny_model("llama", seed=3), train, seed="topic2")
    torch.randn(7)
    _, two = trainable.choose(tiny_model("llama", seed=3), train, seed="topic2")
    _, other = trainable.choose(tiny_model("llama", seed=3), train, seed="topic4")
    same = [torch.equal(one.start[name], two.start[name]) for name in one.start]
    assert len(same) == 6 and all(same)
    assert any(not torch.equal(one.start[name], other.start[name]) for name in one.start)


def test_adapters_of_a_part_of_a_fused_weight_are_refused():
    with pytest.raises(InputError, match=r"q, k, v .* one weight.*gpt2"):
        trainable.choose(tiny_model("gpt2"), {"lora": {"rank": 2, "matrices": ["v"]}})


@pytest.mark.parametrize(
    "learner",
    [
        LEARNERS["v"],
        Learner(rate=0.01, epochs=2, optimiser="adam", train=V_MID),
        Learner(rate=0.01, epochs=1, optimiser="sign", train=V_MID),
    ],
)
def test_nothing_outside_the_chosen_matrices_moves(architecture, learner):
    model, chosen = trainable.choose(tiny_model(architecture), learner.train)
    before = copy.deepcopy(model.state_dict())
    batches = [training_batch.tensors(RUNS[0], "label")]
    for _ in gradient_descent.descend(model, chosen, batches, learner):
        weights = copy.deepcopy(chosen.start)
    for name in weights:
        moved = weights[name] != before[name]
        allowed = mask(model, name, learner.train).bool()
        assert not (moved & ~allowed).any()
        assert (moved & allowed).sum() > 0.9 * allowed.sum(), name
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), f"the model's own {name} is not as it was"


def test_whole_models_are_left_as_they_were(architecture):
    model = tiny_model(architecture)
    before = copy.deepcopy(model.state_dict())
    first = followed(model, RUNS[:1], LEARNERS["full batch"])
    again = followed(model, RUNS[:1], LEARNERS["full batch"])
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    assert all(torch.equal(first[epoch][0], again[epoch][0]) for epoch in first)


@pytest.mark.parametrize("loss", ["label", "all"])
def test_the_loss_is_the_mean_over_scored_tokens(loss):
    model = tiny_model("llama")
    scored = []
    for tokens, start in RUNS[0]:
        rows = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        places = range(start if loss == "label" else 1, len(tokens))
        scored += [-rows[i - 1, tokens[i]].item() for i in places]
    assert len(scored) == (6 if loss == "label" else sum(len(t) - 1 for t, _ in RUNS[0]))
    found = followed(model, RUNS[:1], Learner(rate=0.0, epochs=0, loss=loss))
    assert found[0][1].item() == pytest.approx(np.mean(scored), abs=1e-12)


@pytest.mark.parametrize("tokens_per_batch", [1, 30, 60])
@pytest.mark.parametrize("runs", [RUNS, RUNS[:1]])
def test_micro_batches_equal_one_batch(tokens_per_batch, runs, monkeypatch):
    model = tiny_model("llama")
    whole = followed(model, runs, LEARNERS["full batch"])
    monkeypatch.setattr(training_batch, "TOKENS_PER_STEP", tokens_per_batch)
    parts = followed(model, runs, LEARNERS["full batch"])
    for epoch in whole:
        torch.testing.assert_close(parts[epoch], whole[epoch], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["full batch", "v", "batch 1", "batch 2, momentum"])
def test_full_batch_does_not_depend_on_the_order_and_sgd_does(name):
    found = followed(tiny_model("llama"), [RUNS[0], RUNS[2]], LEARNERS[name])
    one, other = found[max(found)][0]
    change = (one - other).abs().max().item()
    if LEARNERS[name].batch is None:
        assert change < 1e-9
    else:
        assert change > 1e-5


def test_a_run_that_diverges_leaves_the_others_alone():
    model = tiny_model("llama")
    poisoned = 141
    model.get_input_embeddings().weight[poisoned] = torch.nan
    bad = [([0, poisoned, 30, 31], 3), *RUNS[1][1:]]
    learner = Learner(rate=0.5, epochs=4, train=V_MID)
    model, chosen = trainable.choose(model, learner.train)
    queries = evaluation.Queries(model, chosen, QUERIES, "cpu")

    def epochs_of(runs):
        batches = [training_batch.tensors(run, "label") for run in runs]
        for epoch, weights, losses, *_ in gradient_descent.descend(model, chosen, batches, learner):
            ((_, found),) = evaluation.answers(
                model, weights, queries, NextToken([133, 140], VOCABULARY)
            )
            yield epoch, losses, found

    for mixed, good in zip(
        epochs_of([RUNS[0], bad, RUNS[2]]), epochs_of([RUNS[0], RUNS[2]]), strict=True
    ):
        assert mixed[1].isfinite().tolist() == [True, False, True]
        assert mixed[2][1].finite.all() == (mixed[0] == 0)
        for run, same in ((0, 0), (2, 1)):
            assert mixed[2][run].finite.all()
            np.testing.assert_allclose(
                mixed[2][run].label_logprobs, good[2][same].label_logprobs, atol=1e-6
            )


def test_a_huge_rate_gives_rows_that_say_diverged(task):
    rows = prompts.queries(task).head(len(QUERIES))
    model, chosen = trainable.choose(tiny_model("llama", "float32"), None)
    queries = evaluation.Queries(model, chosen, QUERIES, "cpu")
    batches = [training_batch.tensors(run, "label") for run in RUNS]
    steps = gradient_descent.descend(model, chosen, batches, Learner(rate=1e30, epochs=3))
    for epoch, weights, losses, *_ in steps:
        ((_, answers),) = evaluation.answers(model, weights, queries, NextToken([133, 140], 8))
        for loss, found in zip(losses.tolist(), answers, strict=True):
            keys = {"draw": 0, "order": 0, "epoch": epoch}
            table = NextToken([133, 140], 1).rows(found, keys, rows, loss)
            assert table["status"].unique().to_list() == ["ok" if epoch == 0 else "diverged"]
            assert table["top_ids"].is_null().all() == (epoch > 0)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gptj", "opt"], indirect=True)
def test_small_updates_of_bfloat16_models_are_not_lost(architecture):
    model, chosen = trainable.choose(tiny_model(architecture, "bfloat16"), None)
    batches = [training_batch.tensors(run, "label") for run in RUNS]
    learner = Learner(rate=1e-5, epochs=20, record=(1,))
    updates = {
        epoch: {n: w[0] - chosen.start[n] for n, w in weights.items()}
        for epoch, weights, *_ in gradient_descent.descend(model, chosen, batches, learner)
    }
    assert all(tensor.dtype == torch.float32 for tensor in chosen.start.values())
    name, update = max(updates[20].items(), key=lambda item: item[1].norm())
    moved = updates[1][name] != 0
    assert moved.any()
    # Twenty steps add up to about twenty times the first ...
    assert update.norm().item() == pytest.approx(20 * updates[1][name].norm().item(), rel=0.2)
    # ... of which bfloat16 weights would keep next to nothing.
    rounded = (chosen.start[name] + updates[1][name]).bfloat16().float() - chosen.start[name]
    assert ((rounded != 0) & moved).sum() < 0.05 * moved.sum()


def test_asked_queries_equal_the_scores_of_the_untouched_model(architecture):
    model = tiny_model(architecture)
    expected = [model(torch.tensor([q])).logits[0, -1].log_softmax(-1) for q in QUERIES]
    model, chosen = trainable.choose(model, None)
    queries = evaluation.Queries(model, chosen, QUERIES, "cpu")
    ((_, (found,)),) = evaluation.answers(model, {}, queries, NextToken([133, 140], VOCABULARY))
    for row, own in enumerate(expected):
        np.testing.assert_allclose(found.label_logprobs[row], own[[133, 140]], atol=1e-6)
        np.testing.assert_allclose(
            found.top_logprobs[row], own[found.top_ids[row].astype(int)], atol=1e-6
        )


def test_recorded_epochs():
    assert Learner(0.1).recorded() == [0, 1, 2, 5, 10, *range(20, 201, 20)]
    assert Learner(0.1, epochs=7).recorded() == [0, 1, 2, 5, 7]
    assert Learner(0.1, epochs=7, record=(3, 9)).recorded() == [0, 3, 7]
    assert Learner(0.1, epochs=0).recorded() == [0]
    found = followed(tiny_model("llama"), RUNS[:1], Learner(0.1, epochs=3, record=(2,)))
    assert list(found) == [0, 2, 3]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"rate": 0.1, "epoch": 3}, "unknown key 'epoch' .*epochs"),
        ({"epochs": 3}, "no rate"),
        ({"rate": 0.1, "optimiser": "sdg"}, "optimiser 'sdg' .*sgd"),
        ({"rate": 0.1, "loss": "labels"}, "loss 'labels' .*label, all"),
        ({"rate": 0.1, "optimiser": "adam", "momentum": 0.9}, "momentum .*sgd, nesterov, not"),
        ({"rate": 0.1, "optimiser": "sign", "momentum": 0.9}, "momentum .*sgd, nesterov, not"),
        ({"rate": 0.1, "optimiser": "nesterov", "momentum": 0}, "momentum of nesterov .*above 0"),
        ({"rate": 0.1, "train": {"layer": [1], "matrices": ["v"]}}, "train .*layers, matrices"),
        ({"rate": 0.1, "train": {"layers": [1], "matrices": ["w"]}}, "matrix 'w' .*q, k, v"),
        ({"rate": 0.1, "train": {"lora": {"rank": 2}}}, "rank, matrices"),
    ],
)
def test_learners_with_a_mistake_are_refused(entry, message):
    with pytest.raises(InputError, match=message):
        settings.learner(entry)


def test_an_optimiser_is_one_row(monkeypatch):
    """With a setting of its own, which other optimisers then refuse."""
    row = Optimiser("RMSprop", 1, {"alpha": 0.99})
    monkeypatch.setitem(OPTIMISERS, "rmsprop", row)
    entry = {"rate": 0.01, "epochs": 2, "optimiser": "rmsprop", "alpha": 0.5}
    with pytest.raises(InputError, match="alpha belongs to rmsprop, not to sgd"):
        settings.learner({**entry, "optimiser": "sgd"})
    with pytest.raises(InputError, match="momentum belongs to sgd, nesterov, not to rmsprop"):
        settings.learner({**entry, "momentum": 0.9})
    learner = settings.learner(entry)
    model = tiny_model("llama")
    optimiser = learner.over([parameter.clone() for parameter in model.parameters()])
    assert isinstance(optimiser, torch.optim.RMSprop)
    assert optimiser.defaults["lr"] == 0.01 and optimiser.defaults["alpha"] == 0.5
    check(model, learner, tolerance(model))


def test_a_learner_from_the_catalogue():
    entry = {"rate": 0.1, "record": [1, 2], "train": {"lora": {"rank": 2, "matrices": ["q"]}}}
    assert settings.learner(entry).recorded() == [0, 1, 2, 200]


def test_demonstrations_are_trained_on_in_the_order_of_their_run(task, tokenizer):
    train = task.filter(task["split"] == "train")
    shown = train["example"].to_list()[:3]
    runs = [prompts.Demonstrations(0, 0, tuple(shown)), prompts.Demonstrations(0, 1, (shown[2],))]
    encoded = answer_tokens.encode_demonstrations(tokenizer, task, runs)
    long, short = training_batch.batches(encoded, "label", "cpu")
    rows = [train.row(i, named=True) for i in range(3)]
    whole = prompts.encode(tokenizer, [r["instruction"] + r["text"] + r["answer"] for r in rows])
    assert long.tokens.tolist() == whole
    assert short.tokens.tolist() == [whole[2]]
    assert long.targets.tolist() == [tokens[-1:] for tokens in whole]
    assert long.positions.tolist() == [[len(tokens) - 2] for tokens in whole]


def test_few_runs_at_once_where_weights_or_demonstrations_are_large(monkeypatch):
    model, chosen = trainable.choose(tiny_model("llama"), None)
    batches, learner = [training_batch.tensors(run, "label") for run in RUNS], Learner(rate=0.1)
    assert gradient_descent.runs_at_once(model, chosen, batches, learner) > 10
    kept = gradient_descent.kept_bytes(model, 0, batches[0].tokens.numel())
    with monkeypatch.context() as less:
        less.setattr(gradient_descent, "KEPT_BYTES", 4 * kept)
        assert gradient_descent.runs_at_once(model, chosen, batches, learner) == 4
        less.setattr(gradient_descent, "KEPT_BYTES", 0)
        assert gradient_descent.runs_at_once(model, chosen, batches, learner) == 1
    monkeypatch.setattr(gradient_descent, "STACKED_BYTES", 12 * chosen.bytes)
    assert gradient_descent.runs_at_once(model, chosen, batches, learner) == 3
    monkeypatch.setattr(training_batch, "TOKENS_PER_STEP", 2 * batches[0].tokens.numel())
    assert gradient_descent.runs_at_once(model, chosen, batches, learner) == 2
    monkeypatch.setattr(gradient_descent, "STACKED_BYTES", 0)
    assert gradient_descent.runs_at_once(model, chosen, batches, learner) == 1
