"""The whole workflow on a tiny study: it runs, and it is reproducible."""

import re

import polars as pl
import pytest
from support.claims import CLAIMS
from support.verdicts import read_off
from support.workflow import (
    STUDY,
    copy_project,
    digests,
    snakemake,
    start,
)

from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import ranges, registry
from iclgd.reporting import answer, artifacts, dictionary, quantities
from iclgd.study.captions import REPORT
from iclgd.study.kinds import KINDS

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(finished_study):
    return finished_study


def test_every_figure_is_there_in_every_format(project):
    for figure in STUDY["figures"]:
        figure = project / "results/default/figures" / figure
        assert figure.with_suffix(".svg").read_text().startswith("<svg")
        assert figure.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert figure.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert "<script" in figure.with_suffix(".html").read_text()
        assert r"\toprule" in figure.with_suffix(".tex").read_text()
    assert (project / "results/default/report.html").read_text().startswith("<!DOCTYPE html>")
    findings = (project / "results/default/findings.txt").read_text()
    assert "token overlap with ICL" in findings
    assert "llama-small" in findings
    (claims,) = re.findall(r"\nclaims of the papers.*?\n\n", findings, re.DOTALL)
    assert "Shen et al. 2024" in claims and "  verdict  " in claims


def test_the_answer_is_one_screen_and_the_same_everywhere(project):
    text = (project / "results/default/answer.txt").read_text()
    assert (project / "said.txt").read_text() == text  # the end of the run
    lines = text.splitlines()
    assert len(lines) <= 15 and max(map(len, lines)) <= 120
    said = answer.read(project / "results/default/summary/answer.json").sentence
    known = quantities.read(project / "results/default/findings.csv").values()
    assert [one.said for one in known if one.kind == "answer"] == [said]


def test_solvers_stand_under_every_order_of_a_figure_of_order(project):
    table = pl.read_parquet(project / "results/default/summary/order.order.parquet")
    assert set(table["learner"]) == {"icl", "oracle", "neighbours"}
    logits = project / "results/logits/llama-small/topic2/n4"
    asked = [
        pl.read_parquet(logits / f"{one}/0-1.parquet").select("draw", "order", "example").rows()
        for one in ("icl", "oracle", "neighbours")
    ]
    assert sorted(asked[0]) == sorted(asked[1]) == sorted(asked[2])
    assert len(asked[0]) == 2 * 3 * 16
    findings = (project / "results/default/findings.txt").read_text()
    assert re.search(r"oracle +no GD", findings)


def test_every_column_of_every_table_is_in_the_data_dictionary(project):
    found, unknown = set(), []
    for path in project.glob("results/**/*.parquet"):
        artifact, _ = dictionary.of(str(path.relative_to(project)))
        found.add(artifact.path)
        columns = pl.read_parquet_schema(path)
        unknown += [(path, name) for name in columns if artifact.meaning(name) is None]
    assert unknown == []
    assert found == {one.path for one in artifacts.ARTIFACTS if one.path.endswith(".parquet")}


def test_tables_hold_their_keys_and_promised_columns(project):
    results = project / "results"
    demonstrations = pl.read_parquet(results / "demonstrations/topic2/n4/0-1.parquet")
    assert demonstrations.schema == DEMONSTRATIONS
    assert demonstrations.group_by("draw", "order").len()["len"].unique().to_list() == [4]
    gd = pl.read_parquet(results / "logits/llama-small/topic2/n4/gd@0.01/0-1.parquet")
    assert gd.schema == LOGITS
    assert gd["epoch"].unique().sort().to_list() == [0, 1, 3]
    assert gd["learner"].unique().to_list() == ["gd@0.01"]
    agreement = pl.read_parquet(results / "agreement/llama-small/topic2/n4/icl--gd@0.01.parquet")
    assert agreement.schema == registry.AGREEMENT
    # Row by row, what the metric was computed from is in the logits of the same key.
    icl = pl.read_parquet(results / "logits/llama-small/topic2/n4/icl/0-1.parquet")
    one, key = agreement.row(7, named=True), ("draw", "order", "example")
    same = [pl.col(name) == one[name] for name in key]
    a = icl.filter(*same).row(0, named=True)
    b = gd.filter(*same, pl.col("epoch") == one["epoch"]).row(0, named=True)
    assert one["token_overlap"] == len(set(a["top_ids"][:10]) & set(b["top_ids"][:10])) / 10


NAMED = ("metric", "measure", "source")  # the column that says what a summary's value is
BOUNDS = {  # further columns, by the quantity that they are of
    **dict.fromkeys(("excess", "excess_low", "excess_high", "excess_at_least"), "excess"),
    **{
        name: name
        for name in ("reference", "required", "solver", "rounding", "excess_most", "excess_settled")
    },
    **dict.fromkeys(("untouched", "untouched_least"), "untouched"),
    **dict.fromkeys(("nearer", "nearer_least", "nearer_at_most"), "nearer"),
    "nearer_most": "nearer_most",
}


