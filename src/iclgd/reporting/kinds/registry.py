"""All kinds of figures, by the names that a configuration gives them.

A step that draws one kind imports that kind's module alone, so that a change to one kind redraws
no other; only steps about all figures import this one. A kind has ``findings(summary)``
(its table) and ``BRACKETS`` (what the brackets in it are), and ``evidence(summary)`` if it decides
claims of papers (`claims.estimates`).
"""

from __future__ import annotations

from iclgd.reporting.kinds import (
    agreement,
    attention,
    checkpoints,
    controls,
    depth,
    dose,
    equivalence,
    nearest,
    order,
    regression,
    scale,
    shots,
    size,
    sparsity,
    twins,
    variance,
)

MODULES = (agreement, attention, checkpoints, controls, depth, dose, equivalence, nearest)
MODULES += (order, regression, scale, shots, size, sparsity, twins, variance)
KINDS = {module.__name__.rpartition(".")[2]: module for module in MODULES}
