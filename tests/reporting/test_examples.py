"""Examples in the report's explorer: which queries, whose distributions, which prompts."""

import json

import numpy as np
import polars as pl
import pytest
from support.logits import diverge, logits
from support.models import tiny_tokenizer
from support.steps import run_step
from support.tasks import tiny_task
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.io.schemas.keys import KEY_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.metrics import agreement, pairing, registry
from iclgd.reporting import examples
from iclgd.tasks import prompts, sampling


def chosen(a, b, name="gd", epoch=0, shift=None):
    """What is chosen by the agreement table of two logits tables."""
    return examples.chosen(pairing.compare(a, b, name)[0], epoch, shift)


def answered(folder, rows, *tables):
    """``rows`` of `chosen` with what the stored ``tables`` hold."""
    keys = pl.concat(examples.asked(rows, side) for side in "ab").unique()
    found = []
    for number, table in enumerate(tables):
        parquet.write(table, folder / f"{number}.parquet", LOGITS)
        found.append(examples.answers(folder / f"{number}.parquet", keys))
    return examples.answered(rows, pl.concat(found))


def distances(rows):
    """Total variation of both sides of `answered` rows, by hand: both keep the whole vocabulary."""
    found = []
    for row in rows.iter_rows(named=True):
        p, q = (
            dict(zip(row[f"top_ids_{side}"], np.exp(row[f"top_logprobs_{side}"]), strict=True))
            for side in "ab"
        )
        found.append(sum(abs(p[token] - q[token]) for token in p) / 2)
    return found


def test_the_quartiles_of_total_variation_are_picked(tmp_path):
    a, b = logits(queries=10), logits("gd", epochs=(0, 3), queries=10, seed=1)
    found = chosen(a, b, epoch=3)
    table, _ = pairing.compare(a, b, "gd")
    tv = table.filter(split="test", epoch=3)["tv"].sort().to_numpy()
    assert found["place"].to_list() == list(examples.PLACES)
    assert found["tv"].to_list() == [tv[round(q * (len(tv) - 1))] for q in examples.PLACES.values()]
    joined = found.join(table, on=list(KEY_COLUMNS), suffix="_stored", maintain_order="left")
    assert joined["token_overlap"].to_list() == joined["token_overlap_stored"].to_list()
    read = answered(tmp_path, found, a, b)
    assert read["tv"].to_list() == pytest.approx(distances(read), abs=1e-6)
    assert found.select("a", "b").unique().rows() == [("icl", "gd")]


def test_places_are_those_of_the_agreement_table_and_ties_go_by_draw_order_and_example():
    a, b = logits(queries=4), logits("gd", queries=4, seed=1)  # 18 test queries, 6 runs of 3
    table, _ = pairing.compare(a, b, "gd")
    table = table.with_columns(tv=pl.lit(0.5)).sample(fraction=1, shuffle=True, seed=0)
    found = examples.chosen(table, 0, None)
    # Places 0, 4, 8 (8.5 is rounded to even), 13 and 17 of runs in order, examples 1 to 3 in each.
    keys = [(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 1, 2), (1, 2, 3)]
    assert found.select("draw", "order", "example").rows() == keys
    first = (pl.col("draw") == 0) & (pl.col("order") == 0) & (pl.col("example") == 1)
    table = table.with_columns(tv=pl.when(first).then(0.9).otherwise("tv"))
    found = examples.chosen(table, 0, None)
    assert found.select("draw", "order", "example").row(0) == (0, 0, 2)
    assert found.select("draw", "order", "example", "tv").row(4) == (0, 0, 1, 0.9)


@pytest.mark.parametrize("shift", ["order", "draw"])
@pytest.mark.parametrize("first", [0, 20])
def test_a_references_answers_are_those_of_the_run_it_was_compared_with(tmp_path, shift, first):
    a = logits(draws=3, orders=4).with_columns(draw=pl.col("draw") + first)
    rows = chosen(a, pairing.shifted(a, shift), "again", shift=shift)
    found = answered(tmp_path, rows, a)
    paired = pairing.paired(a, pairing.shifted(a, shift))
    expected = rows.join(paired, on=list(KEY_COLUMNS), maintain_order="left")
    for name in ("top_ids", "top_logprobs"):
        assert found[f"{name}_a"].to_list() == expected[f"{name}_a"].to_list()
        assert found[f"{name}_b"].to_list() == expected[name].to_list()
    assert found["tv"].to_list() == pytest.approx(distances(found), abs=1e-6)


