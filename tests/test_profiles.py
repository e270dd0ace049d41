"""The cluster's profile: it fits the workflow, and a site's edits reach every job."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yte
from support.rules import rules
from support.workflow import STUDY, copy_project

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "profiles/slurm/config.yaml"
METHODS = ("icl", "gd", "tangent", "kernel", "distil", "imitation", "solver")
LEARNERS = {f"run_{name}" for name in METHODS}
GPU = {*LEARNERS, "compare_attention", "compare_updates", "measure_reach", "measure_perplexity"}


def profile(*edits: tuple[str, str]) -> dict:
    """The profile as Snakemake reads it, after a site's ``edits`` (old text, new text)."""
    text = PROFILE.read_text()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return yte.process_yaml(text)


def local_rules() -> set[str]:
    return {name for name, text in rules().items() if "localrule: True" in text}


def test_the_literal_name_is_a_link_to_the_profile():
    assert (ROOT / "slurm").readlink() == Path("profiles/slurm")


def test_the_profile_names_rules_that_run_on_a_cluster():
    named = {*profile()["set-resources"], *profile()["groups"]}
    assert named == set(rules()) - local_rules()
    assert set(profile()["groups"].values()) == set(profile()["group-components"])


def test_downloads_and_figures_stay_on_the_login_node():
    stay = {name for name in rules() if name.startswith(("fetch_", "prepare_", "sample_", "plot_"))}
    assert stay <= local_rules()


def test_gpu_jobs_ask_for_one_card_and_others_for_none():
    requested = {name: one.get("gpu") for name, one in profile()["set-resources"].items()}
    assert requested == {name: 1 if name in GPU else None for name in requested}


def test_a_site_edits_one_block():
    edited = profile(
        ("cpu_partition: main", "cpu_partition: long"),
        ("gpu_partition: gpu", "gpu_partition: cards"),
        ("gpu_model: null", "gpu_model: a100"),
        ("account: null", "account: me"),
        ("qos: null", "qos: high"),
    )
    expected = {"slurm_partition": "long", "slurm_account": "me", "qos": "high"}
    assert expected.items() <= edited["default-resources"].items()
    for name, requested in edited["set-resources"].items():
        on_cards = (requested.get("slurm_partition"), requested.get("gpu_model"))
        assert on_cards == (("cards", "a100") if name in GPU else (None, None))
    assert {"slurm_account", "qos"}.isdisjoint(profile()["default-resources"])


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> str:
    """What ``snakemake --profile slurm -n`` prints where no Slurm is, once a model is fetched."""
    folder = copy_project(tmp_path_factory.mktemp("planned") / "project", STUDY)
    tools = folder / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "which"):
        (tools / name).symlink_to(shutil.which(name))
    environment = {"PATH": f"{Path(sys.executable).parent}:{tools}"}
    fetch = ["--cores", "2", "results/models/llama-small.json"]
    for arguments in (fetch, ["--profile", "slurm", "--dry-run"]):
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.workflow
def test_requests_grow_with_the_model(planned):
    """27,456 weights are 0.0001 GB; those of a model that is not there yet are left open."""
    found = re.findall(
        r"rule (run_\w+):.*?wildcards: model=([\w-]+).*?mem_mb=(\S+),", planned, re.S
    )
    assert {("run_gd", "llama-small", "4000"), ("run_icl", "live", "<TBD>")} <= set(found)


@pytest.mark.parametrize(
    ("attempt", "memory", "minutes"), [(1, 88000, 660), (2, 176000, 1320), (3, 264000, 1980)]
)
def test_requests_grow_with_size_and_attempt(tmp_path, attempt, memory, minutes):
    """A model of 7 billion weights, 28 GB in float32."""
    (tmp_path / "big.json").write_text('{"weights": 7000000000}')
    names = {"input": SimpleNamespace(model=tmp_path / "big.json"), "attempt": attempt}
    requested = profile()["set-resources"]["run_gd"]
    assert round(eval(requested["mem_mb"], dict(names))) == memory
    assert round(eval(requested["runtime"], dict(names))) == minutes
