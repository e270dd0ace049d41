"""Every figure, from made-up but realistic summaries: files, bytes, axes, and bad data."""

from __future__ import annotations

import html
import os
import re
import runpy
import sys
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from support import starts
from support.steps import figure
from support.summaries import (
    CONTROLS,
    RATES,
    WEIGHTS,
    accuracy,
    agreement,
    checkpoints,
    controls,
    depth,
    order,
    size_arguments,
    sparsity,
    variance,
)
from support.summaries_models import (
    attention,
    dose,
    label_dose,
    reach,
    regression,
    twins,
    updates,
)
from support.summaries_verdicts import (
    PROTOCOLS,
    equivalence,
    errors,
    existence,
    nearest,
    sensitivity,
    steps,
)

from iclgd.reporting.export import latex

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).resolve().parents[2] / "src"
SUFFIXES = ["svg", "png", "pdf", "html", "tex"]


def order_arguments(folder):
    """Patterns of some of the learners that ``variance`` has."""
    path = order(folder / "order.parquet", rates=(1e-3, 1e-2))
    frame = pl.read_parquet(path).with_columns(
        design=pl.lit("n4-orders"), shots=pl.lit(4, pl.Int32)
    )
    frame.write_parquet(path)
    return ["--order", str(path)]


# figure: builder of a usual summary, further arguments (or entries of --figure), words on its axes
FIGURES = {
    "agreement": (
        lambda path: agreement(path, rates=[1e-4, 1e-3, 5e-3]),
        {"chance": {"agnews": 0.25}},
        ["OCS @10 (cosine)", "token overlap", "chance"],
    ),
    "epochs": (
        lambda path: agreement(path, rates=[1e-4, 1e-3, 5e-3]),
        {"chance": {"agnews": 0.25}},
        ["epochs of GD", "token overlap"],
    ),
    "shots": (lambda path: agreement(path, shots=(1, 2, 4, 8)), [], ["demonstrations", "OCS"]),
    "size": (
        lambda path: agreement(path, models=tuple(WEIGHTS), gds=["gd"], rates=[1e-3]),
        size_arguments,
        ["weights", "accuracy (share of queries)"],
    ),
    "scale": (accuracy, [], ["accuracy (share of queries)"]),
    "order": (
        order,
        [],
        [
            "Sen",
            "Mantel r",
            "queries permuted",
            "cosine at most .03",
            "no reaction to order",
        ],
    ),
    "variance": (variance, order_arguments, ["share of variance", "Mantel's r"]),
    "attention": (attention, [], ["SimAOU", "not normalised", "Rec2FTP", "baseline"]),
    "sparsity": (sparsity, [], ["threshold on |w|", "share of entries", "stable rank"]),
    "checkpoints": (checkpoints, [], ["pretraining steps", "change of a weight"]),
    "controls": (
        controls,
        {"controls": CONTROLS},
        ["control: random labels", "GD, whole model: 0.50", "cannot tell"],
    ),
    "twins": (
        twins,
        [],
        ["position in the document", "demonstrations", "difference from momentum 0"],
    ),
    "equivalence": (
        equivalence,
        [],
        ["excess total variation over ICL", "Primary tests", "smallest effect (0.05)", "no ICL"],
    ),
    "errors": (
        errors,
        [],
        [
            "errs where ICL errs in 2 of 4",
            "share of queries with an error",
            "by chance",
            "ICL errs in",
        ],
    ),
    "existence": (existence, [], ["in units of ICL", "best accuracy", "taught by ICL"]),
    "label_dose": (
        label_dose,
        {"chance": {"topic4": 0.25}},
        ["wrong labels shown", "abstract label words", "chance", "of its accuracy"],
    ),
    "nearest": (nearest, [], ["training loss (nats", "total variation (0: equal)"]),
    "sensitivity": (
        lambda path: sensitivity(path, near=[("cb", "adam")]),
        {"protocols": PROTOCOLS},
        ["1 of 3 protocols comes within .05 of", "within reach", "4 steps an epoch", "epochs"],
    ),
    "depth": (depth, [], ["K (most likely tokens)", "OCS"]),
    "dose": (dose, [], ["share of it", "steps of GD", "agreement (1: equal)", "Sen"]),
    "steps": (steps, [], ["total variation from ICL", "nearest on validation", "GD on functions"]),
    "reach": (reach, [], ["which label", "a label at all", "wrong labels", "W_V", "layer 1"]),
    "updates": (updates, [], ["gate_proj", "cosine with GD", "wrong labels", "other texts"]),
    "regression": (regression, [], ["scale of the inputs", "cosine of sensitivities"]),
}
TWO = ("agnews", "cb")
HARD = {
    "agreement-rates": (
        "agreement",
        lambda path: agreement(
            path, rates=[*RATES, 1e-2, 5e-2], gds=["gd", "adam"], models=("m", "n")
        ),
        [],
    ),
    "agreement-one-draw": ("agreement", lambda path: agreement(path, gds=["gd"], draws=1), []),
    "agreement-icl-only": ("agreement", lambda path: agreement(path, gds=[]), []),
    "epochs-rates": (
        "epochs",
        lambda path: agreement(
            path, rates=[*RATES, 1e-2, 5e-2], gds=["gd", "adam"], models=("m", "n")
        ),
        [],
    ),
    "epochs-one-draw": ("epochs", lambda path: agreement(path, gds=["gd"], draws=1), []),
    "epochs-icl-only": ("epochs", lambda path: agreement(path, gds=[]), []),
    "shots-one": ("shots", lambda path: agreement(path, shots=(1,), draws=1, rates=[1e-3]), []),
    "size-few": ("size", lambda path: agreement(path, draws=1, rates=[1e-3]), size_arguments),
    "scale-lost": ("scale", lambda path: accuracy(path, draws=1, broken=True), []),
    "order-one-draw": ("order", lambda path: order(path, draws=1), []),
    "variance-lost": (
        "variance",
        lambda path: variance(path, broken=True, draws=1),
        order_arguments,
    ),
    "attention-shallow": ("attention", lambda path: attention(path, layers=1, draws=1), []),
    "sparsity-plain": ("sparsity", lambda path: sparsity(path, circuits=False, layers=1), []),
    "checkpoints-many": (
        "checkpoints",
        lambda path: checkpoints(path, models=("a", "b", "c"), draws=1, first=1000),
        [],
    ),
    "dose-one-draw": ("dose", lambda path: dose(path, draws=1, departures=()), []),
    "label-dose-one-draw": (
        "label_dose",
        lambda path: label_dose(path, ("m",), 1, abstract=False),
        [],
    ),
    "reach-deep": ("reach", lambda path: reach(path, ("m",), 30, 1), []),
    "reach-unknown": ("reach", lambda path: reach(path, ("m",), 3, 5, ""), []),
    "updates-deep": ("updates", lambda path: updates(path, ("m",), 30, 1), []),
    "regression-one": ("regression", lambda path: regression(path, models=("m",)), []),
    "steps-one-draw": ("steps", lambda path: steps(path, ("m",), 1, ("gd",)), []),
    "twins-one-pair": ("twins", lambda path: twins(path, seeds=1), []),
    "twins-three": ("twins", lambda path: twins(path, etas=(0.0, 0.1, 0.5)), []),
    "equivalence-one": ("equivalence", lambda path: equivalence(path, draws=1), []),
    "errors-few": ("errors", lambda path: errors(path, draws=1, few=("agnews", "cb")), []),
    "existence-one-draw": (
        "existence",
        lambda path: existence(path, models=("m",), draws=1, taught=False),
        [],
    ),
    "nearest-lost": ("nearest", lambda path: nearest(path, draws=1, broken=True), []),
    "sensitivity-lost": (
        "sensitivity",
        lambda path: sensitivity(path, tasks=("a", "b", "m"), draws=1, broken=True),
        {"protocols": PROTOCOLS},
    ),
    "depth-one-draw": ("depth", lambda path: depth(path, draws=1), []),
}