def test_of_learners_with_epochs_both_sides_are_of_the_same_one(tmp_path):
    tables = {
        name: logits(name, epochs=(0, 3), seed=seed) for seed, name in enumerate(("gd", "adam"))
    }
    icl = logits(seed=2)
    rows = pl.concat(
        [
            chosen(tables["gd"], tables["adam"], "adam", 3),
            chosen(icl, tables["gd"], "gd", 0),
            chosen(icl, tables["gd"], "gd", 3),
        ]
    )
    found = answered(tmp_path, rows, *tables.values(), icl)
    for row in found.iter_rows(named=True):
        key = {name: row[name] for name in KEY_COLUMNS}
        at = {**key, "epoch": 0} if row["a"] == "icl" else key
        ours = icl if row["a"] == "icl" else tables[row["a"]]
        assert row["top_logprobs_a"] == ours.filter(**at)["top_logprobs"].item().to_list()
        theirs = tables[row["b"]].filter(**key)
        assert row["top_logprobs_b"] == theirs["top_logprobs"].item().to_list()


def test_few_queries_have_a_place_each_and_diverged_ones_none(tmp_path):
    a, b = logits(draws=1, orders=1, queries=3), logits("gd", draws=1, orders=1, queries=3, seed=1)
    assert chosen(a, b)["place"].to_list() == ["nearest", "upper quartile"]
    lost = diverge(b, pl.col("example") == 2)
    assert chosen(a, lost).select("example", "place").rows() == [(1, "nearest")]
    lost = diverge(b, pl.lit(True))
    none = examples.likely(answered(tmp_path, chosen(a, lost), a, lost))
    assert none.is_empty()


def test_both_sides_have_the_same_tokens_in_icls_order(monkeypatch, tmp_path):
    monkeypatch.setattr(agreement, "K", 3)
    a, b = logits(), logits("gd", seed=1)
    # b keeps five of seven tokens only.
    b = b.with_columns(pl.col("top_ids", "top_logprobs").list.head(5))
    found = examples.likely(answered(tmp_path, chosen(a, b), a, b))
    for row in found.iter_rows(named=True):
        key = {name: row[name] for name in ("draw", "order", "example")}
        top_a, top_b = a.filter(**key).row(0, named=True), b.filter(**key).row(0, named=True)
        assert row["ids"][:3] == top_a["top_ids"][:3]
        assert set(row["ids"]) == {*top_a["top_ids"][:3], *top_b["top_ids"][:3]}
        assert len(row["ids"]) == len(set(row["ids"]))
        for side, top in (("a", top_a), ("b", top_b)):
            for place, token in enumerate(row["ids"]):
                rank = dict(zip(top["top_ids"], range(1, 8), strict=False)).get(token)
                assert row[f"rank_{side}"][place] == rank
                p = None if rank is None else float(np.exp(top["top_logprobs"][rank - 1]))
                assert row[f"probability_{side}"][place] == pytest.approx(p)


def saved(folder, tokens):
    folder.mkdir()
    tokens.save(str(folder / "tokenizer.json"))
    return examples.tokenizer(folder)


def test_tokens_are_spelled_as_they_stand_in_a_text(tmp_path):
    words = saved(tmp_path / "words", tiny_tokenizer().backend_tokenizer)
    assert examples.spelled_token(words, words.token_to_id("Dul")) == "Dul"
    assert examples.spelled_token(words, words.token_to_id("\n")) == "\n"
    assert examples.spelled_token(words, 99_999) == "[99999]"
    pieces = {"▁good": 0, "good": 1, "<0xE2>": 2, "▁": 3, "<0x0A>": 4}
    llama = Tokenizer(models.BPE(pieces, [], byte_fallback=True))
    llama.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    llama = saved(tmp_path / "llama", llama)
    found = [examples.spelled_token(llama, i) for i in pieces.values()]
    assert found == [" good", "good", "<0xE2>", " ", "\n"]
    letters = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    gpt2 = Tokenizer(models.BPE({**letters, "Ġgood": 256}, []))
    gpt2.decoder = decoders.ByteLevel()
    gpt2 = saved(tmp_path / "gpt2", gpt2)
    spelled = [examples.spelled_token(gpt2, gpt2.token_to_id(one)) for one in ("Ġgood", "Ċ", "â")]
    assert spelled == [" good", "\n", "â"]


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(InputError, match="broken: its tokenizer cannot be read"):
        examples.tokenizer(folder)


