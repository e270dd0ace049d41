"""Pretraining: the loss, the schedule, and the files that pretrain_model writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from iclgd.io.cli import InputError
from iclgd.models import pretraining
from iclgd.tasks import synthetic

SHAPE = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
ENTRY = {
    "shape": SHAPE,
    "seed": 1,
    "mixture": {"repeat": 0.3, "pairs": 0.2, "topics": [2, 3]},
    "batch": 4,
    "steps": 3,
    "decay": 2,
    "probe_every": 2,
    "checkpoints": [0, 4],
}
MODEL_FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


@pytest.mark.parametrize("objective", ["next-token", "label"])
def test_loss_equals_hand_computed(objective):
    model = pretraining.build_model(pretraining.read_entry(ENTRY)).double()
    tokens, is_tag = synthetic.documents(np.random.default_rng(0), 3, 64, synthetic.Mixture())
    with torch.no_grad():
        loss = pretraining.loss_on(
            model, torch.as_tensor(tokens), torch.as_tensor(is_tag), objective
        )
        logprobs = model(torch.as_tensor(tokens)).logits.log_softmax(-1).numpy()
    expected = []
    for d in range(3):
        # Each token is predicted one before; tags stand at 4, 9, 14, ...
        positions = range(4, 64, 5) if objective == "label" else range(1, 64)
        expected += [-logprobs[d, i - 1, tokens[d, i]] for i in positions]
    assert loss.item() == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.fixture
def few_probes(monkeypatch):
    """Sixteen prompts a probe: probing takes most of the time of a short training."""
    monkeypatch.setattr(pretraining, "PROBE_COUNT", 16)
    monkeypatch.setattr(pretraining, "FINAL_COUNT", 16)


def test_rate_is_warmed_up_constant_and_decays_after_the_criterion(monkeypatch, few_probes):
    rates = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW,
        "step",
        lambda self: (rates.append(self.param_groups[0]["lr"]), step(self))[1],
    )
    changes = {"checkpoints": [], "steps": 6, "decay": 4, "warmup": 2, "rate": 0.01}
    for accuracy, expected in (
        (0.0, [0.005, 0.0075, 0.005, 0.0025]),  # met at once: decay from step 0
        (1.1, [0.005] + [0.01] * 6 + [0.0075, 0.005, 0.0025]),  # never met: the cap
    ):
        recipe = pretraining.read_entry(ENTRY | changes | {"accuracy": accuracy})
        rows = list(pretraining.pretrain(pretraining.build_model(recipe), recipe))
        assert rates == pytest.approx(expected)
        assert [row["step"] for row in rows] == list(range(0, len(expected) + 1, 2))
        rates.clear()


def test_pretraining_is_deterministic_and_lowers_the_loss(few_probes):
    changes = {"steps": 40, "decay": 1, "batch": 8, "probe_every": 20}
    recipe = pretraining.read_entry(ENTRY | changes)
    runs = []
    for _ in range(2):
        model = pretraining.build_model(recipe)
        runs.append((list(pretraining.pretrain(model, recipe)), model.state_dict()))
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(a, runs[1][1][name]) for name, a in runs[0][1].items())
    rows = runs[0][0]
    assert [row["step"] for row in rows] == [0, 20, 40, 41]
    assert rows[0]["loss"] is None and rows[2]["loss"] < rows[1]["loss"] < np.log(300)
    assert rows[-1]["tokens"] == 41 * 8 * 64


def test_probe_of_an_untrained_model_is_at_chance():
    recipe = pretraining.read_entry(ENTRY)
    row = pretraining.probe_accuracies(pretraining.build_model(recipe), 512)
    assert abs(row["accuracy_2way_8shot"] - 1 / 2) < 0.08
    assert abs(row["accuracy_4way_8shot"] - 1 / 4) < 0.08
    assert abs(row["accuracy_pair_8shot"] - 1 / 2) < 0.08
    assert pretraining.acquired(row).count("not acquired") == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stepz": 3}, "pretrain: unknown stepz"),
        ({"shape": {**SHAPE, "hiden_size": 3}}, "shape: unknown hiden_size"),
        ({"shape": {"model_type": "lama"}}, "model_type 'lama'"),
        ({"shape": {**SHAPE, "hidden_size": "wide"}}, "shape: llama cannot be built of"),
        ({"shape": {**SHAPE, "num_attention_heads": 0}}, "shape: llama cannot be built of"),
        ({"mixture": {"topic": 3}}, "mixture: unknown topic"),
        ({"objective": "labels"}, "objective 'labels'"),
        ({"accuracy": 0.9}, "checkpoints need a known end"),
        ({"checkpoints": [9]}, "checkpoints lie between 0 and steps \\+ decay = 5"),
    ],
)
def test_bad_entries_are_named(change, message):
    with pytest.raises(InputError, match=message):
        pretraining.build_model(pretraining.read_entry(ENTRY | change))


def cli(output: Path, entry: dict) -> subprocess.CompletedProcess:
    script = Path(__file__).parents[2] / "src" / "pretrain_model.py"
    return subprocess.run(
        [sys.executable, script, "--entry", json.dumps(entry), "--output", output],
        capture_output=True,
        text=True,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_cli_writes_the_promised_files_and_the_same_bytes_twice(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    runs = []
    for name in "ab":
        done = cli(tmp_path / name, ENTRY)
        assert done.returncode == 0, done.stderr
        runs.append(files(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    promised = [*MODEL_FILES, "curve.parquet", "provenance.json"]
    promised += [f"step{n}/{name}" for n in (0, 4) for name in MODEL_FILES]
    assert sorted(runs[0]) == sorted(promised)
    assert runs[0] == runs[1]

    assert pl.read_parquet(tmp_path / "a" / "curve.parquet")["step"].to_list() == [0, 2, 4, 5]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a" / "step4")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a")
    assert tokenizer.model_max_length == model.config.max_position_embeddings == 128
    text = f"{synthetic.WORDS[0]} : {synthetic.TAG_WORDS[0]}\n"
    ids = [
        synthetic.BOS,
        synthetic.FIRST_WORD,
        synthetic.COLON,
        synthetic.FIRST_TAG,
        synthetic.NEWLINE,
    ]
    assert tokenizer(text)["input_ids"] == ids
    assert tokenizer.bos_token_id == synthetic.BOS


@pytest.mark.slow
def test_cli_names_a_bad_entry_in_one_line(tmp_path):
    done = cli(tmp_path / "a", ENTRY | {"objective": "labels"})
    assert done.returncode != 0
    assert done.stderr.strip().count("\n") == 0 and "objective 'labels'" in done.stderr
    assert not any(tmp_path.iterdir())
