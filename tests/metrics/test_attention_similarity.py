"""Measures of attention by hand and by their properties; what is compared; the tables."""

import weakref

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau
from support.logits import logits
from support.models import save_model, tiny_model
from support.roles import ROLES
from support.steps import figure, run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.task import TASK
from iclgd.learners import trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.metrics import activations, attention_similarity, attention_table, token_alignment
from iclgd.metrics.attention_similarity import ATTENTION, SIMILARITIES
from iclgd.tasks import answer_tokens

KV = {"layers": "all", "matrices": ["k", "v"]}
DAI = {"rate": 0.1, "epochs": 1, "batch": 1, "loss": "all", "train": KV}
SIMILAR = (
    attention_similarity.sim_aou,
    attention_similarity.sim_aou_raw,
    attention_similarity.sim_am_delta,
)


# --- the measures -------------------------------------------------------------------------


def test_sim_aou_by_hand():
    # Unit vectors: ZS (1, 0), ICL (0, 1), GD (.6, .8); updates (-1, 1) and (-.4, .8).
    zs, icl, gd = np.array([2.0, 0.0]), np.array([0.0, 3.0]), np.array([0.6, 0.8]) * 5
    assert attention_similarity.sim_aou(zs, icl, gd) == pytest.approx(1.2 / np.sqrt(2 * 0.8))
    # sqrt((1 - 0) (1 - .6)) / 2
    assert attention_similarity.sim_aou_chance(zs, icl, gd) == pytest.approx(np.sqrt(0.4) / 2)
    # Raw updates: (-2, 3) and (1, 4).
    assert attention_similarity.sim_aou_raw(zs, icl, gd) == pytest.approx(10 / np.sqrt(13 * 17))


def test_sim_am_by_hand():
    # Two heads, two tokens: cosines 0 and 1 of the maps; of the changes 1 and -1.
    zs = np.array([[0.0, 0.0], [1.0, 1.0]])
    icl = np.array([[1.0, 0.0], [2.0, 2.0]])
    assert attention_similarity.sim_am(icl, np.array([[0.0, 1.0], [3.0, 3.0]])) == pytest.approx(
        0.5
    )
    assert attention_similarity.sim_am_delta(
        zs, icl, np.array([[2.0, 0.0], [0.0, 0.0]])
    ) == pytest.approx(0)


def test_a_head_without_a_change_is_left_out_of_the_mean():
    zs = np.array([[1.0, 2.0], [1.0, 1.0]])
    icl = np.array([[1.0, 2.0 + 1e-7], [2.0, 2.0]])  # rounding in the first head
    assert attention_similarity.sim_am_delta(
        zs, icl, np.array([[5.0, 0.0], [3.0, 3.0]])
    ) == pytest.approx(1)
    assert np.isnan(attention_similarity.sim_am_delta(zs[:1], icl[:1], np.array([[5.0, 0.0]])))


