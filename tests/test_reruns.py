"""What reruns when something changes: that and what follows from it, and nothing else."""

import pytest
import yaml
from support.workflow import edit, planned, rules_of, write_study

pytestmark = pytest.mark.workflow


def test_nothing_changed_nothing_reruns(finished):
    assert planned(finished) == []


def test_touching_every_source_reruns_nothing(finished):
    for part in ("src", "rules", "models", "config.yaml", "Snakefile"):
        place = finished / part
        for path in [place, *place.rglob("*")] if place.is_dir() else [place]:
            path.touch()
    assert planned(finished) == []


DRAWS = {"n2": "0-0", "n4": "0-1"}
GD = "logits/llama-small/topic2/n4/gd"
PAIR = "agreement/llama-small/topic2/n4/icl--gd"
# What is about other figures, and what is about the whole study.
JUDGED = [
    "summarise_agreement summary/epochs.parquet",
    "plot_epochs figures/epochs.svg",
]
JUDGED += [
    f"{verb}_{name} {place}"
    for name in ("equivalence", "nearest", "errors")
    for verb, place in (
        ("summarise", f"summary/{name}.parquet"),
        ("plot", f"figures/{name}.svg"),
    )
]
PROTOCOLS = [
    "summarise_sensitivity summary/sensitivity.parquet",
    "plot_sensitivity figures/sensitivity.svg",
]
STUDIED = [
    "judge_claims summary/claims.parquet",
    "answer_question answer.txt",
    "report_findings findings.txt",
    "build_report report.html",
]
CELLS = "collect_examples summary/examples.parquet"


def compared(task: str, draws: str) -> list[str]:
    """The jobs of every learner of the figure `agreement` on a block of draws."""
    steps = {"icl": "run_icl", "icl-random": "run_icl", "gd@0.01": "run_gd", "flow": "run_gd"}
    steps |= dict.fromkeys(("oracle", "neighbours"), "run_solver") | {"bayes": "run_bayes"}
    pairs = [f"icl--{name}" for name in (*list(steps)[1:], "icl-reordered")]
    place = f"llama-small/{task}/n4"
    return [
        *(f"{step} logits/{place}/{name}/{draws}.parquet" for name, step in steps.items()),
        *(
            f"compare_logits agreement/{place}/{pair}.parquet"
            for pair in (*pairs, "gd@0.01--gd-again")
        ),
    ]


def test_one_learning_rate_added(finished):
    study = yaml.safe_load((finished / "config.yaml").read_text())
    study["learners"]["gd"]["rates"].append(0.1)
    write_study(finished, study)
    designs = ("n2", "n4")
    assert planned(finished) == sorted(
        [
            *(f"run_gd {GD.replace('n4', n)}@0.1/{DRAWS[n]}.parquet" for n in designs),
            *(
                f"compare_logits agreement/llama-small/topic2/{n}/icl--gd@0.1.parquet"
                for n in designs
            ),
            "compare_logits agreement/llama-small/topic2/n4/gd@0.1--gd-again.parquet",
            *(f"summarise_agreement summary/{x}.parquet" for x in ("agreement", "shots", "size")),
            "summarise_curves summary/depth.parquet",
            "summarise_accuracy summary/scale.accuracy.parquet",
            *(
                f"plot_{x} figures/{x}.svg"
                for x in ("agreement", "shots", "size", "depth", "scale")
            ),
            "compare_updates updates/llama-small/topic2/n2/patch--gd@0.1/0-0.parquet",
            "summarise_updates summary/updates.parquet",
            "plot_updates figures/updates.svg",
            "summarise_existence summary/existence.parquet",
            "plot_existence figures/existence.svg",
            CELLS,
            *JUDGED,
            *PROTOCOLS,
            *STUDIED,
        ]
    )


