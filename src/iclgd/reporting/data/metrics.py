"""Comparisons of learners, and measures of models."""

from __future__ import annotations

from iclgd.metrics import (
    agreement,
    attention_similarity,
    model_metrics,
    reach_measures,
    sparsity_requirement,
    update_measures,
)
from iclgd.reporting.data.artifact import RUN, Artifact, keys, meanings

ARTIFACTS = (
    Artifact(
        "results/agreement/{model}/{task}/{design}/{a}--{b}.curves.parquet",
        "agreement on the K most likely tokens, means over test queries",
        {
            **RUN,
            **keys("a b draw order epoch"),
            "k": "tokens that are compared, 1 to 100",
            "token_overlap": "share of shared tokens among the K likeliest",
            "ocs": "cosine of the two distributions cut to their K likeliest",
        },
    ),
    Artifact(
        "results/agreement/{model}/{task}/{design}/{a}--{b}.parquet",
        "learner a against learner b, one row per query (draw, order and epoch are those of b)",
        {
            **RUN,
            **keys("a b draw order epoch example split label"),
            "label_a": "the likeliest label under a",
            "label_b": "the likeliest label under b",
            **keys("status"),
            "loss": "b's mean loss of the demonstrations, nats; null if it has no epochs",
            **keys("state"),
            **meanings(agreement.METRICS),
        },
    ),
    Artifact(
        "results/attention/{model}/{task}/{design}/{learner}/{draws}.parquet",
        "inside self-attention at the learner's last epoch, one row per draw, order, query, layer",
        {
            **RUN,
            **keys("learner draw order epoch example"),
            "layer": "layer, from 0; null: all of them",
            **keys("split"),
            **meanings(attention_similarity.SIMILARITIES),
        },
    ),
    Artifact(
        "results/sparsity/{model}.circuits.parquet",
        "measures of each head's circuits that no rotation of the basis changes",
        {
            **keys("model"),
            "layer": "layer, from 0",
            "head": "head, from 0",
            "circuit": "`qk` (W_Q W_K) or `ov` (W_O W_V)",
            **meanings(sparsity_requirement.INVARIANTS),
            "singular_values": "singular values, largest first",
        },
    ),
    Artifact(
        "results/sparsity/{model}.parquet",
        "how many weights are small, one row per head, matrix and threshold",
        {
            **keys("model"),
            "layer": "layer, from 0",
            "head": "head, from 0",
            "matrix": "`q`, `k` or `v`",
            "threshold": "absolute value of a weight",
            **meanings(sparsity_requirement.SHARES),
        },
    ),
    Artifact(
        "results/drift/{model}--{reference}.parquet",
        "how far weights are from those of another checkpoint, one row per tensor",
        {
            **keys("model"),
            "reference": "the checkpoint it is compared with",
            "tensor": "name of the tensor",
            "weights": "number of its entries",
            **meanings(model_metrics.DRIFT),
        },
    ),
    Artifact(
        "results/reach/{model}/{task}/{design}/{draws}.parquet",
        "what first-order steps in a group of weights reach of ICL's change, one row per draw",
        {
            **RUN,
            **keys("draw order"),
            "layer": "layer, from 0; null for groups that have none",
            "matrix": "`q`, `k`, `v`, `o` or `mlp`; `rest`: what is none of them; `all` weights",
            "part": "of the change: `mapping` (logits of the labels less their mean) or `labels`"
            " (log-odds of all labels together)",
            "demonstrations": "whose gradients: `own`, the same with `wrong labels`, or of `other"
            " texts` of the task with their right labels",
            **meanings(reach_measures.MEASURES),
        },
    ),
    Artifact(
        "results/updates/{model}/{task}/{design}/{a}--{b}/{draws}.parquet",
        "the change of weights that imitates ICL beside that of GD, one row per draw and matrix",
        {
            **RUN,
            "a": "the learner that patches",
            "b": "the learner that trains",
            **keys("draw order"),
            "layer": "layer, from 0",
            "matrix": "the matrix of its MLP, as the architecture calls it; `guess`: W_0 of a"
            " construction",
            "demonstrations": "what was trained on: `own`, the same with `wrong labels`, or `other"
            " texts`",
            **meanings(update_measures.MEASURES),
        },
    ),
    Artifact(
        "results/perplexity/{model}.parquet",
        "perplexity by position in held-out documents, one row per bucket of positions",
        {
            **keys("model"),
            "first": "first position of the bucket, from 0",
            "last": "its last position",
            "tokens": "tokens that were predicted",
            "nats": "their mean loss, nats",
            **meanings(model_metrics.PERPLEXITY),
        },
    ),
)
