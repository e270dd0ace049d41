"""Untrusted models and data: none of their code runs, and errors name the reason for refusal."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from support.models import save_model, tiny_model
from support.reports import answered
from support.roles import ROLES
from support.steps import run_step
from support.summaries import depth
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.task import TASK
from iclgd.models import loading

ROOT = Path(__file__).parents[1]


class Malicious:
    """An object that creates the file ``marker`` when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture
def marker(tmp_path):
    """A file that malicious content makes; the test fails if it is there in the end."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


@pytest.fixture
def folder(tmp_path):
    """A valid model folder."""
    save_model(tiny_model("llama", "float32"), tmp_path, "kept")
    return tmp_path / "kept"


def fetch(folder: Path, **entry) -> Path:
    """Run fetch_model on a local folder; returns the manifest."""
    results = folder.parent / "results"
    run_step(
        "fetch_model",
        *("--name", "tiny", "--entry", json.dumps({"path": str(folder), **entry})),
        *("--source", folder, "--folder", results / "tiny", "--manifest", results / "tiny.json"),
    )
    return results / "tiny.json"


def refused(folder: Path, message: str, **entry) -> None:
    """fetch_model ends with one line that matches ``message`` and leaves nothing behind."""
    with pytest.raises(InputError, match=message) as error:
        fetch(folder, **entry)
    assert str(error.value).isprintable()
    assert list((folder.parent / "results").iterdir()) == []


def change(path: Path, **keys) -> None:
    """Set keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def zipped(path, content):
    torch.save(content, path)


def legacy(path, content):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def plain(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))


FORMATS = [zipped, legacy, plain]


@pytest.mark.parametrize("write", FORMATS)
def test_the_pickles_of_these_tests_are_loaded(tmp_path, write):
    write(tmp_path / "evil", {"w": Malicious(tmp_path / "marker")})
    if write is plain:
        pickle.loads((tmp_path / "evil").read_bytes())
    else:
        torch.load(tmp_path / "evil", weights_only=False)
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
@pytest.mark.parametrize("write", FORMATS)
def test_pickled_code_in_weights_is_refused(folder, marker, write, name):
    (folder / "model.safetensors").unlink()
    write(folder / name, {"weight": torch.ones(2), "more": [Malicious(marker)]})
    refused(folder, f"{name}: refused, not a plain file of weights")


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize(
    "name", ["model.safetensors", "model-00001-of-00001.safetensors", "decoy.safetensors"]
)
def test_pickles_by_another_name_are_refused(folder, marker, write, name):
    (folder / "model.safetensors").unlink()
    write(folder / "pytorch_model.bin", {"w": Malicious(marker)})
    write(folder / name, {"w": Malicious(marker)})
    refused(folder, "pytorch_model.bin: refused" if "decoy" in name else f"{name} is broken")


@pytest.mark.parametrize(
    "content",
    [
        {"weight": 1.0},
        {"model": {"weight": torch.ones(2)}},
        {"weight": torch.ones(2).to_sparse()},
        {"weight": torch.ones(2, device="meta")},
        {3: torch.ones(2)},
        [torch.ones(2)],
    ],
)
def test_pickles_that_hold_more_than_weights_are_refused(folder, content):
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    refused(folder, r"pytorch_model.bin: refused")


