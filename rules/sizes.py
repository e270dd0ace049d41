"""How large things are that entries of the configuration name: rows, classes, layers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import places


def most_rows(task: dict, root: Path) -> int | None:
    """An upper bound of the training rows, or None where it is known only after download."""
    if "generate" in task:
        return task["generate"]["rows"] - min(
            task.get("queries", 500), task["generate"]["rows"] // 2
        )
    if "files" in task:
        files = task["files"]
        path = root / (files if isinstance(files, str) else files["train"])
        if path.suffix in (".jsonl", ".json", ".csv") and os.access(path, os.R_OK):
            with path.open("rb") as file:
                return sum(1 for line in file if line.strip()) - (path.suffix == ".csv")
    return None


def classes(task: dict) -> int:
    """Number of label words of a task."""
    if "generate" in task:
        return task["generate"].get("classes", 2)
    return len(task["labels"])


def layer_count(model: dict, root: Path) -> int | None:
    """Layers of a local or built-in model, or what the entry says, else None."""
    if "construct" in model:
        return model["construct"]["layers"]
    found = model.get("pretrain", {}).get("shape", {})
    if "path" in model:
        found = shape(places.model(model["path"], root)) or {}
    keys = ("num_hidden_layers", "n_layer", "num_layers")
    counts = (found[key] for key in keys if isinstance(found.get(key), int))
    return next(counts, model.get("layers"))


def shape(folder: Path) -> dict | None:
    """The map in a model folder's config.json, or None where there is none."""
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
