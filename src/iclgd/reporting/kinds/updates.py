"""Whether the change of weights that imitates ICL is the change that gradient descent makes."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import DEMONSTRATED, OWN, WRONG
from iclgd.reporting.findings import MODEL, Row, short, value
from iclgd.reporting.names import Names
from iclgd.reporting.select import RUN
from iclgd.study.names import base

BRACKETS = "95 % intervals over draws"
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = (
    "A cosine of 1 says that gradient descent on the demonstrations changes a matrix just as "
    "imitating ICL would; one that wrong labels reach as well is not about the labels."
)
MEANS_NOT = (
    "Other changes of the weights may imitate ICL, too: the patch is the least that does for the "
    "texts at hand, of the MLP alone and at the last token alone."
)
COSINE, SHARED, SPREAD = "update_cosine", "shared_inputs", "patch_spread"


def findings(summary: pl.DataFrame) -> list[Row]:
    """Every matrix: cosines with the updates on each kind of demonstrations, then the rest."""
    columns = ["patch", "learner", "matrix", *(f"cosine, {one}" for one in DEMONSTRATED)]
    found = [[*MODEL, *columns, "on GD's inputs", "wrong labels", "between texts"]]
    keys = ("model", "task", "shots", "a", "b", "layer", "matrix")
    for key, rows in summary.group_by(keys, maintain_order=True):
        *run, layer, matrix = key
        cosines = [value(rows.filter(metric=COSINE, demonstrations=one)) for one in DEMONSTRATED]
        shared = [value(rows.filter(metric=SHARED, demonstrations=one)) for one in (OWN, WRONG)]
        between = value(rows.filter(metric=SPREAD, demonstrations=OWN))
        found.append([*map(str, run), f"{matrix}, layer {layer}", *cosines, *shared, between])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """The largest cosine of all matrices, and that of the same with wrong labels."""
    rows = summary.filter(metric=COSINE).drop_nulls("estimate")
    role = {one: names.roles.get(base(one), "") for one in rows["model"].unique()}
    made = pl.col("model").replace_strict(role, return_dtype=pl.String) == "construction"
    said = []
    for which, where in ((~made, "of at most"), (made, "where ICL is GD of")):
        most = rows.filter(which, demonstrations=OWN).sort("estimate", descending=True).head(1)
        if len(most):
            same = [*RUN, "a", "b", "layer", "matrix"]
            wrong = rows.filter(demonstrations=WRONG).join(most, on=same, how="semi")
            null = f" ({short(wrong['estimate'][0])} with wrong labels)" if len(wrong) else ""
            said.append(f"{where} {short(most['estimate'][0])}{null}")
    if not said:
        return ""
    return f"What imitates ICL and GD's update of a matrix have a cosine {', '.join(said)}"
