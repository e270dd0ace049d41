"""Every step's command line: quick help, one-line errors, nothing left behind by a failure."""

import json
import re
import resource
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.models import save_model, tiny_model
from support.steps import SRC, run_step
from support.tasks import ENTRY, tiny_task

from iclgd.io import cli, parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import batches
from iclgd.tasks import prompts, sampling

STEPS = sorted(path.stem for path in SRC.glob("*.py"))
HELP = """
import contextlib, io, json, runpy, sys
heavy = {"torch", "transformers", "altair", "scipy", "datasets"}
for path in sys.argv[1:]:
    sys.argv, text = [path, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        imported = sorted(heavy & set(sys.modules))
        print(json.dumps([path, end.code, text.getvalue(), imported]))
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[int, str, list[str]]]:
    """Step to what its --help did: all in one process, which is not this one."""
    paths = [str(SRC / f"{step}.py") for step in STEPS]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.path.insert(0, sys.argv.pop(1))" + HELP,
            SRC,
            *paths,
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    rows = map(json.loads, done.stdout.splitlines())
    return {step: row[1:] for step, row in zip(STEPS, rows, strict=True)}


@pytest.mark.parametrize("step", STEPS)
def test_help_explains_the_step_and_imports_nothing_heavy(helps, step):
    code, text, imported = helps[step]
    first = (SRC / f"{step}.py").read_text().split('"""')[1].splitlines()[0]
    assert code == 0
    assert text.startswith(f"usage: {step}.py") and first in text
    assert imported == []


