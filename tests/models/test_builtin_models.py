"""The kept models: what they are, where they come from, and that they learn in context."""

import hashlib
import json
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import yaml

from iclgd.models import attention, pretraining

ROOT = Path(__file__).parents[2]
CATALOGUE = yaml.safe_load((ROOT / "config" / "pretrain.yaml").read_text())["models"]
KEPT = sorted(path.name for path in (ROOT / "models").iterdir() if path.is_dir())
FILES = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "provenance.json",
    "curve.parquet",
}
# Least accuracy over the label words, by model and probe.
CRITERIA = {
    "llama-small": {"2way_8shot": 0.95, "4way_8shot": 0.8},
    "llama-medium": {"2way_8shot": 0.95, "4way_8shot": 0.8},
    "llama-large": {"2way_8shot": 0.95, "4way_8shot": 0.85},
    # Kept as they came: the third seed never learned to use four topics.
    "llama-large-s1": {"2way_8shot": 0.95, "4way_8shot": 0.8},
    "llama-large-s2": {"2way_8shot": 0.95, "4way_8shot": 0.4},
    "gptj": {"2way_8shot": 0.95, "4way_8shot": 0.95},
    "llama-objective": {"2way_8shot": 0.9, "4way_8shot": 0.75},
}
CRITERIA["ginc"] = {"ginc_8shot": 0.8}
CRITERIA |= {name: {"2way_2shot": 0.95} for name in KEPT if name.startswith("twin-")}


def provenance(name):
    return json.loads((ROOT / "models" / name / "provenance.json").read_text())


@cache
def probes(name):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(ROOT / "models" / name)
    attention.activate(model)
    mixture = pretraining.read_entry(CATALOGUE[name]["pretrain"]).mixture
    return pretraining.probe_accuracies(model, pretraining.FINAL_COUNT, mixture)


def test_kept_models_are_the_catalogue():
    assert set(KEPT) == set(CATALOGUE) - {"llama-live"}
    sizes = [p.stat().st_size for p in (ROOT / "models").rglob("*") if p.is_file()]
    assert max(sizes) <= 1_000_000 and sum(sizes) <= 5_000_000


@pytest.mark.parametrize("name", KEPT)
def test_files_hash_and_entry(name):
    folder, record = ROOT / "models" / name, provenance(name)
    assert {path.name for path in folder.iterdir()} == FILES
    weights = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == record["sha256"]
    assert record["entry"] == CATALOGUE[name]["pretrain"]
    assert record["tokens"] == pl.read_parquet(folder / "curve.parquet")["tokens"][-1]
    assert "seconds" in record
    tokenizer = pretraining.synthetic.tokenizer_json() + "\n"
    assert (folder / "tokenizer.json").read_text() == tokenizer


def test_every_entry_is_valid():
    for entry in CATALOGUE.values():
        pretraining.build_model(pretraining.read_entry(entry["pretrain"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_probes_are_as_stated(name):
    for probe, stated in provenance(name)["probes"].items():
        assert probes(name)[probe] == pytest.approx(stated, abs=0.02), probe


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_models_learn_in_context(name):
    for probe, least in CRITERIA[name].items():
        assert probes(name)[f"accuracy_{probe}"] >= least, probe


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in KEPT if name != "ginc"])
def test_models_know_nothing_without_it(name):
    for probe, chance in (("2way", 1 / 2), ("4way", 1 / 4), ("pair", 1 / 2)):
        assert probes(name)[f"accuracy_{probe}_0shot"] == pytest.approx(chance, abs=0.08), probe


@pytest.mark.slow
def test_demonstrations_help_with_ginc():
    # Its documents follow likely tokens, so that it knows much without any.
    assert probes("ginc")["accuracy_ginc_8shot"] > probes("ginc")["accuracy_ginc_0shot"] + 0.1