def test_no_value_and_no_interval_is_beyond_what_its_quantity_can_be(project):
    """In every summary; a metric without a range is no metric of a summary."""
    seen, without, beyond = 0, set(), []

    def check(path, name, ends, rows, columns):
        nonlocal seen
        values = rows.select(pl.concat_list(columns).explode().drop_nulls()).to_series()
        seen += len(values)
        if not values.is_between(*ends).all():
            beyond.append((path.name, name, values.min(), values.max()))

    for path in sorted((project / "results/default/summary").glob("*.parquet")):
        table = pl.read_parquet(path)
        if path.name == "claims.parquet":
            for claim in CLAIMS.values():
                rows = table.filter(claim=claim.claim)
                check(path, claim.claim, claim.within, rows, ["estimate", "low", "high"])
        elif path.name != "examples.parquet":
            if not {*NAMED} & {*table.columns}:  # all are distances from ICL
                table = table.with_columns(metric=pl.lit("distance"))
            (column,) = (name for name in NAMED if name in table.columns)
            kind = pl.col("kind") if "kind" in table.columns else pl.lit("")
            for name in table[column].unique():
                without |= {name} - {*ranges.RANGE}
                own = table.filter(pl.col(column) == name)
                apart = own.filter(kind == "difference")
                ends = ["estimate", "low", "high"]
                check(path, name, ranges.of(name), own.filter(kind != "difference"), ends)
                check(path, name, ranges.difference(name), apart, ends)
            for column in BOUNDS.keys() & {*table.columns}:
                check(path, column, ranges.of(BOUNDS[column]), table, [column])
    assert (without, beyond) == (set(), [])
    assert seen > 2000


def test_every_verdict_can_be_read_off_from_what_stands_beside_it(project):
    table = pl.read_parquet(project / "results/default/summary/equivalence.parquet")
    rows = table.filter(pl.col("measure") != "gain").to_dicts()
    assert len(rows) >= 50
    assert [read_off(row) for row in rows] == [(row["verdict"], row["reason"]) for row in rows]
    judged = pl.read_parquet(project / "results/default/summary/claims.parquet")
    tested = judged.drop_nulls("p_holm").filter(pl.col("verdict") != "negligible")
    outside = (tested["low"] > 0) | (tested["high"] < 0)
    assert outside.equals(tested["verdict"].is_in(["holds", "fails"]))
    # What has no test of its own has the verdict of one of equivalence.
    equivalence = [CLAIMS[name].claim for name in ("apart", "bayes", "construction")]
    others = judged.filter(pl.col("verdict") != "cannot tell", pl.col("p").is_null())
    assert set(others["claim"]) <= set(equivalence)
    assert judged["overall"].null_count() == 0
    assert judged.group_by("claim").agg(pl.col("overall").n_unique())["overall"].max() == 1


def test_queries_are_never_demonstrations(project):
    task = pl.read_parquet(project / "results/tasks/topic2.parquet")
    shown = pl.read_parquet(project / "results/demonstrations/topic2/n4/0-1.parquet")
    split = dict(task.select("example", "split").rows())
    assert {split[example] for example in shown["example"]} == {"train"}


def test_one_core_and_two_cores_give_the_same_bytes(project, tmp_path):
    again = copy_project(tmp_path / "again", STUDY)
    snakemake(again, "--cores", "1")
    assert digests(again) == digests(project)


def test_the_scheduler_wakes_only_when_a_job_ends(tmp_path):
    folder = copy_project(tmp_path / "project", STUDY)
    blocks = {"n2": "0-0", "n4": "0-1"}
    targets = [f"results/demonstrations/topic2/{n}/{block}.parquet" for n, block in blocks.items()]
    done = start(folder, "--cores", "1", "--verbose", *targets)
    rounds = re.findall(r"Ready jobs: (\d+)", done.stdout + done.stderr)
    assert 0 < len(rounds) <= 3  # one task and its two designs, one after the other


def test_snakemakes_own_report_has_every_figure_with_its_caption(finished):
    start(finished, "--report", "whole.html")
    text = (finished / "whole.html").read_text()
    kinds = {figure["kind"] for figure in STUDY["figures"].values()}
    captions = [*(KINDS[kind].caption for kind in kinds), REPORT]
    assert [caption for caption in captions if caption[:60] not in text] == []
    names = [f"results/default/figures/{figure}.svg" for figure in STUDY["figures"]]
    assert [name for name in (*names, "results/default/report.html") if name not in text] == []
