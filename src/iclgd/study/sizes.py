"""Sizes of the data sets and models in a configuration: rows, classes, layers."""

from __future__ import annotations

import json
import os
from pathlib import Path

from iclgd.models import dimensions, gguf_header
from iclgd.study import places, taskfiles
from iclgd.tasks import readers


def most_rows(task: dict, root: Path) -> int | None:
    """An upper bound of the training rows, or None where it is known only after download."""
    if "generate" in task:
        rows = task["generate"]["rows"]
        if "held_out" in task["generate"]:  # they are all for training
            return rows
        return rows - min(task.get("queries", 500), rows // 2)
    if "files" in task:
        path, kind = root / taskfiles.by_split(task)["train"], ""
        if os.access(path, os.R_OK):
            kind = path.suffix.lower()
        if kind == ".json" and readers.is_array(path):
            return path.read_bytes().count(b"{")
        if kind in (".jsonl", ".json", ".csv"):
            with path.open("rb") as file:
                return sum(1 for line in file if line.strip()) - (kind == ".csv")
    return None


def classes(task: dict) -> int:
    """Number of label words of a task."""
    if "generate" in task:
        return task["generate"].get("classes", 2)
    return len(task["labels"])


def layer_count(model: dict, root: Path) -> int | None:
    """Layers of a local or built-in model, or as its entry states, else None."""
    if "construct" in model:
        return model["construct"]["layers"]
    count = dimensions.stored_layers(_stored(model, root))
    return model.get("layers") if count is None else count


def architecture(model: dict, root: Path) -> str | None:
    """Name of a local or built-in model's architecture, or None where it is not known yet."""
    return dimensions.stored_architecture(_stored(model, root))


def _stored(model: dict, root: Path) -> dict:
    """What is there of a config.json before any job, or the same of a GGUF file.

    Such a file has names of its own for architectures, so that the step tells those.
    """
    if "path" in model:
        path = places.model(model["path"], root)
        if gguf_header.file(model):
            return {dimensions.LAYERS[0]: gguf_header.read_once(path).layers}
        return shape(path) or {}
    return model.get("pretrain", {}).get("shape", {})


def shape(folder: Path) -> dict | None:
    """The map in a model folder's config.json, or None where there is none."""
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
