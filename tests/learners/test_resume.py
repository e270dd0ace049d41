"""Whatever ends run_gd, the next one goes on from finished runs and writes the same bytes."""

import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time

import polars as pl
import pytest
from support.models import save_model, tiny_model
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import files, fingerprints, imports, parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.task import TASK
from iclgd.learners import batches, evaluation, gradient_descent
from iclgd.tasks import sampling

LEARNER = {"rate": 0.5, "epochs": 2, "train": {"layers": [0.5], "matrices": ["v"]}}
RUNS = 4  # two draws in two orders, each of three parts: epochs 0, 1, 2
# Forks of a process with torch, but without polars, whose threads a fork would not have.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch", "transformers.models.llama.modeling_llama"])


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Arguments of run_gd on a tiny model, whose runs train one after the other."""
    monkeypatch.setattr(gradient_descent, "runs_at_once", lambda *_: 1)
    task = tiny_task()
    parquet.write(task, tmp_path / "task.parquet", TASK)
    table = sampling.demonstrations(task, "n2", 2, 2, range(2))
    parquet.write(table, tmp_path / "n2.parquet", DEMONSTRATIONS)
    return {
        "--model": save_model(tiny_model("llama", "float32"), tmp_path),
        "--task": tmp_path / "task.parquet",
        "--demonstrations": tmp_path / "n2.parquet",
        "--learner": json.dumps(LEARNER),
        "--output": tmp_path / "out" / "0-1.parquet",
    }


def run_gd(arguments: dict, **changes) -> bytes:
    given = {**arguments, **{f"--{key}": value for key, value in changes.items()}}
    run_step("run_gd", *(str(part) for pair in given.items() for part in pair))
    return given["--output"].read_bytes()


def there(arguments: dict) -> list[str]:
    """What is in the folder of the output: the table, or folders of parts."""
    return sorted(path.name for path in arguments["--output"].parent.iterdir())


@pytest.fixture
def undisturbed(inputs) -> bytes:
    content = run_gd(inputs)
    assert there(inputs) == ["0-1.parquet"]
    inputs["--output"].unlink()
    return content


@pytest.fixture
def trained(monkeypatch) -> list:
    """One entry for every run that is trained."""
    whole, started = gradient_descent.descend, []

    def counted(model, chosen, batches, learner):
        started.append(len(batches))
        return whole(model, chosen, batches, learner)

    monkeypatch.setattr(gradient_descent, "descend", counted)
    return started


def ended_at(part: int, end, monkeypatch) -> None:
    """``end()`` takes the place of the writing of the part of that number, from 1."""
    whole, count = parquet.Parts.add, iter(range(1, 1000))

    def add(self, *rows):
        return end() if next(count) == part else whole(self, *rows)

    monkeypatch.setattr(parquet.Parts, "add", add)


def die(number: int):
    os.kill(os.getpid(), number)
    time.sleep(60)


def killed_at(part: int, number: int, inputs: dict) -> None:
    """In a process of its own: run_gd, which ``number`` ends at a part (0: the whole table)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_descent, "runs_at_once", lambda *_: 1)
        if part:
            ended_at(part, lambda: die(number), patch)
        else:

            def half(self, temporary, **_):
                temporary.write_bytes(b"PAR1 half a table")
                die(number)

            patch.setattr(pl.LazyFrame, "sink_parquet", half)
        run_gd(inputs)


def kill(part: int, number: int, inputs: dict) -> None:
    process = FORKS.Process(target=killed_at, args=(part, number, inputs))
    process.start()
    process.join()
    assert process.exitcode == -number


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(("part", "left"), [(1, 4), (5, 3), (12, 1)])
def test_a_killed_step_loses_one_run_at_most(inputs, undisturbed, trained, number, part, left):
    kill(part, number, inputs)
    assert [name for name in there(inputs) if not name.endswith(".parts")] == []
    assert run_gd(inputs) == undisturbed
    assert len(trained) == left
    assert there(inputs) == ["0-1.parquet"]


@pytest.mark.slow
def test_a_killed_step_may_be_killed_again(inputs, undisturbed, trained):
    for _ in range(3):
        kill(5, signal.SIGKILL, inputs)  # counted anew in each
    assert run_gd(inputs) == undisturbed
    assert len(trained) == RUNS - 3


@pytest.mark.slow
def test_a_step_killed_while_its_parts_become_the_table_trains_nothing_again(
    inputs, undisturbed, trained
):
    kill(0, signal.SIGKILL, inputs)
    assert not inputs["--output"].exists()
    assert any(name.endswith(".partial") for name in there(inputs))
    assert run_gd(inputs) == undisturbed
    assert trained == []
    assert there(inputs) == ["0-1.parquet"]


@pytest.fixture
def ending(inputs, tmp_path) -> dict:
    """Runs that converge before epoch 3 of 6, all recorded."""
    entry = {**LEARNER, "epochs": 6, "record": list(range(7))}
    free = pl.read_parquet(io.BytesIO(run_gd(inputs, learner=json.dumps(entry))))
    inputs["--output"].unlink()
    level = free.filter(epoch=2)["loss"].max()
    assert free.filter(epoch=0)["loss"].min() > level
    return {**inputs, "--learner": json.dumps({**entry, "until": level})}


