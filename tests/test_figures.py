"""Every figure, from made-up but realistic summaries: files, bytes, axes, and bad data."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from summaries import (
    RATES,
    WEIGHTS,
    accuracy,
    agreement,
    checkpoints,
    depth,
    order,
    size_arguments,
    sparsity,
    twins,
    variance,
)

SOURCE = Path(__file__).resolve().parents[1] / "src"

# figure: builder of a usual summary, further arguments, words on its axes
FIGURES = {
    "agreement": (
        lambda path: agreement(path, rates=[1e-4, 1e-3, 5e-3]),
        ["--chance", '{"agnews": 0.25}'],
        ["epochs of GD", "token overlap"],
    ),
    "shots": (lambda path: agreement(path, shots=(1, 2, 4, 8)), [], ["demonstrations", "OCS"]),
    "size": (
        lambda path: agreement(path, models=tuple(WEIGHTS), gds=["gd"], rates=[1e-3]),
        size_arguments,
        ["weights (number", "accuracy (share of queries)"],
    ),
    "scale": (accuracy, [], ["accuracy (share of queries)"]),
    "order": (order, [], ["epochs of training", "Sen", "Mantel r"]),
    "variance": (variance, [], ["share of variance"]),
    "sparsity": (sparsity, [], ["threshold on |w|", "share of entries", "stable rank"]),
    "checkpoints": (checkpoints, [], ["pretraining steps", "change of a weight"]),
    "twins": (
        twins,
        [],
        ["position in the document", "demonstrations", "difference from momentum 0"],
    ),
    "depth": (depth, [], ["K (most likely tokens)", "OCS"]),
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
    "shots-one": ("shots", lambda path: agreement(path, shots=(1,), draws=1, rates=[1e-3]), []),
    "size-few": ("size", lambda path: agreement(path, draws=1, rates=[1e-3]), size_arguments),
    "scale-lost": ("scale", lambda path: accuracy(path, draws=1, broken=True), []),
    "order-one-draw": ("order", lambda path: order(path, draws=1), []),
    "variance-lost": ("variance", lambda path: variance(path, broken=True, draws=1), []),
    "sparsity-plain": ("sparsity", lambda path: sparsity(path, circuits=False, layers=1), []),
    "checkpoints-many": (
        "checkpoints",
        lambda path: checkpoints(path, models=("a", "b", "c"), draws=1, first=1000),
        [],
    ),
    "twins-one-pair": ("twins", lambda path: twins(path, seeds=1), []),
    "twins-three": ("twins", lambda path: twins(path, etas=(0.0, 0.1, 0.5)), []),
    "depth-one-draw": ("depth", lambda path: depth(path, draws=1), []),
}


def draw(name, folder, build, more, outputs, monkeypatch=None):
    """Run the step, as the workflow does; its outputs by suffix.

    With ``monkeypatch`` it runs in this process, which spares the imports and the start of V8.
    """
    folder.mkdir(exist_ok=True)
    summary = build(folder / "summary.parquet")
    paths = [folder / f"figure.{suffix}" for suffix in outputs]
    command = [
        sys.executable,
        str(SOURCE / f"plot_{name}.py"),
        "--summary",
        str(summary),
        "--title",
        "Headline & more",
        *(more(folder) if callable(more) else more),
        "--output",
        *map(str, paths),
    ]
    if monkeypatch:
        monkeypatch.setattr(sys, "argv", command[1:])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        runpy.run_path(command[1], run_name="__main__")
        return [path.read_bytes() for path in paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("name", FIGURES)
def test_figure(name, tmp_path, monkeypatch):
    build, more, words = FIGURES[name]
    svg, png, page = draw(name, tmp_path / "one", build, more, ["svg", "png", "html"])
    text, page = svg.decode(), page.decode()
    assert png.startswith(b"\x89PNG")
    assert "Headline &amp; more" in text
    for word in words:
        assert word in text, word
    assert "no data" not in text or name == "order"  # GD feels no order: no pattern to compare
    assert "<title>Headline &amp; more</title>" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)
    assert not list((tmp_path / "one").glob(".*"))
    assert draw(name, tmp_path / "two", build, more, ["svg"], monkeypatch) == [svg]


def test_same_bytes_in_every_format(tmp_path):
    first = draw("variance", tmp_path / "a", variance, [], ["svg", "png", "html"])
    assert first == draw("variance", tmp_path / "b", variance, [], ["svg", "png", "html"])


@pytest.mark.parametrize("case", HARD)
def test_hard_summaries_are_drawn(case, tmp_path, monkeypatch):
    name, build, more = HARD[case]
    (svg,) = draw(name, tmp_path / "x", build, more, ["svg"], monkeypatch)
    if case in ("agreement-icl-only", "scale-lost", "variance-lost"):
        assert "no data" in svg.decode()


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_draw_is_said(name, tmp_path, monkeypatch):
    build, more, _ = FIGURES[name]

    def nothing(path):
        build(path)
        pl.read_parquet(path).clear().write_parquet(path)
        return path

    assert "no data" in draw(name, tmp_path / "x", nothing, more, ["svg"], monkeypatch)[0].decode()
