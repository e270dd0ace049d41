"""The papers' claims (claims.yaml), checked when a study is read, long before they are judged.

Only what a claim refers to: its kind of figure, the evidence of that kind for a claim of its name,
the metric of its range. Modules are read as text, so that nothing is imported for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

from iclgd.study import kinds
from iclgd.study.values import nearest

FILE = "src/iclgd/reporting/claims/claims.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
METRICS = "src/iclgd/metrics"


def problems(workflow: Path) -> list[str]:
    """One line for every claim that refers to what is not there."""
    try:
        claims = _read((workflow / FILE).read_text())
    except yaml.YAMLError as error:
        return [f"{FILE}: no YAML ({' '.join(str(error).split())})"]
    if not isinstance(claims, dict):
        return [f"{FILE}: a map of claims by name is needed"]
    decided, metrics = cache(_decided), cache(_metrics)  # each file is read once
    found = []
    for name, claim in claims.items():
        said = (
            _wrong(workflow, name, claim, decided, metrics)
            if isinstance(claim, dict)
            else "it should be a map"
        )
        found += [f"{FILE}: claim {name!r}: {said}"] if said else []
    return found


def _wrong(
    workflow: Path, name: str, claim: dict, decided: Callable, metrics: Callable
) -> str | None:
    """What is wrong with a claim, or None."""
    kind = claim.get("kind")
    if kind is None:
        return "key 'kind' is missing"
    if kind not in kinds.KINDS:
        return f"kind {kind!r} of figures is not known {nearest(kind, kinds.KINDS)}"
    module = kinds.module(kind)
    words = decided(workflow / module)
    if words is None:
        return f"a figure of kind {kind!r} decides none: {module} has no function `evidence`"
    if name not in words:
        return f"`evidence` in {module} yields none of this name{_hint(name, words)}"
    within = claim.get("within")
    if not isinstance(within, dict):
        return None
    metric, known = within.get("difference of"), metrics(workflow / METRICS)
    if any(re.fullmatch(pattern, str(metric)) for pattern in known):
        return None
    plain = [one for one in known if ".+" not in one]
    return f"within: difference of: {metric!r} is no metric{_hint(metric, plain)}"


def _hint(name, known) -> str:
    """`nearest` if there is a near one; all that is known would be too much."""
    said = nearest(name, known)
    return f" {said}" if said.startswith("(did") else ""


# Composing a study checks hundreds of them: a text that is as it was is not parsed again.
@cache
def _read(text: str):
    return yaml.load(text, LOADER)


def _decided(path: Path) -> set[str] | None:
    """All words in ``evidence`` of a kind's module and its constants; None without that."""
    return _words(path.read_text())


@cache
def _words(source: str) -> set[str] | None:
    body = ast.parse(source).body
    evidence = [one for one in body if isinstance(one, ast.FunctionDef) and one.name == "evidence"]
    if not evidence:
        return None
    parts = [*evidence, *(one for one in body if isinstance(one, ast.Assign))]
    words = (node for part in parts for node in ast.walk(part) if isinstance(node, ast.Constant))
    return {word.value for word in words if isinstance(word.value, str)}


def _metrics(folder: Path) -> list[str]:
    """Patterns of the names of all rows ``Metric("name", ...)`` in a folder."""
    return [one for path in sorted(folder.glob("*.py")) for one in _named(path.read_text())]


@cache
def _named(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Metric":
            name = node.args[0] if node.args else node.keywords[0].value
            parts = name.values if isinstance(name, ast.JoinedStr) else [name]
            words = (getattr(part, "value", None) for part in parts)
            found.append("".join(re.escape(w) if isinstance(w, str) else ".+" for w in words))
    return found