def test_runs_that_ended_keep_their_answers_in_all_later_epochs(ending, monkeypatch):
    asked, whole = [], evaluation.answers
    monkeypatch.setattr(evaluation, "answers", lambda *a: asked.append(1) or whole(*a))
    table = pl.read_parquet(io.BytesIO(run_gd(ending)))
    ends = table.group_by("draw", "order").agg(pl.col("trained").max())["trained"].to_list()
    # The pretrained model is asked once for all runs.
    assert set(ends) <= {1, 2} and len(asked) == 1 + sum(ends)
    assert table.filter(epoch=0).select("state", "trained").unique().rows() == [(None, 0)]
    last = table.filter(epoch=6).drop("epoch")
    for epoch in range(2, 6):
        assert table.filter(epoch=epoch).drop("epoch").equals(last)
    assert last["state"].unique().to_list() == ["converged"]
    assert (
        table.filter(pl.col("trained") == pl.col("epoch"), pl.col("epoch") > 0)["state"]
        .is_in(["training", "converged"])
        .all()
    )


@pytest.mark.parametrize("together", [1, RUNS])
def test_answers_before_training_are_those_that_each_run_would_give(inputs, monkeypatch, together):
    monkeypatch.setattr(gradient_descent, "runs_at_once", lambda *_: together)
    shared = pl.read_parquet(io.BytesIO(run_gd(inputs)))
    # Of more queries than are in memory at once, each run asks for its own.
    queries = pl.read_parquet(inputs["--task"]).filter(split="test").height
    monkeypatch.setattr(batches, "QUERIES", queries - 1)
    alone = pl.read_parquet(io.BytesIO(run_gd(inputs)))
    columns = ["label_logprobs", "top_logprobs", "tail_mass"]
    assert shared.drop(columns).equals(alone.drop(columns))
    for column in columns:
        found, expected = (table[column].explode() for table in (shared, alone))
        assert (found - expected).abs().max() < 1e-6


def test_a_step_that_is_interrupted_among_ended_epochs_goes_on(ending, trained, monkeypatch):
    whole = run_gd(ending)
    ending["--output"].unlink()
    trained.clear()
    with monkeypatch.context() as patch:
        ended_at(19, fail(KeyboardInterrupt), patch)  # epoch 4 of the third run
        with pytest.raises(KeyboardInterrupt):
            run_gd(ending)
    assert run_gd(ending) == whole
    assert len(trained) == 3 + 2


def fail(kind):
    def raised():
        raise kind("stopped")

    return raised


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_step_that_fails_keeps_its_runs(inputs, undisturbed, trained, monkeypatch, kind):
    with monkeypatch.context() as patch:
        ended_at(8, fail(kind), patch)
        with pytest.raises(kind):
            run_gd(inputs)
    trained.clear()
    assert run_gd(inputs) == undisturbed
    assert len(trained) == 2


def test_a_full_disk_keeps_nothing(inputs, monkeypatch):
    ended_at(8, fail(files.DiskFull), monkeypatch)
    with pytest.raises(files.DiskFull):
        run_gd(inputs)
    assert there(inputs) == []


def edit_manifest(inputs):
    manifest = json.loads(inputs["--model"].read_text())
    inputs["--model"].write_text(json.dumps({**manifest, "sha256": "other"}))


def edit_config(inputs):
    path = inputs["--model"].with_suffix("") / "config.json"
    path.write_text(path.read_text() + "\n")


def edit_demonstrations(inputs):
    table = sampling.demonstrations(tiny_task(), "n2", 2, 2, range(1, 3))
    parquet.write(table, inputs["--demonstrations"], DEMONSTRATIONS)


def edit_learner(inputs):
    inputs["--learner"] = json.dumps({**LEARNER, "rate": 0.25})


def edit_keep(inputs):
    inputs["--keep"] = 7


@pytest.mark.parametrize(
    "edit", [edit_manifest, edit_config, edit_demonstrations, edit_learner, edit_keep]
)
def test_parts_of_anything_else_are_not_used(inputs, trained, monkeypatch, edit):
    with monkeypatch.context() as patch:
        ended_at(8, fail(RuntimeError), patch)
        with pytest.raises(RuntimeError):
            run_gd(inputs)
    edit(inputs)
    trained.clear()
    run_gd(inputs)
    assert len(trained) == RUNS
    assert there(inputs) == ["0-1.parquet"]


def test_only_code_that_the_step_runs_is_part_of_it(tmp_path, monkeypatch):
    src = tmp_path / "src"
    shutil.copytree(imports.SRC, src)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(src / "run_gd.py"), raising=False)
    for module in (imports, fingerprints):
        monkeypatch.setattr(module, "SRC", src)

    def edited(file: str) -> str:
        with (src / file).open("a") as opened:
            opened.write("\n")
        imports._direct.cache_clear()
        return fingerprints.of({"a": 1})

    before = fingerprints.of({"a": 1})
    assert before == fingerprints.of({"a": 1}) != fingerprints.of({"a": 2})
    assert edited("iclgd/reporting/findings.py") == edited("plot_dose.py") == before
    assert len({before, edited("iclgd/learners/gradient_descent.py"), edited("run_gd.py")}) == 3
    before = fingerprints.of({"a": 1})
    monkeypatch.setattr(pl, "__version__", "other")
    assert fingerprints.of({"a": 1}) != before


def test_two_writers_of_one_table_do_not_meet(tmp_path):
    """One that outlived its run, and the next one after a change."""
    schema = pl.Schema({"design": pl.String, "order": pl.Int32, "loss": pl.Float64})

    def part(order: int, loss: float) -> pl.DataFrame:
        return pl.DataFrame([("d", order, loss)], schema, orient="row")

    path = tmp_path / "t.parquet"
    old = parquet.Parts(path, schema, "old").__enter__()
    old.add((0,), part(0, 0.5))
    with parquet.Parts(path, schema, "new") as new:
        assert new.parts == {}
        new.add((0,), part(0, 1.5))
        with pytest.raises(OSError):
            old.add((1,), part(1, 0.5))
        new.add((1,), part(1, 1.5))
    assert pl.read_parquet(path)["loss"].to_list() == [1.5, 1.5]
