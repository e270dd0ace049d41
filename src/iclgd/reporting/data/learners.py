"""Answers of learners."""

from __future__ import annotations

from iclgd.reporting.data.artifact import RUN, Artifact, keys

ARTIFACTS = (
    Artifact(
        "results/logits/{model}/{task}/{design}/{learner}/{draws}.parquet",
        "next-token distributions, one row per draw, order, recorded epoch and query",
        {
            **RUN,
            **keys("learner draw order epoch example split label"),
            "answer_id": "id of the first token of the query's answer",
            "status": "`ok`, or `diverged` (then the distributions are null)",
            "loss": "GD: mean loss of the demonstrations at this epoch, nats (of `loss: squared` a"
            " squared error); `distil`: of its texts, in the steps of the last epoch",
            **keys("state"),
            "trained": "GD: epochs that this run has really trained by this one: fewer than `epoch`"
            " where it has converged or stalled",
            "label_logprobs": "natural log-probability (over the whole vocabulary) of each label's"
            " first token",
            "top_ids": "most likely tokens (up to the design's `keep`), ties by token id",
            "top_logprobs": "their natural log-probabilities",
            "tail_mass": "probability of all other tokens",
        },
    ),
)
