"""A model folder as a source, and fetching it."""

from __future__ import annotations

import json

from support.models import save_model, tiny_model
from support.steps import run_step


def small_source(tmp_path):
    """A saved tiny model, with provenance."""
    save_model(tiny_model("llama", "float32"), tmp_path, "kept")
    path = tmp_path / "kept" / "provenance.json"
    path.write_text(json.dumps({"in_context_learning": "pairs: not acquired", "seed": 3}))
    return tmp_path / "kept"


def fetch(tmp_path, source, name="tiny", entry=None):
    entry = entry or {"path": "models/kept"}
    folder, manifest = tmp_path / "results" / name, tmp_path / "results" / f"{name}.json"
    run_step(
        "fetch_model",
        *("--name", name, "--entry", json.dumps(entry)),
        *(("--source", source) if source else ()),
        *("--folder", folder, "--manifest", manifest),
    )
    return folder, manifest
