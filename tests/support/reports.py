"""A made-up study small enough for the tests of the report: every input of build_report."""

from __future__ import annotations

import html
import json
from pathlib import Path

import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.reporting import answer, quantities
from iclgd.reporting.claims import judge
from support.steps import SRC, run_step

PAGE = SRC / "iclgd/reporting/page"
SCRIPTS = ("page.js", "claims.js", "explorer.js", "comparison.js")
PARTS = [PAGE / name for name in ("page.html", "style.css", *SCRIPTS)]
PARTS.append(SRC.parent / "docs/methods.md")
CONFIGURATION = "0123456789ab"  # of the figure
LEARNERS = {
    "icl": {"method": "icl"},
    "icl-reordered": {"reference": "icl", "shift": "order"},
    "gd": {"method": "gd"},
}
HOSTILE = """<script>document.title='owned'</script><img src=x onerror="alert(1)">&amp; '"]]>"""
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60" viewBox="0 0 90 60">'
    '<title>{title}</title><rect width="90" height="60" fill="#FFFFFF"/>'
    '<defs><clipPath id="clip0"><path d="M0,0h9v9h-9Z"/></clipPath></defs>'
    '<g role="graphics-symbol" aria-label="X-axis titled \'epochs\' for a linear scale">'
    '<path class="background" d=""/><line x2="1.23456" stroke="#000000" opacity="1"/></g>'
    '<text fill="#1F2328">{title}</text><text fill="#1F2328">a word</text>'
    '<path aria-label="epoch: 1; color: #0072B2; learner: ICL; estimate: 1" '
    'd="M1,1L2.3456,2" fill="#0072B2" clip-path="url(#clip0)"/></svg>'
)


def example(**changes) -> dict:
    """A row of `EXAMPLES`: two tokens, of which the second is not kept by b."""
    row = {"model": "m", "task": "t", "design": "n2", "shots": 2, "a": "icl", "b": "gd@0.1"}
    row |= {"draw": 0, "order": 0, "epoch": 5, "example": 7, "place": "median"}
    row |= {"tv": 0.25, "token_overlap": 0.5, "instruction": "", "text": "x :", "answer": " A"}
    row |= {"answer_token": "A", "demonstrations": ["y : A\n", "z : B\n"], "demonstrations_b": None}
    row |= {"tokens": ["A", "B"], "probability_a": [0.75, 0.25], "probability_b": [1.0, None]}
    return row | {"rank_a": [1, 2], "rank_b": [1, None]} | changes


def claim(**changes) -> dict:
    row = {"paper": "Shen et al.", "place": "Figure 5", "claim": "GD differs.", "quantity": "TV"}
    row |= {"figure": "one", "model": "m", "task": "t", "shots": 2, "learner": "gd@0.1"}
    row |= {"estimate": 0.5, "low": 0.25, "high": 0.75, "reference": ".4", "p": 0.01}
    row |= {"p_holm": 0.02, "draws": 5, "queries": 96, "mde": 0.1, "underpowered": False}
    return row | {"verdict": "holds", "overall": "holds"} | changes


def answered(folder: Path, said: str = "No, by 3.") -> Path:
    """The answer of a study, as a file."""
    tests = [answer.HEAD, ["t, 2 · gd", "inconclusive: few draws", "0.3", "0.1", "0.2"]]
    verdicts = {"equivalent": 0, "different": 0, "inconclusive": 1}
    answer.write(answer.Answer(said, tests, ["A note."], verdicts), folder / "answer.json")
    return folder / "answer.json"


def inputs(
    folder: Path,
    title="One",
    examples=None,
    judged=None,
    label="Model M",
    reference=None,
    said="No.",
) -> list[str]:
    """Arguments of build_report for a study of one figure.

    ``judged``: claims, None for none; ``reference``: likewise, quantities of the reference run.
    """
    (folder / "figures").mkdir(parents=True)
    (folder / "summary").mkdir()
    drawn = folder / "figures/one.svg"
    drawn.write_text(SVG.format(title=html.escape(title)))
    run = {"model": "m", "task": "t", "shots": 2, "learner": "gd@0.1", "metric": "accuracy"}
    run |= {"estimate": 0.5, "low": 0.25, "high": 0.75, "chosen": True}
    pl.DataFrame([run]).write_parquet(folder / "summary/one.parquet")
    rows = [example()] if examples is None else examples
    table = pl.DataFrame(rows, schema=EXAMPLES)
    parquet.write(table, folder / "summary/examples.parquet", EXAMPLES)
    manifest = {"model": "m", "source": {"path": "here"}, "commit": None, "architecture": "llama"}
    manifest |= {
        "quantised": None,
        "instruct": None,
        "layers": 2,
        "weights": 1234,
        "dtype": "float32",
        "sha256": "f00",
    }
    (folder / "m.json").write_text(json.dumps({**manifest, "in_context_learning": None}))
    figure = {"kind": "scale", "title": title, "caption": "What it <shows>."}
    figure["configuration"] = CONFIGURATION
    figure |= {"summary": str(folder / "summary/one.parquet"), "files": [str(drawn)]}
    study = {"figures": {"one": figure}, "labels": {"m": label}}
    study["config"] = {"models": {"m": {"label": label}}, "tasks": {}, "learners": LEARNERS}
    found = quantities.of_table("one", "scale", [["model", "accuracy"], ["m", "0.50"]])
    quantities.write(folder / "findings.csv", [*found, quantities.of_answer(said)])
    arguments = {
        "parts": [str(path) for path in PARTS],
        "study": [json.dumps(study)],
        "manifests": [str(folder / "m.json")],
        "examples": [str(folder / "summary/examples.parquet")],
        "answer": [str(answered(folder, said))],
        "findings": [str(folder / "findings.csv")],
        "output": [str(folder / "report.html")],
    }
    if judged is not None:
        table = pl.DataFrame(judged, schema=judge.SCHEMA)
        parquet.write(table, folder / "summary/claims.parquet")
        arguments["claims"] = [str(folder / "summary/claims.parquet")]
    if reference is not None:
        quantities.write(folder / "mine.csv", reference)
        arguments["reference"] = [str(folder / "mine.csv")]
    return [part for name, values in arguments.items() for part in (f"--{name}", *values)]


def built(folder: Path, **changes) -> str:
    """The page of such a study."""
    run_step("build_report", *inputs(folder, **changes))
    return (folder / "report.html").read_text()