@pytest.mark.parametrize("shard", ["training_args.bin", "../evil.bin", "{folder}/evil.bin"])
def test_an_index_names_no_other_files(folder, marker, shard):
    shard = shard.format(folder=folder)
    (folder / "model.safetensors").rename(folder / "model-1-of-1.safetensors")
    for place in (folder, folder.parent):
        zipped(place / "evil.bin", {"w": Malicious(marker)})
        zipped(place / "training_args.bin", {"w": Malicious(marker)})
    names = loading.tensor_shapes(folder)
    index = {"metadata": {}, "weight_map": {name: shard for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "model tiny: model.safetensors.index.json names .*, which is not there")


CODE = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM
class EvilConfig(LlamaConfig):
    model_type = "evil"
class EvilModel(LlamaForCausalLM):
    config_class = EvilConfig
"""
AUTO_MAP = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"}


def add_code(folder: Path, marker: Path, model_type: str) -> None:
    """Make ``folder`` a model that comes with code of its own, under a type."""
    (folder / "evil.py").write_text(CODE.format(marker=str(marker)))
    change(folder / "config.json", auto_map=AUTO_MAP, model_type=model_type)


def test_what_lies_beside_a_good_model_stays_there(folder, marker, tmp_path):
    """Every torch step gives the same bytes, whatever the folder holds beside its model."""
    parquet.write(tiny_task(rows=24), tmp_path / "task.parquet", TASK)
    run_step(
        "sample_demonstrations",
        *("--task", tmp_path / "task.parquet", "--design", "n2", "--shots", 2),
        *("--draws", "0-0", "--output", tmp_path / "n2.parquet"),
    )

    def steps() -> list[bytes]:
        manifest = fetch(folder)
        shared = ["--model", manifest, "--task", tmp_path / "task.parquet"]
        shared += ["--demonstrations", tmp_path / "n2.parquet", "--device", "cpu"]
        learner = json.dumps({"rate": 0.01, "epochs": 1})
        out = [tmp_path / f"{name}.parquet" for name in ("icl", "gd", "sparsity", "circuits")]
        run_step("run_icl", *shared, "--output", out[0])
        run_step("run_gd", *shared, "--learner", learner, "--name", "gd", "--output", out[1])
        run_step("extract_sparsity", "--model", manifest, "--output", out[2], "--circuits", out[3])
        return [path.read_bytes() for path in out]

    before = steps()
    add_code(folder, marker, "llama")
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "evil.Evil"]})
    for name in ("pytorch_model.bin", "optimizer.pt", "training_args.bin", "rng_state.pth"):
        zipped(folder / name, {"w": Malicious(marker)})
    (folder / "vocab.pkl").write_bytes(pickle.dumps(Malicious(marker)))
    (folder / "chat_template.jinja").write_text("{{ cycler.__init__.__globals__.os.system('x') }}")
    assert steps() == before
    kept = {path.name for path in (tmp_path / "results" / "tiny").iterdir()}
    assert kept == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    }


def test_code_of_a_model_runs_only_where_its_entry_says_so(
    folder, marker, tmp_path, monkeypatch, capsys
):
    import transformers.dynamic_module_utils as modules

    monkeypatch.setattr(modules, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    add_code(folder, marker, "evil")
    refused(folder, "tiny comes with code of its own; .* `remote_code: true`")
    refused(folder, "comes with code of its own", remote_code=False)
    assert not marker.exists()
    manifest = fetch(folder, remote_code=True)
    assert not marker.exists()  # fetching alone runs nothing
    assert type(loading.load(manifest, "cpu").model).__name__ == "EvilModel"
    assert "tiny: runs the code that comes with it\n" in capsys.readouterr().err
    marker.unlink()


def test_a_tokenizers_code_is_not_run_either(folder, marker):
    (folder / "evil.py").write_text(CODE.format(marker=str(marker)))
    change(folder / "config.json", model_type="unheard-of")
    change(
        folder / "tokenizer_config.json",
        auto_map={"AutoTokenizer": [None, "evil.EvilTokenizer"]},
        tokenizer_class="EvilTokenizer",
    )
    refused(folder, "comes with code of its own")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"auto_map": {"AutoConfig": "else/where--evil.EvilConfig"}}, "code in another repository"),
        ({"_attn_implementation": "evil/kernel"}, "_attn_implementation is the code of 'evil/ke"),
        ({"text_config": {"attn_implementation": "evil/k"}}, "attn_implementation is the code"),
        ({"quantization_config": {"quant_method": "torchao"}}, "its weights are quantised"),
    ],
)
def test_a_config_brings_nothing_from_elsewhere(folder, keys, message):
    change(folder / "config.json", **keys)
    refused(folder, message, remote_code=True)


def test_adapters_are_refused(folder):
    config = {"base_model_name_or_path": "else/where", "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file({"w": torch.ones(2)}, folder / "adapter_model.safetensors")
    refused(folder, "adapter_config.json is there: merge the adapter")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0", b"\xff" * 99, b"PK\3\4" * 99, b"\2" + b"\0" * 7 + b"[]"),
        *(b"\7" + b"\0" * 7 + b'{"a":1}', b"\x08" + b"\0" * 7 + b'{"a":{}}'),
        b"\x20\x4e" + b"\0" * 6 + b"[" * 20_000,
    ],
)
def test_broken_safetensors_are_named(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    refused(folder, r"model.safetensors is broken, not a safetensors file")


@pytest.mark.parametrize("text", ["", "[1]", "\ud800", "[" * 100_000, '{"a": 1'])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "provenance.json"])
def test_files_that_are_no_json_are_named(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    refused(folder, f"{name}: not a JSON object")


def test_what_a_model_says_of_itself_is_text(folder, tmp_path):
    (folder / "provenance.json").write_text(json.dumps({"in_context_learning": ["yes"]}))
    refused(folder, "provenance.json does not hold")
    (folder / "provenance.json").write_text(
        json.dumps({"in_context_learning": "\x1b]0;owned\x07 \u202e<script>"})
    )
    depth(tmp_path / "depth.parquet")
    run_step(
        "report_findings",
        *("--summaries", tmp_path / "depth.parquet"),
        *("--figures", json.dumps({"depth": {"name": "depth", "kind": "depth", "roles": ROLES}})),
        *("--manifests", fetch(folder), "--output", tmp_path / "findings.txt"),
        *("--configurations", json.dumps({"depth": ""}), "--quantities", tmp_path / "f.csv"),
        *("--answer", answered(tmp_path)),
    )
    found = (tmp_path / "findings.txt").read_text()
    assert r"\x1b]0;owned\x07 \u202e<script>" in found
    assert found.replace("\n", "").isprintable()


def test_scripts_of_a_data_set_do_not_run(tmp_path, marker, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    entry = {
        "prompt": "{text}: {label}",
        "labels": {"0": "a", "1": "b"},
        "hub": {"dataset": "evil", "train": "train", "test": "test"},
    }
    with pytest.raises(InputError, match="data set evil: ") as error:
        run_step(
            "prepare_task",
            *("--task", "mine", "--entry", json.dumps(entry), "--output", tmp_path / "o.parquet"),
        )
    assert str(error.value).isprintable()


@pytest.mark.workflow
def test_a_path_is_no_command(folder, tmp_path, marker):
    """A folder of a strange name is fetched by the workflow, and its name is not run."""
    strange = tmp_path / "a model; touch marker; $(touch marker) 'x'"
    folder.rename(strange)
    study = yaml.safe_load((ROOT / "tests" / "study.yaml").read_text())
    study["models"]["strange"] = {"path": str(strange)}
    for part in ("Snakefile", "rules", "src", "profiles", "models"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(study))
    target = "results/models/strange.json"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", target],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / target).read_text())["source"] == {"path": str(strange)}