def test_a_tokenizer_in_the_older_format_is_read(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0, "Ġ": 1, "b": 2, "<|endoftext|>": 3}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    kind = {"tokenizer_class": "GPT2Tokenizer", "unk_token": "<|endoftext|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kind))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert examples.spelled_token(examples.tokenizer(tmp_path), 1) == " "


def test_every_kind_of_decoder_spells_tokens_as_they_stand_in_a_text(tmp_path):
    def found(name, decoder, *pieces, unk=None):
        numbered = {piece: i for i, piece in enumerate(pieces)}
        words = models.WordPiece(numbered, unk_token=unk) if unk else models.BPE(numbered, [])
        tokens = Tokenizer(words)
        tokens.decoder = decoder
        tokens = saved(tmp_path / name, tokens)
        return [examples.spelled_token(tokens, i) for i in range(len(pieces))]

    words = found("words", decoders.WordPiece(), "[UNK]", "good", "##ing", ",", unk="[UNK]")
    assert words == [" [UNK]", " good", "ing", ","]
    assert found("space", decoders.Metaspace(), "▁good", "good", "▁") == [" good", "good", " "]
    assert found("end", decoders.BPEDecoder(), "good</w>", "good") == [" good", "good"]


def in_python(folder, tokens, model_type):
    """What ``examples`` spells of a tokenizer that has no backend in Rust."""
    tokens.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert not (folder / "tokenizer.json").exists()
    read = examples.tokenizer(folder)
    assert isinstance(read, examples.InPython)
    return lambda *ids: [examples.spelled_token(read, i) for i in ids]


def test_tokenizers_without_a_backend_in_rust_spell_their_tokens(tmp_path):
    from transformers import ByT5Tokenizer, CTRLTokenizer, EsmTokenizer

    pieces = ["<unk>", "good", "hel@@", "lo", "good\n", ","]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    ctrl = CTRLTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    spelled = in_python(tmp_path / "ctrl", ctrl, "ctrl")
    # In CTRL "@@" marks a piece that goes on, and white space belongs to a word.
    assert spelled(1, 2, 3, 4, 5, 6) == [" good", "hel@@", " lo", "good\n", " ,", "[6]"]
    # Three special tokens, then the 256 bytes: a letter, a line end, half a letter.
    spelled = in_python(tmp_path / "byt5", ByT5Tokenizer(), "t5")
    assert spelled(1, 3 + 65, 3 + 10, 3 + 0xC3) == ["</s>", "A", "\n", "Ã"]
    (tmp_path / "vocab.txt").write_text("<cls>\n<pad>\n<eos>\n<unk>\nA\n<mask>\n")
    spelled = in_python(tmp_path / "esm", EsmTokenizer(str(tmp_path / "vocab.txt")), "esm")
    assert spelled(4, 5, 99) == [" A", " <mask>", "[99]"]


CODE = """
from transformers import PreTrainedTokenizer

class Bytes(PreTrainedTokenizer):
    \"\"\"As tokenizers on tiktoken have it: pieces are bytes.\"\"\"
    pieces = [b"good", b" good", bytes([0xC3]), b","]
    def get_vocab(self):
        return {piece: i for i, piece in enumerate(self.pieces)}
    @property
    def vocab_size(self):
        return len(self.pieces)
    def _convert_token_to_id(self, token):
        return 0
    def convert_ids_to_tokens(self, ids, skip_special_tokens=False):
        return self.pieces[ids] if isinstance(ids, int) else [self.pieces[i] for i in ids]
    def _decode(self, token_ids, **_):
        return b"".join(self.pieces[i] for i in token_ids).decode(errors="replace")
"""


def test_code_of_a_tokenizer_runs_only_where_the_manifest_says_so(tmp_path, monkeypatch):
    import transformers.dynamic_module_utils as modules

    monkeypatch.setattr(modules, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own.py").write_text(CODE)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    kind = {"tokenizer_class": "Bytes", "auto_map": {"AutoTokenizer": ["own.Bytes", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))
    with pytest.raises(InputError, match="own: its tokenizer cannot be read"):
        examples.tokenizer(folder)
    with pytest.raises(InputError, match="own: its tokenizer cannot be read"):
        examples.tokenizer(folder, {"model": "own", "remote_code": False})
    assert not (tmp_path / "modules").exists()
    tokens = examples.tokenizer(folder, {"model": "own", "remote_code": True})
    spelled = [examples.spelled_token(tokens, i) for i in range(5)]
    assert spelled == ["good", " good", "\\xc3", ",", "[4]"]


@pytest.fixture
def study(tmp_path):
    """Arguments of collect_examples: ICL, GD and two references on a made-up task."""
    task = tiny_task("t").with_columns(instruction=pl.lit("Answer <b>.\n"))
    shown = sampling.demonstrations(task, "d", 2, 2, range(2))
    parquet.write(task, tmp_path / "t.parquet", TASK)
    parquet.write(shown, tmp_path / "shown.parquet", DEMONSTRATIONS)
    queries = prompts.queries(task)["example"].to_list()
    tables = {}
    for name, epochs, loss in (("icl", (0,), None), ("gd", (0, 3), 0.5)):
        table = logits(name, orders=2, epochs=epochs, queries=len(queries), seed=len(name))
        table = table.with_columns(
            pl.col("example").replace_strict(range(len(queries)), queries, return_dtype=pl.Int32),
            loss=pl.lit(loss, pl.Float32),
        )
        parquet.write(table, tmp_path / f"{name}.parquet", LOGITS)
        tables[name] = table
    for shift in ("order", "draw"):
        tables[shift] = pairing.shifted(tables["icl"], shift)
    for name in ("gd", "order", "draw"):
        table, _ = pairing.compare(tables["icl"], tables[name], name)
        parquet.write(table, tmp_path / f"m-t-d-icl--{name}.parquet", registry.AGREEMENT)
    choices = [("gd", 3, True), ("gd", 0, False), ("order", 0, True), ("draw", 0, True)]
    run = {"model": "m", "task": "t", "design": "d", "shots": 4, "a": "icl"}
    rows = [{**run, "b": b, "epoch": epoch, "chosen": picked} for b, epoch, picked in choices]
    kinds = {"shots": pl.Int32, "epoch": pl.Int32}
    pl.DataFrame(rows, schema_overrides=kinds).write_parquet(tmp_path / "summary.parquet")
    tiny_tokenizer().save_pretrained(tmp_path / "m")
    (tmp_path / "m.json").write_text("{}")
    arguments = {"summaries": "summary.parquet", "manifests": "m.json", "tasks": "t.parquet"}
    arguments |= {"demonstrations": "shown.parquet", "output": "examples.parquet"}
    paths = [part for name, one in arguments.items() for part in (f"--{name}", tmp_path / one)]
    both = ("--logits", tmp_path / "icl.parquet", tmp_path / "gd.parquet")
    both += ("--agreement", tmp_path / "{model}-{task}-{design}-{a}--{b}.parquet")
    shifts = {"order": "order", "draw": "draw"}
    return [*paths, *both, "--study", json.dumps({"shifts": shifts})]


def test_examples_hold_the_prompts_that_were_seen(study, tmp_path):
    run_step("collect_examples", *study)
    found = parquet.read(tmp_path / "examples.parquet", EXAMPLES)
    assert found["b"].value_counts().sort("b").rows() == [("draw", 5), ("gd", 5), ("order", 5)]
    task = parquet.read(tmp_path / "t.parquet", TASK)
    shown = {
        (d.draw, d.order): d for d in prompts.in_order(pl.read_parquet(tmp_path / "shown.parquet"))
    }
    for row in found.iter_rows(named=True):
        query_row = task.filter(example=row["example"])
        draw, order = row["draw"], row["order"]

        def prompt(demonstrations, row=row):
            return row["instruction"] + "".join(demonstrations) + row["text"]

        expected = prompts.icl_prompts(task, shown[draw, order], query_row)
        assert [prompt(row["demonstrations"])] == expected
        other = {"order": (draw, 1 - order), "draw": (1 - draw, order)}.get(row["b"])
        if other is None:
            assert row["demonstrations_b"] is None
        else:
            expected = prompts.icl_prompts(task, shown[other], query_row)
            assert [prompt(row["demonstrations_b"])] == expected
        assert row["answer"] == query_row["answer"][0]
        assert row["epoch"] == (3 if row["b"] == "gd" else 0)
        assert len(row["tokens"]) == len(row["probability_a"]) == len(row["rank_b"])


def test_a_chosen_learner_without_logits_is_named(study):
    with pytest.raises(InputError, match="no logits of 'gd' for m/t/d"):
        run_step("collect_examples", *[one for one in study if not str(one).endswith("gd.parquet")])


def test_a_chosen_pair_without_agreement_is_named(study, tmp_path):
    (tmp_path / "m-t-d-icl--gd.parquet").unlink()
    with pytest.raises(InputError, match=r"icl--gd\.parquet: not a whole table"):
        run_step("collect_examples", *study)
