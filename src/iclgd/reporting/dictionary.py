"""The data dictionary: the entry of `artifacts` for a path or a table.

Run as a module it writes docs/data.md, and the table of metrics in docs/methods.md (`make
dictionary`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from iclgd.metrics import ranges
from iclgd.reporting.artifacts import ARTIFACTS
from iclgd.reporting.data.artifact import KEYS, Artifact

# Which table answers which question, for readers who know neither.
QUESTIONS = {
    "Is GD as near to ICL as ICL is to itself?": "`summary/{figure}.parquet` of a figure of kind "
    "`equivalence`; in words `findings.csv`",
    "How alike are ICL and GD on a query, epoch by epoch?": "`agreement`",
    "What did a learner answer, and has its training ended?": "`logits`",
    "Which demonstrations did it see, in which order?": "`demonstrations`; texts: `tasks`",
    "Does a claim of a paper hold here?": "`summary/claims.parquet`",
    "Does a learner change with the order of demonstrations as ICL does?": "`summary/"
    "{figure}.order.parquet` of a figure of kind `order`",
    "What happens inside attention?": "`attention`",
    "How many weights are small?": "`sparsity`",
    "Where does a model come from, and what was it quantised to?": "`results/models/{model}.json`",
    "What does this run print that another one does not?": "`findings.csv` of both",
}


def of(path: str) -> tuple[Artifact, dict[str, str]] | None:
    """The artifact that lies at this path from ``results`` on, and the names in the path."""
    for artifact in ARTIFACTS:
        if (names := artifact.names(path)) is not None:
            return artifact, names
    return None


def by_columns(columns: Iterable[str]) -> Artifact | None:
    """The artifact that has all these columns and fewest others; None if there is none."""
    columns = list(columns)
    known = [one for one in ARTIFACTS if all(map(one.meaning, columns))]
    tables = [one for one in known if one.path.endswith(".parquet")]
    return min(tables, key=lambda one: len(one.columns), default=None)


def page() -> str:
    """docs/data.md: all artifacts, a table of keys, then the columns of each table and manifest."""
    lines = [
        "# Data: every file and column",
        "",
        "`iclgd show PATH` prints this beside the data (`--rows 9`,",
        '`--where "epoch = 200 AND js > 0.5"`). Written by `make dictionary` from',
        "`src/iclgd/reporting/artifacts.py` and `data/` there. Undefined values are null, never 0.",
        "",
        *_table("question", QUESTIONS, "where to look, below `results/` or `results/{study}/`"),
        "",
        *_table("file", {f"`{one.path}`": one.what for one in ARTIFACTS}),
        "",
        "Keys mean the same in every table:",
        "",
        *_table("column", KEYS),
    ]
    for artifact in filter(lambda one: one.columns, ARTIFACTS):
        own = {name: text for name, text in artifact.columns.items() if KEYS.get(name) != text}
        keys = ", ".join(name for name in artifact.columns if name not in own)
        rows = {**({keys: "keys"} if keys else {}), **own}
        lines += [
            "",
            f"## `{artifact.path}`",
            "",
            f"{artifact.what[0].upper()}{artifact.what[1:]}.",
            "",
        ]
        lines += _table("column", rows)
    return "\n".join(lines) + "\n"


def _table(first: str, rows: Mapping[str, str], second: str = "what it is") -> list[str]:
    rows = [f"| {name} | {meaning} |" for name, meaning in rows.items()]
    return [f"| {first} | {second} |", "|---|---|", *rows]


# Between these two lines of docs/methods.md, which no reader sees.
BEGIN, END = "[//]: # (metrics: written by `make dictionary`)", "[//]: # (end of metrics)"


def methods(text: str) -> str:
    """``text`` of docs/methods.md with a row for every metric that has a formula."""
    head, _, rest = text.partition(f"{BEGIN}\n")
    _, _, tail = rest.partition(END)
    known = (one for one in ranges.METRICS.values() if one.formula)
    rows = [f"| {one.label} | {one.formula} | {one.ends} |" for one in known]
    table = ["| metric | formula | range |", "|---|---|---|", *rows]
    return f"{head}{BEGIN}\n\n" + "\n".join(table) + f"\n\n{END}{tail}"


if __name__ == "__main__":
    Path("docs/data.md").write_text(page())
    Path("docs/methods.md").write_text(methods(Path("docs/methods.md").read_text()))
