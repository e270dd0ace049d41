"""Two logits tables side by side: which rows are compared, and with which metrics."""

from __future__ import annotations

import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.curves import CURVES
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import agreement, registry

SHIFTS = ("order", "draw")
_MATCH = ["draw", "order", "epoch", "example"]


def shifted(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """The same rows with every ``order`` (or ``draw``) taken from the next one, cyclically.

    Comparing a learner with its shifted self is the reference for another order of the
    same demonstrations, or for other demonstrations of the same task. Raises InputError
    where there is but one.
    """
    count = table[column].max() + 1
    if count < 2:
        raise InputError(
            f"the reference needs at least two {column}s, "
            f"design {parquet.only(table, 'design')} has one"
        )
    return table.with_columns((pl.col(column) - 1) % count)


def paired(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``b`` beside the rows of ``a`` (suffix ``_a``) with the same key.

    A first learner without epochs (ICL) stands beside every epoch of the second. Raises
    InputError if nothing matches, or if only the first one has epochs.
    """
    if a["epoch"].n_unique() > 1 and b["epoch"].n_unique() == 1:
        raise InputError("the learner with epochs must come second in a pair, as in [icl, gd]")
    on = _MATCH if a["epoch"].n_unique() > 1 else [key for key in _MATCH if key != "epoch"]
    columns = ["learner", "status", "label_logprobs", "top_ids", "top_logprobs", "tail_mass"]
    pairs = b.join(a.select(*on, *columns), on=on, suffix="_a").sort(_MATCH)
    if pairs.is_empty():
        raise InputError("the two logits tables share no draw, order and example")
    return pairs


def top(pairs: pl.DataFrame, suffix: str) -> agreement.Top:
    """The distributions of one side of `paired` rows: suffix ``_a``, or none for the second."""
    return agreement.Top(
        parquet.matrix(pairs[f"top_ids{suffix}"]),
        parquet.matrix(pairs[f"top_logprobs{suffix}"]),
        pairs[f"tail_mass{suffix}"].to_numpy().astype(float),
    )


def metrics(pairs: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Every metric of every pair whose distributions are finite.

    Returns the columns of ``registry.METRICS`` with ``label_a`` and ``label_b`` (the most
    likely label), and the curves of TO and OCS, each [rows, depth].
    """
    a, b = top(pairs, "_a"), top(pairs, "")
    labels_a, labels_b = (
        parquet.matrix(pairs["label_logprobs_a"]),
        parquet.matrix(pairs["label_logprobs"]),
    )
    answer, label = pairs["answer_id"].to_numpy(), pairs["label"].to_numpy()
    chosen_a, chosen_b = labels_a.argmax(1), labels_b.argmax(1)
    overlap_curve, ocs_curve = agreement.curves(a, b)
    found = agreement.divergences(a, b)
    label_js, label_tv, label_ocs = agreement.label_agreement(labels_a, labels_b)
    frame = pl.DataFrame(
        {
            "label_a": chosen_a,
            "label_b": chosen_b,
            "accuracy_a": a.ids[:, 0] == answer,
            "accuracy_b": b.ids[:, 0] == answer,
            "label_accuracy_a": chosen_a == label,
            "label_accuracy_b": chosen_b == label,
            "token_overlap": agreement.token_overlap(a, b),
            "ocs": agreement.ocs(a, b),
            "ocs_paper": agreement.ocs_paper(a, b),
            "js": found.js,
            "tv": found.tv,
            "kl_ab": found.kl_ab,
            "kl_ba": found.kl_ba,
            "rbo": agreement.rank_biased_overlap(overlap_curve),
            "label_js": label_js,
            "label_tv": label_tv,
            "label_ocs": label_ocs,
        }
    ).cast(dict.fromkeys(registry.METRICS, pl.Float64))
    return frame.with_columns(pl.col(registry.METRICS).fill_nan(None)), overlap_curve, ocs_curve


def compare(a: pl.DataFrame, b: pl.DataFrame, name_b: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The agreement table (``registry.AGREEMENT``) and the mean curves (``CURVES``).

    Curves are means over test queries. Raises InputError unless both are of one run.
    """
    for column in RUN_COLUMNS:
        if (here := parquet.only(a, column)) != (there := parquet.only(b, column)):
            raise InputError(f"logits of one {column} are needed, not of {here} and {there}")
    kept, curves = [], []
    pairs = paired(a, b).rename({"learner_a": "a"}).with_columns(pl.lit(name_b).alias("b"))
    groups = ["draw", "order", "epoch"]
    for _, group in pairs.group_by(groups, maintain_order=True):
        finite = (pl.col("status") == "ok") & (pl.col("status_a") == "ok")
        ok, lost = group.filter(finite), group.filter(~finite)
        if not ok.is_empty():
            frame, overlap, ocs = metrics(ok)
            kept.append(pl.concat([ok, frame], how="horizontal"))
            # Curves are reported, so they are of the test queries: rates are chosen on the others.
            report = (ok["split"] == "test").to_numpy()
            curves.append(
                ok.head(1)
                .select(*RUN_COLUMNS, "a", "b", *groups)
                .join(
                    pl.DataFrame(
                        {
                            "k": np.arange(1, overlap.shape[1] + 1),
                            "token_overlap": overlap[report].mean(0),
                            "ocs": ocs[report].mean(0),
                        }
                    ),
                    how="cross",
                )
            )
        if not lost.is_empty():
            kept.append(lost.with_columns(pl.lit("diverged").alias("status")))
    schema = [name for name in registry.AGREEMENT]
    table = pl.concat(kept, how="diagonal_relaxed")
    missing = [pl.lit(None).alias(name) for name in schema if name not in table.columns]
    empty = pl.DataFrame(schema=CURVES)
    return (
        table.with_columns(missing).select(schema),
        pl.concat([empty, *(c.cast(dict(CURVES)) for c in curves)]),
    )
