"""Tables for a paper: numbers as mathematics, names as text, and what LaTeX itself says."""

import shutil
import subprocess

import pytest

from iclgd.reporting.export import latex

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
