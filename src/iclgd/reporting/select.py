"""Which rows of a summary a figure compares, and which models need a note."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from iclgd.io.cli import InputError
from iclgd.reporting.names import REFERENCES, ZERO_SHOT
from iclgd.statistics.families import family

RUN = ["model", "task", "shots", "design"]


def of_families(column: str, families: list[str]) -> pl.Expr:
    """Whether a learner's family is one of these."""
    return family(column).is_in(families)


def runs(frame: pl.DataFrame) -> list[tuple[dict, pl.DataFrame]]:
    """The parts of a summary: one per model, task and design, in their order by shots."""
    return [
        (dict(zip(RUN, key, strict=True)), part)
        for key, part in frame.sort(RUN, maintain_order=True).group_by(RUN, maintain_order=True)
    ]


def one_design(summary: pl.DataFrame) -> pl.DataFrame:
    """One design for each number of shots: of several, the one with the most draws."""
    by = ["model", "task", "shots"]
    count = summary.group_by(*by, "design").agg(pl.col("draws").max().fill_null(0).alias("_"))
    first = count.sort(pl.col("_").neg(), "design").group_by(by, maintain_order=True).first()
    return summary.join(first.drop("_"), on=[*by, "design"], how="semi")


def compared(summary: pl.DataFrame, metrics: list[str]) -> pl.DataFrame:
    """ICL, its references, the chosen learners and the model without demonstrations, as ``who``.

    ``summary`` is one of agreement, with roles (`Names.with_roles`); ``who_role`` is that of
    ``who``. ICL's own accuracy becomes its ``accuracy_b``; without demonstrations is epoch 0 of any
    trained learner. Of several chosen rates of a family, which are equally good, the first is kept;
    ``rate`` has it, and is null for what has none.
    """
    summary = summary.filter(a_role="icl").sort("model", "task", "shots", "design", "b", "epoch")
    other = {"who": family("b"), "who_role": pl.col("b_role")}
    reference = pl.col("b_role").is_in(REFERENCES)
    own = summary.filter(metric="accuracy_a").with_columns(
        who=family("a"), who_role="a_role", metric=pl.lit("accuracy_b")
    )
    trains = pl.col("epoch").max().over("b") > 0  # a task vector has no other epoch
    zero = summary.filter(~reference & trains).filter(pl.col("epoch") == 0)
    parts = [
        own,
        summary.filter(reference).with_columns(**other),
        summary.filter(pl.col("chosen"), ~reference).with_columns(**other),
        zero.with_columns(who=pl.lit(ZERO_SHOT), who_role=pl.lit("zs")),
    ]
    found = pl.concat(parts).filter(pl.col("metric").is_in(metrics)).drop_nulls("estimate")
    by = ["model", "task", "shots", "design", "who", "metric"]
    found = found.unique(by, keep="first", maintain_order=True)
    own = pl.col("who") == family("b")  # ICL stands in every row of its accuracy beside another
    return found.with_columns(
        pl.when(own).then(pl.col("b").str.extract("@(.+)$")).cast(pl.Float64).alias("rate")
    )


def by_role(compared: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Estimates of one run of `compared` by role and metric; of several learners the first's."""
    rows = compared.select("who_role", "metric", "estimate").rows()
    return {(role, metric): estimate for role, metric, estimate in reversed(rows)}


def until_divergence(
    frame: pl.DataFrame, learner: str, measure: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows before the first epoch at which any run diverged, and the last such row per learner.

    A mean over the surviving runs would be biased upwards, so a rate's line ends where its
    first run diverges. The second frame has one row per diverged learner and measure: its cross.
    """
    lost = (
        frame.filter(pl.col("diverged") > 0).group_by(learner).agg(pl.col("epoch").min().alias("_"))
    )
    joined = frame.join(lost, on=learner, how="left", maintain_order="left")
    kept = joined.filter(pl.col("_").is_null() | (pl.col("epoch") < pl.col("_")))
    ends = kept.filter(pl.col("_").is_not_null() & pl.col("estimate").is_not_null())
    ends = ends.sort("epoch").group_by(learner, measure, maintain_order=True).last()
    return kept.drop("_"), ends.select(kept.drop("_").columns).sort(learner, measure)


def manifests(paths: Iterable[str | Path]) -> dict[str, dict]:
    """Models' manifests by name of the model."""
    found = {}
    for path in paths:
        try:
            manifest = json.loads(Path(path).read_text())
            found[manifest["model"]] = manifest
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a model's manifest ({error})") from error
    return found


def caveat(manifest: dict) -> str:
    """A note for models whose ICL is absent or was trained for; "" for all others.

    The manifest's ``in_context_learning`` says for each kind of task, separated by
    semicolons, whether it was acquired; it is null for models from elsewhere.
    """
    if manifest.get("objective") == "label":
        return "ICL objective"
    probed = manifest.get("in_context_learning")
    return "no ICL" if probed and all("not acquired" in part for part in probed.split(";")) else ""
