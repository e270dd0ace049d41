"""The headline of every kind of figure: computed, in words, nothing where there is nothing."""

import polars as pl
import pytest
from support import summaries, summaries_models, summaries_verdicts
from support.roles import ROLES

from iclgd.reporting.kinds import agreement, attention, controls, nearest, scale, shots
from iclgd.reporting.kinds.registry import KINDS
from iclgd.reporting.names import Names

NAMES = Names(ROLES)
MADE = {
    "agreement": summaries.agreement,
    "attention": summaries_models.attention,
    "checkpoints": summaries.checkpoints,
    "controls": summaries.controls,
    "depth": summaries.depth,
    "dose": summaries_models.dose,
    "epochs": summaries.agreement,
    "equivalence": summaries_verdicts.equivalence,
    "errors": summaries_verdicts.errors,
    "existence": summaries_verdicts.existence,
    "label_dose": summaries_models.label_dose,
    "nearest": summaries_verdicts.nearest,
    "order": summaries.order,
    "reach": summaries_models.reach,
    "regression": summaries_models.regression,
    "scale": summaries.accuracy,
    "sensitivity": summaries_verdicts.sensitivity,
    "shots": lambda path: summaries.agreement(path, shots=(1, 8), gds=["gd"]),
    "size": summaries.agreement,
    "sparsity": summaries.sparsity,
    "steps": summaries_verdicts.steps,
    "twins": summaries_models.twins,
    "updates": summaries_models.updates,
    "variance": summaries.variance,
}
SAID = {
    "attention": "GD changes attention outputs as ICL does, beyond chance, for 2 of 2 kinds of GD",
    "checkpoints": "ICL's accuracy goes from 0.1–0.15 to 0.36–0.6 over 143,000 steps of"
    " pretraining",
    "depth": "GD shares 0.07–0.17 of ICL's 10 likeliest tokens, and 0.04–0.14 of the 100 likeliest",
    "dose": "ICL that is no GD moves away from it in 1 of 1 way, by up to 0.1; softmax attention"
    " equals descent on functions",
    "epochs": "At its best rate and epoch GD shares 2.4 of ICL's ten likeliest tokens; ICL"
    " reordered shares 6.6",
    "existence": "What ICL taught on other texts comes to 2 times ICL's distance from itself,"
    " gradient descent on its demonstrations to 4 times: surely nearer",
    "label_dose": "As labels turn wrong ICL loses 0.89 of its accuracy; solver without GD 0; GD,"
    " whole model 0.45; GD's slope is surely flatter than ICL's in 2 of 2, each by itself",
    "steps": "The nearest that models come: GD, whole model 0 (1–2 steps), GD on functions 0 (1–2"
    " steps)",
    "reach": "Small steps reach 0.6 (R²) of which label ICL gives; with wrong labels 0.5, with"
    " other texts 0.3",
    "regression": "At the training scale predictions are 1e-16–0.3 from GD's",
    "shots": "From 1 to 8 demonstrations ICL's accuracy goes from 0.30 to 0.60, GD's from 0.50 to"
    " 0.70",
    "sparsity": "At most 0.045 of the weights are below 0.001; the construction needs 0.75–1",
    "twins": "Momentum attention changes accuracy (2 labels) by 0.05 [0.00, 0.10],"
    " accuracy (4 labels) by 0.05 [0.00, 0.10], perplexity by 0.05 [0.00, 0.10]",
    "updates": "What imitates ICL and GD's update of a matrix have a cosine of at most 0.12 (0.07"
    " with wrong labels), where ICL is GD of 1 (0.05 with wrong labels)",
    "variance": "What explains most of the changes with order: in ICL last label (0.35),"
    " in GD last label (0.30)",
}


def read(kind, folder) -> pl.DataFrame:
    return NAMES.with_roles(pl.read_parquet(MADE[kind](folder / "summary.parquet")))


def test_every_kind_is_tried_here():
    assert set(MADE) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(MADE))
def test_a_headline_is_one_line_and_an_empty_summary_has_no_numbers(kind, tmp_path):
    summary = read(kind, tmp_path)
    said = KINDS[kind].headline(summary, NAMES)
    assert len(said) > 20 and said.isprintable()
    assert said == SAID.get(kind, said)
    none = KINDS[kind].headline(summary.clear(), NAMES)
    assert not any(map(str.isdigit, none))


def run(model="m", **more) -> dict:
    row = {"model": model, "task": "t", "design": "n4", "shots": 4, "a": "icl", "a_role": "icl"}
    return row | {"chosen": True, "draws": 3, "diverged": 0.0, "epoch": 5} | more


