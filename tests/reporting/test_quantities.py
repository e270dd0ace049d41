"""The findings as one long table, and a run held against a committed one: by hand."""

import os
import shutil
import subprocess
import sys

import polars as pl
import pytest
from support.reports import claim
from support.steps import SRC

from iclgd.io.cli import InputError
from iclgd.reporting import dictionary, quantities
from iclgd.reporting.claims import judge
from iclgd.reporting.quantities import COLUMNS, Quantity, by_key

HEAD = ["model", "task", "N", "learner", "test", "excess", "draws x queries", "needed", "verdict"]
TABLE = [
    HEAD,
    ["m", "t", "4", "gd@0.1, epoch 5", "primary", "0.30 [-0.10, 5e-05]", "7 x 96", "", "different"],
    ["m", "t", "4", "v, epoch 2", "primary", "-0.2", "7 x 96", "80", "inconclusive: few draws"],
]


def found(table=TABLE) -> dict:
    return by_key(quantities.of_table("f", "equivalence", table))


def value(one: dict, *key: str) -> str:
    return one["f", "equivalence", *key].printed


def test_every_cell_is_a_quantity_with_the_digits_that_were_printed():
    ours, at = found(), ("m", "t", "4", "gd", "primary")
    excess = ours["f", "equivalence", *at, "excess"]
    assert (excess.estimate, excess.low, excess.high) == ("0.30", "-0.10", "5e-05")
    assert excess.printed == "0.30 [-0.10, 5e-05]"
    assert value(ours, *at, "draws x queries") == "7 x 96"
    assert value(ours, *at, "rate and epoch") == "0.1, epoch 5"
    assert value(ours, *at, "verdict") == "different"
    assert value(ours, "m", "t", "4", "v", "primary", "rate and epoch") == "epoch 2"
    none = ("", "", "", "", "primary")
    assert value(ours, *none, "verdicts") == "2"
    assert value(ours, *none, "verdicts: inconclusive") == "1"
    # 4 cells, of which the first learner lacks one, rate and epoch, and 3 counts.
    assert len(ours) == 3 + 4 + 2 + 3


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("0.12 [0.10, 0.14], p 0.03", ("0.12", "0.10", "0.14", "0.03", "")),
        ("0.59 [0.47, 0.65] (0.31)", ("0.59", "0.47", "0.65", "", "0.31")),
        ("1.5e-16", ("1.5e-16", "", "", "", "")),
        ("16*", ("", "", "", "", "16*")),
        ("95,872", ("95872", "", "", "", "")),
        ("falls: 12", ("", "", "", "", "falls: 12")),
    ],
)
def test_a_cell_in_parts(cell, parts):
    (one,) = quantities.of_table("f", "size", [["model", "x"], ["m", cell]])
    assert (one.estimate, one.low, one.high, one.p, one.said) == parts
    assert one.printed == cell.replace(",", "" if cell == "95,872" else ",")


def test_a_rate_is_of_the_key_only_where_several_are_shown():
    rows = [["m", "sgd@0.1", "1"], ["m", "sgd@1", "2"], ["m", "gd@3", "3"]]
    ours = quantities.of_rows("f", "order", [["model", "learner", "Sen"], *rows])
    assert [one.learner for one in ours] == ["sgd@0.1", "sgd@1", "gd"]


def test_rows_that_are_alike_are_numbered():
    rows = [["m", "4", "gd, epoch 5", "1"], ["m", "4", "gd, epoch 9", "2"]]
    ours = quantities.of_table("f", "order", [["model", "N", "learner", "Sen"], *rows])
    said = {(one.of, one.quantity): one.printed for one in ours}
    assert said["", "Sen"] == "1"
    assert said["(2)", "Sen"] == "2"


def test_claims_are_there_cell_by_cell_and_as_a_whole():
    rows = [claim(), claim(verdict="cannot tell", queries=None), claim(model="k", p_holm=None)]
    ours = quantities.of_claims(pl.DataFrame(rows, schema=judge.SCHEMA))
    said = {one.name: one.printed for one in ours}
    at = "one / claims / m / t / 2 / gd / Shen et al.: GD differs."
    assert said[f"{at} / value"] == "0.5 [0.25, 0.75], p 0.02"
    assert said[f"{at} / verdict"] == "holds"
    assert said[f"{at} (2) / verdict"] == "cannot tell"
    assert said[f"{at} (2) / draws x queries"] == "5"
    assert said[f"{at.replace('/ m', '/ k')} / value"] == "0.5 [0.25, 0.75]"
    assert said["claims / Shen et al.: GD differs. / verdict"] == "holds"
    assert said["claims / verdicts: holds"] == "2"
    assert len(said) == len(ours)


