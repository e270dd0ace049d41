"""Tables between steps: some rows of a long one."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclgd.io import parquet
from iclgd.io.cli import InputError

LONG = pl.DataFrame({"key": range(100), "values": [[i, -i] for i in range(100)]})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("tables") / "long[1].parquet"
    LONG.write_parquet(found, row_group_size=8)
    return found


@given(st.sets(st.integers(0, 99), max_size=12))
def test_rows_by_number_are_those_of_the_whole_table_in_its_order(path, rows):
    kinds = {"values": pl.List(pl.Int64)}
    assert parquet.read(path, kinds, rows).equals(LONG[sorted(rows)].select("values"))


def test_a_column_that_is_missing_is_named_where_few_rows_are_read(path):
    with pytest.raises(InputError, match="no column 'other'; it has key, values"):
        parquet.read(path, {"other": None}, [3])
