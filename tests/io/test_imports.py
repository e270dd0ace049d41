"""What a script imports, read off its text, is what Python's own parser finds."""

import ast

from iclgd.io import imports


def parsed(path):
    """The modules that a file imports, by its syntax tree."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        names = [one.name for one in node.names]
        if "import_module" in names:
            found |= set(path.parent.glob("[!_]*.py")) - {path}
        if (node.module or "").split(".")[0] == "iclgd":
            package = imports.SRC.joinpath(*node.module.split("."))
            for name in names:
                module = package / f"{name}.py"
                found.add(module if module.exists() else package.with_suffix(".py"))
    return found


def test_of_every_file_the_text_says_what_the_syntax_tree_does():
    paths = sorted(imports.SRC.rglob("*.py"))
    assert len(paths) > 200
    for path in paths:
        assert set(imports._direct(path)) == parsed(path), path


FORMS = """
\"\"\"A line of prose that begins as an import does:
from the rows, import nothing.
\"\"\"
from iclgd.io import cli, text as plain  # not files
from iclgd.models import (
    forward,  # not loading, either
    families as kinds,
)
def later():
    from iclgd.metrics.ranges import of; of
import torch
"""


def test_every_form_of_an_import_is_read(tmp_path):
    path = tmp_path / "step.py"
    path.write_text(FORMS)
    found = [str(one.relative_to(imports.SRC / "iclgd")) for one in imports._direct(path)]
    assert found == [
        *("io/cli.py", "io/text.py", "models/forward.py", "models/families.py"),
        "metrics/ranges.py",
    ]
    assert set(imports._direct(path)) == parsed(path)
