"""Shares of small weights, spectra of circuits, and how architectures keep their heads."""

import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from support.steps import figure, run_step

from iclgd.io import parquet
from iclgd.io.schemas.sparsity import CIRCUITS, SPARSITY
from iclgd.metrics import sparsity, sparsity_requirement
from iclgd.models import gd_transformer
from iclgd.reporting.kinds import sparsity as kind

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


def config(model_type, heads=2, width=6, kv_heads=None, head_dim=None):
    made = SimpleNamespace(
        model_type=model_type,
        hidden_size=width,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or heads,
        head_dim=head_dim,
    )
    made.get_text_config = lambda decoder: made
    return made


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_heads(heads=3, head=4, width=7, kv=3):
    sizes = {"q": (heads, head, width), "k": (kv, head, width), "v": (kv, head, width)}
    sizes["o"] = (heads, width, head)
    return {name: random(*size, seed=i) for i, (name, size) in enumerate(sizes.items())}


def measures(values):
    return torch.stack(
        [getattr(sparsity, name)(values) for name in sparsity_requirement.INVARIANTS]
    )


def test_share_is_strictly_below_and_per_head():
    weight = torch.tensor([[[0.5, -0.009], [0.01, 0]], [[1, 1], [1, -1e-3]]], dtype=torch.float64)
    assert sparsity.share_below(weight, 1e-2).tolist() == [0.5, 0.25]
    assert sparsity.share_below(weight, 1e-6).tolist() == [0.25, 0.0]


def test_rms_share_does_not_depend_on_scale():
    weight = random(3, 4, 5)
    scaled = sparsity.by_rms(1e-3 * weight)
    assert scaled.square().mean().item() == pytest.approx(1)
    assert torch.equal(
        sparsity.share_below(scaled, 0.1), sparsity.share_below(sparsity.by_rms(weight), 0.1)
    )
    assert not sparsity.by_rms(torch.zeros(2, 2, 2)).any()


def test_measures_by_hand():
    # l1 = 7, l2 = 5, r = 2. Gini of (3, 4): 1 - 2 (3/7 * 1.5/2 + 4/7 * .5/2) = 1/14.
    values = torch.tensor([4.0, 3.0]).double()
    assert sparsity.stable_rank(values).item() == pytest.approx(25 / 16)
    assert sparsity.hoyer(values).item() == pytest.approx((math.sqrt(2) - 1.4) / (math.sqrt(2) - 1))
    assert sparsity.gini(values).item() == pytest.approx(1 / 14)


def test_measures_at_their_ends():
    equal, one = torch.ones(8).double(), torch.eye(8)[0].double()
    assert measures(equal).tolist() == pytest.approx([8, 0, 0])
    assert measures(one).tolist() == pytest.approx([1, 1, 1 - 1 / 8])
    assert measures(torch.zeros(8)).isnan().all()
    assert sparsity.hoyer(torch.ones(1)).isnan()


def test_spectrum_is_that_of_the_product():
    heads = random_heads(kv=1)
    found = sparsity.circuits(heads)
    products = {
        "qk": heads["q"].mT @ heads["k"].expand(3, -1, -1),
        "ov": heads["o"] @ heads["v"].expand(3, -1, -1),
    }
    for name, product in products.items():
        values = torch.linalg.svdvals(product)
        assert torch.allclose(found[name], values[:, :4])
        assert values[:, 4:].max() < 1e-12


def test_query_heads_share_key_heads_in_groups():
    heads = random_heads(heads=4, kv=2)
    found = sparsity.circuits(heads)["qk"]
    for head, kv in enumerate((0, 0, 1, 1)):
        product = heads["q"][head].T @ heads["k"][kv]
        assert torch.allclose(found[head], torch.linalg.svdvals(product)[:4])


