"""A fetched model is pinned, complete, safe to load, and the same every time."""

import json
import types

import pytest
import torch
from huggingface_hub.errors import OfflineModeIsEnabled
from support.hub import fetch, small_source
from support.models import tiny_model, tiny_tokenizer

from iclgd.io import retry
from iclgd.io.cli import InputError
from iclgd.models import hub, loading

TOKENS = torch.tensor([[0, 7, 40, 90, 12]])


@pytest.fixture
def source(tmp_path):
    return small_source(tmp_path)


def test_a_local_model_is_linked_described_and_loads(tmp_path, source):
    folder, manifest = fetch(tmp_path, source)
    links = {path.name: path for path in folder.iterdir()}
    assert set(links) == {path.name for path in source.iterdir()}
    assert all(path.is_symlink() and not path.readlink().is_absolute() for path in links.values())
    entry = json.loads(manifest.read_text())
    model = tiny_model("llama", "float32")
    assert entry == {
        "model": "tiny",
        "source": {"path": "models/kept"},
        "commit": None,
        "sha256": loading.sha256(source),
        "architecture": "llama",
        "layers": 3,
        "weights": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": "float32",
        "quantised": None,
        "instruct": None,
        "remote_code": False,
        "in_context_learning": "pairs: not acquired",
        "objective": None,
        "pretraining": None,
        "probes": None,
    }
    loaded = loading.load(manifest, "cpu")
    assert torch.equal(loaded.model(TOKENS).logits, model(TOKENS).logits)
    assert (loaded.name, loaded.context, loaded.device) == ("tiny", 128, "cpu")
    assert not loaded.model.training


def test_fetching_twice_gives_the_same_bytes(tmp_path, source):
    folder, manifest = fetch(tmp_path, source)
    first = manifest.read_bytes()
    again, _ = fetch(tmp_path, source)
    assert manifest.read_bytes() == first
    assert loading.sha256(again) == json.loads(first)["sha256"]
    assert sorted(p.name for p in folder.parent.iterdir()) == ["tiny", "tiny.json"]


def test_the_dtype_of_the_entry_is_the_models(tmp_path, source):
    _, manifest = fetch(tmp_path, source, entry={"path": "x", "dtype": "bfloat16"})
    assert loading.load(manifest, "cpu").model.dtype == torch.bfloat16


def test_a_manifest_without_its_folder_is_an_error(tmp_path, source):
    _, manifest = fetch(tmp_path, source)
    moved = manifest.rename(tmp_path / "alone.json")
    with pytest.raises(InputError, match=r"alone.json is there but its weights .*alone are not"):
        loading.load(moved)


def test_the_hash_depends_on_names_and_bytes(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"1")
    one = loading.sha256(tmp_path)
    (tmp_path / "a.safetensors").rename(tmp_path / "b.safetensors")
    two = loading.sha256(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"2")
    assert len({one, two, loading.sha256(tmp_path)}) == 3


def as_bin(model, folder, shards: int = 1):
    """Save ``model`` the old way: pickled state dicts."""
    folder.mkdir()
    model.config.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    state = list(model.state_dict().items())
    size = -(-len(state) // shards)
    for i in range(shards):
        part = dict(state[i * size : (i + 1) * size])
        name = "pytorch_model.bin" if shards == 1 else f"pytorch_model-{i}-of-{shards}.bin"
        torch.save(part, folder / name)
    (folder / "pytorch_model.bin.index.json").write_text("{}")
    torch.save({"not": "weights"}, folder / "training_args.bin")
    return folder


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt"], indirect=True)
def test_bin_weights_become_safetensors(tmp_path, architecture, shards):
    """GPT-2 and OPT tie their embeddings: two names, one tensor."""
    from transformers import AutoModelForCausalLM

    model = tiny_model(architecture, "float32")
    old = as_bin(model, tmp_path / "old", shards)
    folder, manifest = fetch(tmp_path, old)
    assert [path.name for path in folder.glob("*.safetensors")] == ["model.safetensors"]
    assert not list(folder.glob("pytorch_model*"))
    assert len(list(old.glob("pytorch_model*.bin"))) == shards  # the source keeps its own
    found = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert torch.equal(found(TOKENS).logits, model(TOKENS).logits)
    weights = sum(parameter.numel() for parameter in model.parameters())
    first = (folder / "model.safetensors").read_bytes()
    if shards == 1:  # tensors tied across shards are two tensors on disk
        assert json.loads(manifest.read_text())["weights"] == weights
    fetch(tmp_path, old)
    assert (folder / "model.safetensors").read_bytes() == first


class Malicious:
    """Unpickling runs code: the classic."""

    def __reduce__(self):
        return (print, ("this must never be printed",))


@pytest.mark.parametrize("content", [{"weight": Malicious()}, None])
def test_malicious_and_broken_pickles_are_refused(tmp_path, capsys, content):
    old = as_bin(tiny_model("gpt2"), tmp_path / "old")
    if content is None:
        (old / "pytorch_model.bin").write_bytes(b"broken")
    else:
        torch.save(content, old / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model.bin: refused") as error:
        fetch(tmp_path, old)
    assert "\n" not in str(error.value)
    assert "never" not in capsys.readouterr().out
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no config.json there"),
        (["config.json"], r"neither model.safetensors nor pytorch_model"),
    ],
)
def test_folders_that_are_no_models_are_refused(tmp_path, files, message):
    (tmp_path / "empty").mkdir()
    for name in files:
        (tmp_path / "empty" / name).write_text("{}")
    with pytest.raises(InputError, match=message):
        fetch(tmp_path, tmp_path / "empty")
    assert list((tmp_path / "results").iterdir()) == []


