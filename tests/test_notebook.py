"""The notebooks: their outputs are those of their code, and nothing of a machine is in them."""

import hashlib
import json
import re
from pathlib import Path

import pytest

PATHS = sorted((Path(__file__).parents[1] / "docs").glob("*.ipynb"))
notebooks = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path: Path) -> tuple[dict, list[dict]]:
    """A notebook, and its cells of code."""
    notebook = json.loads(path.read_text())
    return notebook, [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_is_one_of_artifacts_and_one_of_a_model():
    assert [path.stem for path in PATHS] == ["in_memory", "worked_example"]


@notebooks
def test_it_was_executed_as_it_stands(path):
    """Whoever edits code runs `make notebook`, which also checks what the cells assert."""
    notebook, cells = read(path)
    code = "\n".join("".join(cell["source"]) for cell in cells)
    assert notebook["metadata"]["executed"] == hashlib.sha256(code.encode()).hexdigest()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert len(cells) >= 7 and code.count("\nassert ") >= 5


@notebooks
def test_every_cell_shows_what_it_found(path):
    for cell in read(path)[1][1:]:
        kinds = {output["output_type"] for output in cell["outputs"]}
        assert kinds and kinds <= {"stream", "display_data", "execute_result"}, cell["id"]
        assert {output.get("name", "stdout") for output in cell["outputs"]} == {"stdout"}


@notebooks
def test_it_is_small_and_names_no_machine(path):
    assert path.stat().st_size < 300_000
    notebook, cells = read(path)
    texts = ["".join(cell["source"]) for cell in notebook["cells"]]
    for output in (output for cell in cells for output in cell["outputs"]):
        shown = {"text": output.get("text", ""), **output.get("data", {})}
        texts += ["".join(text) for kind, text in shown.items() if kind != "image/png"]
    assert len(texts) > 15
    assert [text for text in texts if re.search(r"(^|[\s'\"(])/\w+/", text)] == []
