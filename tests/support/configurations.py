"""The default configuration, and the same with one value replaced."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(path: str, value):
    """The default configuration with one value replaced (or added)."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split("/")
    place = config
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return config
