"""Tables for a paper: numbers as mathematics, names as text, and what LaTeX itself says."""

import shutil
import subprocess

import polars as pl
import pytest
from summaries import agreement, depth, variance

from iclgd.reporting import findings, latex

ROWS = [
    ["model", "learner", "accuracy", "distance"],
    ["a_b{c}", "gd--x, epoch 5", "0.77 [0.74, 0.80]", "4.9e-05"],
    ["[x] ^~\\ 50 % & #1 $", "<b>|é·", "-0.10 [-0.48, 0.21]", "-"],
]


def test_numbers_names_and_missing_values():
    assert latex.cell("0.77 [0.74, 0.80]") == "0.77 [0.74, 0.80]"
    assert latex.cell("-0.10 [-0.48, 0.21]") == "$-0.10$ [$-0.48$, 0.21]"
    assert latex.cell("4.9e-05") == r"$4.9 \times 10^{-5}$"
    assert latex.cell("0.60 [0.53, 0.66] (0.33)") == "0.60 [0.53, 0.66] (0.33)"
    assert latex.cell("-") == "--"
    assert latex.cell("llama-7b_x") == r"llama-7b\_x"
    assert latex.cell("a--b\x1b") == r"a-{-}b\textbackslash{}x1b"


def test_a_table():
    text = latex.table(ROWS, "50 % of it", "mine")
    assert r"\begin{tabular}{llrr}" in text
    assert r"\caption{50 \% of it}" in text and r"\label{tab:mine}" in text
    assert r"a\_b\{c\} & gd-{-}x, epoch 5 & 0.77 [0.74, 0.80] & $4.9 \times 10^{-5}$ \\" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex, which few machines have")
def test_latex_takes_it(tmp_path):
    table = latex.table(ROWS, "50 % of it & more", "mine")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs, graphicx}\\begin{document}"
        f"{table}\\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-800:]
    assert "Overfull" not in done.stdout


def test_findings_use_readers_words_after_they_were_found(tmp_path):
    """Two learners of one label stay two rows, and a label is no role."""
    path = agreement(tmp_path / "s.parquet", shots=(1, 8), gds=["gd", "adam"], rates=[1e-3])
    labels = {"icl-reordered": "the same", "icl-redrawn": "the same", "agnews": "AG News, news"}
    rows, brackets = findings.of("shots", path, labels)
    assert rows[0][:4] == ["model", "task", "learner", "accuracy, N = 1"]
    assert [row[2] for row in rows].count("the same") == 2
    assert {row[1] for row in rows[1:]} == {"AG News, news"}
    assert brackets == "95 % intervals over draws and queries"
    plain = findings.table("shots", pl.read_parquet(path))
    assert [row[3:] for row in rows] == [row[3:] for row in plain]


def test_the_tables_of_whole_curves(tmp_path):
    rows = findings.table("depth", pl.read_parquet(depth(tmp_path / "d.parquet")))
    assert rows[0][4:7] == [f"token overlap, K = {k}" for k in (2, 10, 100)]
    assert rows[1][3:5] == ["icl-reordered", "0.78 [0.75, 0.81]"]
    rows = findings.table("variance", pl.read_parquet(variance(tmp_path / "v.parquet")))
    assert rows[0][4:] == ["last label", "last demonstration", "positions", "rest"]
    assert rows[1][3:5] == ["icl", "0.35 [0.30, 0.40]"]
    assert [row[3] for row in rows[2:]] == [
        f"{name}, epoch 200" for name in ("gd@0.001", "sgd-1@0.01", "adam@0.001")
    ]