def test_one_block_of_draws_added(finished):
    study = yaml.safe_load((finished / "config.yaml").read_text())
    study["demonstrations"]["n4"]["draws"] = 4
    write_study(finished, study)
    assert planned(finished) == sorted(
        [
            "sample_demonstrations demonstrations/topic2/n4/2-3.parquet",
            *compared("topic2", "2-3"),
            "summarise_agreement summary/agreement.parquet",
            "summarise_curves summary/depth.parquet",
            "summarise_order summary/order.order.parquet",
            "plot_agreement figures/agreement.svg",
            "plot_depth figures/depth.svg",
            "plot_order figures/order.svg",
            CELLS,
            *JUDGED,
            *PROTOCOLS,
            *STUDIED,
        ]
    )


def test_one_task_added(finished):
    study = yaml.safe_load((finished / "config.yaml").read_text())
    study["tasks"]["more"] = {**study["tasks"]["topic2"]}
    study["figures"]["agreement"]["tasks"].append("more")
    write_study(finished, study)
    assert planned(finished) == sorted(
        [
            "prepare_task tasks/more.parquet",
            "sample_demonstrations demonstrations/more/n4/0-1.parquet",
            *compared("more", "0-1"),
            "summarise_agreement summary/agreement.parquet",
            "plot_agreement figures/agreement.svg",
            CELLS,
            *JUDGED,
            *STUDIED,
        ]
    )


def test_a_checkpoint_added(finished):
    study = yaml.safe_load((finished / "config.yaml").read_text())
    study["models"]["live"]["revisions"].append("step2")
    write_study(finished, study)
    assert planned(finished) == sorted(
        [
            "fetch_model models/live@step2.json",
            "run_icl logits/live@step2/topic2/n2/icl/0-0.parquet",
            "measure_drift drift/live@step2--live@step0.parquet",
            "summarise_accuracy summary/checkpoints.accuracy.parquet",
            "summarise_checkpoints summary/checkpoints.parquet",
            "plot_checkpoints figures/checkpoints.svg",
            *STUDIED,
        ]
    )


def test_a_plot_script_edited(finished):
    edit(finished / "src/plot_order.py")
    assert planned(finished) == ["build_report report.html", "plot_order figures/order.svg"]


def test_descent_edited_reruns_gd_and_what_follows(finished):
    edit(finished / "src/iclgd/learners/gradient_descent.py")
    jobs = planned(finished)
    descending = dict.fromkeys(("gd", "flow", "gd-kv", "steps", "reached"), "run_gd")
    descending |= {"tangent": "run_tangent"}
    descending |= dict.fromkeys(("distil", "align"), "run_distil")
    learners = {
        path: path.parent.name.split("@")[0]
        for path in (finished / "results/logits").rglob("*.parquet")
    }
    assert [job for job in jobs if job.startswith("run_")] == sorted(
        f"{descending[learner]} {path.relative_to(finished / 'results')}"
        for path, learner in learners.items()
        if learner in descending
    )
    assert not rules_of(jobs) & {"prepare_task", "sample_demonstrations", "fetch_model", "run_icl"}
    assert "compare_logits agreement/llama-small/topic2/n4/icl--icl-reordered.parquet" not in jobs


def test_a_metric_edited_reruns_no_torch_job(finished):
    edit(finished / "src/iclgd/metrics/agreement.py")
    assert rules_of(planned(finished)) == {
        "compare_logits",
        "summarise_agreement",
        "summarise_controls",
        "summarise_curves",
        "summarise_dose",
        "summarise_existence",
        "summarise_steps",
        "summarise_equivalence",
        "summarise_nearest",
        "summarise_errors",
        "summarise_sensitivity",
        "judge_claims",
        "answer_question",
        "collect_examples",
        "build_report",
        "plot_dose",
        "plot_existence",
        "plot_steps",
        "plot_equivalence",
        "plot_nearest",
        "plot_errors",
        "plot_sensitivity",
        "plot_agreement",
        "plot_controls",
        "plot_shots",
        "plot_size",
        "plot_epochs",
        "plot_depth",
        "report_findings",
    }
