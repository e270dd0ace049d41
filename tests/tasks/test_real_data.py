"""AG News, SST-2, CB and RTE from local files with a small real checkpoint, end to end.

The data are not part of the project. The test looks for them in the folder of the environment
variable ICLGD_DATA, or else in shared/data beside the checkout.
"""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from support.steps import run_step
from support.workflow import ROOT, copy_project, snakemake

pytestmark = pytest.mark.workflow

DATA = Path(os.environ.get("ICLGD_DATA", ROOT.parent / "shared" / "data"))
NEWS = "Classify the news articles into the categories of World, Sports, Business, and Technology."
TASKS = {
    "ag-news": {
        "files": "ag_news",
        "instruction": f"{NEWS}\n\n",
        "prompt": "Article: {text}\nAnswer: {label}\n\n",
        "labels": {"0": "World", "1": "Sports", "2": "Business", "3": "Technology"},
    },
    # In capitals, both label words would begin with the same token of this small vocabulary.
    "sst2": {
        "files": "sst2",
        "prompt": "Review: {text}\nSentiment: {label}\n\n",
        "labels": {"0": "negative", "1": "positive"},
    },
    "cb": {
        "files": "cb",
        "prompt": "{premise}\nquestion: {hypothesis}. "
        "true, false, or neither?\nanswer: {label}\n\n",
        "labels": {"0": "true", "1": "false", "2": "neither"},
    },
    "rte": {
        "files": "rte",
        "prompt": "{premise}\nquestion: {hypothesis} True or False?\nanswer: {label}\n\n",
        "labels": {"0": "True", "1": "False"},
    },
}


def study() -> dict:
    """ICL and GD on two demonstrations of each task; long texts would not fit 512 tokens."""
    folder = DATA / "real"
    tasks = {
        name: {
            **entry,
            "files": {x: str(folder / entry["files"] / f"{x}.jsonl") for x in ("train", "test")},
            "queries": 8,
            "longest": 180,
        }
        for name, entry in TASKS.items()
    }
    return {
        "models": {"stories": {"path": str(DATA / "models" / "stories260K")}},
        "tasks": tasks,
        "demonstrations": {"n2": {"shots": 2, "draws": 2, "orders": 2}},
        "learners": {
            "icl": {"method": "icl"},
            "icl-reordered": {"reference": "icl", "shift": "order"},
            "gd": {"method": "gd", "rate": 0.01, "epochs": 2, "orders": 1},
        },
        "figures": {
            "agreement": {
                "kind": "agreement",
                "models": ["stories"],
                "tasks": list(tasks),
                "demonstrations": ["n2"],
                "pairs": [["icl", "gd"], ["icl", "icl-reordered"]],
            }
        },
    }


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data are not in {DATA}")
def test_four_real_tasks_with_a_real_checkpoint(tmp_path):
    folder = copy_project(tmp_path / "project", study())
    snakemake(folder)
    summary = pl.read_parquet(folder / "results/default/summary/agreement.parquet")
    assert set(summary["task"]) == set(TASKS)
    overlap = summary.filter(pl.col("metric") == "token_overlap")["estimate"]
    assert overlap.is_between(0, 1).all()
    logits = pl.read_parquet(folder / "results/logits/stories/cb/n2/gd/0-1.parquet")
    assert logits["status"].unique().to_list() == ["ok"]
    last = logits.group_by("epoch").agg(pl.col("loss").mean()).sort("epoch")["loss"].to_list()
    assert last[-1] < last[0], "descent lowers the loss of the demonstrations"
    task = pl.read_parquet(folder / "results/tasks/ag-news.parquet")
    one = task.row(0, named=True)
    assert one["instruction"].startswith("Classify the news articles")
    assert one["text"].startswith("Article: ") and one["text"].endswith("\nAnswer:")
    assert one["answer"] in (" World", " Sports", " Business", " Technology")
    assert one["ending"] == "\n\n"


PAIR = "{premise}\nquestion: {hypothesis} True or False?\nanswer: {label}\n\n"
ROWS = {"ag_news": 4, "cb": 3, "mr": 2, "rte": 2, "sst2": 2, "sst5": 5}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data are not in {DATA}")
@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_a_real_set_is_accounted_for(tmp_path, name):
    folder = DATA / "real" / name
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    prompt = PAIR if name in ("cb", "rte") else "{text}\nanswer: {label}\n\n"
    labels = {str(i): f"class {i}" for i in range(ROWS[name])}
    entry = {"files": files, "prompt": prompt, "labels": labels, "queries": 100}
    output = {"--output": tmp_path / "task.parquet", "--manifest": tmp_path / "task.json"}
    arguments = ["--task", name, "--entry", json.dumps(entry)]
    run_step("prepare_task", *arguments, *(x for pair in output.items() for x in pair))
    manifest = json.loads((tmp_path / "task.json").read_text())
    lines = {split: Path(path).read_text().count("\n") for split, path in files.items()}
    assert manifest["read"] == lines
    # These sets were made without duplicates and contradictions.
    rest = {reason: n for reason, n in manifest["left_out"].items() if n and reason != "surplus"}
    assert rest == {}
    kept = len(pl.read_parquet(tmp_path / "task.parquet"))
    assert kept + manifest["left_out"]["surplus"] == sum(lines.values())
    assert kept == sum(sum(words.values()) for words in manifest["classes"].values())
