"""Models and their making."""

from __future__ import annotations

from iclgd.reporting.data.artifact import KEYS, Artifact

ARTIFACTS = (
    Artifact(
        "results/models/{model}.json",
        "a model's manifest; its weights are in the folder of the same name",
        {
            "model": KEYS["model"],
            "architecture": "`model_type` of its config",
            "layers": "number of layers",
            "weights": "number of weights",
            "dtype": "type of its weights",
            "quantised": "type of most weights in the GGUF file that it is from",
            "instruct": "whether it is tuned to follow instructions; null: nothing says so",
            "source": "where it came from",
            "commit": "commit of its repository; null for a folder",
            "sha256": "of its weights",
            "remote_code": "whether code from its repository may run",
            "objective": "what it was trained on, if not on the next token",
            "pretraining": "recipe of a built-in model",
            "probes": "its accuracies on held-out prompts when it was made",
            "in_context_learning": "whether it learns in context, in words; null: not probed",
        },
    ),
    Artifact(
        "results/{made}/{model}/provenance.json",
        "how a model was constructed or pretrained here; its weights are in the same folder",
        {
            "entry": "recipe of the configuration",
            "loss": "last loss of its training, nats; null without training",
            "objective": "what it was trained on, if not on the next token",
            "probes": "its accuracies on held-out prompts",
            "in_context_learning": "whether it learns in context, in words",
            "sha256": "of its weights",
            "torch": "version of torch",
            "{other}": "more about the run that made it",
        },
    ),
    Artifact(
        "results/pretraining/{model}/curve.parquet",
        "loss and accuracy during pretraining, one row per evaluation",
        {
            "step": "steps of the optimiser",
            "tokens": "tokens seen",
            "loss": "mean loss since the row before, nats",
            "accuracy_{classes}_{shots}shot": "accuracy among the label words on held-out prompts",
        },
    ),
)
