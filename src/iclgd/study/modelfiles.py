"""Models as files, among them GGUF files: what is wrong with them, and what readers are told."""

from __future__ import annotations

from pathlib import Path

from iclgd.io.cli import InputError
from iclgd.models import gguf_header
from iclgd.models.gguf_header import Told
from iclgd.study import names, places, sizes


def check(problem, where: str, entry: dict, root: Path) -> None:
    """Report problems of a model's local folder, and of one that is, or should be, a GGUF file."""
    file, ending = gguf_header.file(entry), gguf_header.ENDING
    for place, source in (("file", entry), ("package.file", entry.get("package", {}))):
        if "file" in source and not source["file"].lower().endswith(ending):
            problem(f"{where}.{place}", f"{source['file']!r}: a file {ending} is needed")
    if "file" in entry and "hub" not in entry:
        problem(where, "key 'file' has no meaning without 'hub'")
    barred = {"quantised"} if file is None else {"remote_code"}
    barred |= {"quantised"} if "path" in entry else set()
    barred |= {"revision", "revisions"} if "package" in entry else set()
    for key in sorted(barred & entry.keys()):
        problem(where, f"key {key!r} has no meaning for {file or 'a model without a GGUF file'}")
    if "path" in entry:
        path, wrong = places.model(entry["path"], root), None
        if file and not path.is_file():
            wrong = f"{entry['path']!r} does not exist"
        elif file:
            try:
                gguf_header.read_once(path)
            except InputError as error:
                wrong = str(error)
        elif sizes.shape(path) is None:
            why = "is no model folder (there is no config.json that holds a map)"
            wrong = f"{entry['path']!r} {why}"
        if wrong:
            problem(f"{where}.path", f"{wrong}{places.home(entry['path'])}")


def told(config: dict, entry: dict) -> Told:
    """What readers are told of a model; of a control what is left of the model that it is of."""
    if entry.get("control") == "random":
        return Told(None, None)
    original = config["models"][names.base(entry["of"])] if "of" in entry else entry
    local = gguf_header.file(original) and "path" in original
    return gguf_header.told(original, places.model(original["path"]) if local else None)
