"""The change of weights that imitates ICL beside the change that gradient descent makes.

On the one side the static patch of a matrix (`learners.patches`): one change for all queries, from
ICL's states on texts without labels (Dherin et al. 2507.16003). On the other what gradient descent
on the demonstrations adds to the same matrix. Where ICL is gradient descent they are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iclgd.learners import gradient_descent
from iclgd.learners.patches import Change, Matrix
from iclgd.learners.settings import Learner
from iclgd.learners.trainable import Trained
from iclgd.learners.training_batch import Batch
from iclgd.models import architectures


def cosine(one: Tensor, other: Tensor) -> float:
    """Of two matrices as vectors; NaN of one that is 0."""
    size = one.norm() * other.norm()
    return float(((one * other).sum() / size).clamp(-1, 1)) if size > 0 else torch.nan


def shared_inputs(patch: Tensor, update: Tensor, count: int) -> float:
    """Share of ``patch`` [out, in] in the span of the first ``count`` right singular vectors of
    ``update``, by squared norms: ||P V V^T||^2 / ||P||^2. NaN where either is 0.

    Of an update of lower rank as many as it has.
    """
    if not update.any() or not patch.any() or not (update.isfinite().all()):
        return torch.nan
    _, sizes, vectors = torch.linalg.svd(update, full_matrices=False)
    kept = vectors[:count][sizes[:count] > sizes[0] * 1e-9]
    return float(((patch @ kept.mT).norm() / patch.norm()).square().clamp(max=1))


def spread(change: Change) -> float:
    """Mean cosine, over pairs of texts, of the least changes for each, y_i x_i^T / ||x_i||^2.

    1: one change does for all. NaN of fewer than two texts that need any.
    """
    needed = change.wanted.norm(dim=1) > 0
    x, y = (nn.functional.normalize(one[needed], dim=1) for one in (change.x, change.wanted))
    both, count = (x @ x.mT) * (y @ y.mT), len(x)
    if count < 2:
        return torch.nan
    return float((both.sum() - both.trace()) / (count * (count - 1)))


def trained(
    model, chosen: Trained, batch: Batch, learner: Learner, matrices: list[Matrix]
) -> dict[str, Tensor]:
    """What training adds to those of the chosen weights that are of patched matrices, in float64.

    NaN of a run that diverged.
    """
    patched = {id(one.module.weight) for one in matrices}
    kept = {name: own for name, own in chosen.start.items() if id(own) in patched}
    start = {name: own.detach().clone() for name, own in kept.items()}
    for now in gradient_descent.descend(model, chosen, [batch], learner):
        if now.epoch == learner.epochs:
            return {name: own.detach().double() - start[name] for name, own in kept.items()}
    raise AssertionError("the last epoch is always recorded")


def of_matrices(
    model, matrices: list[Matrix], added: dict[str, Tensor]
) -> list[tuple[Matrix, str, Tensor]]:
    """The patched matrices that are trained, with their parameters and updates [out, in]."""
    names = {id(own): name for name, own in model.named_parameters()}
    transposed = architectures.row(model.config).transposed
    found = []
    for one in matrices:
        name = names[id(one.module.weight)]
        if name in added:
            found.append((one, name, added[name].mT if transposed else added[name]))
    return found
