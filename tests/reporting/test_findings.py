"""Tables of findings: readers' words, and cells by hand."""

import json
import re

import polars as pl
import pytest
from support import summaries
from support.reports import answered, claim
from support.roles import ROLES
from support.steps import run_step

from iclgd.io import parquet
from iclgd.reporting import findings, quantities
from iclgd.reporting.claims import judge
from iclgd.reporting.kinds import depth, shots, variance
from iclgd.reporting.names import Names
from iclgd.reporting.page import contents


def test_findings_use_readers_words_after_they_were_found(tmp_path):
    """Two learners of one label stay two rows, and a label is no role."""
    path = summaries.agreement(
        tmp_path / "s.parquet", shots=(1, 8), gds=["gd", "adam"], rates=[1e-3]
    )
    labels = {"icl-reordered": "the same", "icl-redrawn": "the same", "agnews": "AG News, news"}
    found = findings.of(shots, path, Names(ROLES, labels))
    rows = found.table
    assert rows[0][:4] == ["model", "task", "learner", "accuracy, N = 1"]
    assert [row[2] for row in rows].count("the same") == 2
    assert {row[1] for row in rows[1:]} == {"AG News, news"}
    assert found.brackets == "95 % intervals over draws and queries"
    plain = shots.findings(Names(ROLES).with_roles(pl.read_parquet(path)))
    assert [row[3:] for row in rows] == [row[3:] for row in plain]


def test_the_tables_of_whole_curves(tmp_path):
    rows = depth.findings(pl.read_parquet(summaries.depth(tmp_path / "d.parquet")))
    assert rows[0][4:7] == [f"token overlap, K = {k}" for k in (2, 10, 100)]
    assert rows[1][3:5] == ["icl-reordered", "0.78 [0.75, 0.81]"]
    rows = variance.findings(pl.read_parquet(summaries.variance(tmp_path / "v.parquet")))
    assert rows[0][4:] == ["last label", "last demonstration", "positions", "rest"]
    assert rows[1][3:5] == ["icl", "0.35 [0.30, 0.40]"]
    assert [row[3] for row in rows[2:]] == [
        f"{name}, epoch 200" for name in ("gd@0.001", "sgd-1@0.01", "adam@0.001")
    ]


@pytest.mark.parametrize("judged", [None, [], [claim(), claim(verdict="cannot tell")]])
def test_the_claims_stand_before_the_figures_one_row_each(tmp_path, judged):
    summary = summaries.agreement(tmp_path / "shots.parquet", gds=["gd"], rates=[1e-3])
    figures = {"shots": {"name": "shots", "kind": "shots", "roles": ROLES}}
    given = ["--summaries", summary, "--figures", json.dumps(figures), "--manifests"]
    given += summaries.manifests(tmp_path, {"llama-7b": 6.7e9})
    if judged is not None:
        parquet.write(pl.DataFrame(judged, schema=judge.SCHEMA), tmp_path / "claims.parquet")
        given += ["--claims", tmp_path / "claims.parquet"]
    given += ["--configurations", json.dumps({"shots": "0123456789ab"})]
    given += ["--quantities", tmp_path / "findings.csv", "--answer", answered(tmp_path)]
    run_step("report_findings", *given, "--output", tmp_path / "findings.txt")
    values = quantities.read(tmp_path / "findings.csv").values()
    # Each cell of the text is a value.
    cells = re.split(r"\s{2,}|\n", (tmp_path / "findings.txt").read_text())
    shown = [one.printed for one in values if one.kind == "shots" and one.estimate]
    assert len(shown) >= 9 and set(shown) <= set(cells)
    assert {"configuration", "weights"} <= {one.quantity for one in values}
    assert ("claims" in {one.kind for one in values}) == bool(judged)
    assert [one.said for one in values if one.kind == "answer"] == ["No, by 3."]
    blocks = (tmp_path / "findings.txt").read_text().strip().split("\n\n")
    heads = [block.split()[0] for block in blocks]
    assert heads == ["model", "Values", *(["claims"] if judged else []), "shots"]
    if judged:
        assert [re.split(r"\s{2,}", line.strip()) for line in blocks[2].splitlines()[1:]] == [
            ["paper", "verdict", "cells", "claim"],
            ["Shen et al.", "holds", "holds 1, cannot tell 1", "GD differs."],
        ]


QUANTISED = {
    "model": "m",
    "quantised": "Q4_1",
    "instruct": True,
    "weights": 1234,
    "in_context_learning": None,
    "source": {"path": "m.gguf"},
    "commit": None,
    "architecture": "llama",
    "layers": 2,
    "dtype": "float32",
    "sha256": "f00",
}
PLAIN = {**QUANTISED, "model": "plain", "quantised": None, "instruct": None}


def test_every_table_says_what_a_model_was_quantised_to():
    manifests, told = [QUANTISED, PLAIN], "m (Q4_1, instruction-tuned)"
    assert [row[0] for row in findings.models(manifests)] == ["model", told, "plain"]
    assert [row[0] for row in contents.models(manifests)] == ["model", told, "plain"]
    table = [["model", "task", "N"], ["m", "m", "1"], ["plain", "t", "2"], ["other", "t", "2"]]
    assert findings.with_models(table, manifests) == [
        table[0],
        [told, "m", "1"],
        *table[2:],
    ]
    judged = pl.DataFrame([claim(model="m"), claim(model="plain")], schema=judge.SCHEMA)
    shown = contents.claims(judged, manifests)
    assert [row["model"] for row in shown] == [(told, told), ("plain", "plain")]
