"""What a figure compares, and which models it has a note for."""

import polars as pl
import pytest
from support.roles import ROLES
from support.summaries import agreement

from iclgd.io.cli import InputError
from iclgd.reporting import select
from iclgd.reporting.names import Names


def test_models_without_emergent_icl_are_named():
    assert select.caveat({}) == select.caveat({"in_context_learning": None}) == ""
    mixed = {"in_context_learning": "2 topics: acquired (1.00); pairs: not acquired (0.49)"}
    none = {"in_context_learning": "2 topics: not acquired (0.51); pairs: not acquired (0.49)"}
    assert select.caveat(mixed) == ""
    assert select.caveat(none) == "no ICL"
    assert select.caveat({**mixed, "objective": "label"}) == "ICL objective"


def test_a_broken_manifest_is_an_error_that_names_it(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json"):
        select.manifests([tmp_path / "x.json"])


def test_the_bayesian_reader_is_compared_and_is_not_the_pretrained_model(tmp_path):
    """It has epoch 0 only, like the pretrained model, but is not that."""
    summary = pl.read_parquet(agreement(tmp_path / "s.parquet", gds=["gd"], rates=[1e-3]))
    summary = Names(ROLES).with_roles(summary)
    reader = summary.filter(pl.col("b") == "icl-redrawn")
    reader = reader.with_columns(b=pl.lit("bayes"), b_role=pl.lit("bayes"))
    both = select.compared(pl.concat([summary, reader]), ["ocs"]).sort("who")
    plain = select.compared(summary, ["ocs"]).sort("who")
    assert both.filter(pl.col("who") != "bayes").equals(plain)
    assert (
        both.filter(pl.col("who") == "bayes")["estimate"].to_list()
        == reader.filter(pl.col("metric") == "ocs")["estimate"].to_list()
    )
