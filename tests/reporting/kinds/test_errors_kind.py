"""Figures of errors: the headline, what there is no number for, the table."""

import polars as pl
import pytest
from support.roles import ROLES
from support.summaries_verdicts import errors

from iclgd.reporting.kinds import errors as kind
from iclgd.reporting.names import Names

NAMES = Names(ROLES)


def summary(folder, **more):
    return NAMES.with_roles(pl.read_parquet(errors(folder / "s.parquet", **more)))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {},
            "errs where ICL errs in 2 of 4 comparisons, less than ICL reordered does in 2; "
            "with ICL's wrong label beyond chance in 2 of 4",
        ),
        (
            {"tasks": ("cb",), "near": (0.0, 0.0)},
            "errs where ICL errs in 0 of 2 comparisons, less than ICL reordered does in 2; "
            "with ICL's wrong label beyond chance in 0 of 2",
        ),
        (
            {"few": ("cb",)},
            "errs where ICL errs in 1 of 2 comparisons, less than ICL reordered does in 1; "
            "with ICL's wrong label beyond chance in 1 of 2",
        ),
    ],
)
def test_the_headline_counts_comparisons_of_what_trains(tmp_path, more, said):
    assert kind.headline(summary(tmp_path, **more), NAMES) == f"Gradient descent {said}"


def test_few_errors_and_no_learner_that_trains_are_told(tmp_path):
    few = summary(tmp_path, few=("agnews", "cb"))
    told = "ICL or gradient descent errs too seldom to say whether they err alike"
    assert kind.headline(few, NAMES) == told
    rest = summary(tmp_path).filter(pl.col("learner_role").is_in(["solver", "icl-reordered"]))
    none = "No learner that trains was compared with ICL"
    assert kind.headline(rest, NAMES) == none
    assert kind.headline(rest.clear(), NAMES) == none


def test_without_wrong_labels_or_icl_reordered_the_headline_says_less(tmp_path):
    table = summary(tmp_path)
    same = pl.col("metric").str.starts_with("same")
    nothing = table.with_columns(pl.when(~same).then("p"))
    text = kind.headline(nothing, NAMES)
    assert text.endswith("does in 2; both err too seldom to compare wrong labels")
    alone = table.filter(~pl.col("metric").str.ends_with("excess"))
    assert "reordered" not in kind.headline(alone, NAMES)


def test_a_contrast_that_not_every_comparison_has_says_of_how_many(tmp_path):
    table = summary(tmp_path)
    lost = (pl.col("metric") == "error_gap_excess") & (pl.col("task") == "cb")
    text = kind.headline(table.filter(~lost), NAMES)
    assert "in 2 of 4 comparisons, less than ICL reordered does in 1 of 2;" in text


def test_findings_have_numbers_tests_and_dashes(tmp_path):
    head, *rows = kind.findings(summary(tmp_path, few=("cb",)))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert len(found) == 8 and {len(row) for row in rows} == {len(head)}
    by = {(one["task"], one["learner"]): one for one in found}
    gd = by["agnews", "gd@0.01, epoch 20"]
    assert gd["difference"] == "0.30 [0.25, 0.35], p 0.01"
    assert gd["errs where ICL errs"] == "0.60 [0.55, 0.65]"
    assert gd["minus ICL reordered's"].endswith("p 0.2")
    few = by["cb", "gd@0.01, epoch 20"]
    assert few["ICL errs"] == "0.00 [-0.05, 0.05]" and few["difference"] == "-"
    assert by["agnews", "icl-reordered"]["minus ICL reordered's"] == "-"
    assert by["agnews", "oracle"]["same wrong label"] == "-"
