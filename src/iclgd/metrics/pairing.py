"""Two logits tables side by side: which rows are compared, and with which metrics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.curves import CURVES
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import agreement, distributions, registry

_GROUP = ["draw", "order", "epoch"]
_MATCH = [*_GROUP, "example"]
# Rows whose metrics are computed at once: as many as 8 MB hold of a number for each token
# (`distributions.ranks`), and no more than these.
ROWS, CELLS = 1024, 1 << 21


def shifted(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """The same rows with every ``order`` (or ``draw``) taken from the next one, cyclically.

    Comparing a learner with its shifted self is the reference for another order of the
    same demonstrations, or for other demonstrations of the same task. Raises InputError
    where there is but one.
    """
    numbers = table[column].unique().sort()
    if len(numbers) < 2:
        raise InputError(
            f"the reference needs at least two {column}s, "
            f"design {parquet.only(table, 'design')} has one"
        )
    before = dict(zip(numbers, [numbers[-1], *numbers[:-1]], strict=True))
    return table.with_columns(
        pl.col(column).replace_strict(before, return_dtype=table[column].dtype)
    )


def paired(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``b`` beside the rows of ``a`` (suffix ``_a``) with the same key.

    A first learner without epochs (ICL) is paired with every epoch of the second. Raises
    InputError if nothing matches, or if only the first one has epochs.
    """
    # Of what has epochs the table may hold a single one here.
    epochs_a, epochs_b = (one["trained"].is_not_null().any() for one in (a, b))
    if epochs_a and not epochs_b:
        raise InputError("the learner with epochs must come second in a pair, as in [icl, gd]")
    on = _MATCH if epochs_a else [key for key in _MATCH if key != "epoch"]
    columns = ["learner", "status", "label_logprobs", "top_ids", "top_logprobs", "tail_mass"]
    pairs = b.join(a.select(*on, *columns), on=on, suffix="_a").sort(_MATCH)
    if pairs.is_empty():
        raise InputError("the two logits tables share no draw, order and example")
    return pairs


def top(pairs: pl.DataFrame, suffix: str) -> distributions.Top:
    """The distributions of one side of `paired` rows: suffix ``_a``, or none for the second."""
    return distributions.Top(
        parquet.matrix(pairs[f"top_ids{suffix}"]),
        parquet.matrix(pairs[f"top_logprobs{suffix}"]),
        pairs[f"tail_mass{suffix}"].to_numpy().astype(float),
    )


def metrics(pairs: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Every metric of every pair whose distributions are finite.

    Returns the columns of ``registry.METRICS`` with ``label_a`` and ``label_b`` (the most
    likely label), and the curves of TO and OCS, each [rows, depth].
    """
    labels = [parquet.matrix(pairs[f"label_logprobs{side}"]) for side in ("_a", "")]
    right = [pairs[name].to_numpy() for name in ("answer_id", "label")]
    pair = agreement.Pair(top(pairs, "_a"), top(pairs, ""), *labels, *right)
    frame = pl.DataFrame(
        {"label_a": labels[0].argmax(1), "label_b": labels[1].argmax(1)}
        | {name: metric.value(pair) for name, metric in registry.METRICS.items()}
    ).cast(dict.fromkeys(registry.METRICS, pl.Float64))
    return frame.with_columns(pl.col(*registry.METRICS).fill_nan(None)), *pair.curves


def total_variation(pairs: pl.DataFrame) -> np.ndarray:
    """Total variation alone of pairs whose distributions are finite, [rows].

    Where both sides keep a whole (small) vocabulary it is summed token by token, which is faster.
    """
    a, b = top(pairs, "_a"), top(pairs, "")
    size = 1 + max((int(side.ids.max()) for side in (a, b) if side.ids.size), default=0)
    if any(side.ids.shape[1] < size for side in (a, b)):
        return distributions.total_variation(a, b)[0]
    p, q = (_dense(side, size) for side in (a, b))
    return np.abs(p - q).sum(1) / 2


def _dense(side: agreement.Top, size: int) -> np.ndarray:
    """Probabilities [rows, tokens] in the order of tokens, normalised as in ``divergences``."""
    found = np.zeros((len(side.ids), size))
    np.put_along_axis(found, side.ids, np.exp(side.logprobs, dtype=float), axis=1)
    return found / found.sum(1, keepdims=True)


def compare(a: pl.DataFrame, b: pl.DataFrame, name_b: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The agreement table (``registry.AGREEMENT``) and the mean curves (``CURVES``).

    Curves are means over test queries. Raises InputError unless both are of one run.
    """
    for column in RUN_COLUMNS:
        if (here := parquet.only(a, column)) != (there := parquet.only(b, column)):
            raise InputError(f"logits of one {column} are needed, not of {here} and {there}")
    pairs = paired(a, b).rename({"learner_a": "a"}).with_columns(pl.lit(name_b).alias("b"))
    finite = (pl.col("status") == "ok") & (pl.col("status_a") == "ok")
    ok, lost = pairs.filter(finite), pairs.filter(~finite)
    found = [_measured(ok.slice(start, sum(sizes)), sizes) for start, sizes in _blocks(ok)]
    tables = [lost.with_columns(pl.lit("diverged").alias("status")), *(one for one, _ in found)]
    table = pl.concat(tables, how="diagonal_relaxed")
    missing = [pl.lit(None).alias(name) for name in registry.AGREEMENT if name not in table.columns]
    empty = pl.DataFrame(schema=CURVES)
    return (
        table.with_columns(missing).select(list(registry.AGREEMENT)).sort(_MATCH),
        pl.concat([empty, *(curves.cast(dict(CURVES)) for _, curves in found)]),
    )


def _blocks(pairs: pl.DataFrame) -> Iterator[tuple[int, list[int]]]:
    """The first row and the groups' sizes of blocks of whole groups, as many as `CELLS` allow.

    The rows of a group (draw, order and epoch) stand together, as `paired` has sorted them.
    """
    tokens = 1 + max((pairs[ids].explode().max() or 0) for ids in ("top_ids", "top_ids_a"))
    most, start, sizes = min(ROWS, CELLS // tokens), 0, []
    for size in pairs.group_by(_GROUP, maintain_order=True).len()["len"]:
        if sizes and sum(sizes) + size > most:
            yield start, sizes
            start, sizes = start + sum(sizes), []
        sizes.append(size)
    if sizes:
        yield start, sizes


def _measured(pairs: pl.DataFrame, sizes: list[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs, of groups of these sizes one after the other, with their metrics; the groups' curves.

    Curves are reported, so they are of the test queries: rates are chosen on the others.
    """
    frame, *curves = metrics(pairs)
    starts = np.cumsum([0, *sizes[:-1]])
    groups = [slice(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    report = (pairs["split"] == "test").to_numpy()
    overlap, ocs = (
        np.stack([curve[rows][report[rows]].mean(0) for rows in groups]) for curve in curves
    )
    depth = overlap.shape[1]
    keys = pairs.select(*RUN_COLUMNS, "a", "b", *_GROUP)[np.repeat(starts, depth)]
    means = keys.with_columns(
        pl.Series("k", np.tile(np.arange(1, depth + 1), len(sizes))),
        pl.Series("token_overlap", overlap.ravel()),
        pl.Series("ocs", ocs.ravel()),
    )
    return pl.concat([pairs, frame], how="horizontal"), means