SMALL = ["config.json", "tokenizer.model", "merges.txt"]
OTHER = [
    "README.md",
    "chat_template.jinja",
    "tf_model.h5",
    "onnx/model.safetensors",
    "onnx/config.json",
    "model.py",
]
SAFE = ["model-1-of-2.safetensors", "model-2-of-2.safetensors", "model.safetensors.index.json"]
BIN = ["pytorch_model.bin", "training_args.bin"]


@pytest.mark.parametrize(
    ("there", "remote_code", "wanted"),
    [
        (SMALL + OTHER + SAFE + BIN + ["consolidated.safetensors"], False, SMALL + SAFE),
        (SMALL + OTHER + BIN, False, [*SMALL, "pytorch_model.bin"]),
        (SMALL + OTHER + SAFE, True, [*SMALL, *SAFE, "model.py"]),
    ],
)
def test_no_more_than_a_model_needs_is_chosen(tmp_path, there, remote_code, wanted):
    def index(name: str):
        (tmp_path / name).write_text("{}")
        return tmp_path / name

    chosen = hub.choose(there, remote_code, "org/model", index)
    assert sorted(chosen) == sorted(wanted)


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """The pauses that would have been made."""
    pauses = []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    return pauses


def responded(status: int, headers: dict | None = None):
    from huggingface_hub.errors import HfHubHTTPError

    error = HfHubHTTPError.__new__(HfHubHTTPError)
    error.response = types.SimpleNamespace(status_code=status, headers=headers or {})
    return error


def wrapped(error: Exception):
    outer = ConnectionError("could not reach the hub")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (TimeoutError(), 4),
        (responded(503), 4),
        (responded(429), 4),
        (responded(404), 1),
        (responded(403), 1),
        (wrapped(responded(401)), 1),
        (OfflineModeIsEnabled("offline"), 1),
        (PermissionError(13, "Permission denied"), 1),
    ],
)
def test_what_may_pass_is_tried_again(slept, error, tries):
    calls = []

    def ask():
        calls.append(1)
        raise error

    with pytest.raises(InputError, match=r"^the thing: "):
        retry.persist(ask, "the thing")
    assert len(calls) == tries == len(slept) + 1


def test_a_network_that_comes_back_is_used(slept):
    answers = iter([ConnectionError("gone"), ConnectionError("gone")])

    def ask():
        for error in answers:
            raise error
        return "here"

    assert retry.persist(ask, "the thing") == "here"
    assert slept == [2, 8]


@pytest.mark.parametrize(
    ("headers", "pauses"),
    [
        ({"Retry-After": "20"}, [20, 20, 32]),
        ({"Retry-After": "5000"}, [300, 300, 300]),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, [2, 8, 32]),
        ({"ratelimit": '"api";r=0;t=55'}, [55, 55, 55]),
        ({"ratelimit": '"api";r=7;t=55'}, [2, 8, 32]),
    ],
)
def test_a_pause_is_as_long_as_the_hub_asks_for(slept, headers, pauses):
    """In seconds, or until its window ends in which no request is left; up to five minutes."""

    def ask():
        raise wrapped(responded(429, headers))

    with pytest.raises(InputError, match=r"^the thing: "):
        retry.persist(ask, "the thing")
    assert slept == pauses
