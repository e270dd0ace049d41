"""The excess over ICL's own noise, cell by cell, on numbers that can be checked by hand."""

import polars as pl
import pytest

from iclgd.io.cli import InputError
from iclgd.statistics import cells


def rows(tv, tv_most, orders=(0, 1), splits=("test", "validation")):
    """One draw of two queries; ``tv`` and ``tv_most`` of the first, by order."""
    return pl.DataFrame(
        [
            {"draw": 0, "example": example, "order": order, "split": split, "tv": tv[order]}
            | {"tv_most": tv_most[order], "token_overlap": 0.25}
            for order in orders
            for example, split in enumerate(splits)
        ]
    )


def test_the_excess_is_between_what_the_bounds_of_both_distances_leave():
    icl, gd = rows([0.1, 0.3], [0.2, 0.4]), rows([0.5, 0.7], [0.6, 1.0])
    own, noise = (cells.distances(one, [], ["tv"]) for one in (gd, icl))
    assert own.select("example", "least", "most").rows() == [(0, 0.6, 0.8)]  # test queries alone
    (row,) = cells.against(own, noise, ("gd", "again")).iter_rows(named=True)
    assert row["distance"] == pytest.approx(0.6) and row["reference"] == pytest.approx(0.2)
    assert row["excess"] == pytest.approx(0.6 - 0.3)
    assert row["excess_most"] == pytest.approx(0.8 - 0.2)


def test_a_measure_of_agreement_is_turned_into_a_distance():
    (row,) = cells.distances(rows([0, 0], [0, 0]), [], ["token_overlap"]).iter_rows(named=True)
    assert (row["least"], row["most"]) == (0.75, 0.75)


def test_a_cell_that_the_reference_lacks_is_an_error_with_both_names():
    own, noise = (
        cells.distances(rows([0, 0], [0, 0], splits=splits), [], ["tv"])
        for splits in (("test", "test"), ("test",))
    )
    with pytest.raises(InputError, match="gd@1 has draws or queries that again has not"):
        cells.against(own, noise, ("gd@1", "again"))
