"""Twins: perplexity by position, pairs by seed, and differences with their bands."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from support.models import save_model, tiny_model, tiny_tokenizer
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.perplexity import PERPLEXITY
from iclgd.learners import batches
from iclgd.metrics import perplexity
from iclgd.reporting.kinds import twins
from iclgd.tasks import synthetic


def test_documents_are_the_same_tokens_again_and_always_the_same():
    documents = synthetic.held_out(20)
    assert documents == synthetic.held_out(20) and len(set(documents)) == 20
    ids = tiny_tokenizer()(documents)["input_ids"]
    assert {len(one) for one in ids} == {61}
    assert [synthetic.text(np.array(one)) for one in ids] == documents
    lines = documents[0].split("\n")
    assert all(line.split()[2] == ":" for line in lines[:-1]) and lines[-1] == ""


def test_nats_equal_hand_computed(monkeypatch):
    model = tiny_model("llama")
    sequences = [[0, 7, 9, 11], [0, 5], [0, 30, 7]]
    monkeypatch.setattr(batches, "LOGITS_PER_BATCH", 2 * 4 * model.config.vocab_size)
    found = perplexity.token_nats(model, sequences)
    for nats, one in zip(found, sequences, strict=True):
        logprobs = model(torch.tensor([one])).logits[0].log_softmax(-1)
        expected = [-logprobs[t - 1, one[t]].item() for t in range(1, len(one))]
        assert nats.tolist() == pytest.approx(expected, abs=1e-9)


def test_buckets_equal_hand_computed():
    nats = [torch.arange(1.0, 13.0, dtype=torch.float64), torch.tensor([3.0], dtype=torch.float64)]
    table = perplexity.by_position("m", nats).sort("first")
    assert table.select("first", "last", "tokens").rows() == [(1, 10, 11), (11, 12, 2)]
    assert table["nats"].to_list() == pytest.approx([58 / 11, 11.5])
    assert table["perplexity"].to_list() == pytest.approx([np.exp(58 / 11), np.exp(11.5)])


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large(tmp_path):
    model = tiny_model("llama", "float32")
    with torch.no_grad():
        model.lm_head.weight.zero_()
    output = tmp_path / "p.parquet"
    run_step("measure_perplexity", "--model", save_model(model, tmp_path), "--documents", 3,
             "--device", "cpu", "--output", output)  # fmt: skip
    table = parquet.read(output, PERPLEXITY)
    assert table["tokens"].sum() == 3 * 60 and table["first"].to_list() == [1, 11, 21, 31, 41, 51]
    assert table["perplexity"].to_list() == pytest.approx([len(synthetic.VOCABULARY)] * 6)


def manifest(seed: int, eta: float | None, **changes) -> dict:
    entry = {"shape": {}, "seed": seed, "steps": 3, **changes}
    if eta is not None:
        entry["attention_momentum"] = eta
    probes = {f"accuracy_{c}way_{n}shot": 0.1 * seed + eta if eta else 0.1 * seed
              for c in (2, 4) for n in (0, 8)}  # fmt: skip
    probes["accuracy_pair_8shot"] = 0.5
    return {"model": f"s{seed}-{eta}", "pretraining": entry, "probes": probes}


PAIRS = [manifest(seed, eta) for seed in (1, 2, 3) for eta in (0, 0.5)]


def values(rows) -> pl.DataFrame:
    schema = {"model": pl.String, "measure": pl.String, "at": pl.Int32, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_differences_are_paired_by_seed():
    """Seeds far apart, twins close: the band of the difference is that of the three differences."""
    plain, moved = [1.0, 5.0, 9.0], [1.1, 5.3, 9.2]
    rows = [(f"s{s}-0", "perplexity", 8, v) for s, v in enumerate(plain, 1)]
    rows += [(f"s{s}-0.5", "perplexity", 8, v) for s, v in enumerate(moved, 1)]
    found = twins.compared(twins.arms(PAIRS), values(rows))
    banded = found.filter(pl.col("seed").is_null())
    assert banded.select("eta", "kind", "seeds").rows() == [
        (0.0, "mean", 3), (0.5, "difference", 3), (0.5, "mean", 3)]  # fmt: skip
    difference = banded.row(1, named=True)
    # Differences .1, .3, .2: mean .2, standard deviation .1, t(2) = 4.302653.
    assert difference["estimate"] == pytest.approx(0.2)
    assert difference["high"] == pytest.approx(0.2 + 4.302653 * 0.1 / 3**0.5, abs=1e-6)
    assert banded["estimate"][0] == pytest.approx(5)
    single = found.filter(pl.col("kind") == "difference", pl.col("seed").is_not_null())
    assert single["estimate"].to_list() == pytest.approx([0.1, 0.3, 0.2])


def test_a_model_does_not_differ_from_itself():
    rows = [(one["model"], "perplexity", 1, float(one["pretraining"]["seed"])) for one in PAIRS]
    found = twins.compared(twins.arms(PAIRS), values(rows))
    difference = found.filter(pl.col("kind") == "difference").select("estimate", "low", "high")
    assert set(difference.unpivot()["value"].drop_nulls()) == {0.0}


def test_probes_by_shots():
    found = twins.probes(PAIRS[:1])
    assert found["measure"].unique().sort().to_list() == ["accuracy_2way", "accuracy_4way"]
    assert found["at"].unique().sort().to_list() == [0, 8]


@pytest.mark.parametrize(
    ("manifests", "message"),
    [
        ([*PAIRS, manifest(4, 0.5)], "s4-0.5: no twin of seed 4"),
        ([*PAIRS, manifest(4, None)], "s4-None: not pretrained with attention_momentum"),
        ([*PAIRS, {"model": "hub", "pretraining": None}], "hub: not pretrained"),
        ([*PAIRS, manifest(4, 0, steps=9)], "s4-0: its recipe is not that of s1-0"),
    ],
)
def test_models_that_are_no_twins_are_named(manifests, message):
    with pytest.raises(InputError, match=message):
        twins.arms(manifests)


def test_summary_of_tables(tmp_path):
    paths, perplexities = [], []
    for i, one in enumerate(PAIRS):
        paths.append(tmp_path / f"{one['model']}.json")
        paths[-1].write_text(json.dumps(one))
        nats = [torch.full((12,), 1.0 + i, dtype=torch.float64)]
        perplexities.append(tmp_path / f"{i}.parquet")
        table = perplexity.by_position(one["model"], nats)
        parquet.write(table, perplexities[-1], PERPLEXITY)
    run_step(
        *("summarise_twins", *figure("twins"), "--perplexity", *perplexities),
        *("--manifests", *paths, "--output", tmp_path / "s.parquet"),
    )
    table = pl.read_parquet(tmp_path / "s.parquet")
    assert table["measure"].unique().sort().to_list() == [
        "accuracy_2way",
        "accuracy_4way",
        "perplexity",
    ]
    one = table.filter(
        pl.col("measure") == "perplexity", pl.col("at") == 11, pl.col("kind") == "difference",
        pl.col("seed") == 2,
    )  # fmt: skip
    assert one["estimate"].to_list() == pytest.approx([np.exp(4) - np.exp(3)])
    two = table.filter(pl.col("measure") == "accuracy_2way", pl.col("kind") == "difference")
    assert two["estimate"].to_list() == pytest.approx([0.5] * 8)
