"""Similarity of in-context learning and gradient descent inside the model, layer by layer.

Everything is of the last token of a query: ZS is the pretrained model with the query alone,
ICL the pretrained model with the query after the demonstrations, GD the fine-tuned model with the
query alone.
Functions take float arrays whose last axis is the vector and return float64 without it;
what is undefined is NaN, never 0. Sources: D is Dai et al. 2023 (arXiv 2212.10559), R
is Deutch et al. 2024 (arXiv 2311.07772); "code" is what each of them published.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS
from iclgd.metrics.metric import COSINE, SHARE, Metric, by_name

# Relative changes below this are rounding noise of float32. That of a model in half precision is
# larger, and counts as a change.
FLOOR = 1e-5
CELLS = 1 << 22  # pairs of tokens in memory at once


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine along the last axis; NaN where a vector is zero or not finite."""
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(-1) / np.where(norms > 0, norms, np.nan)


def _change(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """``after - before``, NaN where it is no more than rounding noise."""
    change = after.astype(float) - before
    size = np.linalg.norm(change, axis=-1, keepdims=True)
    clear = size >= FLOOR * np.linalg.norm(before.astype(float), axis=-1, keepdims=True)
    return np.where(clear, change, np.nan)


def _unit(x: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(x.astype(float), axis=-1, keepdims=True)
    return x / np.where(norm > 0, norm, np.nan)


def sim_aou(zs: np.ndarray, icl: np.ndarray, gd: np.ndarray) -> np.ndarray:
    """D's SimAOU: cos(h_ICL - h_ZS, h_GD - h_ZS), each h first scaled to length 1, in [-1, 1].

    h is the output of self-attention after its output projection, before the residual
    (D, section 4.3). The scaling bends both updates towards -h_ZS: see `sim_aou_chance`.
    D's code does the same, and so does R's code, though R's text does without the scaling.
    """
    zs, icl, gd = map(_unit, (zs, icl, gd))
    return _cosine(_change(icl, zs), _change(gd, zs))


def sim_aou_chance(zs: np.ndarray, icl: np.ndarray, gd: np.ndarray) -> np.ndarray:
    """`sim_aou` of two unrelated updates of these sizes.

    sqrt((1 - cos(h_ICL, h_ZS)) (1 - cos(h_GD, h_ZS))) / 2: from the unit vectors' common
    part along h_ZS, the rest being orthogonal. It is 1/4 where both turn h by 60 degrees (R's
    objection to D), up to 1/2 for those that turn it by 90, and near 0 for small updates. D's
    code compares with uniform noise in place of the update instead, which gives about 0.
    """
    zs, icl, gd = map(_unit, (zs, icl, gd))
    # Of unit vectors, |a - z|^2 = 2 (1 - cos(a, z)).
    sizes = [np.linalg.norm(_change(x, zs), axis=-1) for x in (icl, gd)]
    return sizes[0] * sizes[1] / 4


def sim_aou_raw(zs: np.ndarray, icl: np.ndarray, gd: np.ndarray) -> np.ndarray:
    """R's SimAOU: cos(h_ICL - h_ZS, h_GD - h_ZS) of the vectors as they are, in [-1, 1].

    Updates that are independent of each other score 0 (R, section on metrics).
    """
    return _cosine(_change(icl, zs), _change(gd, zs))


def sim_am(icl: np.ndarray, other: np.ndarray) -> np.ndarray:
    """D's SimAM: cos(m_ICL, m_GD) of each head, mean over heads: [..., heads, tokens] to [...].

    m holds the scaled q.k, before mask and softmax, of the last token with the query's own
    tokens (D, section 4.4). ``other`` is GD's m, or that of ZS for D's baseline "before".
    """
    return _over_heads(_cosine(icl.astype(float), other.astype(float)))


def sim_am_delta(zs: np.ndarray, icl: np.ndarray, gd: np.ndarray) -> np.ndarray:
    """R's SimAM of the changes: cos(m_ICL - m_ZS, m_GD - m_ZS) of each head, mean over heads.

    Shapes as in `sim_am`. In the first layer of a model with rotary positions the
    demonstrations cannot change m at all: NaN there.
    """
    return _over_heads(_cosine(_change(icl, zs), _change(gd, zs)))


def _over_heads(cosines: np.ndarray) -> np.ndarray:
    """Mean over the last axis, heads without a value left out; NaN where none has one."""
    known = ~np.isnan(cosines)
    count = known.sum(-1)
    return np.where(known, cosines, 0).sum(-1) / np.where(count > 0, count, np.nan)


def kendall(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of two orders of the same tokens: [rows, tokens] to [rows] in [-1, 1].

    D, section 4.5: ICL's side is the attention of the last token to each token of the
    demonstrations, before the softmax and summed over heads; GD's side is the inner product of
    each token's query vector, while it is trained on, with the query vector of the last
    token in the trained model. D takes a softmax of both: it keeps the order, and in floating
    point ties what is small, so there is none here. D's baseline is random ranks on GD's side
    (``kendall_random``); ``kendall_before`` has the query vectors of the pretrained model there.
    NaN for fewer than two tokens, where one side is all ties, and where a value is not finite.
    """
    rows, tokens = a.shape
    size = max(1, CELLS // max(tokens, 1) ** 2)
    found = [_tau(a[i : i + size], b[i : i + size]) for i in range(0, rows, size)]
    return np.concatenate([np.empty(0), *found])


def _tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, y = (np.sign(z[:, :, None] - z[:, None, :]) for z in (a, b))
    product, *squares = ((p * q).sum((1, 2)) for p, q in ((x, y), (x, x), (y, y)))
    pairs = np.sqrt(squares[0] * squares[1])
    return product / np.where(pairs > 0, pairs, np.nan)


def rec2ftp(zs: np.ndarray, icl: np.ndarray, gd: np.ndarray) -> float | None:
    """D's Rec2FTP: share of what GD corrects that ICL corrects too, in [0, 1].

    #(ZS wrong, GD right, ICL right) / #(ZS wrong, GD right), D, section 4.2; ``zs``, ``icl``,
    ``gd`` [queries] say whether each is right. None where GD corrects nothing.
    """
    corrected = ~zs & gd
    return float((corrected & icl).sum() / corrected.sum()) if corrected.any() else None


def rec2ftp_chance(zs: np.ndarray, icl: np.ndarray) -> float | None:
    """What `rec2ftp` would be if ICL and GD corrected independently of each other.

    #(ZS wrong, ICL right) / #(ZS wrong); D has no such baseline, and an ICL that is nearly
    always right has a Rec2FTP near 1 whatever GD does. None where ZS is never wrong.
    """
    return float(icl[~zs].mean()) if (~zs).any() else None


# A row for every measure of the attention table, then those that compare answers.
SIMILARITIES = by_name(
    Metric(
        "sim_aou",
        COSINE,
        1,
        "cosine of the updates of attention's output, normalised (Dai et al.)",
        label="SimAOU",
        formula="cosine of the changes of attention's output by demonstrations and by training",
    ),
    Metric("sim_aou_chance", COSINE, 0, "what unrelated updates of that size give"),
    Metric("sim_aou_raw", COSINE, 1, "not normalised (Deutch et al.)"),
    Metric(
        "sim_am",
        COSINE,
        1,
        "cosine of the scores q·k with the query's own tokens, ICL and GD",
        label="SimAM",
        formula="cosine of the attention scores q·k with the query's own tokens",
    ),
    Metric("sim_am_before", COSINE, 0, "the same of ICL and ZS"),
    Metric("sim_am_delta", COSINE, 1, "the same of their changes from ZS"),
    Metric(
        "kendall",
        COSINE,
        1,
        "tau-b of attention to the demonstrations, against the trained model",
        label="Kendall's tau",
        formula="rank correlation (tau-b) of attention to the demonstrations with GD's inner"
        " products",
    ),
    Metric("kendall_before", COSINE, 0, "against the pretrained model (zero-shot)"),
    Metric("kendall_random", COSINE, 0, "against random ranks"),
)
CORRECTIONS = by_name(
    Metric("rec2ftp", SHARE, 1, "share of GD's corrections that ICL makes too", proportion=True),
    Metric("rec2ftp_chance", SHARE, 0, "what independent corrections give", proportion=True),
)
# The baseline of a measure; M_over is M minus it, of the same query.
BASELINES = {
    "sim_aou": "sim_aou_chance",
    "sim_am": "sim_am_before",
    "kendall": "kendall_random",
    "kendall_before": "kendall_random",
    "rec2ftp": "rec2ftp_chance",
}
CONTRASTS = by_name(
    *(
        Metric(
            f"{one}_over",
            COSINE if one == "rec2ftp" else (-2.0, 2.0),
            1,
            f"{one} minus {other}",
        )
        for one, other in BASELINES.items()
    ),
    Metric(
        "sim_aou_untrained", (-2.0, 2.0), 0, "sim_aou of an untrained model minus a trained one's"
    ),
    Metric("sim_aou_raw_causal", (-2.0, 2.0), 0, "sim_aou_raw of layer-causal GD minus plain GD's"),
)
ATTENTION = pl.Schema(
    {
        **RUN_COLUMNS,
        "learner": pl.String,
        **KEY_COLUMNS,
        "layer": pl.Int32,
        "split": pl.String,
        **dict.fromkeys(SIMILARITIES, pl.Float64),
    }
)