def compared(model, icl, gd, shared, reordered, shots=4) -> list[dict]:
    at = {"model": model, "shots": shots, "design": f"n{shots}"}
    gd_at = {"b": "gd@0.1", "b_role": "gd"}
    other = {"b": "icl-reordered", "b_role": "icl-reordered"}
    return [
        run(**at, **gd_at, metric="accuracy_a", estimate=icl),
        run(**at, **gd_at, metric="accuracy_b", estimate=gd),
        run(**at, **gd_at, metric="token_overlap", estimate=shared),
        run(**at, **other, metric="token_overlap", estimate=reordered),
    ]


@pytest.mark.parametrize(
    ("gd", "verb"), [(0.80, "reaches"), (0.84, "reaches"), (0.86, "exceeds"), (0.74, "stays below")]
)
def test_agreement_in_one_case(gd, verb):
    summary = pl.DataFrame(compared("m", 0.8, gd, 0.7, 0.9))
    assert agreement.headline(summary, NAMES) == (
        f"GD {verb} ICL's accuracy ({gd:.2f}; 0.80) and shares 7 of its ten likeliest tokens;"
        " ICL reordered shares 9"
    )


def test_agreement_in_several_cases():
    rows = compared("m", 0.8, 0.8, 0.7, 0.9) + compared("n", 0.8, 0.5, 0.45, 0.42)
    assert agreement.headline(pl.DataFrame(rows), NAMES) == (
        "GD reaches ICL's accuracy in 1 of 2 cases; it shares fewer of its ten likeliest tokens"
        " than ICL reordered does in 1 of 2"
    )


def test_shots_in_several_cases():
    rows = []
    for model, accuracies in (("m", (0.2, 0.3, 0.4, 0.4)), ("n", (0.5, 0.4, 0.2, 0.6))):
        rows += compared(model, accuracies[0], accuracies[2], 0.7, 0.9, shots=1)
        rows += compared(model, accuracies[1], accuracies[3], 0.7, 0.9, shots=8)
    assert shots.headline(pl.DataFrame(rows), NAMES) == (
        "From 1 to 8 demonstrations ICL's accuracy rises in 1 of 2 cases, GD's in 1"
    )


def test_nearest_is_that_of_the_whole_model():
    def point(b, role, estimate, nearest, epoch=5):
        return run(b=b, b_role=role, estimate=estimate, nearest=nearest, epoch=epoch, metric="tv")

    rows = [
        point("gd@1", "gd", 0.31, True, 20),
        point("gd@1", "gd", 0.4, False),
        point("gd-v@1", "gd-middle", 0.2, True),
        point("icl-reordered", "icl-reordered", 0.22, False, 0),
    ]
    assert nearest.headline(pl.DataFrame(rows), NAMES) == (
        "At its nearest (epoch 20) GD is 0.31 from ICL in total variation; ICL reordered is 0.22"
        " from itself"
    )


def test_scale_is_the_most_demonstrations_against_the_fewest():
    def one(learner, role, shots, estimate):
        row = run(shots=shots, learner=learner, learner_role=role, estimate=estimate)
        return row | {"metric": "accuracy"}

    rows = [one("icl", "icl", 16, 0.92), one("icl", "icl", 32, 0.95)]
    rows += [one("gd@1", "gd", 256, 0.96), one("gd@1", "gd", 16, 0.9)]
    assert scale.headline(pl.DataFrame(rows), NAMES) == (
        "GD with 256 demonstrations answers 0.96 right, ICL with 16 0.92"
    )


def test_attention_of_controls_is_not_counted():
    def one(model, metric, estimate, low):
        row = run(model=model, learner="gd@1", metric=metric, estimate=estimate, low=low)
        return row | {"layer": None}

    rows = [one("m", "sim_aou", 0.5, 0.4), one("m", "sim_aou_chance", 0.3, 0.2)]
    rows += [one("r", "sim_aou", 0.5, 0.4), one("r", "sim_aou_chance", 0.3, 0.2)]
    names = Names({"m": "model", "r": "control"})
    assert attention.headline(pl.DataFrame(rows), names).endswith("for 1 of 1 kinds of GD")


def test_controls_are_counted_by_metric():
    rows = [("pair", "ocs", 0.9, 0.5), ("pair", "ocs", 0.4, 0.5), ("control", "ocs", 0.9, 0.5)]
    table = pl.DataFrame(rows, ["kind", "metric", "estimate", "floor"], orient="row")
    said = controls.headline(table, NAMES)
    assert said.endswith("in every negative control by OCS @10 (cosine) in 1 of 2")
    none = controls.headline(table.filter(pl.col("estimate") < 0.5), NAMES)
    assert none == "By none of 1 metrics do ICL and GD agree more than negative controls do"
