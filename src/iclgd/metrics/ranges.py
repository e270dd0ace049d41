"""The range of every quantity in a table or summary, by name.

For code that reads summaries of several kinds or takes differences of two quantities; other
code has the rows of its own metrics.
"""

from __future__ import annotations

from iclgd.metrics import (
    accuracy,
    agreement,
    attention_similarity,
    distances,
    errors,
    label_dose,
    model_metrics,
    order_sensitivity,
    order_variance,
    reach_measures,
    sparsity_requirement,
    update_measures,
)
from iclgd.metrics.metric import COSINE as COSINE
from iclgd.metrics.metric import Ends, by_name

METRICS = by_name(
    *accuracy.METRICS.values(),
    *accuracy.CONTRASTS.values(),
    *agreement.METRICS.values(),
    distances.SLOPE,
    *agreement.MACRO_F1.values(),
    *attention_similarity.SIMILARITIES.values(),
    *attention_similarity.CORRECTIONS.values(),
    *attention_similarity.CONTRASTS.values(),
    *order_sensitivity.SENSITIVITIES.values(),
    *order_sensitivity.CONTRASTS.values(),
    *order_sensitivity.MANTEL.values(),
    *order_sensitivity.SEN_OF.values(),
    *order_variance.SOURCES.values(),
    *distances.ESTIMATED.values(),
    distances.SIMILARITY,
    distances.GAIN,
    distances.UNITS,
    distances.BEYOND,
    distances.PAST_GD,
    distances.PAST_NEWTON,
    *reach_measures.MEASURES.values(),
    *update_measures.MEASURES.values(),
    *errors.METRICS.values(),
    *errors.CONTRASTS.values(),
    *label_dose.METRICS.values(),
    *label_dose.CONTRASTS.values(),
    *sparsity_requirement.SHARES.values(),
    sparsity_requirement.REQUIRED,
    sparsity_requirement.MISSING,
    *sparsity_requirement.INVARIANTS.values(),
    *model_metrics.PERPLEXITY.values(),
    *model_metrics.DRIFT.values(),
    *model_metrics.REGRESSION.values(),
)
RANGE = {name: metric.range for name, metric in METRICS.items()}


def of(name: str) -> Ends:
    """The least and the greatest value of a quantity. Raises KeyError for an unknown one."""
    return RANGE[name]


def difference(name: str, shift: float = 0.0) -> Ends:
    """The same of the difference of two such values, plus ``shift``."""
    return METRICS[name].difference(shift)
