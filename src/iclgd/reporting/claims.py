"""The claims of the papers as tests: what decides each, and what a study's summaries say of it.

Every claim says that a quantity is above 0; `evidence` finds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from iclgd.metrics import ranges
from iclgd.reporting import evidence
from iclgd.reporting.evidence import WHERE
from iclgd.statistics import resampling
from iclgd.statistics.resampling import ALPHA

SHEN, DAI = "Shen et al. 2024", "Dai et al. 2023"
DEUTCH, OSWALD = "Deutch et al. 2024", "von Oswald et al. 2023"
XIE = "Xie et al. 2022"
SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("paper", "place", "claim", "quantity", "figure"), pl.String),
        **{"model": pl.String, "task": pl.String, "shots": pl.Int32, "learner": pl.String},
        **dict.fromkeys(("estimate", "low", "high"), pl.Float64),
        "reference": pl.String,
        **dict.fromkeys(("p", "p_holm"), pl.Float64),
        **{"draws": pl.Int32, "queries": pl.Int32, "mde": pl.Float64},
        **{"underpowered": pl.Boolean, "verdict": pl.String},
    }
)


@dataclass(frozen=True)
class Claim:
    """What a paper says, the quantity above 0 that decides it, and what the paper found.

    ``effect``: the paper's own value of the quantity, if it has one; a study that would miss
    such an effect in more than 20 % of cases is underpowered. ``within``: what the quantity can
    be.
    """

    paper: str
    place: str
    claim: str
    quantity: str
    reference: str = ""
    effect: float | None = None
    within: ranges.Ends = ranges.COSINE  # of a difference of two shares


CLAIMS = {
    "apart": Claim(
        SHEN,
        "main comparison",
        "GD on the same demonstrations is farther from ICL than ICL is from itself reordered.",
        "total variation, GD nearest to ICL minus ICL reordered",
        "not measured by the paper",
    ),
    "tokens": Claim(
        SHEN,
        "Figure 5",
        "ICL keeps more of its likeliest tokens when reordered than GD shares with it.",
        "token overlap, ICL reordered minus most accurate GD",
        ".66 against 0 to .20 (AG News, N = 4)",
        effect=0.46,
    ),
    "accuracy": Claim(
        SHEN,
        "Figure 5",
        "ICL is more accurate than GD on the same demonstrations.",
        "accuracy, ICL minus most accurate GD",
        ".71 against .42 (AG News, N = 4)",
        effect=0.29,
    ),
    "more": Claim(
        SHEN,
        "Table 1",
        "GD is more accurate with many demonstrations than with few.",
        "accuracy of GD, most minus fewest demonstrations",
        ".69 against .42 (AG News, 512 and 8)",
        effect=0.27,
    ),
    "enough": Claim(
        SHEN,
        "Table 1",
        "GD with many demonstrations comes within .10 of ICL with few.",
        "accuracy, GD with most demonstrations minus ICL with fewest, plus .10",
        ".69 with 512 (AG News); ICL .71 with 4 (Figure 5)",
        within=ranges.difference("accuracy", 0.1),
    ),
    "order": Claim(
        SHEN,
        "order sensitivity",
        "ICL depends more on the order of demonstrations than gradient descent does.",
        "Sen, ICL minus learner at its last epoch",
        "ICL .150; GD 0; SGD .054 to .010; Adam .063 to .016",
        effect=0.134,
        within=ranges.difference("sen"),
    ),
    "pattern": Claim(
        SHEN,
        "Theorem 1",
        "Under the same orders ICL and gradient descent change less than half alike.",
        "one half minus the cosine of both changes over orders",
        "not measured by the paper",
        within=(-0.5, 1.5),
    ),
    "sparse": Claim(
        SHEN,
        "sparsity",
        "Pretrained weights are less sparse than the construction of GD needs.",
        "share of entries below .01, needed minus found",
        "W_Q, W_K .33 of .9999; W_V .41 of .75 (LLaMA-7B)",
    ),
    "checkpoints": Claim(
        SHEN,
        "pretraining checkpoints",
        "Over the last two checkpoints ICL stays within .10 while the weights keep moving.",
        ".10 minus the change of accuracy over the last two checkpoints",
        ".70 to .76 from step 318,000 to 389,000 (GPT-J)",
        within=(-0.9, 0.1),
    ),
    "aou": Claim(
        DAI,
        "SimAOU",
        "Attention's output is changed by ICL and GD more alike than by unrelated updates.",
        "SimAOU minus that of unrelated updates of the same size",
        ".08 to .28 (without that baseline)",
        within=ranges.difference("sim_aou"),
    ),
    "am": Claim(
        DAI,
        "SimAM",
        "After GD attention to the query is more like ICL's than before.",
        "SimAM after minus before",
        ".496 against .152 (AG News); .404 against .391 (SST-5)",
        within=ranges.difference("sim_am"),
    ),
    "kendall": Claim(
        DAI,
        "Kendall",
        "ICL attends to the demonstrations as GD weighs them, beyond random ranks.",
        "Kendall's tau minus that of random ranks",
        ".151 to .274",
        effect=0.15,
        within=ranges.difference("kendall"),
    ),
    "kendall before": Claim(
        DEUTCH,
        "baselines",
        "That likeness of attention is there before any training, too.",
        "Kendall's tau before training minus that of random ranks",
        within=ranges.difference("kendall"),
    ),
    "rec2ftp": Claim(
        DAI,
        "Rec2FTP",
        "ICL makes the corrections that GD makes, beyond independent ones.",
        "Rec2FTP minus that of independent corrections",
        ".67 to .97 (without that baseline)",
    ),
    "untrained": Claim(
        DEUTCH,
        "untrained baselines",
        "Models without training score as high in SimAOU as trained ones.",
        "SimAOU (normalised), untrained minus trained, plus .05",
        "comparable scores",
        effect=0.05,
        within=ranges.difference("sim_aou", 0.05),
    ),
    "causal": Claim(
        DEUTCH,
        "layer-causal GD",
        "Layer-causal GD is more like ICL than GD through all layers.",
        "SimAOU (not normalised), layer-causal minus plain",
        within=ranges.difference("sim_aou_raw"),
    ),
    "perplexity": Claim(
        DAI,
        "momentum attention",
        "Momentum attention lowers perplexity.",
        "perplexity at the end of documents, plain minus momentum",
        within=ranges.difference("perplexity"),
    ),
    "momentum": Claim(
        DAI,
        "momentum attention",
        "Momentum attention improves ICL.",
        "accuracy with most demonstrations, momentum minus plain",
    ),
    "construction": Claim(
        OSWALD,
        "Proposition 1",
        "With the weights of the construction ICL is GD.",
        "margin minus the total variation of ICL and GD: equivalent",
        "equal",
    ),
    "falls": Claim(
        OSWALD,
        "Proposition 1",
        "As the model ceases to be GD, ICL and GD come apart.",
        "total variation of ICL and GD, which only ever grows with the dose of what is not GD",
    ),
    "bayes": Claim(
        XIE,
        "Bayesian predictor",
        "ICL is as near to the exact Bayesian reader as to itself reordered.",
        "margin minus the total variation of ICL and Bayes: equivalent",
    ),
}


def judged(figures: list[tuple[str, str, pl.DataFrame]], roles: dict[str, str]) -> pl.DataFrame:
    """The table of claims (`SCHEMA`) from ``(figure, kind, summary)``.

    ``roles``: names of models and tasks that are a ``control`` or a ``construction``, and of
    learners that are ``causal`` (layer by layer); others are a ``model``. A claim holds or
    fails if its quantity differs surely from 0 (two-sided t-test at 5 %, Holm over all rows of
    the claim), or by what its finder says (a verdict of equivalence, a whole response, weights,
    which are no sample); else one cannot tell. ``low`` to ``high`` is the interval of the quantity
    at the level at which it is tested (`resampling.holm_levels`): it leaves 0 out if and only if
    the test decides. A finder that decides by itself gives its own interval, or none.
    """
    found: dict[str, list[tuple[str, dict]]] = {name: [] for name in CLAIMS}
    for figure, kind, summary in figures:
        if kind in evidence.FINDERS:
            for name, one in evidence.FINDERS[kind](_with_roles(summary, roles)):
                found[name].append((figure, one))
    rows = [row for name, some in found.items() if some for row in _rows(CLAIMS[name], some)]
    table = pl.DataFrame(rows, schema={**SCHEMA, "said": pl.Boolean}, orient="row")
    sure = pl.col("p_holm") < ALPHA
    above = pl.coalesce("said", pl.when(sure).then(pl.col("estimate") > 0))
    verdict = pl.when(above).then(pl.lit("holds")).when(~above).then(pl.lit("fails"))
    table = table.with_columns(verdict.otherwise(pl.lit("cannot tell")).alias("verdict"))
    order = {claim.claim: i for i, claim in enumerate(CLAIMS.values())}
    table = table.sort(
        pl.col("claim").replace_strict(order, return_dtype=pl.Int32),
        "figure",
        *WHERE,
        maintain_order=True,
    )
    return table.select(SCHEMA.keys())


def _with_roles(summary: pl.DataFrame, roles: dict[str, str]) -> pl.DataFrame:
    """The summary with ``role`` of its rows and whether their learner is ``causal``."""

    def named(column: str, role: str) -> pl.Expr:
        if column not in summary.columns:
            return pl.lit(False)
        names = [name for name, one in roles.items() if one == role]
        return pl.col(column).str.split("@").list.first().is_in(names)

    role = (
        pl.when(named("model", "control") | named("task", "control"))
        .then(pl.lit("control"))
        .when(named("model", "construction"))
        .then(pl.lit("construction"))
        .otherwise(pl.lit("model"))
    )
    return summary.with_columns(role.alias("role"), named("learner", "causal").alias("causal"))


def _rows(claim: Claim, found: list[tuple[str, dict]]) -> list[dict]:
    """All rows about one claim, tested together, from ``(figure, estimate)``."""

    def column(name: str) -> np.ndarray:
        return np.array([one.get(name) for _, one in found], float)

    tested = np.array(["said" not in one for _, one in found])
    spread = resampling.Spread(*map(column, ("estimate", "error", "df")))
    above = resampling.p_above(spread)
    p = np.where(tested, 2 * np.minimum(above, 1 - above), np.nan)
    ends = resampling.t_interval(spread, 1 - resampling.holm_levels(p))
    ends = (np.where(tested, end, column(x)) for end, x in zip(ends, ("low", "high"), strict=True))
    mde = resampling.detectable(spread)
    numbers = dict(zip(("low", "high"), (end.clip(*claim.within) for end in ends), strict=True))
    numbers |= {"p": p, "p_holm": resampling.holm(p), "mde": mde}
    words = {part: getattr(claim, part) for part in ("paper", "place", "claim", "quantity")}
    words["reference"] = claim.reference or None
    rows = []
    for at, (figure, one) in enumerate(found):
        own = {name: float(values[at]) for name, values in numbers.items()}
        rows.append(
            {
                **words,
                **{
                    name: one.get(name) for name in (*WHERE, "draws", "queries", "estimate", "said")
                },
                **{name: None if np.isnan(value) else value for name, value in own.items()},
                "figure": figure,
                "underpowered": claim.effect is not None and own["mde"] > claim.effect,
            }
        )
    return rows
