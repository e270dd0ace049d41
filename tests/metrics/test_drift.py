"""How far weights moved, and the summary over pretraining checkpoints."""

import json

import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.drift import DRIFT
from iclgd.metrics import drift
from iclgd.models import checkpoints
from iclgd.statistics import intervals


def folder(path, tensors, parts=1):
    """A model folder whose tensors lie in ``parts`` files."""
    path.mkdir(parents=True)
    names = sorted(tensors)
    for part in range(parts):
        chosen = {name: tensors[name] for name in names[part::parts]}
        save_file(chosen, path / f"model-{part}.safetensors")
    return checkpoints.Folder(path)


FIRST = {"h.0.w": torch.zeros(2, 3), "h.0.b": torch.ones(4)}
LATER = {"h.0.w": torch.full((2, 3), -0.5), "h.0.b": torch.tensor([1.0, 1.0, 1.0, 3.0])}


def test_drift_by_hand_over_several_files(tmp_path):
    first, later = folder(tmp_path / "a", FIRST), folder(tmp_path / "b", LATER, parts=2)
    assert list(drift.drift(later, first)) == [("h.0.b", 4, 0.5), ("h.0.w", 6, 0.5)]
    assert [change for *_, change in drift.drift(first, first)] == [0, 0]


def test_half_precision_is_compared_in_float32(tmp_path):
    half = {name: tensor.bfloat16() for name, tensor in FIRST.items()}
    moved = {name: tensor + 1e-5 for name, tensor in FIRST.items()}
    found = list(drift.drift(folder(tmp_path / "a", moved), folder(tmp_path / "b", half)))
    assert [change for *_, change in found] == pytest.approx([1e-5, 1e-5], rel=0.01)


def test_masks_are_no_weights(tmp_path):
    masked = {
        **FIRST,
        "h.0.attn.bias": torch.ones(1, 1, 9, 9),
        "h.0.attn.c_attn.bias": torch.ones(2),
    }
    assert folder(tmp_path / "a", masked).names() == ["h.0.attn.c_attn.bias", "h.0.b", "h.0.w"]


def test_names_are_found_by_suffix(tmp_path):
    bare = folder(tmp_path / "a", FIRST)
    assert bare.stored_as("transformer.h.0.w") == "h.0.w"
    wrapped = folder(tmp_path / "b", {f"model.{name}": w for name, w in LATER.items()})
    assert wrapped.stored_as("h.0.w") == "model.h.0.w"
    assert [change for *_, change in drift.drift(bare, wrapped)] == [0.5, 0.5]
    with pytest.raises(InputError, match=r"0 tensors go by the name h\.1\.w"):
        bare.read("h.1.w")


def test_other_models_are_errors(tmp_path):
    first = folder(tmp_path / "a", FIRST)
    fewer = folder(tmp_path / "b", {"h.0.w": FIRST["h.0.w"]})
    wider = folder(tmp_path / "c", {**FIRST, "h.0.b": torch.ones(5)})
    with pytest.raises(InputError, match="2 tensors"):
        list(drift.drift(first, fewer))
    with pytest.raises(InputError, match=r"h\.0\.b has shapes \[4\] and \[5\]"):
        list(drift.drift(first, wider))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no safetensors"):
        checkpoints.Folder(tmp_path / "empty")


def test_measure_drift(tmp_path):
    for name, tensors in (("m@step1", FIRST), ("m@step20", LATER)):
        folder(tmp_path / name, tensors)
        (tmp_path / f"{name}.json").write_text(json.dumps({"model": name}))
    output = tmp_path / "drift.parquet"
    models = ("--model", tmp_path / "m@step20.json", "--reference", tmp_path / "m@step1.json")
    run_step("measure_drift", *models, "--output", output)
    assert parquet.read(output, DRIFT).rows() == [
        ("m@step20", "m@step1", "h.0.b", 4, 0.5),
        ("m@step20", "m@step1", "h.0.w", 6, 0.5),
    ]


def accuracy(model, learner, epoch, chosen, estimate):
    keys = {"model": model, "task": "t", "design": "d", "shots": 4, "learner": learner}
    numbers = dict.fromkeys(intervals.ESTIMATE) | {"estimate": estimate, "draws": 1, "queries": 9}
    found = numbers | {"diverged": 0.0}
    return {**keys, "epoch": epoch, "metric": "accuracy", **found, "chosen": chosen}


def test_summarise_checkpoints(tmp_path):
    summary = pl.DataFrame(
        [
            accuracy("m@step1000", "icl", 0, True, 0.8),
            accuracy("m@step200", "icl", 0, True, 0.5),
            accuracy("m@step200", "gd@1.0", 5, True, 0.4),
            accuracy("m@step200", "gd@1.0", 9, False, 0.9),
            accuracy("other", "icl", 0, True, 0.1),
        ]
    ).cast({pl.Int64: pl.Int32, pl.Null: pl.Float64})
    files = {name: tmp_path / f"{name}.parquet" for name in ("accuracy", "drift", "out")}
    parquet.write(summary, files["accuracy"])
    moved = [("m@step1000", "m@step200", "a", 1, 0.4), ("m@step1000", "m@step200", "b", 3, 0.8)]
    drift = pl.DataFrame(moved, schema=DRIFT, orient="row")
    parquet.write(drift, files["drift"], DRIFT)
    inputs = ("--accuracy", files["accuracy"], "--drift", files["drift"])
    run_step("summarise_checkpoints", *figure("checkpoints"), *inputs, "--output", files["out"])
    table = pl.read_parquet(files["out"])
    assert table.columns == [
        *("model", "revision", "step", "task", "design", "shots", "learner", "measure"),
        *("estimate", "low", "high", "error", "df", "skew", "draws", "queries"),
    ]
    columns = ["model", "revision", "step", "task", "learner", "measure"]
    assert table.select(columns).rows() == [
        ("m", "step200", 200, "t", "gd@1.0", "accuracy"),
        ("m", "step200", 200, "t", "icl", "accuracy"),
        ("m", "step1000", 1000, None, None, "mean_abs_change"),
        ("m", "step1000", 1000, "t", "icl", "accuracy"),
    ]
    assert table["estimate"].to_list() == pytest.approx([0.4, 0.5, 0.7, 0.8])
