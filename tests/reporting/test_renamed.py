"""Names are free: a study with every name replaced finds and draws the same, but for the names."""

import copy
import re
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.workflow import STUDY, copy_finished, copy_project, snakemake

# In the order of the old names, since tables are sorted by name. None says what it is, and most
# have a word in them that would mislead whoever read it.
NEW = {
    "models": [f"qm{i}-{word}" for i, word in enumerate(("gd", "x", "icl", "y", "z", "sgd"))],
    "tasks": ["qt0-icl", "qt1", "qt2-x", "qt3-gd", "qt4"],
    "learners": [
        "qa-adam",
        "qb.icl",
        "qc",
        "qd",
        "qe-deep",
        "qf-zs",
        "qg",
        "qh-gd",
        "qi",
        "qj-sgd",
        "qk-steps",
        "ql-distil",
        "qn",
        "qo.icl",
        "qp-patch",
        "qr-gd",
        "qs",
        "qt-icl",
        "qu0",
        "qv0",
        "qw-gd",
    ],
}
NEW["models"] += ["qm6", "qm7-construction", "qm8"]
NAMES = {
    new: old
    for catalogue, names in NEW.items()
    for old, new in zip(sorted(STUDY[catalogue]), names, strict=True)
}
# Data and random weights depend on the names of their tasks and models, by design.
SEEDS = {
    "src/iclgd/tasks/task_tables.py": ('"/".join(map(str, names))', '"/".join(map(old, names))'),
    "src/iclgd/tasks/prompts.py": (
        'zlib.crc32(task["task"][0].encode())',
        'zlib.crc32(old(task["task"][0]).encode())',
    ),
    "src/iclgd/models/untrained.py": (
        "zlib.crc32(seed.encode())",
        "zlib.crc32(old(seed).encode())",
    ),
}


def labelled() -> dict:
    """The tiny study with a label for whatever is drawn by its name, which takes its width."""
    study = copy.deepcopy(STUDY)
    for catalogue in NEW:
        for name, entry in study[catalogue].items():
            entry["label"] = f"the {catalogue[:-1]} {sorted(study[catalogue]).index(name)}"
    return study


def restored(text: str) -> str:
    """``text`` with the old names in place of the new ones."""
    pattern = "|".join(sorted(map(re.escape, NAMES), key=len, reverse=True))
    return re.sub(pattern, lambda found: NAMES[found[0]], text)


def renamed(part, names: dict[str, str]):
    """Names in lists of lists, ``name@value`` too, as other ones."""
    if isinstance(part, list):
        return [renamed(one, names) for one in part]
    base, at, value = part.partition("@")
    return names.get(base, base) + at + value


def with_new_names(study: dict) -> dict:
    """The study with every name of a model, task or learner replaced, and nothing else."""
    study, names = copy.deepcopy(study), {old: new for new, old in NAMES.items()}
    for catalogue in NEW:
        study[catalogue] = {names[name]: entry for name, entry in study[catalogue].items()}
        for entry in study[catalogue].values():
            for part in (entry, entry.get("construct", {})):
                for key in {"of", "reference", "toward", "model"} & set(part):
                    part[key] = names[part[key]]
    for figure in study["figures"].values():
        for key in {"models", "tasks", "pairs", "runs", "learners"} & set(figure):
            figure[key] = renamed(figure[key], names)
    return study


def run(project: Path) -> Path:
    """The results of a study whose seeds are those of the old names."""
    for file, (before, after) in SEEDS.items():
        source = (project / file).read_text()
        assert source.count(before) == 1
        old = f"\n\ndef old(name):\n    return {NAMES!r}.get(name, str(name))\n"
        (project / file).write_text(source.replace(before, after) + old)
    snakemake(project)
    return project / "results/default"


@pytest.fixture(scope="module")
def results(finished_study, tmp_path_factory) -> tuple[Path, Path]:
    """Results of the tiny study, and of the same with other names.

    With the old names, whose seeds are as they were, labels alone are new: they are in the figures.
    """
    folder, study = tmp_path_factory.mktemp("run"), labelled()
    old = copy_finished(finished_study, folder / "old", study)
    snakemake(old)
    new = run(copy_project(folder / "new", with_new_names(study)))
    return old / "results/default", new


@pytest.mark.workflow
@pytest.mark.parametrize("suffix", ["svg", "tex"])
def test_figures_are_the_same(results, suffix):
    old, new = results
    for figure in STUDY["figures"]:
        before = (old / f"figures/{figure}.{suffix}").read_text()
        after = (new / f"figures/{figure}.{suffix}").read_text()
        assert restored(after) == before, figure


@pytest.mark.workflow
def test_findings_are_the_same(results):
    old, new = (
        [line.split() for line in restored((one / "findings.txt").read_text()).splitlines()]
        for one in results
    )
    assert new == old


@pytest.mark.workflow
def test_summaries_and_claims_are_the_same(results):
    old, new = results
    paths = sorted(path.name for path in (old / "summary").glob("*.parquet"))
    assert len(paths) > len(STUDY["figures"])
    for path in paths:
        table = pl.read_parquet(new / "summary" / path)
        text = pl.col(pl.String).map_elements(restored, pl.String)
        assert_frame_equal(table.with_columns(text), pl.read_parquet(old / "summary" / path))
