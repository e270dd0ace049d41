"""What the tests of a study can tell, before it has run."""

from __future__ import annotations

import math
from statistics import NormalDist

# Standard deviation over draws of the excess, total variation of GD from ICL minus that of ICL
# reordered from ICL: it was 0.06 to 0.14 in the six primary tests of config/real.yaml.
SPREAD = 0.10
ERRORS = 0.05, 0.2  # of the first kind, over all tests together; of the second kind


def detectable(draws: int, tests: int) -> float:
    """By how much GD has to be farther than the smallest effect to be found so, about.

    ``tests``: that are corrected together (the first step of Holm's procedure). Of the normal
    approximation, which is too small for few draws.
    """
    first, second = ERRORS
    normal = NormalDist()
    ends = normal.inv_cdf(1 - first / tests) + normal.inv_cdf(1 - second)
    return ends * SPREAD / math.sqrt(draws)
