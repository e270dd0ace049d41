"""Gradient descent on demonstrations, many small runs at a time.

A *run* trains the chosen weights on the demonstrations of one draw in one order, each
demonstration alone in its sequence, and is then given the queries alone. Runs of a small
model train side by side: they share its frozen weights and differ only in the trained
tensors, which carry a leading run dimension. A large model trains one run after the other, in
its own tensors. Only what lies above the lowest trained tensor is computed again and again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import cross_entropy

from iclgd.io import memory
from iclgd.io.cli import InputError, out_of_memory
from iclgd.learners import layer_causal, training_batch
from iclgd.learners.endings import Endings
from iclgd.learners.optimisers import OPTIMISERS, in_parts
from iclgd.learners.settings import Learner
from iclgd.learners.stack import Stack
from iclgd.learners.stepping import stepping
from iclgd.learners.trainable import Trained
from iclgd.learners.training_batch import Batch
from iclgd.models import dimensions, forward, partial_forward, tolerance

# Runs side by side: bytes of all their weights, gradients, what a step computes from them (three
# copies) and optimiser states.
STACKED_BYTES, COPIES = 1 << 28, 3
KEPT_BYTES = 1 << 28  # runs side by side: what all their blocks keep for a backward pass
# Numbers that a block keeps for its backward pass, per token and unit of width; measured for
# LLaMA's blocks (16 for those of Korthikanti et al. 2205.05198, equation 2, without dropout).
KEPT_PER_UNIT = 22
SMALL_BYTES = 1 << 26  # small on any machine: not worth a second forward pass


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """Within, what torch says of a model that it cannot differentiate is an InputError that begins
    with ``what``. Lack of memory is no such thing."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        if out_of_memory(error):
            raise
        raise InputError(f"{what}: {str(error).strip().splitlines()[0]}") from error


def summed_loss(
    model,
    lowest: int,
    weights: dict[str, Tensor],
    tokens: Tensor,
    positions: Tensor,
    targets: Tensor,
    hidden: Tensor | None = None,
    reading: str | None = None,
    squared: bool = False,
) -> Tensor:
    """Sum of the loss over the scored tokens of one run; shapes as in Batch.

    It is the cross-entropy (nats), with a ``reading`` (see `causal`) over layers too, or the
    squared error.
    """
    if reading:
        logits = layer_causal.logits(model, reading, lowest, weights, tokens, positions, hidden)
        targets = targets.repeat(len(logits) // len(targets), 1)
    else:
        with partial_forward.entered(model, lowest, hidden):
            if squared:
                return squared_error(model, weights, tokens, positions, targets)
            logits = forward.logits_at(model, tokens, positions, weights)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).flatten(0, 1)
    return cross_entropy(logits, targets.flatten(), ignore_index=-100, reduction="sum")


def squared_error(
    model, weights: dict[str, Tensor], tokens: Tensor, positions: Tensor, targets: Tensor
) -> Tensor:
    """Sum of 1/2 ||h - u||^2 over the scored tokens of one run; shapes as in Batch.

    h is what enters the unembedding, u the target's row of it: the mean over the
    demonstrations is 1 / (2 N) sum_j ||W x_j - y_j||^2 (von Oswald et al. 2212.07677) in the
    model of ``iclgd.models.gd_transformer``. The rows u stay those of the pretrained model.
    """
    found = forward.unembedded_at(model, tokens, positions, weights)
    wanted = model.get_output_embeddings().weight.detach()[targets.clamp(min=0)]
    return ((found - wanted).square().sum(-1) * (targets != -100)).sum() / 2


def over_runs(function: Callable, weights: dict[str, Tensor], *rest: Tensor, stacked: bool):
    """Call ``function(weights, *rest)`` for every run; outputs get a leading run dimension.

    The rest carries a run dimension if ``stacked``. Without weights there is one run, in the
    model's own tensors: no vmap, which large models do without.
    """
    if not weights:
        return function({}, *(x[0] if stacked else x for x in rest))[None]
    dims = (0, *(0 if stacked else None for _ in rest))
    return vmap(function, in_dims=dims, randomness="error")(weights, *rest)


def with_hidden(batch: Batch, model, lowest: int) -> Batch:
    """``batch`` with what enters block ``lowest``, if anything lies below that."""
    if lowest == 0:
        return batch
    time, hidden = batch.tokens.shape[-1], []
    for part in batch.micro():
        found = partial_forward.entering(model, lowest, part.tokens.flatten(0, 1))
        found = torch.nn.functional.pad(found, (0, 0, 0, time - found.shape[1]))
        hidden.append(found.unflatten(0, part.tokens.shape[:2]))
    return replace(batch, hidden=torch.cat(hidden, 1))


