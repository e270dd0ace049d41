"""Find files when the working directory is not the workflow's own folder.

Results, configurations and data are the working directory's. Scripts are the workflow's, and so
are the models that come with it, unless the working directory has its own of that name.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).absolute().parents[1]
CARRIED = PACKAGE / "workflow"  # by an installed package; that of a checkout lies in its `src`
WORKFLOW = CARRIED if CARRIED.exists() else PACKAGE.parents[1]


def own(path: str) -> str:
    """A file of the workflow; relative within its folder, so that moving that reruns nothing."""
    return path if WORKFLOW.samefile(".") else str(WORKFLOW / path)


def model(path: str, root: Path = Path(".")) -> Path:
    """A model's folder: below ``root``, or where it is not there, one of the workflow's."""
    return next((p for p in (root / path, Path(own(path))) if p.exists()), root / path)


def reference(study: str) -> str:
    """The committed numbers of a study's reference run, if it comes with the workflow."""
    return own(f"docs/reference/{study}.csv")


def home(path: str) -> str:
    """What to add to the news that a file is not there, if its name begins with ``~``."""
    return "; '~' is read by shells alone: write the folder in full" if path[:1] == "~" else ""
