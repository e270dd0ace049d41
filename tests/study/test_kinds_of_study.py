"""Kinds of figures: a row has all that the rules need."""

import dataclasses
from pathlib import Path

from iclgd.io.figures import Figure as FigureArgument
from iclgd.study import kinds
from iclgd.study.figures import Figure
from iclgd.study.study import Study

ROOT = Path(__file__).parents[2]


def test_every_row_has_its_caption_and_scripts():
    assert kinds.problems(ROOT) == []
    shown = {statistic for kind in kinds.KINDS.values() for statistic in kind.statistics}
    assert shown == set(kinds.STATISTICS)


def test_a_kind_without_caption_or_script_is_refused(monkeypatch):
    bare = kinds.Kind(("models",), "agreement")
    monkeypatch.setitem(kinds.KINDS, "bare", bare)
    assert kinds.problems(ROOT) == [
        "config: kind 'bare' of figures has no caption (iclgd.study.kinds)",
        "config: src/plot_bare.py is missing, which iclgd.study.kinds has a row for",
        "config: src/iclgd/reporting/kinds/bare.py is missing, which iclgd.study.kinds has a row "
        "for",
    ]
    try:
        Study({"models": {}, "tasks": {}, "demonstrations": {}, "learners": {}, "figures": {}})
    except Exception as error:
        assert "plot_bare.py is missing" in str(error)
    else:
        raise AssertionError("a study was read with it")


def test_every_input_and_every_word_of_a_row_can_be_found():
    rows = [*kinds.STATISTICS.values(), *kinds.KINDS.values()]
    options = {option for row in rows for option in row.inputs} - set(kinds.BESIDE)
    assert [one for one in options if not hasattr(Figure, kinds.METHODS.get(one, one))] == []
    figure_keys = {key for row in rows for key in row.figure_keys} | {
        "title",
        "labels",
        "roles",
        "causal",
    }
    assert figure_keys <= {field.name for field in dataclasses.fields(FigureArgument)}
    assert [key for key in figure_keys - {"roles"} if not hasattr(Figure, f"_{key}")] == []
