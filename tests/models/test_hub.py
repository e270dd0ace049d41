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
from iclgd.tasks import task_tables

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
def test_downloads_are_pinned_and_no_more_than_needed(
    tmp_path, monkeypatch, there, remote_code, wanted
):
    import huggingface_hub

    calls = []

    def model_info(self, hub, revision):
        calls.append((hub, revision))
        siblings = [types.SimpleNamespace(rfilename=name) for name in there]
        return types.SimpleNamespace(sha="c0ffee", siblings=siblings)

    def snapshot_download(hub, revision, local_dir, allow_patterns):
        calls.append((hub, revision))
        from huggingface_hub.utils import filter_repo_objects

        (local_dir / ".cache").mkdir()
        for name in filter_repo_objects(there, allow_patterns=allow_patterns):
            (local_dir / name).write_text("{}")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert hub.download("org/model", "step1000", remote_code, tmp_path) == "c0ffee"
    assert calls == [("org/model", "step1000"), ("org/model", "c0ffee")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(wanted)


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """The pauses that would have been made."""
    pauses = []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    return pauses


def test_a_failing_download_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, slept, capsys):
    import huggingface_hub

    def model_info(self, hub, revision):
        raise OSError("no route\n\nto host")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(InputError, match=r"^org/model at main: no route to host$"):
        fetch(tmp_path, None, entry={"hub": "org/model"})
    assert list((tmp_path / "results").iterdir()) == []
    assert slept == [2, 8, 32]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "org/model at main: no route to host; trying again in 2 s"


def responded(status: int):
    from huggingface_hub.errors import HfHubHTTPError

    error = HfHubHTTPError.__new__(HfHubHTTPError)
    error.response = types.SimpleNamespace(status_code=status)
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


def test_a_download_that_stops_halfway_is_no_model(tmp_path, monkeypatch, slept):
    """Without network the hub's client is content with a folder that has some files already."""
    import huggingface_hub

    there = [types.SimpleNamespace(rfilename=name) for name in ("config.json", "model.safetensors")]
    info = types.SimpleNamespace(sha="c0ffee", siblings=there)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, hub, revision: info)

    def snapshot_download(hub, revision, local_dir, allow_patterns):
        (local_dir / "config.json").write_text("{}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(InputError, match=r"^org/m at main: model.safetensors did not arrive$"):
        hub.download("org/m", None, False, tmp_path)
    assert len(slept) == 3


def test_a_data_set_out_of_reach_is_one_line(slept, monkeypatch):
    import datasets

    def load_dataset(*_, **__):
        raise ConnectionError("Couldn't reach 'a/b'\non the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match=r"^data set a/b, split train: Couldn't reach 'a/b' on"):
        task_tables.hub_rows("a/b", "train", "test")
    assert len(slept) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_says_what_to_do(tmp_path, monkeypatch, status):
    import httpx2
    import huggingface_hub
    from huggingface_hub.utils import hf_raise_for_status

    def model_info(self, hub, revision):
        """As the hub answers: 401 to who has not logged in, 403 to who has no access yet."""
        request = httpx2.Request("GET", f"https://hub.example/api/models/{hub}")
        headers = {"X-Error-Code": "GatedRepo"}
        hf_raise_for_status(httpx2.Response(status, headers=headers, request=request))

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(
        InputError, match=r"^org/model at main: the hub refuses it: .*hf auth login"
    ):
        fetch(tmp_path, None, entry={"hub": "org/model"})
    assert list((tmp_path / "results").iterdir()) == []


def test_a_hub_model_without_weights_is_named(tmp_path, monkeypatch):
    import huggingface_hub

    info = types.SimpleNamespace(sha="c0ffee", siblings=[])
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, hub, revision: info)
    with pytest.raises(InputError, match="org/model: neither model"):
        hub.download("org/model", None, False, tmp_path)
