"""Negative controls: what they keep, what they lose, and where agreement lies beside them."""

import json

import polars as pl
import pytest
import torch
from support.models import save_model, tiny_model
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.task import TASK
from iclgd.models import loading, partial_forward, untrained
from iclgd.tasks import controls, label_words, prompts, synthetic


def parts(model) -> tuple[dict, dict]:
    """Tensors inside the blocks and outside them, by name."""
    inside, _ = partial_forward.blocks(model)
    state = model.state_dict()
    own = {name for name in state if name.startswith(f"{inside}.")}
    return {n: state[n] for n in own}, {n: state[n] for n in state.keys() - own}


def test_random_weights_share_nothing_with_the_trained_ones(architecture):
    model = tiny_model(architecture)
    one, same, other = (untrained.random_weights(model, seed) for seed in ("a", "a", "b"))
    matrices = [name for name, tensor in model.state_dict().items() if tensor.is_floating_point()]
    matrices = [name for name in matrices if model.state_dict()[name].dim() == 2]
    assert len(matrices) > 6
    for name in matrices:
        assert torch.equal(one.state_dict()[name], same.state_dict()[name])
        assert not torch.isclose(one.state_dict()[name], model.state_dict()[name]).all(), name
        assert not torch.isclose(one.state_dict()[name], other.state_dict()[name]).all(), name
    assert one.dtype == model.dtype == torch.float64


def test_random_blocks_keep_what_is_around_them(architecture):
    model = tiny_model(architecture)
    inside, outside = parts(model)
    control = untrained.random_blocks(model, "a")
    for name, tensor in outside.items():
        assert torch.equal(control.state_dict()[name], tensor), name
    for name, tensor in inside.items():
        kept = torch.equal(control.state_dict()[name], tensor)
        # Biases are 0.1 away from where they start; the norms keep theirs.
        assert kept == ("norm" in name or "ln_" in name or not tensor.is_floating_point()), name


def test_shuffled_blocks_are_the_same_blocks_elsewhere(architecture):
    model = tiny_model(architecture)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    control = untrained.shuffled_blocks(model, "a")
    _, old = partial_forward.blocks(model)
    _, new = partial_forward.blocks(control)
    first = [next(p for p in block.parameters() if p.dim() == 2) for block in old]
    moved = [next(p for p in block.parameters() if p.dim() == 2) for block in new]
    places = [[torch.equal(a, b) for b in first].index(True) for a in moved]
    assert sorted(places) == [0, 1, 2]
    assert all(now != then for then, now in enumerate(places))
    for name, tensor in parts(model)[1].items():
        assert torch.equal(control.state_dict()[name], tensor)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_one_block_has_no_other_order():
    with pytest.raises(InputError, match="one block"):
        untrained.shuffled_blocks(tiny_model("llama", num_hidden_layers=1), "a")


