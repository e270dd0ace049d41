"""What the benchmarks share: arms timed in turn in one run, tables, models with random weights.

Machines differ and are noisy, so every claim is a ratio: its arms take turns, round by round,
and the ratio is taken within each round.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

import polars as pl
import torch

RESULTS = ROOT / "results/benchmarks"
THREADS = min(2, os.cpu_count() or 1)
torch.set_num_threads(THREADS)


def machine() -> str:
    """Processor, threads in use, versions: the line that stands under a table."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    if torch.cuda.is_available():
        names = [f"{torch.cuda.get_device_name()}, {names[0] if names else platform.machine()}"]
    return (
        f"{names[0] if names else platform.processor() or platform.machine()}, {THREADS} threads, "
        f"torch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    )


def take_turns(
    case: str,
    arms: dict[str, Callable[[], object]],
    units: dict[str, float],
    rounds: int = 5,
    warm: bool = False,
) -> pl.DataFrame:
    """Time every arm once a round, after one that is not counted unless they are ``warm``.

    ``units``: how much work a call of each arm does. Gives one row per arm and round: case,
    arm, round, units, seconds.
    """
    rows = []
    for number in range(0 if warm else -1, rounds):
        for arm, call in arms.items():
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            if number >= 0:
                rows.append((case, arm, number, float(units[arm]), seconds))
                print(f"{case}, round {number}: {arm} {units[arm] / seconds:.3g} a second")
    return pl.DataFrame(rows, ["case", "arm", "round", "units", "seconds"], orient="row")


def save(frame: pl.DataFrame, name: str) -> None:
    """Write results/benchmarks/{name}.parquet, with the machine that it was measured on."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    frame.with_columns(pl.lit(machine()).alias("machine")).write_parquet(
        RESULTS / f"{name}.parquet"
    )


def llama(**size):
    """A LLaMA-shaped model with random weights, for evaluation."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(max_position_embeddings=2048, **size)
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def demonstrations(count: int, length: int, vocabulary: int, seed: int = 0):
    """Random demonstrations of about ``length`` tokens, the last of which is the answer's."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(length * 3 // 4, length * 5 // 4 + 1, (count,), generator=generator)
    rows = [torch.randint(3, vocabulary, (n,), generator=generator).tolist() for n in lengths]
    return [(row, len(row) - 1) for row in rows]
