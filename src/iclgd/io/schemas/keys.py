"""Key columns that most tables share."""

from __future__ import annotations

import polars as pl

RUN_COLUMNS = {"model": pl.String, "task": pl.String, "design": pl.String, "shots": pl.Int32}

KEY_COLUMNS = {"draw": pl.Int32, "order": pl.Int32, "epoch": pl.Int32, "example": pl.Int32}

# Values of the column ``demonstrations`` where a gradient is also taken of others than a run's: the
# same inputs with wrong labels, and other rows of the task with their right labels.
OWN, WRONG, OTHER = "own", "wrong labels", "other texts"
DEMONSTRATED = (OWN, WRONG, OTHER)
