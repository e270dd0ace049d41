"""A metric is one row: what follows from adding one, and what does not."""

import os
import subprocess
import sys

import polars as pl
import pytest
from markdown_it import MarkdownIt
from support.workflow import ROOT, STUDY, copy_finished, planned, rules_of, snakemake

from iclgd.metrics import ranges
from iclgd.reporting import dictionary

ROW = """
    Metric(
        "same_token",
        SHARE,
        1,
        "is a's likeliest token b's as well?",
        label="same token",
        formula="argmax p = argmax q",
        proportion=True,
        value=lambda pair: pair.a.ids[:, 0] == pair.b.ids[:, 0],
    ),
"""
FIGURES = ("agreement", "order", "attention")
AGREEMENT = "results/agreement/llama-small/topic2/n4/icl--gd@0.01.parquet"
# Rules that load a model or prepare its inputs.
COSTLY = ("run_", "prepare_", "fetch_", "sample_", "pretrain_", "compare_attention", "extract_")


@pytest.mark.workflow
def test_a_metric_added_reruns_no_step_that_loads_a_model(finished_study, tmp_path):
    study = {**STUDY, "figures": {name: STUDY["figures"][name] for name in FIGURES}}
    folder = copy_finished(finished_study, tmp_path / "project", study)
    snakemake(folder)
    before = pl.read_parquet(folder / AGREEMENT)
    source = folder / "src/iclgd/metrics/agreement.py"
    head, opening, rest = source.read_text().partition("METRICS = by_name(")
    source.write_text(head + opening + ROW + rest)

    jobs = rules_of(planned(folder))
    assert {"compare_logits", "summarise_agreement"} <= jobs
    assert not [job for job in jobs if job.startswith(COSTLY)]

    snakemake(folder)
    table = pl.read_parquet(folder / AGREEMENT)
    assert table.drop("same_token").equals(before)
    assert set(table["same_token"].drop_nulls()) <= {0.0, 1.0}
    summary = pl.read_parquet(folder / "results/default/summary/agreement.parquet")
    rows = summary.filter(metric="same_token").drop_nulls("low")
    assert len(rows) and rows.select((pl.col("low") >= 0) & (pl.col("high") <= 1)).to_series().all()
    subprocess.run(
        [sys.executable, "-m", "iclgd.reporting.dictionary"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "src"},
        check=True,
    )
    line = "| same_token | is a's likeliest token b's as well? |"
    assert line in (folder / "docs/data.md").read_text()
    line = "| same token | argmax p = argmax q | 0 or 1 |"
    assert line in (folder / "docs/methods.md").read_text()


def test_every_metric_has_a_range_and_a_direction():
    for name, metric in ranges.METRICS.items():
        low, high = metric.range
        assert low < high, name
        assert metric.direction in (-1, 0, 1), name
        assert not metric.proportion or metric.range == (0, 1), name


def test_the_methods_have_the_formula_of_every_metric_that_has_one():
    """`make dictionary` writes them."""
    text = (ROOT / "docs/methods.md").read_text()
    assert text == dictionary.methods(text)
    assert len([one for one in ranges.METRICS.values() if f"| {one.formula} |" in text]) >= 10
    assert dictionary.BEGIN not in MarkdownIt("js-default").render(text)


def test_the_rows_import_no_torch():
    """Neither of metrics nor of optimisers: summaries and the check of a configuration use them."""
    code = (
        "import iclgd.metrics.ranges, iclgd.learners.optimisers, sys; print('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "False\n", done.stderr
