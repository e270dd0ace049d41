"""Logits tables of random distributions."""

import numpy as np
import polars as pl

from iclgd.io.schemas.logits import LOGITS

VOCABULARY, LABELS = 7, [2, 5]


def logits(learner="icl", draws=2, orders=3, epochs=(0,), queries=4, seed=0):
    """A logits table of random distributions over the whole small vocabulary."""
    rng, rows = np.random.default_rng(seed), []
    for draw in range(draws):
        for order in range(orders):
            for epoch in epochs:
                for example in range(queries):
                    p = rng.dirichlet(np.ones(VOCABULARY))
                    ids = np.argsort(-p)
                    rows.append(
                        {
                            **{"model": "m", "task": "t", "design": "d", "shots": 4},
                            **{"learner": learner, "draw": draw, "order": order, "epoch": epoch},
                            **{"example": example, "split": "test" if example else "validation"},
                            **{"label": example % 2, "answer_id": LABELS[example % 2]},
                            **{"status": "ok", "loss": None, "tail_mass": 0.0},
                            **{"state": None, "trained": epoch if len(epochs) > 1 else None},
                            "label_logprobs": np.log(p[LABELS]).tolist(),
                            "top_ids": ids.tolist(),
                            "top_logprobs": np.log(p[ids]).tolist(),
                        }
                    )
    return pl.DataFrame(rows).select(LOGITS.keys()).cast(dict(LOGITS))


def diverge(table, where):
    """The rows ``where`` as a diverged run leaves them."""
    emptied = ("label_logprobs", "top_ids", "top_logprobs", "tail_mass")
    return table.with_columns(
        pl.when(where).then(pl.lit("diverged")).otherwise("status").alias("status"),
        *(pl.when(~where).then(name).alias(name) for name in emptied),
    )
