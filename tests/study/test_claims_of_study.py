"""What claims.yaml refers to is checked when a study is read."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from iclgd.metrics import ranges
from iclgd.study import claims, places
from iclgd.study.config import ConfigError
from iclgd.study.study import Study

ROOT = Path(__file__).parents[2]
FILE = "src/iclgd/reporting/claims/claims.yaml"
EMPTY = {"models": {}, "tasks": {}, "demonstrations": {}, "learners": {}, "figures": {}}


@pytest.fixture
def workflow(tmp_path):
    for part in ("src/iclgd/reporting", "src/iclgd/metrics"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def with_claims(workflow: Path, entries) -> list[str]:
    (workflow / FILE).write_text(json.dumps(entries))
    return claims.problems(workflow)


def test_the_projects_own_claims_are_in_order():
    assert claims.problems(ROOT) == []


@pytest.mark.parametrize(
    ("name", "claim", "said"),
    [
        ("more", {"kind": "scal"}, "kind 'scal' of figures is not known (did you mean 'scale'?)"),
        (
            "many",
            {"kind": "size"},
            "a figure of kind 'size' decides none: src/iclgd/reporting/kinds/size.py has no "
            "function `evidence`",
        ),
        (
            "kendal",
            {"kind": "attention"},
            "`evidence` in src/iclgd/reporting/kinds/attention.py yields none of this name (did "
            "you mean 'kendall'?)",
        ),
        (
            "order",
            {"kind": "order", "within": {"difference of": "senn"}},
            "within: difference of: 'senn' is no metric (did you mean 'sen'?)",
        ),
        ("order", {"paper": "x"}, "key 'kind' is missing"),
        ("order", 3, "it should be a map"),
    ],
)
def test_a_claim_that_refers_to_nothing_is_one_line(workflow, name, claim, said):
    assert with_claims(workflow, {name: claim}) == [f"{FILE}: claim {name!r}: {said}"]


def test_a_file_that_is_no_map_is_one_line(workflow):
    assert with_claims(workflow, []) == [f"{FILE}: a map of claims by name is needed"]
    (workflow / FILE).write_text("a: [")
    (line,) = claims.problems(workflow)
    assert line.startswith(f"{FILE}: no YAML (") and "\n" not in line


def test_every_metric_is_known_by_its_row(workflow):
    patterns = claims._metrics(ROOT / claims.METRICS)
    unknown = [n for n in ranges.METRICS if not any(re.fullmatch(p, n) for p in patterns)]
    assert unknown == []


def test_a_study_is_not_read_with_such_a_claim(workflow, monkeypatch):
    entries = yaml.safe_load((ROOT / FILE).read_text())
    entries["apart"]["kind"] = "equivalnce"
    (workflow / FILE).write_text(json.dumps(entries))
    shutil.copytree(
        ROOT / "src",
        workflow / "src",
        dirs_exist_ok=True,
        ignore=lambda d, f: [one for one in f if one == "claims.yaml" or one == "__pycache__"],
    )
    monkeypatch.setattr(places, "WORKFLOW", workflow)
    with pytest.raises(ConfigError, match=r"claim 'apart': kind 'equivalnce'.*'equivalence'"):
        Study(dict(EMPTY), "none", ROOT)
