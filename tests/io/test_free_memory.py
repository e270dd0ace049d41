"""Free memory is what the system and the control group leave, for each job beside the others."""

import os
import platform
import subprocess
import sys

import pytest

from iclgd.io import memory
from iclgd.io.imports import SRC

INFO = "MemTotal:       24000 kB\nMemFree:        1000 kB\nMemAvailable:   2000 kB\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Four cores, 2000 kB available, and a control group in which 512,000 bytes are used."""
    (tmp_path / "meminfo").write_text(INFO)
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "current").write_text("512000\n")
    monkeypatch.setattr(memory, "INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUPS", ((tmp_path / "max", tmp_path / "current"),))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    return tmp_path


def test_free_memory_is_shared_by_the_jobs_that_fit_the_cores(machine):
    assert memory.free(4) == memory.free(8) == 2_048_000
    assert memory.free(2) == 1_024_000
    assert memory.free(1) == 512_000


@pytest.mark.parametrize(
    "limit, left", [(1_512_000, 1_000_000), (512_000, 0), (1000, 0), (9e18, 2_048_000)]
)
def test_a_control_group_may_leave_less(machine, limit, left):
    (machine / "max").write_text(f"{limit:.0f}\n")
    assert memory.free(4) == left


def test_where_nothing_is_told_nothing_is_free(machine):
    (machine / "meminfo").unlink()
    assert memory.free(1) == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the memory of glibc")
def test_freed_memory_is_kept():
    """64 MB are new to the system (in pages of 4 kB or 2 MB) again and again, or once."""
    code = """
import resource
from iclgd.io import memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        bytes(1 << 26).count(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
given = faults()
memory.keep_freed()
faults()
print(given, faults())
"""
    path = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path)
    given, kept = map(int, done.stdout.split())
    assert kept < given / 5
