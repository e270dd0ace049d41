"""The worked notebook: its outputs are those of its code, and nothing of a machine is in it."""

import hashlib
import json
import re
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "docs/worked_example.ipynb"
NOTEBOOK = json.loads(PATH.read_text())
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_was_executed_as_it_stands():
    """Whoever edits code runs `make notebook`, which also checks what the cells assert."""
    code = "\n".join("".join(cell["source"]) for cell in CODE)
    assert NOTEBOOK["metadata"]["executed"] == hashlib.sha256(code.encode()).hexdigest()
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert len(CODE) >= 8 and code.count("\nassert ") >= 6


@pytest.mark.parametrize("cell", CODE[1:], ids=lambda cell: cell["id"])
def test_every_cell_shows_what_it_found(cell):
    kinds = {output["output_type"] for output in cell["outputs"]}
    assert kinds and kinds <= {"stream", "display_data", "execute_result"}
    assert {output.get("name", "stdout") for output in cell["outputs"]} == {"stdout"}


def test_it_is_small_and_names_no_machine():
    assert PATH.stat().st_size < 300_000
    texts = ["".join(cell["source"]) for cell in NOTEBOOK["cells"]]
    for output in (output for cell in CODE for output in cell["outputs"]):
        shown = {"text": output.get("text", ""), **output.get("data", {})}
        texts += ["".join(text) for kind, text in shown.items() if kind != "image/png"]
    assert len(texts) > 20
    assert [text for text in texts if re.search(r"(^|[\s'\"(])/\w+/", text)] == []
