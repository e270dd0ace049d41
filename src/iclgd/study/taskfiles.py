"""Local files of tasks, read before any job by the functions that the job reads them with."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from iclgd.io.cli import InputError
from iclgd.tasks import readers

WHOLE = 1 << 20  # bytes of a file that is read to its end
FIRST = 1000  # rows of a larger one


def by_split(entry: dict) -> dict[str, str]:
    """A task's local files by split, none if it has its rows from elsewhere."""
    files = entry.get("files", {})
    return {"train": files} if isinstance(files, str) else files


def usual_length(entry: dict, root: Path) -> float | None:
    """Characters of a prompt with its text, the mean over the first rows of a task's first file.

    None where the task has no local file, or one that no row can be read from.
    """
    files = list(by_split(entry).values())
    if not files:
        return None
    try:
        rows = readers.render(readers.read(root / files[0], entry), entry, "")
        lengths = [len(row["text"]) for _, row in islice(rows, FIRST) if row]
    except (InputError, OSError):
        return None  # the step that reads it says what is wrong
    return sum(lengths) / len(lengths) if lengths else None


def problem(name: str, entry: dict, root: Path) -> str | None:
    """The error in the rows of a task's files, in the words of prepare_task, or None.

    Quick, since every run calls it: all but the first rows of a large file, Parquet, and large
    JSON arrays and pickles are left to that step.
    """
    labels: dict[str, set[int]] = {}
    try:
        for split, file in by_split(entry).items():
            path = root / file
            large, kind = path.stat().st_size > WHOLE, path.suffix.lower()
            at_once = kind in readers.PICKLES or (kind == ".json" and readers.is_array(path))
            if kind == ".parquet" or (large and at_once):
                continue
            rows = readers.render(readers.read(path, entry), entry, name)
            first = islice(rows, FIRST if large else None)
            found = {row["label"] for _, row in first if row}
            if not large:
                labels[split] = found
        if labels.keys() == by_split(entry).keys():
            readers.check_classes(labels, entry, name)
    except (InputError, OSError) as error:
        return str(error)
    return None
