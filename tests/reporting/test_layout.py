"""Layout: where labels stand."""

import itertools

from iclgd.reporting import layout


def test_spreading_moves_only_what_is_too_close():
    assert layout.spread_labels([0.0, 5.0], 1, -1, 10) == [0.0, 5.0]
    moved = layout.spread_labels([1.0, 5.0, 5.1, 5.2], 1, -1, 10)
    assert moved[0] == 1.0
    assert all(b - a > 1 - 1e-9 for a, b in itertools.pairwise(moved))
    assert layout.spread_labels([], 1, 0, 1) == []
