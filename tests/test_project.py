"""The project's files agree with each other: versions, documentation, rules and scripts."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from support.rules import rules

from iclgd.io.schemas.curves import CURVES
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.drift import DRIFT
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.perplexity import PERPLEXITY
from iclgd.io.schemas.reach import REACH
from iclgd.io.schemas.sparsity import CIRCUITS, SPARSITY
from iclgd.io.schemas.task import TASK
from iclgd.io.schemas.updates import UPDATES
from iclgd.metrics import registry
from iclgd.metrics.attention_similarity import ATTENTION
from iclgd.reporting import artifacts, dictionary
from iclgd.reporting.claims import judge
from iclgd.study import paths
from iclgd.study.kinds import KINDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_torch_is_pinned_and_every_requirement_is_locked():
    lock = locked()
    assert lock["torch"] == "2.13.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.match(r"[\w-]+", line)[0] for line in wanted]
    assert len(names) >= 20
    assert [name for name in names if name.lower() not in map(str.lower, lock)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_conda_environments_carry_the_locked_versions(path):
    pip = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
    assert len(pip) >= 5
    assert {name: locked()[name] for name in (line.split("==")[0] for line in pip)} == dict(
        line.split("==") for line in pip
    )


def test_rule_script_and_log_have_one_name():
    assert len(rules()) >= 20
    for name, text in rules().items():
        assert f'script=own("src/{name}.py")' in text
        assert f'"logs/{name}/' in text
    scripts = {path.stem for path in (ROOT / "src").glob("*.py")}
    assert scripts == set(rules())


# Numbers and words that the schema has checked, and those that common.smk quotes by itself.
CHECKED = {"threads", "params.keep", "params.shots", "params.orders", "wildcards.draws"}
CHECKED |= {"params.share", "params.bindings", "params.conflict"}
QUOTED = {"params.second", "params.tables", "params.source", "params.texts", "params.toward"}
QUOTED |= {"params.reach", "params.imagined", "params.language", "params.like"}


def test_whatever_enters_a_shell_is_quoted():
    commands = [text.split("    shell:\n")[1] for text in rules().values()]
    fields = [field for text in commands for field in re.findall(r"\{([^}]*)\}", text)]
    assert len(fields) >= 100
    plain = {field for field in fields if not field.endswith(":q")}
    assert plain == CHECKED | QUOTED


TABLES = {
    "results/tasks/{task}.parquet": TASK,
    "results/demonstrations/{task}/{design}/{draws}.parquet": DEMONSTRATIONS,
    "results/logits/{model}/{task}/{design}/{learner}/{draws}.parquet": LOGITS,
    "results/agreement/{model}/{task}/{design}/{a}--{b}.parquet": registry.AGREEMENT,
    "results/agreement/{model}/{task}/{design}/{a}--{b}.curves.parquet": CURVES,
    "results/attention/{model}/{task}/{design}/{learner}/{draws}.parquet": ATTENTION,
    "results/sparsity/{model}.parquet": SPARSITY,
    "results/sparsity/{model}.circuits.parquet": CIRCUITS,
    "results/drift/{model}--{reference}.parquet": DRIFT,
    "results/reach/{model}/{task}/{design}/{draws}.parquet": REACH,
    "results/updates/{model}/{task}/{design}/{a}--{b}/{draws}.parquet": UPDATES,
    "results/perplexity/{model}.parquet": PERPLEXITY,
    "results/{study}/summary/claims.parquet": judge.SCHEMA,
    "results/{study}/summary/examples.parquet": EXAMPLES,
}


@pytest.mark.parametrize("path", TABLES)
def test_the_data_dictionary_has_the_columns_of_every_table_in_their_order(path):
    (artifact,) = (one for one in artifacts.ARTIFACTS if one.path == path)
    assert list(artifact.columns) == list(TABLES[path])
    assert dictionary.by_columns(TABLES[path]) is artifact


def test_docs_have_the_data_dictionary():
    """`make dictionary` writes it."""
    assert (ROOT / "docs/data.md").read_text() == dictionary.page()


def test_every_output_of_a_rule_is_in_the_data_dictionary():
    """All paths are those of one scheme."""
    assert re.findall(r'"results/', "\n".join(rules().values())) == []
    ours = paths.OfStudy("some")
    outputs = [one for one in vars(paths).values() if isinstance(one, str)]
    outputs += [
        ours.claims,
        ours.examples,
        *(ours.summary(kind.summary("f")) for kind in KINDS.values()),
        *(ours.findings, ours.quantities, ours.report, ours.record, *ours.figure("f")),
    ]
    outputs = [one for one in outputs if one.startswith("results/")]
    outputs[outputs.index(paths.MODEL)] += "/"
    assert len(outputs) >= 30
    assert [path for path in outputs if dictionary.of(path) is None] == []


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]


def test_what_pages_link_to_is_there():
    """Figures and pages, relative to the page."""
    links = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not link.startswith("http")
    ]
    assert len(links) >= 30
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


BUILT_IN = ("config.yaml", "config/thorough.yaml", "config/why.yaml")


def test_the_readme_is_one_page():
    assert len(README.splitlines()) <= 150


def test_every_kind_of_figure_is_in_a_study_that_needs_no_download():
    studies = (yaml.safe_load((ROOT / path).read_text()) for path in BUILT_IN)
    figures = [figure for study in studies for figure in study["figures"].values()]
    assert {figure["kind"] for figure in figures} == set(KINDS)
