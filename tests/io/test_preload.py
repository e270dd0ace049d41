"""A step in the warm process does what it does alone: output, status, environment, bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
STEP = """
import os, signal, sys
sys.path.insert(0, {src!r})
from iclgd.io import cli
parser = cli.parser("A step.")
parser.add_argument("what")
args = parser.parse_args()
cli.torch_step()
import torch
if args.what == "bad":
    raise cli.InputError("no such thing")
if args.what == "text":
    sys.exit("stopped")
if args.what == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
torch.manual_seed(0)
print(args.what, os.getcwd(), os.environ["MINE"], torch.randn(2).tolist())
print("warm" if os.getppid() != int(os.environ["SHELL_PID"]) else "cold", file=sys.stderr)
"""
SCRIPT = """
export SHELL_PID=$$ MINE=yes
for what in fine bad text killed; do
    {python} step.py $what > $what.out 2> $what.err
    echo $? > $what.status
done
"""


def run(folder: Path, *prefix: str) -> dict[str, str]:
    """Run the step in every way below ``folder``; the contents of its files by name."""
    folder.mkdir()
    (folder / "step.py").write_text(STEP.format(src=str(SRC)))
    (folder / "all.sh").write_text(SCRIPT.format(python=sys.executable))
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    subprocess.run([*prefix, "bash", "all.sh"], cwd=folder, env=environment, check=True)
    return {path.name: path.read_text() for path in folder.glob("*.*") if path.suffix != ".sh"}


@pytest.mark.slow
def test_warm_and_cold_agree(tmp_path):
    cold = run(tmp_path / "cold")
    warm = run(tmp_path / "warm", sys.executable, "-m", "iclgd.io.preload")
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
