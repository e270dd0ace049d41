"""Incomplete or invalid model folders: a one-line error for each."""

import json

import pytest
from support.hub import fetch, small_source
from support.models import save_model, tiny_model

from iclgd.io.cli import InputError
from iclgd.models import hub, loading


@pytest.fixture
def source(tmp_path):
    return small_source(tmp_path)


def shards(folder, *names: str):
    """An index that names shards, and a folder that has some of them."""
    save_model(tiny_model("llama", "float32"), folder, "sharded")
    index = {"weight_map": {f"tensor{i}": name for i, name in enumerate(names)}}
    (folder / "sharded" / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder / "sharded"


def test_a_missing_shard_is_named(tmp_path):
    source = shards(tmp_path, "model-1-of-2.safetensors", "model-2-of-2.safetensors")
    (source / "model.safetensors").rename(source / "model-1-of-2.safetensors")
    message = "names model-2-of-2.safetensors, which is not there"
    with pytest.raises(InputError, match=message):
        fetch(tmp_path, source)
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("size", [0, 5, 300, -1])
def test_weights_cut_short_are_named(tmp_path, source, size):
    whole = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(whole[:size])
    with pytest.raises(InputError, match=r"model.safetensors is broken, not"):
        fetch(tmp_path, source)
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_weights_that_are_nan_are_named(tmp_path, dtype):
    model = tiny_model("llama", dtype)
    save_model(model, tmp_path, "sound")
    model.model.norm.weight[3] = -float("inf")
    save_model(model, tmp_path, "infinite")
    for name in ("sound", "infinite"):
        hub.check_weights(name, tmp_path / name)
    model.model.norm.weight[3] = float("nan")
    save_model(model, tmp_path, "nan")
    with pytest.raises(InputError, match=r"^model m: model.norm.weight in model.safetensors holds"):
        hub.check_weights("m", tmp_path / "nan")


def test_a_foreign_vocabulary_is_named(tmp_path):
    manifest = save_model(tiny_model("llama", "float32", vocab_size=100), tmp_path)
    with pytest.raises(
        InputError, match=r"tiny: the tokenizer has \d+ tokens and the embedding 100"
    ):
        loading.load(manifest, "cpu")


def test_weights_that_are_not_there_are_not_made_up(tmp_path):
    from safetensors.torch import load_file, save_file

    manifest = save_model(tiny_model("llama", "float32"), tmp_path)
    path = tmp_path / "tiny" / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.norm.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"tiny: no weights for model.norm.weight \(1 missing"):
        loading.load(manifest, "cpu")
