"""A step in the warm process does what it does alone: output, status, environment, bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
HEAD = """
import os, signal, sys
sys.path.insert(0, {src!r})
from iclgd.io import cli
parser = cli.parser("A step.")
parser.add_argument("what")
args = parser.parse_args()
cli.{kind}_step()
"""
STEP = """
import {module}
if args.what == "bad":
    raise cli.InputError("no such thing")
if args.what == "text":
    sys.exit("stopped")
if args.what == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
print(args.what, os.getcwd(), os.environ["MINE"], {result})
print("warm" if os.getppid() != int(os.environ["SHELL_PID"]) else "cold", file=sys.stderr)
"""
SCRIPT = """
export SHELL_PID=$$ MINE=yes
for what in fine bad text killed; do
    {python} step.py $what > $what.out 2> $what.err
    echo $? > $what.status
done
"""


RESULTS = {
    "torch": ("torch", "torch.Generator().manual_seed(0) and torch.arange(3).cumsum(0).tolist()"),
    "table": ("polars", "polars.select(polars.int_range(9)).lazy().sum().collect().item()"),
    "figure": ("altair", "altair.Chart().mark_point().to_dict()['mark']"),
}


def begun(kind: str) -> str:
    """How a step of this kind begins."""
    return HEAD.format(src=str(SRC), kind=kind)


def run(folder: Path, kind: str, *prefix: str) -> dict[str, str]:
    """Run the step in every way below ``folder``; the contents of its files by name."""
    folder.mkdir()
    module, result = RESULTS[kind]
    step = STEP.format(module=module, result=result)
    (folder / "step.py").write_text(begun(kind) + step)
    (folder / "all.sh").write_text(SCRIPT.format(python=sys.executable))
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    subprocess.run([*prefix, "bash", "all.sh"], cwd=folder, env=environment, check=True)
    return {path.name: path.read_text() for path in folder.glob("*.*") if path.suffix != ".sh"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RESULTS)
def test_warm_and_cold_agree(tmp_path, kind):
    cold = run(tmp_path / "cold", kind)
    warm = run(tmp_path / "warm", kind, sys.executable, "-m", "iclgd.io.preload")
    assert cold.pop("fine.err").strip() == "cold"
    assert warm.pop("fine.err").strip() == "warm"
    assert cold.pop("fine.out").replace("/cold ", "/warm ") == warm.pop("fine.out")
    assert cold["killed.status"].strip() == "137"
    # Alone, the shell says so; warm, the job that waits for the step.
    assert cold.pop("killed.err") == ""
    assert warm.pop("killed.err").startswith("error: killed, most likely for want of memory: ")
    assert cold == warm
    assert warm["bad.err"] == "error: no such thing\n"
    assert warm["text.status"].strip() == "1"


LONG = """
print(len(args.what), len(os.environ["LONG"]), os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.mark.slow
def test_a_long_request_comes_whole(tmp_path):
    """In more pieces than a socket hands on with the outputs; of a study's JSON, say."""
    (tmp_path / "step.py").write_text(begun("table") + LONG)
    environment = {**os.environ, "PYTHONPATH": str(SRC), "LONG": "x" * 100_000}
    command = [sys.executable, "-m", "iclgd.io.preload", sys.executable, "step.py", "y" * 120_000]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split()[:2] == ["120000", "100000"], done.stderr


@pytest.mark.slow
def test_what_cannot_be_imported_there_is_the_steps_own_fault(tmp_path):
    """Nor does the warm process end: the next step finds it."""
    (tmp_path / "polars.py").write_text("raise ImportError('no such library')")
    (tmp_path / "step.py").write_text(begun("table") + LONG + "import polars\n")
    (tmp_path / "other.py").write_text(begun("table") + LONG)
    (tmp_path / "all.sh").write_text("python step.py a; echo $?; python other.py b; echo $?")
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{SRC}", "LONG": "x", "PATH": paths}
    command = [sys.executable, "-m", "iclgd.io.preload", "bash", "all.sh"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["1", "1", "1", "0"]
    assert "ImportError: no such library" in done.stderr
    assert "ConnectionResetError" not in done.stderr


@pytest.mark.slow
def test_the_threads_of_what_is_forked_are_known(tmp_path):
    """A fork has none of them: not those that a library starts with its first work."""
    said = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said
    assert set(said) <= {"python", "python3", "jemalloc_bg_thd", "polars-ooc-clea"}


THREADS = """
from pathlib import Path
from iclgd.io import preload
for kind in preload.MODULES:
    preload.warm(kind)
for one in Path("/proc/self/task").glob("*/comm"):
    print(one.read_text().strip())
"""
FORKS = """
from concurrent.futures import ThreadPoolExecutor
import subprocess, sys
def one(number):
    done = subprocess.run([sys.executable, "step.py", str(number)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
with ThreadPoolExecutor(2) as pool:
    list(pool.map(one, range(60)))
"""
QUERIES = """
import polars as pl
rows = pl.DataFrame({"key": [i % 7 for i in range(10_000)], "value": range(10_000)})
rows.write_parquet(f"{args.what}.parquet", compression="zstd")
found = pl.scan_parquet(f"{args.what}.parquet").group_by("key").agg(pl.col("value").sum())
joined = found.join(rows.lazy(), on="key").sort("value").collect()
assert len(joined) == 10_000 and joined["value_right"].sum() == sum(range(10_000))
"""


@pytest.mark.slow
def test_many_forks_read_write_and_query_tables(tmp_path):
    (tmp_path / "step.py").write_text(begun("table") + QUERIES)
    (tmp_path / "all.py").write_text(FORKS)
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-m", "iclgd.io.preload", sys.executable, "all.py"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)
    assert len(list(tmp_path.glob("*.parquet"))) == 60