def runs_at_once(model, trained: Trained, batches: list[Batch], learner: Learner) -> int:
    """How many of the runs train side by side: few enough for weights, tokens and what is kept of
    them to stay small, and one where stacking changes what a run computes."""
    copies = COPIES + OPTIMISERS[learner.optimiser].states + Endings(learner, 0).watched
    by_weights = STACKED_BYTES // (copies * trained.bytes)
    tokens = batches[0].tokens.numel()
    by_tokens = training_batch.TOKENS_PER_STEP // tokens
    lowest = partial_forward.lowest(model, trained.start)
    by_kept = KEPT_BYTES // max(1, kept_bytes(model, lowest, tokens))
    size = max(1, min(by_weights, by_tokens, by_kept))
    if min(size, len(batches)) == 1 or not batches[0].together:
        return 1
    reason = tolerance.failure(lambda: side_by_side(model, trained, batches[:2], learner))
    if reason:
        print(f"runs are trained one at a time: side by side they fail ({reason})", file=sys.stderr)
    return 1 if reason else size


def side_by_side(model, trained: Trained, batches: list[Batch], learner: Learner) -> str | None:
    """How losses and gradients of stacked runs differ from those of each run alone; None if not.

    They are those of each run's first demonstration at the start values.
    """
    lowest = partial_forward.lowest(model, trained.start)
    together = with_hidden(training_batch.stacked(batches).step(0, 1), model, lowest)

    def descended(rows: slice, run: Callable) -> list[Tensor]:
        weights = trained.copies(rows.stop - rows.start)
        losses = run(weights, *(x[rows] for x in together.inputs()))
        gradients = torch.autograd.grad(losses.sum(), list(weights.values()), allow_unused=True)
        known = zip(gradients, weights.values(), strict=True)
        return [losses.detach(), *(torch.zeros_like(w) if g is None else g for g, w in known)]

    def loss(weights: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        squared = learner.loss == "squared"
        return summed_loss(model, lowest, weights, *inputs, reading=learner.causal, squared=squared)

    def single(weights: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        return loss({n: w[0] for n, w in weights.items()}, *(x[0] for x in inputs))[None]

    stacked = descended(slice(0, len(batches)), lambda *x: over_runs(loss, *x, stacked=True))
    each = [descended(slice(i, i + 1), single) for i in range(len(batches))]
    for found, *alone in zip(stacked, *each, strict=True):
        expected = torch.cat(alone)
        rounding = tolerance.ROUNDING[model.dtype] * max(1.0, float(expected.abs().max()))
        difference = float((found - expected).abs().max())
        if not difference <= rounding:
            return f"losses or gradients differ by {difference:.2g}"
    return None


def kept_bytes(model, lowest: int, tokens: int) -> int:
    """Bytes that the blocks from ``lowest`` on keep of so many tokens for a backward pass."""
    width = dimensions.width(model) * (dimensions.layers(model.config) - lowest)
    return 4 * KEPT_PER_UNIT * tokens * width


def large(model, lowest: int, batch: Batch) -> bool:
    """Whether blocks would keep more for a backward pass than half of the free memory.

    The other half is for gradients, what an optimiser keeps, and the logits.
    """
    kept = kept_bytes(model, lowest, batch.tokens.numel())
    if kept <= SMALL_BYTES:
        return False
    if batch.tokens.is_cuda:
        return kept > torch.cuda.mem_get_info(batch.tokens.device)[0] / 2
    return kept > memory.free(torch.get_num_threads()) / 2


class Recorded(NamedTuple):
    """The runs of a stack at a recorded epoch.

    ``weights``: the trained tensors (leading dimension: runs); ``losses`` [runs]: the mean loss of
    the demonstrations under them; ``states`` and ``trained``: see `endings.Endings`; ``moved``:
    whether any weight may differ from those of the recorded epoch before.
    """

    epoch: int
    weights: dict[str, Tensor]
    losses: Tensor
    states: list[str | None]
    trained: list[int]
    moved: bool


def descend(
    model,
    trained: Trained,
    batches: list[Batch],
    learner: Learner,
    watch: Callable[[Batch], None] = lambda _: None,
) -> Iterator[Recorded]:
    """Train one run per batch side by side; yield at every recorded epoch.

    A run whose loss is not finite goes on with NaN weights, which cannot reach the other runs;
    one that has ended (`endings`) keeps its weights. Those that have leave the stack as soon as
    they are `stack.LEAVING` of it; once all have ended, nothing is computed any more.

    A single batch is trained in the model's own tensors, and the dictionary is empty: the
    model *is* the trained one until the generator goes on, and as before at the end.
    ``watch`` is called with the demonstrations of every step, before it.
    """
    alone, squared = len(batches) == 1, learner.loss == "squared"
    if squared and any(
        own is model.get_output_embeddings().weight for own in trained.start.values()
    ):
        raise InputError("learner: loss squared needs the unembedding as it is; train less")
    lowest = partial_forward.lowest(model, trained.start)
    together = with_hidden(training_batch.stacked(batches), model, lowest)
    shots = together.tokens.shape[1]
    if reason := in_parts(learner.optimiser, learner.batch, shots):
        raise InputError(f"learner: {reason}")
    size = min(learner.batch or shots, shots)
    parts = together.step(0, size).micro()
    ending, recorded = Endings(learner, len(batches)), learner.recorded()
    judged = OPTIMISERS[learner.optimiser].judges  # it knows the losses under its weights

    def mean_losses(batch: Batch) -> Iterator[Tensor]:
        """Parts whose sum is the mean loss over ``batch``'s scored tokens, each [runs]."""
        count = (batch.targets != -100).sum((1, 2))
        for part in batch.micro():
            yield sum(summed(group) for group in part.groups()) / count

    def summed(group: Batch) -> Tensor:
        """The summed losses [runs] over demonstrations that go through the model at once."""
        return over_runs(
            lambda w, *inputs: summed_loss(
                model, lowest, w, *inputs, reading=learner.causal, squared=squared
            ),
            {} if alone else weights,
            *group.inputs(),
            stacked=True,
        )

    def see(epoch: int, losses: Tensor) -> None:
        for run in ending.see(epoch, stack.spread(losses, ending.losses)):
            if not alone:
                stack.end(run)

    def evaluate(
        batch: Batch, epoch: int | None, wanted: Callable[[Tensor], bool] = lambda _: True
    ) -> Tensor:
        """Backward passes of the mean losses [runs] over ``batch``, which are returned.

        With an ``epoch`` these are the losses by which runs end, known before the last of the
        passes: where none is left to train, there is no gradient. Nor is there one that is not
        ``wanted`` with these losses.
        """
        losses = torch.zeros(len(stack.there), device=batch.tokens.device)
        for number, part in enumerate(mean_losses(batch), 1):
            losses = losses + part.detach()
            if number == len(parts):
                if epoch is not None:
                    see(epoch, losses)
                if ending.all or not wanted(losses):
                    for weight in weights.values():
                        weight.grad = None
                    break
            part.sum().backward()
        return losses

    def take(step: Callable, start: int, epoch: int) -> Tensor:
        """One step on the demonstrations from ``start`` on; what the optimiser returns."""
        batch = together.step(start, size)
        watch(batch)
        seen = epoch if size == shots and not judged else None
        with in_one_line(f"GD cannot train architecture {model.config.model_type}"):
            losses = step(partial(evaluate, batch, seen))
        stack.freeze()
        return losses

    with (
        trained.in_place() if alone else nullcontext(trained.copies(len(batches))) as weights,
        stepping(
            weights, trained.masks, learner.over, alone and len(parts) == 1 and not judged
        ) as (step, keep),
        partial_forward.checkpointed(model, alone and large(model, lowest, parts[0])),
    ):
        stack = Stack(weights, len(batches))
        before, known = -1, None  # the last recorded epoch; the losses now, if a step told them
        for epoch in range(learner.epochs + 1):
            needed = epoch in recorded or (ending.watched and size < shots)
            if needed and known is None and not ending.all:
                with torch.no_grad():
                    known = sum(mean_losses(together))
            if known is not None:
                see(epoch, known)
            if epoch in recorded:
                own = {} if alone else stack.whole()
                moved = not ending.all or max(ending.at.values()) > before
                states, epochs = ending.states(epoch), ending.trained(epoch)
                yield Recorded(epoch, own, ending.losses, states, epochs, moved)
                before = epoch
            if epoch == learner.epochs:
                return
            known = None
            if not alone and not ending.all and (rows := stack.staying()) is not None:
                rows = rows.to(together.tokens.device)
                keep(rows)
                together = together.of_runs(rows)
            for start in range(0, 0 if ending.all else shots, size):
                losses = take(step, start, epoch)
                known = losses if judged else None