def test_rotation_hides_zeros_but_moves_no_invariant():
    # O's construction: the same function in any basis, sparse in one alone.
    d_x, d_y = 5, 3
    plain = {name: torch.zeros(1, 8, 8).double() for name in "qkvo"}
    for name in "qk":
        plain[name][0, :d_x, :d_x] = torch.eye(d_x)
    plain["v"][0, d_x:, :d_x] = random(d_y, d_x)
    plain["v"][0, d_x:, d_x:] = -torch.eye(d_y)
    plain["o"][0] = torch.eye(8) / 10
    stream, inner = (torch.linalg.qr(random(8, 8, seed=s)).Q for s in (1, 2))
    turned = {name: inner @ plain[name] @ stream for name in "qk"}
    turned["v"] = inner @ plain["v"] @ stream
    turned["o"] = stream.T @ plain["o"] @ inner.T
    for name in "qkv":
        zeros = sparsity.share_below(plain[name], 1e-6).item()
        assert zeros == pytest.approx(sparsity_requirement.required_share(name, d_x, d_y))
        assert sparsity.share_below(turned[name], 1e-6).item() < 0.05
    before, after = sparsity.circuits(plain), sparsity.circuits(turned)
    for name in ("qk", "ov"):
        assert torch.allclose(before[name], after[name], atol=1e-12)
        assert torch.allclose(measures(before[name]), measures(after[name]))


def test_required_share_is_the_published_one():
    assert 100 * sparsity_requirement.required_share("q", 4096, 4096) == pytest.approx(
        99.9939, abs=5e-5
    )
    assert sparsity_requirement.required_share(
        "k", 4096, 4096
    ) == sparsity_requirement.required_share("q", 4096, 4096)
    assert 100 * sparsity_requirement.required_share("v", 4096, 4096) == pytest.approx(
        74.994, abs=5e-4
    )


def test_a_model_needs_what_tokens_of_its_width_need():
    # Width 4, so x and y have 2 each: the identity fills 2 of 16; W_0 and -I fill 4 + 2.
    assert (
        sparsity_requirement.at_width("q", 4) == sparsity_requirement.at_width("k", 4) == 1 - 2 / 16
    )
    assert sparsity_requirement.at_width("v", 4) == 1 - 6 / 16
    width = gd_transformer.ConstructedConfig().hidden_size
    assert gd_transformer.D_X == gd_transformer.D_Y == width / 2


def test_the_construction_is_as_sparse_as_it_must_be_and_trained_weights_are_not(tmp_path):
    """At every threshold and for every matrix; in a rotated basis it is not sparse either."""
    entries = {"made": {}, "turned": {"rotate": 0}}
    for name, more in entries.items():
        entry = json.dumps({"layers": 2, "rate": 1.0, **more})
        run_step("construct_model", "--entry", entry, "--output", tmp_path / name)
    folders = {name: tmp_path / name for name in entries}
    folders |= {name: ROOT / "models" / name for name in ("llama-small", "gptj")}
    found = []
    for name, folder in folders.items():
        run_step(
            *("fetch_model", "--name", name, "--source", folder, "--entry", "{}"),
            *("--folder", tmp_path / "as" / name, "--manifest", tmp_path / "as" / f"{name}.json"),
        )
        found.append([tmp_path / f"{name}.{part}.parquet" for part in ("shares", "circuits")])
        run_step(
            *("extract_sparsity", "--model", tmp_path / "as" / f"{name}.json"),
            *("--output", found[-1][0], "--circuits", found[-1][1]),
        )
    shares, circuits = zip(*found, strict=True)
    output = tmp_path / "summary.parquet"
    run_step(
        *(
            "summarise_sparsity",
            *figure("sparsity", roles=dict.fromkeys(entries, "construction")),
            "--sparsity",
            *shares,
            "--circuits",
            *circuits,
        ),
        *("--output", output),
    )
    table = pl.read_parquet(output).filter(measure="share")
    passed = table.group_by("model").agg(
        (pl.col("estimate") >= pl.col("required")).sum().alias("passed"), pl.len().alias("of")
    )
    expected = {"made": (15, 15), "turned": (0, 15), "llama-small": (0, 15), "gptj": (0, 15)}
    assert {model: (n, of) for model, n, of in passed.rows()} == expected
    # And so says the claim, of the two models that were trained.
    whole = pl.read_parquet(output)
    said = {one["learner"]: one for _, one in kind.evidence(whole)}
    for matrix in "qv":
        lacks = {
            row["model"]: row["required"] - row["estimate"]
            for row in table.filter(matrix=matrix, threshold=0.01).to_dicts()
        }
        one, own = said[f"W_{matrix.upper()}"], [lacks["llama-small"], lacks["gptj"]]
        assert one["estimate"] == pytest.approx(sum(own) / 2)
        assert one["error"] == pytest.approx(abs(own[0] - own[1]) / 2)
        assert (one["model"], one["draws"], one["df"]) == ("2 models", 2, 1)