def draw(name, folder, build, more, outputs, monkeypatch=None, **words):
    """Run the step in a process of its own, as the workflow does; its outputs by suffix.

    With ``monkeypatch`` it runs in this process, which spares the start of V8 as well.
    ``more``: further arguments, or a map of entries of ``--figure``; ``words``: for readers.
    """
    folder.mkdir(exist_ok=True)
    entry = {"title": "Headline & more"} | (more if isinstance(more, dict) else {}) | words
    summary = build(folder / "summary.parquet")
    paths = [folder / f"figure.{suffix}" for suffix in outputs]
    command = [
        str(SOURCE / f"plot_{name}.py"),
        "--summary",
        str(summary),
        *figure(name, **entry),
        *(more(folder) if callable(more) else ()),
        "--output",
        *map(str, paths),
    ]
    if monkeypatch:
        monkeypatch.setattr(sys, "argv", command)
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        runpy.run_path(command[0], run_name="__main__")
        return [path.read_bytes() for path in paths]
    done = starts.python(starts.PLOTS, *command, cwd=folder, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("name", FIGURES)
def test_figure(name, tmp_path, monkeypatch):
    build, more, words = FIGURES[name]
    made = draw(name, tmp_path / "one", build, more, SUFFIXES)
    svg, png, pdf, page, tex = made
    text, page, tex = svg.decode(), page.decode(), tex.decode()
    assert png.startswith(b"\x89PNG")
    assert_printable(text, pdf)
    caption = re.search(r"\\caption\{(.*)\}", tex)[1]
    assert caption.startswith(r"Headline \& more. ") and " In brackets: " in caption
    assert r"\label{tab:figure}" in tex
    values = re.findall(r"\d \[[^]]+\]", tex)
    assert values or name == "controls", "a table with intervals"
    assert "Headline &amp; more" in text
    for word in words:
        assert word in text, word
    assert "no data" not in text
    assert "<title>Headline &amp; more</title>" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)
    assert not list((tmp_path / "one").glob(".*"))
    again = draw(name, tmp_path / "two", build, more, ["svg", "pdf", "tex"], monkeypatch)
    assert again == [svg, pdf, made[-1]]