def test_bytes_are_those_of_the_values_in_any_order(tmp_path):
    ours = [*found().values(), Quantity("g", "dose", "m, n", "", "", "", "", 'a "q"', "0.10")]
    for name, rows in (("a.csv", ours), ("b.csv", ours[::-1])):
        quantities.write(tmp_path / name, rows)
    text = (tmp_path / "a.csv").read_bytes()
    assert text == (tmp_path / "b.csv").read_bytes()
    assert text.splitlines()[0].decode() == ",".join(COLUMNS)
    assert b"\r" not in text
    assert quantities.read(tmp_path / "a.csv") == by_key(ours)
    with pytest.raises(ValueError, match="two quantities"):
        quantities.write(tmp_path / "a.csv", [ours[0], ours[0]])


def test_its_columns_are_in_the_data_dictionary():
    artifact, names = dictionary.of("results/default/findings.csv")
    assert (tuple(artifact.columns), names) == (COLUMNS, {"study": "default"})


def test_one_digit_is_named():
    changed = [row.copy() for row in TABLE]
    assert quantities.differences(found(changed), found()) == []
    changed[1][5] = "0.31 [-0.10, 5e-05]"
    changed[2][7] = ""
    changed[2][3] = "v, epoch 3"
    assert quantities.differences(found(changed), found()) == [
        "f / m / t / 4 / gd / primary / excess: 0.31 [-0.10, 5e-05]"
        " (reference run: 0.30 [-0.10, 5e-05])",
        "f / m / t / 4 / v / primary / needed: nothing (reference run: 80)",
        "f / m / t / 4 / v / primary / rate and epoch: epoch 3 (reference run: epoch 2)",
    ]


def test_only_figures_of_the_same_configuration_are_compared():
    rows = [*quantities.of_table("f", "equivalence", TABLE)]
    rows += [quantities.of_configuration(name, "equivalence", "abc") for name in ("f", "one")]
    rows += quantities.of_claims(pl.DataFrame([claim()], schema=judge.SCHEMA))
    theirs = by_key(rows)

    def figures(**configurations) -> set[str]:
        return {one.figure for one in quantities.comparable(theirs, configurations).values()}

    assert figures(f="abc", one="abc") == {"f", "one", "claims"}
    # A claim is decided by all of its figures.
    assert figures(f="abc", one="other") == {"f"}
    assert figures(new="abc") == set()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no table of findings"),
        (b"model,task\nm,t\n", "its columns are model, task"),
        (f"{','.join(COLUMNS)}\na,b\n".encode(), "row 2 has 2 cells in place of 13"),
        (b"\xff\xfe\x00", "no table of findings"),
    ],
)
def test_files_that_are_no_such_table_are_one_line(tmp_path, content, problem):
    (tmp_path / "f.csv").write_bytes(content)
    with pytest.raises(InputError, match=problem) as error:
        quantities.read(tmp_path / "f.csv")
    assert "\n" not in str(error.value)


@pytest.fixture
def command(tmp_path):
    """``iclgd reference`` of a copy of the workflow that has no reference yet."""
    shutil.copytree(SRC, tmp_path / "copy/src", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "copy/src")}

    def run(*arguments) -> subprocess.CompletedProcess:
        given = [sys.executable, "-m", "iclgd", "reference", *map(str, arguments)]
        return subprocess.run(
            given, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_a_run_becomes_the_reference_and_others_are_held_against_it(tmp_path, command):
    mine = tmp_path / "results/mine"
    for change, folder in (("0.30", mine), ("0.31", tmp_path / "elsewhere/mine")):
        rows = found([HEAD, [cell.replace("0.30", change) for cell in TABLE[1]]]).values()
        quantities.write(folder / "findings.csv", rows)
    done = command("compare", mine)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: study 'mine' has no reference")
    assert done.stderr.endswith("there are: none\n")
    assert command("write", "results/mine").returncode == 0
    copied = (tmp_path / "copy/docs/reference/mine.csv").read_bytes()
    assert copied == (mine / "findings.csv").read_bytes()
    done = command("compare", mine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = command("compare", tmp_path / "elsewhere/mine")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "f / m / t / 4 / gd / primary / excess: 0.31 [-0.10, 5e-05]"
        " (reference run: 0.30 [-0.10, 5e-05])"
    ]
    spec = "study: mine\nof: f\nhead: M\ncolumns: {excess: excess}\nrows: {GD: gd}"
    for page in ("README.md", "docs/results.md"):
        (tmp_path / "copy" / page).write_text(f"a\n<!-- table\n{spec}\n-->\n<!-- end -->\nb\n")
    assert command("pages").returncode == 0
    for page in ("README.md", "docs/results.md"):
        text = (tmp_path / "copy" / page).read_text()
        assert text.endswith(
            "| M | excess |\n| --- | --- |\n| GD | .30 [-.10, 5e-05] |\n<!-- end -->\nb\n"
        )
    done = command("write", tmp_path / "results")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/results/findings.csv does not exist: finish the run, or name a study's"
        " folder"
    ]
