"""Findings as a table for a paper, in LaTeX with the packages booktabs and graphicx."""

from __future__ import annotations

import re

from iclgd.io.text import plain
from iclgd.reporting.findings import Row

SPECIAL = {
    **{one: f"\\{one}" for one in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # at the beginning of a row it would be an argument of the line break
    "·": r"\textperiodcentered{}",
}
VALUE = re.compile(r"([-\d][-+.\de]*( [\[(][-+.\de, ]+[\])])*)?")
NUMBER = re.compile(r"(-?[\d.]+)(?:e([-+]\d+))?")
TABLE = r"""%% Needs \usepackage{booktabs, graphicx}.
\begin{table}
  \centering
  \caption{%s}
  \label{tab:%s}
  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%%
    \begin{tabular}{%s}
      \toprule
      %s
      \midrule
      %s
      \bottomrule
    \end{tabular}}
\end{table}
"""


def table(rows: list[Row], caption: str, name: str) -> str:
    """A table of ``rows``, header first, labelled ``tab:name`` and never wider than the text."""
    values = (all(map(VALUE.fullmatch, column)) for column in zip(*rows[1:], strict=True))
    columns = "".join("r" if one else "l" for one in values) or "l" * len(rows[0])
    head, *body = (" & ".join(map(cell, row)) + r" \\" for row in rows)
    return TABLE % (escaped(caption), name, columns, head, "\n      ".join(body))


def cell(text: str) -> str:
    """Values as mathematics, with a true minus and powers of ten; all else as text."""
    if text == "-":  # no value
        return "--"
    return NUMBER.sub(_number, text) if VALUE.fullmatch(text) else escaped(text)


def _number(found: re.Match) -> str:
    if found[2]:
        return rf"${found[1]} \times 10^{{{int(found[2])}}}$"
    return f"${found[0]}$" if found[0].startswith("-") else found[0]


def escaped(text: str) -> str:
    """``text`` as LaTeX prints it, on one line."""
    printed = "".join(SPECIAL.get(one, one) for one in plain(text))
    return printed.replace("--", "-{-}")  # no dash