def assert_printable(svg, pdf):
    """On a page of two columns, 6.75 inches wide, no text is smaller than 6 points."""
    wide = float(re.search(r'<svg[^>]* width="([\d.]+)"', svg)[1])
    smallest = min(float(one) for one in re.findall(r'font-size="([\d.]+)px"', svg))
    printed = float(re.search(rb"/MediaBox \[0 0 ([\d.]+) ", pdf)[1])
    assert printed <= 6.75 * 72
    assert smallest * printed / wide >= 6


def test_same_bytes_in_every_format(tmp_path):
    first = draw("variance", tmp_path / "a", variance, order_arguments, SUFFIXES)
    assert first == draw("variance", tmp_path / "b", variance, order_arguments, SUFFIXES)


@pytest.mark.parametrize("case", HARD)
def test_hard_summaries_are_drawn(case, tmp_path, monkeypatch):
    name, build, more = HARD[case]
    svg, pdf, _ = draw(name, tmp_path / "x", build, more, ["svg", "pdf", "tex"], monkeypatch)
    assert_printable(svg.decode(), pdf)
    if case in ("epochs-icl-only", "scale-lost", "variance-lost"):
        assert "no data" in svg.decode()


EVIL = """</script><!--<script>alert('1')//"]; datum, <img src=x onerror=alert(1)> &amp; \\"""


@pytest.mark.parametrize("name", FIGURES)
def test_names_are_text_and_never_markup(name, tmp_path, monkeypatch):
    """Titles and labels of the configuration, in the page, the drawing and Vega's expressions."""
    build, more, _ = FIGURES[name]
    names = ["icl", "gd", "gd-orders", "adam", "agnews", "llama-7b", "a", "m", "W_Q"]
    words = {"title": EVIL, "labels": dict.fromkeys(names, EVIL)}
    svg, page, tex = draw(
        name, tmp_path / "x", build, more, ["svg", "html", "tex"], monkeypatch, **words
    )
    assert latex.escaped(EVIL) in tex.decode() and "<script" not in tex.decode()
    drawing = ElementTree.fromstring(svg)
    kinds = {element.tag.split("}")[1] for element in drawing.iter()}
    assert kinds <= {
        "svg",
        "title",
        "g",
        "rect",
        "path",
        "line",
        "text",
        "tspan",
        "defs",
        "clipPath",
    }
    assert drawing[0].text == EVIL
    assert [element.text for element in drawing.iter()].count(EVIL) > 1
    head, _, script = page.decode().rpartition('<div id="figure">')
    assert html.escape(EVIL) in head.split("<script>")[0]
    assert re.findall("<[^>]*>", script) == [
        "</div>",
        "<script>",
        "</script>",
        "</body>",
        "</html>",
    ]
    assert "\\u003c!--\\u003cscript>" in script


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_draw_is_said(name, tmp_path, monkeypatch):
    build, more, _ = FIGURES[name]

    def nothing(path):
        build(path)
        pl.read_parquet(path).clear().write_parquet(path)
        return path

    svg, tex = draw(name, tmp_path / "x", nothing, more, ["svg", "tex"], monkeypatch)
    assert "no data" in svg.decode()
    assert tex.count(b"\\\\\n") == 1, "the header alone"