@pytest.mark.parametrize("control", untrained.CONTROLS)
def test_a_derived_model_is_loaded_like_any_other(control, tmp_path):
    model = tiny_model("llama", "float32")
    manifest = save_model(model, tmp_path, commit="abc")
    out = tmp_path / "derived"
    where = ["--folder", out / "none", "--manifest", out / "none.json"]
    run_step("derive_model", "--name", "none", "--model", manifest, "--control", control, *where)
    loaded = loading.load(out / "none.json", "cpu")
    written = json.loads((out / "none.json").read_text())
    assert written["source"]["of"] == "tiny"
    assert written["in_context_learning"] is None
    tokens = loaded.tokenizer("bado mela : ", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        difference = loaded.model(tokens).logits - model(tokens).logits
    assert difference.abs().max() > 1e-3


def shown(task: pl.DataFrame) -> pl.DataFrame:
    return task.filter(pl.col("split") == "train")


def queries(task: pl.DataFrame) -> pl.DataFrame:
    return task.filter(pl.col("split") != "train")


def test_random_labels_have_nothing_to_do_with_the_inputs():
    task = tiny_task(rows=260, classes=4)
    control = controls.random_labels(task, "a")
    assert queries(control).equals(queries(task))
    assert shown(control).drop("label", "answer").equals(shown(task).drop("label", "answer"))
    right = (shown(control)["label"] == shown(task)["label"]).mean()
    assert 0.15 < right < 0.35  # of 248 rows a quarter
    words = task.select("label", "answer").unique()
    assert control.select("label", "answer").unique().sort("label").equals(words.sort("label"))


def test_wrong_labels_are_wrong_and_those_of_a_smaller_share_stay_wrong():
    task = tiny_task("topic4", rows=400, classes=4, queries=40)
    words = dict(task.select("label", "answer").iter_rows())
    wrong = {}
    for share in (0.0, 0.25, 0.5, 1.0):
        found = controls.wrong_labels(task, share, "topic4")
        assert queries(found).equals(queries(task))
        mine = shown(found)
        differ = pl.Series(mine["label"] != shown(task)["label"])
        wrong[share] = set(mine.filter(differ)["example"])
        assert [words[label] for label in mine["label"]] == mine["answer"].to_list()
    count = len(shown(task))
    assert len(wrong[0.0]) == 0 and len(wrong[1.0]) == count
    assert wrong[0.25] < wrong[0.5] and abs(len(wrong[0.25]) / count - 0.25) < 0.07


@pytest.mark.parametrize("classes", [2, 4])
def test_flipped_labels_are_the_next_ones_of_twins(classes):
    task = tiny_task("topic4", rows=200, classes=classes, queries=40)
    words = dict(task.select("label", "answer").iter_rows())
    found = controls.flipped_labels(task)
    assert found.head(len(task)).equals(task) and found["example"].is_unique().all()
    twins, own = found.tail(len(found) - len(task)), shown(task)
    assert twins.drop("example", "label", "answer").equals(own.drop("example", "label", "answer"))
    assert set(twins["example"] - own["example"]) == {controls.numbered_from(task)}
    assert set((twins["label"] - own["label"]) % classes) == {1}
    assert [words[label] for label in twins["label"]] == twins["answer"].to_list()


def test_abstract_words_are_other_tags_of_the_language_and_letters_elsewhere():
    task = tiny_task("topic4", rows=60, classes=4)
    found = controls.abstract_labels(task)
    assert found.drop("answer").equals(task.drop("answer"))
    own, words = prompts.labels(task), prompts.labels(found)
    assert len(set(words)) == 4 and not set(own) & set(words)
    assert {word.strip() for word in words} <= set(synthetic.TAG_WORDS)
    assert all(word.startswith(" ") for word in words)
    english = task.with_columns(pl.col("answer").replace(own, [" bad", " B", " fine", " good"]))
    assert prompts.labels(controls.abstract_labels(english)) == [" A", " C", " D", " E"]


def test_there_are_so_many_abstract_words():
    assert label_words.TAGS == synthetic.TAGS
    many = tiny_task("topic", rows=120, classes=9)
    with pytest.raises(InputError, match="9 labels, but only 7 abstract words for them"):
        controls.abstract_labels(many)
    made = {"generate": {"kind": "topics"}}
    assert label_words.problem(made, 9) == "9 labels, but only 7 abstract words"
    assert label_words.problem(made, 8) is None and label_words.problem({}, 26) is None
    assert "GINC" in label_words.problem({"generate": {"kind": "ginc"}}, 2)


@pytest.mark.parametrize("classes", [2, 4])
def test_conflicting_labels_are_twins_with_another_label(classes):
    task = tiny_task("topic", rows=200, classes=classes, queries=40)
    found = controls.conflicting_labels(task, "topic")
    assert found.head(len(task)).equals(task) and found["example"].is_unique().all()
    assert found.equals(controls.conflicting_labels(task, "topic"))  # by the seed alone
    twins = found.tail(len(found) - len(task))
    assert twins["text"].to_list() == shown(task)["text"].to_list()
    assert (twins["label"] != shown(task)["label"]).all() and set(twins["split"]) == {"train"}
    assert set(twins["label"]) == set(range(classes))
    words = dict(task.select("label", "answer").iter_rows())
    assert [words[label] for label in twins["label"]] == twins["answer"].to_list()


def test_a_task_of_one_label_has_no_conflict():
    task = tiny_task().filter(pl.col("label") == 0)
    with pytest.raises(InputError, match="a task of one label has no other one to give"):
        controls.conflicting_labels(task, "a")


def test_the_step_derives_conflicting_labels_by_the_original_alone(tmp_path):
    task, output = tiny_task("topic4", rows=60, classes=4), tmp_path / "derived.parquet"
    parquet.write(task, tmp_path / "task.parquet", TASK)
    more = ["--task", tmp_path / "task.parquet", "--control", "conflict", "--output", output]
    run_step("derive_task", "--name", "named", *more)
    found = pl.read_parquet(output)
    assert set(found["task"]) == {"named"}
    expected = controls.conflicting_labels(task, "topic4")
    assert found.drop("task").equals(expected.drop("task").cast({"label": pl.Int32}))


def test_foreign_texts_come_from_the_other_task_alone():
    task, other = tiny_task(rows=60), tiny_task("else", rows=32)
    control = controls.foreign_texts(task, other, "a")
    assert queries(control).equals(queries(task))
    assert set(shown(control)["text"]) == set(shown(other)["text"])
    assert shown(control)["label"].equals(shown(task)["label"])


def test_content_free_demonstrations_say_nothing():
    task = tiny_task()
    control = controls.empty_texts(task, "{text} : {label}\n")
    assert queries(control).equals(queries(task))
    assert shown(control)["text"].unique().to_list() == ["N/A :"]
    assert shown(control)["answer"].equals(shown(task)["answer"])


def test_a_derived_task_has_its_own_name(tmp_path):
    path, out = tmp_path / "topic2.parquet", tmp_path / "none.parquet"
    parquet.write(tiny_task(), path, TASK)
    run_step(
        "derive_task", "--name", "none", "--task", path, "--control", "labels", "--output", out
    )
    control = parquet.read(out, TASK)
    assert control["task"].unique().to_list() == ["none"]
    with pytest.raises(SystemExit):
        run_step(
            "derive_task", "--name", "x", "--task", path, "--control", "texts", "--output", out
        )
