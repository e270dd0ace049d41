"""Tables of findings: readers' words, and cells by hand."""

import polars as pl
from support import summaries

from iclgd.reporting import findings
from iclgd.reporting.kinds import depth, shots, variance


def test_findings_use_readers_words_after_they_were_found(tmp_path):
    """Two learners of one label stay two rows, and a label is no role."""
    path = summaries.agreement(
        tmp_path / "s.parquet", shots=(1, 8), gds=["gd", "adam"], rates=[1e-3]
    )
    labels = {"icl-reordered": "the same", "icl-redrawn": "the same", "agnews": "AG News, news"}
    rows, brackets = findings.of(shots, path, labels)
    assert rows[0][:4] == ["model", "task", "learner", "accuracy, N = 1"]
    assert [row[2] for row in rows].count("the same") == 2
    assert {row[1] for row in rows[1:]} == {"AG News, news"}
    assert brackets == "95 % intervals over draws and queries"
    plain = shots.findings(pl.read_parquet(path))
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