def test_fused_gpt2_columns_are_split():
    # Conv1D stores [width, 3 * width]: q, k, v side by side, heads within each.
    fused = random(6, 18)
    o = random(6, 6, seed=1)
    heads = sparsity.attention(config("gpt2"), 0, lambda name: fused if "c_attn" in name else o)
    for part, name in enumerate("qkv"):
        for head in range(2):
            start = 6 * part + 3 * head
            assert torch.equal(heads[name][head], fused[:, start : start + 3].T)
    assert torch.equal(heads["o"][1], o[3:].T)


@pytest.mark.parametrize("architecture", ["gpt_neox", "bloom"])
def test_heads_fused_within_are_split(architecture):
    fused = random(18, 6)
    o = random(6, 6, seed=1)
    heads = sparsity.attention(
        config(architecture), 0, lambda name: fused if "query_key_value" in name else o
    )
    for head in range(2):
        for part, name in enumerate("qkv"):
            start = 9 * head + 3 * part
            assert torch.equal(heads[name][head], fused[start : start + 3])
    assert torch.equal(heads["o"][1], o[:, 3:])


def test_fused_weights_are_read_once():
    names_read = []

    def read(name):
        names_read.append(name)
        return random(6, 18) if "c_attn" in name else random(6, 6)

    sparsity.attention(config("gpt2"), 1, read)
    assert names_read == [
        "transformer.h.1.attn.c_attn.weight",
        "transformer.h.1.attn.c_proj.weight",
    ]


@pytest.mark.slow
def test_extract_and_summarise(tmp_path):
    """Grouped-query LLaMA of 2 layers, 4 heads, 2 key heads, width 8: half of W_Q is zero."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4}
    entry = {"model_type": "llama", "num_key_value_heads": 2, **shape}
    (folder / "config.json").write_text(json.dumps(entry))
    (tmp_path / "tiny.json").write_text(json.dumps({"model": "tiny", "remote_code": False}))
    weights = {}
    for layer in range(2):
        for name, rows in (("q", 8), ("k", 4), ("v", 4), ("o", 8)):
            key = f"model.layers.{layer}.self_attn.{name}_proj.weight"
            weights[key] = 1 + random(rows, 8, seed=layer).abs().float()
        weights[f"model.layers.{layer}.self_attn.q_proj.weight"][:4] = 0
    save_file(weights, folder / "model.safetensors")
    files = {name: tmp_path / f"{name}.parquet" for name in ("shares", "circuits", "out")}
    commands = (
        ["extract_sparsity", "--model", tmp_path / "tiny.json", "--output", files["shares"]],
        [
            "summarise_sparsity",
            *figure("sparsity"),
            "--sparsity",
            files["shares"],
            "--output",
            files["out"],
        ],
    )
    for script, *rest in commands:
        command = [sys.executable, SRC / f"{script}.py", *rest, "--circuits", files["circuits"]]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    shares = parquet.read(files["shares"], SPARSITY)
    circuits = parquet.read(files["circuits"], CIRCUITS)
    assert len(shares) == 2 * 5 * (4 + 2 + 2)
    assert len(circuits) == 2 * 2 * 4
    q = shares.filter(matrix="q", threshold=1e-4).sort("layer", "head")
    assert q["share"].to_list() == [1, 1, 0, 0] * 2
    assert circuits.filter(circuit="qk", head=0)["stable_rank"].null_count() == 2
    table = pl.read_parquet(files["out"])
    assert table.columns == [
        *("model", "matrix", "threshold", "measure"),
        *("estimate", "low", "high", "layers", "required"),
        *("error", "df", "models"),
    ]
    missing = table.filter(measure="missing")
    assert len(missing) == 3 * 5 and missing["error"].null_count() == 15  # one model is no sample
    row = table.filter(matrix="q", threshold=1e-4, measure="share_rms").row(0, named=True)
    assert (row["estimate"], row["low"], row["high"], row["layers"]) == (0.5, 0.5, 0.5, 2)
    assert row["required"] == pytest.approx(1 - 4 / 64)  # width 8: four entries of 64 are filled
    assert table.filter(matrix="ov")["required"].null_count() == 3