# Torch and altair are imported once a process: later imports find the module and are seen again.
IMPORTS = """
import ast, importlib.machinery, json, sys
sys.path.insert(0, sys.argv[1])
once = {}

class Again:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name in once else None
    def create_module(self, spec):
        self.spec = once[spec.name].__spec__
        return once[spec.name]
    def exec_module(self, module):
        module.__spec__ = self.spec

sys.meta_path.insert(0, Again())
for path in sys.argv[2:]:
    tree = ast.parse(open(path).read())
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(tree, path, "exec"), {})
    print(json.dumps(sorted(sys.modules)))
    for name in list(sys.modules):
        if name in ("torch", "altair"):
            once[name] = sys.modules.pop(name)
        elif name.split(".")[0] == "iclgd":
            del sys.modules[name]
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Step to the modules that its own imports, and those of the steps before it, bring in.

    Torch steps, plots and all others have a process each: what one of these must not import, none
    before it has. Torch and altair are there if this step itself imports them.
    """
    found = {}
    torch = {step for step in STEPS if hands_over(step)}
    plots = {step for step in STEPS if step.startswith("plot_")}
    for steps in (sorted(torch), sorted(plots - torch), sorted(set(STEPS) - torch - plots)):
        command = [sys.executable, "-c", IMPORTS, SRC, *(SRC / f"{step}.py" for step in steps)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found |= dict(zip(steps, map(set, map(json.loads, done.stdout.splitlines())), strict=True))
    return found


def hands_over(step: str) -> bool:
    """Whether a step always imports torch, as fetch_model, which may not need it, does not."""
    return bool(re.search(r"^cli\.torch_step\(\)", (SRC / f"{step}.py").read_text(), re.M))


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_only_what_it_uses(imported, step):
    modules = imported[step]
    # A second or more each, for one function or for another kind of input.
    assert not modules & {"scipy.stats", "datasets", "pandas", "pyarrow", "peft"}
    # fetch_model loads only what comes from elsewhere, and imports torch only then.
    assert ("torch" in modules) == hands_over(step)
    assert ("altair" in modules) == step.startswith("plot_")


@pytest.mark.parametrize(
    "step", [s for s in STEPS if "torch_step()" in (SRC / f"{s}.py").read_text()]
)
def test_a_torch_step_is_handed_over_before_it_imports_anything(step):
    before, _ = (SRC / f"{step}.py").read_text().split("cli.torch_step()")
    assert set(re.findall(r"^(?:from|import) (\w+)", before, re.M)) <= {
        *sys.stdlib_module_names,
        "iclgd",
    }
    assert re.findall(r"^from iclgd\.\w+ import (.*)", before, re.M) == ["cli"]


def test_help_is_quick():
    """Less than 2 s of processor time, whatever else this machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, SRC / "run_gd.py", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 2


def test_an_input_error_ends_a_step_with_one_line_and_code_1(tmp_path):
    entry = {**ENTRY, "labels": {"0": "no", "1": "yes"}, "files": str(tmp_path / "rows.jsonl")}
    (tmp_path / "rows.jsonl").write_text("oops\n")
    done = subprocess.run(
        [
            sys.executable,
            SRC / "prepare_task.py",
            "--task",
            "mine",
            "--entry",
            json.dumps(entry),
            "--output",
            tmp_path / "out" / "mine.parquet",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "rows.jsonl, line 1: not a JSON object" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.fixture
def inputs(tmp_path):
    """Arguments of run_icl and run_gd: a tiny model of context 32, a task, a design."""
    task = tiny_task()
    manifest = save_model(tiny_model("llama", "float32", max_position_embeddings=32), tmp_path)
    parquet.write(task, tmp_path / "task.parquet", TASK)
    return {
        "--model": manifest,
        "--task": tmp_path / "task.parquet",
        "--demonstrations": designed(task, tmp_path, shots=2),
        "--output": tmp_path / "out.parquet",
    }


def designed(task, folder, shots: int, orders: int = 2):
    path = folder / f"n{shots}.parquet"
    table = sampling.demonstrations(task, f"n{shots}", shots, orders, range(2))
    parquet.write(table, path, DEMONSTRATIONS)
    return path


def step(script: str, arguments: dict, **changes) -> pl.DataFrame:
    given = {**arguments, **{f"--{key}": value for key, value in changes.items()}}
    run_step(script, *(str(part) for pair in given.items() for part in pair))
    return pl.read_parquet(given["--output"])


LEARNER = {"rate": 0.5, "epochs": 3, "train": {"layers": [0.5], "matrices": ["v"]}}


def test_icl_and_gd_write_the_logits_table_twice_the_same(inputs):
    queries = prompts.queries(pl.read_parquet(inputs["--task"]))
    icl = step("run_icl", inputs)
    first = inputs["--output"].read_bytes()
    step("run_icl", inputs)
    assert inputs["--output"].read_bytes() == first
    gd = step("run_gd", inputs, learner=json.dumps(LEARNER))
    first = inputs["--output"].read_bytes()
    step("run_gd", inputs, learner=json.dumps(LEARNER))
    assert inputs["--output"].read_bytes() == first
    few = step("run_gd", inputs, learner=json.dumps(LEARNER), orders=1, name="gd-one", keep=7)

    assert icl.schema == gd.schema == few.schema == LOGITS
    assert (len(icl), len(gd), len(few)) == tuple(len(queries) * n for n in (4, 16, 8))
    assert gd["epoch"].unique().sort().to_list() == [0, 1, 2, 3]
    constant = ["model", "task", "design", "shots", "learner"]
    assert icl.select(constant).unique().rows() == [("tiny", "topic2", "n2", 2, "icl")]
    assert few.select(constant).unique().rows() == [("tiny", "topic2", "n2", 2, "gd-one")]
    assert few["top_ids"].list.len().unique().to_list() == [7]
    assert icl["loss"].is_null().all() and gd["loss"].is_not_null().all()
    # Epoch 0 is the pretrained model: the same for every draw and order.
    start = gd.filter(pl.col("epoch") == 0).group_by("example").agg(pl.col("tail_mass").n_unique())
    assert start["tail_mass"].unique().to_list() == [1]
    last = gd.filter(pl.col("epoch") == 3)
    assert last["loss"].mean() < gd.filter(pl.col("epoch") == 0)["loss"].mean()


@pytest.mark.parametrize("name", ["run_icl", "run_gd"])
def test_prompts_that_do_not_fit_end_the_step(inputs, tmp_path, name):
    if name == "run_icl":
        long = designed(pl.read_parquet(inputs["--task"]), tmp_path, shots=8)
        changes, message = {"demonstrations": long}, "topic2, design n8: a prompt has .* holds 32"
    else:
        task = pl.read_parquet(inputs["--task"])
        task = task.with_columns(text=pl.lit("word " * 40) + pl.col("text"))
        parquet.write(task, inputs["--task"], TASK)
        changes = {"learner": json.dumps(LEARNER)}
        message = "topic2, design n2: a prompt has .* holds 32"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message) as error:
        step(name, inputs, **changes)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_models_that_give_nan_end_icl_and_show_as_diverged_in_gd(inputs, tmp_path):
    model = tiny_model("llama", "float32", max_position_embeddings=32)
    model.model.norm.weight.fill_(float("nan"))
    save_model(model, tmp_path)
    message = "model tiny gives NaN .* task topic2, design n2, draw 0, query"
    with pytest.raises(InputError, match=message):
        step("run_icl", inputs)
    assert not inputs["--output"].exists()
    table = step("run_gd", inputs, learner=json.dumps(LEARNER))
    assert table["status"].unique().to_list() == ["diverged"]
    assert table["label_logprobs"].is_null().all()


def test_a_task_prepared_from_files_leaves_long_rows_out(tmp_path, capsys):
    rows = [{"text": "x" * (i + 1), "label": i % 2} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entry = {**ENTRY, "labels": {"0": "no", "1": "yes"}, "files": str(tmp_path / "rows.jsonl")}
    arguments = {"--task": "mine", "--output": tmp_path / "mine.parquet"}
    whole = step("prepare_task", arguments, entry=json.dumps(entry))
    assert capsys.readouterr().err == ""
    short = step("prepare_task", arguments, entry=json.dumps({**entry, "longest": 32}))
    assert (len(whole), len(short)) == (40, 30)
    assert short["text"].str.len_chars().max() == 32
    assert capsys.readouterr().err == "mine: 10 of 40 rows have more than 32 characters: left out\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"draws": "4"}, "--draws 4: two numbers"),
        ({"draws": "4-2"}, "at least one draw"),
        ({"shots": 0}, "at least one draw and one shot"),
        ({"orders": "some"}, "--orders some: a number or 'all'"),
        ({"shots": "x"}, "invalid int value"),
        ({"task": "nowhere.parquet"}, "nowhere.parquet does not exist"),
    ],
)
def test_wrong_arguments_of_sampling_are_named(tmp_path, capsys, changes, message):
    parquet.write(tiny_task(), tmp_path / "task.parquet", TASK)
    arguments = {"--task": tmp_path / "task.parquet", "--design": "n2", "--shots": 2}
    arguments |= {"--draws": "0-1", "--output": tmp_path / "out.parquet"}
    with pytest.raises(SystemExit) as end:
        step("sample_demonstrations", arguments, **changes)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()


def test_wrong_tables_are_named(inputs, tmp_path):
    with pytest.raises(InputError, match=r"n2.parquet: no column 'split'"):
        step("run_icl", inputs, task=inputs["--demonstrations"])


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[1]", "a JSON object")])
def test_entries_are_json_objects(text, message):
    with pytest.raises(cli.argparse.ArgumentTypeError, match=message):
        cli.json_object(text)
    assert cli.json_object('{"a": 1}') == {"a": 1}


def test_progress_in_a_log_is_at_most_ten_lines(capsys):
    assert list(cli.progress(iter(range(95)), 95, "steps")) == list(range(95))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10 and lines[-1] == "steps: 95/95"


@pytest.mark.parametrize("name", ["run_icl", "run_gd"])
def test_blocks_of_queries_change_no_row(name, inputs, monkeypatch):
    more = {"learner": json.dumps(LEARNER)} if name == "run_gd" else {}
    whole = step(name, inputs, **more)
    monkeypatch.setattr(batches, "QUERIES", 5)
    parts = step(name, inputs, **more)
    numbers = ["loss", "label_logprobs", "top_logprobs", "tail_mass"]
    assert parts.drop(*numbers, "top_ids").equals(whole.drop(*numbers, "top_ids"))
    assert_frame_equal(parts.select(numbers), whole.select(numbers), abs_tol=1e-5)
