"""All kinds of figures, by the names that a configuration gives them: the modules beside this one.

A step that draws one kind imports that kind's module alone, so that a change to one kind redraws
no other; only steps about all figures import this one. A kind has ``findings(summary)``
(its table), ``BRACKETS`` (what the brackets in it are), ``SECTION`` (of the report), ``MEANS`` and
``MEANS_NOT`` (what follows from the figure, and what does not), and ``evidence(summary)`` if it
decides claims of papers (`claims.estimates`).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

NAMES = sorted(
    {path.stem for path in Path(__file__).parent.glob("*.py")} - {"__init__", "registry"}
)
# `io.imports` takes this call for an import of every module beside this one.
KINDS = {name: import_module(f"iclgd.reporting.kinds.{name}") for name in NAMES}