def test_kendall_by_hand_and_against_scipy():
    # 1 2 3 4 against 1 2 4 3: five pairs agree, one does not.
    assert (
        attention_similarity.kendall(np.array([[1, 2, 3, 4]]), np.array([[1, 2, 4, 3]]))[0] == 4 / 6
    )
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 6, (20, 9)).astype(float) for _ in range(2))  # with ties
    expected = [kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(attention_similarity.kendall(a, b), expected, atol=1e-12)


def test_kendall_in_blocks_is_the_same(monkeypatch):
    a, b = np.random.default_rng(1).random((2, 7, 5))
    whole = attention_similarity.kendall(a, b)
    monkeypatch.setattr(attention_similarity, "CELLS", 1)
    np.testing.assert_array_equal(attention_similarity.kendall(a, b), whole)


@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_kendall_is_undefined_without_two_different_ranks(tokens):
    a = np.ones((2, tokens))
    assert np.isnan(
        attention_similarity.kendall(a, np.random.default_rng(0).random((2, tokens)))
    ).all()
    assert np.isnan(
        attention_similarity.kendall(np.array([[1.0, np.nan, 2.0]]), np.ones((1, 3)))
    ).all()


def test_rec2ftp_by_hand():
    zs = np.array([True, False, False, False, False])
    gd = np.array([True, True, True, False, False])
    icl = np.array([True, True, False, True, False])
    assert attention_similarity.rec2ftp(zs, icl, gd) == 0.5  # GD corrects 1 and 2, ICL of these 1
    assert attention_similarity.rec2ftp_chance(zs, icl) == 0.5  # ICL corrects 1 and 3 of four
    assert attention_similarity.rec2ftp(zs, icl, zs) is None
    assert attention_similarity.rec2ftp_chance(np.ones(2, bool), np.ones(2, bool)) is None


def test_independent_updates_score_a_quarter_normalised_and_nothing_raw():
    """Updates of sqrt(3) times the vector's length turn it by 60 degrees."""
    zs, icl, gd = np.random.default_rng(0).standard_normal((3, 50, 20_000))
    icl, gd = (zs + 3**0.5 * x for x in (icl, gd))
    assert attention_similarity.sim_aou(zs, icl, gd).mean() == pytest.approx(1 / 4, abs=0.01)
    assert attention_similarity.sim_aou_raw(zs, icl, gd).mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("size", [0.1, 1.0, 10.0])
def test_chance_is_what_independent_updates_of_any_size_score(size):
    zs, icl, gd = np.random.default_rng(1).standard_normal((3, 20, 20_000))
    icl, gd = zs + size * icl, zs + 2 * size * gd
    chance = attention_similarity.sim_aou_chance(zs, icl, gd)
    np.testing.assert_allclose(attention_similarity.sim_aou(zs, icl, gd), chance, atol=0.03)
    assert (chance <= 0.5).all()


VECTORS = arrays(float, (3, 2, 4), elements=st.floats(-5, 5).map(lambda x: round(x, 2)))


@settings(deadline=None)
@given(VECTORS)
def test_measures_are_bounded_symmetric_and_one_for_the_same_update(vectors):
    zs, icl, gd = vectors
    for measure in SIMILAR:
        found = measure(zs, icl, gd)
        assert (np.abs(found[~np.isnan(found)]) <= 1 + 1e-9).all()
        np.testing.assert_allclose(found, measure(zs, gd, icl), atol=1e-9)
        same = measure(zs, icl, icl)
        np.testing.assert_allclose(same[~np.isnan(same)], 1, atol=1e-9)
        assert np.isnan(measure(zs, zs, gd)).all()  # no update has no direction


@settings(deadline=None)
@given(VECTORS, st.floats(0.1, 10))
def test_what_a_scale_changes(vectors, scale):
    zs, icl, gd = vectors
    one, other = (attention_similarity.sim_aou(zs, icl, gd * c) for c in (1, scale))
    np.testing.assert_allclose(one, other, atol=1e-6)  # D's does not see the length of h
    one, other = (attention_similarity.sim_aou_raw(zs, icl, zs + (gd - zs) * c) for c in (1, scale))
    np.testing.assert_allclose(one, other, atol=1e-6)  # R's does not see that of the update


@settings(deadline=None)
@given(arrays(float, (2, 1, 6), elements=st.integers(0, 4).map(float)))
def test_kendall_is_bounded_and_turns_with_one_side(ranks):
    a, b = ranks
    found = attention_similarity.kendall(a, b)
    np.testing.assert_array_equal(found, attention_similarity.kendall(np.exp(a), 3 * b))
    np.testing.assert_array_equal(found, -attention_similarity.kendall(a, -b))
    if not np.isnan(found).any():
        assert abs(found[0]) <= 1 and attention_similarity.kendall(a, a)[0] == pytest.approx(1)


# --- the same tokens in two places --------------------------------------------------------


def test_places_agree_from_the_end():
    # Alone: BOS 5 6 7; in the prompt (positions 2 ... 4) the first token came out another.
    found = token_alignment.place([0, 5, 6, 7], [0, 9, 8, 6, 7, 3], range(2, 5))
    assert (found.alone, found.inside) == (range(2, 4), range(3, 5))
    assert len(token_alignment.place([0, 1], [5, 6], range(0, 2)).inside) == 0


@pytest.mark.parametrize("instruction", ["", "tafo neru :\n"])
def test_the_prompt_holds_every_demonstration_and_the_query(tokenizer, instruction):
    from iclgd.tasks import prompts

    task = tiny_task(instruction=instruction)
    run = prompts.Demonstrations(0, 0, (3, 1))
    encoded = answer_tokens.encode_demonstrations(tokenizer, task, [run])
    shown = [tokens for tokens, _ in encoded[0]]
    query_rows = prompts.queries(task).head(4)
    alone = prompts.encode(tokenizer, (query_rows["instruction"] + query_rows["text"]).to_list())
    texts = prompts.icl_prompts(task, run, query_rows)
    found = token_alignment.align(tokenizer, task, run, shown, query_rows, alone)
    assert [p.tokens for p in found] == prompts.encode(tokenizer, texts)
    row = {r["example"]: r for r in task.iter_rows(named=True)}
    for prompt, own, example in zip(found, alone, query_rows["example"], strict=True):
        parts = [*zip(run.examples, shown, prompt.shown, strict=True)]
        for name, ids, place in [*parts, (example, own, prompt.query)]:
            text = row[name]["text"] + (row[name]["answer"] if name in run.examples else "")
            expected = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert [prompt.tokens[i] for i in place.inside] == expected[-len(place.inside) :]
            assert [ids[i] for i in place.alone] == [prompt.tokens[i] for i in place.inside]
            assert len(place.inside) == len([i for i in expected if i > 0])


def test_a_demonstration_that_is_not_in_the_prompt_is_named(tokenizer, task):
    from iclgd.tasks import prompts

    run, query_rows = prompts.Demonstrations(0, 0, (3,)), prompts.queries(task).head(1)
    with pytest.raises(InputError, match="task topic2: the tokens of example 3 alone"):
        token_alignment.align(tokenizer, task, run, [[0, 1, 2]], query_rows, [[0, 5]])


# --- the table ----------------------------------------------------------------------------


def test_captures_of_one_batch_are_in_memory_at_a_time(monkeypatch, tokenizer):
    """However many queries there are: of 60 in batches of 3, three captures live at once."""
    model, chosen = trainable.choose(tiny_model("llama"), KV)
    shown = [([0, 7, 8, 9], 3)]
    tuned = activations.train(model, chosen, training_batch.tensors(shown, "all"), Learner(**DAI))
    alive, most = weakref.WeakSet(), []
    original = activations.at_last

    def counted(*given):
        found = original(*given)
        alive.add(found)
        most.append(len(alive))
        return found

    monkeypatch.setattr(activations, "at_last", counted)
    monkeypatch.setattr(
        attention_table.batches,
        "batches",
        lambda _, lengths: [
            list(range(i, min(i + 3, len(lengths)))) for i in range(0, len(lengths), 3)
        ],
    )
    alone = [[0, 10 + i, 20] for i in range(60)]
    prompts = [
        token_alignment.Prompt(
            [0, 7, 8, 9, 4, *own[1:]],
            token_alignment.Place(range(1, 3), range(5, 7)),
            [token_alignment.Place(range(1, 4), range(1, 4))],
        )
        for own in alone
    ]
    found = attention_table.similarities(model, tuned, alone, prompts, [(i,) for i in range(60)])
    assert len(most) == 60 and max(most) <= 3
    assert found["row"].to_list() == np.repeat(np.arange(60), 3).tolist()
    # A query by itself has the same numbers.
    single = attention_table.similarities(model, tuned, alone[7:8], prompts[7:8], [(7,)])
    for name in SIMILARITIES:
        np.testing.assert_allclose(
            found.filter(row=7)[name].cast(float), single[name].cast(float), atol=1e-9
        )


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Arguments of a step on a tiny model, with two draws of three demonstrations."""
    folder = tmp_path_factory.mktemp("steps")
    manifest = save_model(tiny_model("llama", "float32"), folder)
    parquet.write(tiny_task(), folder / "task.parquet", TASK)
    rows = [("topic2", "n3", d, 0, p, 3 * d + p, None) for d in range(2) for p in range(3)]
    shown = pl.DataFrame(rows, schema=DEMONSTRATIONS, orient="row")
    parquet.write(shown, folder / "shown.parquet", DEMONSTRATIONS)
    return folder, [
        *("--model", manifest, "--task", folder / "task.parquet"),
        *("--demonstrations", folder / "shown.parquet", "--device", "cpu"),
    ]


LEARNER = '{"rate": %g, "epochs": 1, "batch": 1, "loss": "all", "train": %s}'
KV_JSON = '{"layers": "all", "matrices": ["k", "v"]}'


def test_compare_attention_writes_its_table(steps):
    folder, arguments = steps
    given = [*arguments, "--learner", LEARNER % (0.5, KV_JSON), "--name", "gd-kv"]
    run_step("compare_attention", *given, "--output", folder / "one.parquet")
    run_step("compare_attention", *given, "--output", folder / "two.parquet")
    assert (folder / "one.parquet").read_bytes() == (folder / "two.parquet").read_bytes()
    found = pl.read_parquet(folder / "one.parquet")
    assert found.schema == ATTENTION
    assert len(found) == 2 * 12 * 3 and found["epoch"].unique().to_list() == [1]
    by_layer = found.group_by("layer").agg(pl.col(*SIMILARITIES).count()).sort("layer")
    # Rotary positions: the demonstrations cannot change the scores of the first layer.
    assert by_layer["sim_am_delta"].to_list() == [0, 24, 24]
    assert by_layer.drop("layer", "sim_am_delta").unique().rows() == [(24,) * 8]


def test_an_untrained_learner_has_no_update_to_compare(steps):
    folder, arguments = steps
    given = [*arguments, "--learner", LEARNER % (1e-12, KV_JSON)]
    run_step("compare_attention", *given, "--output", folder / "none.parquet")
    found = pl.read_parquet(folder / "none.parquet")
    assert found["sim_aou"].null_count() == found["sim_am_delta"].null_count() == len(found)
    np.testing.assert_allclose(found["sim_am"], found["sim_am_before"], atol=1e-6)
    assert found["kendall"].to_list() == found["kendall_before"].to_list()


def test_a_diverged_learner_has_nulls(steps):
    folder, arguments = steps
    given = [*arguments, "--learner", LEARNER % (3e38, KV_JSON)]
    run_step("compare_attention", *given, "--output", folder / "lost.parquet")
    found = pl.read_parquet(folder / "lost.parquet")
    assert found["sim_aou"].null_count() == found["kendall"].null_count() == len(found)
    assert found["sim_am_before"].null_count() == found["kendall_before"].null_count() == 0


def test_the_summary_chooses_the_rate_on_validation_queries(steps):
    folder, arguments = steps
    paths = {"attention": [], "logits": [folder / "icl.parquet"]}
    run_step("run_icl", *arguments, "--output", folder / "icl.parquet")
    for rate in (0.1, 0.5):
        given = [*arguments, "--learner", LEARNER % (rate, KV_JSON), "--name", f"gd-kv@{rate}"]
        for kind, step in (("attention", "compare_attention"), ("logits", "run_gd")):
            paths[kind].append(folder / f"{step}{rate}.parquet")
            run_step(step, *given, "--output", paths[kind][-1])
    run_step(
        "summarise_attention",
        *figure("attention", reference="icl"),
        *("--attention", *paths["attention"], "--logits", *paths["logits"]),
        *("--output", folder / "summary.parquet"),
    )
    summary = pl.read_parquet(folder / "summary.parquet")
    chosen = summary.filter("chosen")["learner"].unique().to_list()
    right = {}
    for path in paths["logits"][1:]:
        rows = pl.read_parquet(path).filter(split="validation", epoch=1)
        label = pl.col("label_logprobs").list.arg_max() == pl.col("label")
        right[rows["learner"][0]] = rows.select(label.mean()).item()
    assert len(chosen) == 1 and right[chosen[0]] == max(right.values())
    rows = pl.read_parquet(paths["attention"][0]).filter(split="test")
    expected = rows.group_by("layer").agg(pl.col("sim_aou").mean())["sim_aou"].mean()
    found = summary.filter(pl.col("layer").is_null(), learner="gd-kv@0.1", metric="sim_aou")
    assert found["estimate"].item() == pytest.approx(expected)
    assert found["draws"].item() == 2
    assert {"rec2ftp", "rec2ftp_chance", "label_accuracy"} < set(summary["metric"])


ATTENDED = {"sim_aou": 0.5, "sim_aou_chance": 0.25, "sim_aou_raw": 0.25, "sim_am": 0.75}
ATTENDED |= {"sim_am_before": 0.5, "sim_am_delta": 0.0, "kendall": 0.5, "kendall_before": 0.25}
ATTENDED |= {"kendall_random": 0.0}


def attended(table, shift):
    """An attention table of two layers for the answers of a logits table.

    Draws and queries move all measures alike; ``shift`` is of `sim_aou` and `sim_aou_raw`.
    """
    keys = table.filter(pl.col("epoch") == 1).select(
        *("model", "task", "design", "shots", "learner", "draw", "order", "epoch", "example"),
        "split",
    )
    both = (0.125 * pl.col("draw") + 0.0625 * pl.col("example")).alias("both")
    layers = pl.DataFrame({"layer": [0, 1]}, schema={"layer": pl.Int32})
    values = {
        name: value + pl.col("both") + (shift if name in ("sim_aou", "sim_aou_raw") else 0)
        for name, value in ATTENDED.items()
    }
    rows = keys.with_columns(both).join(layers, how="cross").with_columns(**values)
    return rows.select(ATTENTION.keys()).cast(dict(ATTENTION))


def test_differences_inside_attention_are_of_the_same_draws_and_queries(tmp_path):
    learners = {"gd-kv@1": ("m", 0.0), "slow@1": ("m", 0.125), "gd-kv@2": ("m-random", -0.25)}
    paths = {"attention": [], "logits": []}

    def keep(kind, table):
        paths[kind].append(tmp_path / f"{kind}{len(paths[kind])}.parquet")
        parquet.write(table, paths[kind][-1])

    for model in ("m", "m-random"):
        keep("logits", logits("icl", orders=1).with_columns(model=pl.lit(model)))
    for seed, (learner, (model, shift)) in enumerate(learners.items()):
        table = logits(learner, orders=1, epochs=(0, 1), seed=seed)
        table = table.with_columns(model=pl.lit(model))
        keep("logits", table)
        keep("attention", attended(table, shift))
    roles = {**ROLES, "slow": "gd-other", "m-random": "control"}
    run_step(
        "summarise_attention",
        *figure("attention", reference="icl", roles=roles, causal=["slow"]),
        *("--attention", *paths["attention"], "--logits", *paths["logits"]),
        *("--output", tmp_path / "summary.parquet"),
    )
    summary = pl.read_parquet(tmp_path / "summary.parquet").filter(pl.col("layer").is_null())
    found = {
        row["metric"]: (row["model"], row["learner"], row["estimate"], row["error"])
        for row in summary.drop_nulls("against").to_dicts()
    }
    # The draws and queries that move both are no part of the difference.
    assert found == {
        "sim_aou_untrained": ("m-random", "gd-kv@2", -0.25, 0),
        "sim_aou_raw_causal": ("m", "slow@1", 0.125, 0),
    }
    own = summary.filter(model="m", learner="gd-kv@1")
    rows = {row["metric"]: row for row in own.to_dicts()}
    for name, value in (("sim_aou_over", 0.25), ("sim_am_over", 0.25), ("kendall_over", 0.5)):
        assert (rows[name]["estimate"], rows[name]["error"]) == (value, 0)
    assert rows["kendall"]["error"] > 0
    recall = [rows[name]["estimate"] for name in ("rec2ftp", "rec2ftp_chance", "rec2ftp_over")]
    assert recall[2] is None or recall[2] == pytest.approx(recall[0] - recall[1])
