"""What every learner is given: a model, a task, and the demonstrations in their orders."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from iclgd.io import memory, parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.task import TASK
from iclgd.models import loading
from iclgd.tasks import prompts


class Inputs(NamedTuple):
    """``names`` are those of task and design; ``keys`` what all rows of the output share."""

    loaded: loading.Loaded
    task: pl.DataFrame
    runs: list[prompts.Demonstrations]
    queries: pl.DataFrame
    names: dict[str, str]
    keys: dict[str, str | int]


def read(
    model: Path,
    task: Path,
    demonstrations: Path,
    learner: str,
    device: str,
    threads: int,
    orders: int | None = None,
) -> Inputs:
    """Read a manifest, a task table and a table of orders, and load the model.

    ``learner``: its name in the output. ``orders``: at most so many of each draw. Sets the number
    of threads of torch. Raises InputError for tables that do not belong together, and for what
    cannot be loaded.
    """
    memory.keep_freed()
    torch.set_num_threads(threads)
    rows, shown = parquet.read(task, TASK), parquet.read(demonstrations, DEMONSTRATIONS)
    names = prompts.check_inputs(rows, shown)
    loaded = loading.load(model, device)
    runs = prompts.in_order(shown, orders)
    keys = {"model": loaded.name, **names, "shots": len(runs[0].examples), "learner": learner}
    return Inputs(loaded, rows, runs, prompts.queries(rows), names, keys)


def check_exact(loaded: loading.Loaded) -> None:
    """Raise InputError for a model in half precision, whose gradients are too coarse to compare."""
    if loaded.model.dtype in (torch.bfloat16, torch.float16):
        raise InputError(f"model {loaded.name}: gradients need 'dtype: float32' or float64")
