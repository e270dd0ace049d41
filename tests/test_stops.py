"""What is wrong with a study or its data stops what depends on it, and nothing else."""

import polars as pl
import pytest
import yaml
from support.workflow import STUDY, copy_project, start

pytestmark = pytest.mark.workflow


def test_a_bad_row_stops_its_branch_and_no_other(tmp_path):
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    study["tasks"]["broken"] = {
        "files": "rows.parquet",  # which the check of the configuration does not read
        "prompt": "{text} : {label}\n",
        "labels": {"0": "Zam", "1": "Pol"},
    }
    study["figures"] = {"agreement": study["figures"]["agreement"]}
    study["figures"]["agreement"] |= {"tasks": ["broken", "topic2"], "pairs": [["icl", "gd"]]}
    folder = copy_project(tmp_path / "project", study)
    pl.DataFrame({"text": ["a", "b"] * 9, "label": [0, 7] * 9}).write_parquet(
        folder / "rows.parquet"
    )
    done = start(
        folder, "results/tasks/broken.parquet", "results/tasks/topic2.parquet", check=False
    )
    assert done.returncode != 0
    log = (folder / "logs/prepare_task/broken.log").read_text().splitlines()
    assert log == ["error: rows.parquet, row 2: label '7' of task broken is not in its list: 0, 1"]
    assert not list((folder / "results/tasks").glob("*broken*"))
    assert (folder / "results/tasks/topic2.parquet").is_file()


def test_a_bad_configuration_starts_no_job(tmp_path):
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    study["figures"]["agreement"]["tasks"] = ["topic22"]
    folder = copy_project(tmp_path / "project", study)
    done = start(folder, check=False)
    assert done.returncode != 0
    message = "figures.agreement.tasks: 'topic22' is not in the catalogue (did you mean 'topic2'?)"
    assert message in done.stdout + done.stderr
    assert not (folder / "results").exists()
