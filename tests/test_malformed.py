"""Hundreds of broken configurations and data files: each ends in error lines, no traceback."""

import copy
import datetime
import io
import json
import os
import re
import shutil
import time
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import starts
from support.steps import run_step

from iclgd.io.cli import InputError
from iclgd.study import checks, names, pairing
from iclgd.study.config import ConfigError

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
STUDIES = [
    yaml.safe_load((ROOT / path).read_text()) for path in ("tests/study.yaml", "config.yaml")
]
VALUES = [
    *(None, True, -1, 0, 1.5, 4.0, 1e-320, float("inf"), float("nan"), 10**9, 10**30, 10**5000),
    *("", " ", "x" * 5000, "x" * 20_000, "1e-4", "all", "icl", "gd@0.01", "a@b", "--", ".", ".."),
    *(
        "../../etc",
        "/etc/passwd",
        "a\n",
        "a/b",
        "аdam",
        "x;id",
        "$(id)",
        "<script>",
        "\0",
        "\ud800",
    ),
    *("\x1b[31m", "\u202e", "{text.__class__} {label}", "{label:>999999999}", "{label", "{}"),
    *(
        [],
        {},
        [[]],
        [1],
        ["a", "a"],
        {"a": {}},
        [["icl"]],
        [["icl", 1]],
        {1: 2},
        {"path": "models"},
    ),
    *(datetime.date(2024, 2, 29), b"\xff", {1, 2}, (1, 2)),
]
EXAMPLES = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def places(config, at=()):
    """Every place of a configuration: the keys that lead there."""
    inside = config.items() if isinstance(config, dict) else []
    inside = enumerate(config) if isinstance(config, list) else inside
    for key, value in inside:
        yield (*at, key)
        yield from places(value, (*at, key))


def inside(config, at):
    for key in at:
        config = config[key]
    return config


@st.composite
def configurations(draw):
    """A study in which one to three entries are deleted, replaced, renamed, nested or moved."""
    config = copy.deepcopy(draw(st.sampled_from(STUDIES)))
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(config))
        *parents, key = known[draw(st.integers(0, len(known) - 1))]
        parent, value = inside(config, parents), draw(st.sampled_from(VALUES))
        what = draw(st.sampled_from(["delete", "replace", "rename", "nest", "twice", "move"]))
        if what == "replace":
            parent[key] = copy.deepcopy(value)
        elif what == "nest":
            parent[key] = draw(st.sampled_from([[parent[key]], {"x": parent[key]}]))
        elif what == "twice" and isinstance(parent, list):
            parent.append(parent[key])
        elif what == "move":
            other = known[draw(st.integers(0, len(known) - 1))]
            parent[key] = copy.deepcopy(inside(config, other))
        else:
            found = parent.pop(key)
            if what == "rename" and isinstance(parent, dict) and value.__hash__:
                parent[value] = found
    return config


PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}(@[A-Za-z0-9][A-Za-z0-9._+-]{0,63})?")


def test_malformed_configurations_end_in_plain_lines():
    refused, slowest = [], 0.0

    @EXAMPLES
    @given(configurations())
    def check(config):
        nonlocal slowest
        start = time.process_time()
        try:
            checks.check(config, ROOT)
        except ConfigError as error:
            if config not in refused:
                refused.append(config)
            assert all(line.startswith("config: ") for line in str(error).splitlines())
            assert str(error).replace("\n", "").isprintable() and len(str(error)) < 22_000
        else:  # what is left can be an argument of jobs and a path
            json.dumps(config, allow_nan=False).encode()
            for entries in config.values():
                assert all(PATH.fullmatch(n) for n in names.expand_all(entries, entries))
            assert all(len(pairing.blocks(one)) for one in config["demonstrations"].values())
        slowest = max(slowest, time.process_time() - start)

    check()
    assert len(refused) >= 200
    assert slowest < 5


BOMB = ["&a0 [x, x]", *(f"&a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "just text", "[1, 2]", "null", "{}", "models: &m {x: *m}"),
        "models: {x: [" + ", ".join(BOMB) + "]}",
        "tasks: {x: {labels: " + "{a: " * 40 + "1" + "}" * 40 + "}}",
        "models: {x: {path: 0x" + "f" * 6000 + "}}",
        "models: {2024-01-01: {path: x}, 2: {path: x}, yes: {path: x}}",
        "models: !!binary aGVsbG8=",
    ],
)
def test_strange_yaml_is_refused_in_time(text):
    start = time.process_time()
    with pytest.raises(ConfigError, match=r"^config: ") as error:
        checks.check(yaml.safe_load(text), ROOT)
    assert time.process_time() - start < 5
    assert len(str(error.value)) < 22_000


# --- data ---------------------------------------------------------------------------------

ROWS = [{"text": f"film {i}", "label": i % 2} for i in range(24)]
ENTRY = {"prompt": "{text}: {label}\n", "labels": {"0": "bad", "1": "good"}, "queries": 8}
PIECES = [
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\n", b"\r", b",", b"{", b"}", b"NaN", b"text,"),
    *(b"[" * 20_000, b"x" * 200_000, b"\x1b[2J", "\u202e".encode(), b"\xed\xa0\x80"),
    b'{"text": "\\ud800", "label": 0}\n{"text": "<script>", "label": "\\u001b[31m<b>"}\n',
    b'{"text": ' + b"9" * 5000 + b', "label": 0}\n{"text": 1e999, "label": 0}\n',
    b'{"text": {"a": 1}, "label": 0}\n{"text": [1], "label": 1}\n{"label": 0}\n',
]
COLUMNS = [
    *(pl.Series([[1]] * 24), pl.Series([{"a": 1}] * 24), pl.Series([b"\xff"] * 24)),
    *(pl.Series([None] * 24), pl.Series([float("nan")] * 24), pl.Series([True, False] * 12)),
    *(pl.Series([datetime.date(2024, 2, 29)] * 24), pl.Series([2**40] * 24), pl.Series(["0"] * 24)),
]


@st.composite
def files(draw):
    """Ending and bytes of a data file that one to three things have happened to."""
    ending = draw(st.sampled_from(["jsonl", "csv", "parquet"]))
    table, buffer = pl.DataFrame(ROWS), io.BytesIO()
    if draw(st.booleans()):
        table = table.with_columns(draw(st.sampled_from(COLUMNS)).alias(draw(FIELDS)))
    if ending != "parquet" and any(t.is_nested() or t == pl.Binary for t in table.dtypes):
        ending = "parquet"  # the others cannot hold it
    getattr(table, "write_ndjson" if ending == "jsonl" else f"write_{ending}")(buffer)
    content = buffer.getvalue()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        what = draw(st.sampled_from(["cut", "insert", "byte", "delete", "encode", "drop"]))
        if what == "cut":
            content = content[:at]
        elif what == "drop":
            content = content[at:]
        elif what == "insert":
            content = content[:at] + draw(st.sampled_from(PIECES)) + content[at:]
        elif what == "byte":
            content = content[:at] + draw(st.binary(min_size=1, max_size=1)) + content[at + 1 :]
        elif what == "delete":
            content = content[:at] + content[at + draw(st.integers(1, 50)) :]
        elif ending != "parquet":
            codec = draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "cp500"]))
            content = content.decode(errors="replace").encode(codec, errors="replace")
    return ending, content


FIELDS = st.sampled_from(["text", "label"])


def prepare(path: Path, output: Path, **entry) -> None:
    entry = {**ENTRY, "files": str(path), **entry}
    run_step("prepare_task", "--task", "t", "--entry", json.dumps(entry), "--output", output)


def test_malformed_data_files_end_in_one_line(tmp_path):
    refused, slowest, output = set(), 0.0, tmp_path / "task.parquet"

    @EXAMPLES
    @given(files())
    def check(file):
        nonlocal slowest
        ending, content = file
        path = tmp_path / f"rows.{ending}"
        path.write_bytes(content)
        start = time.process_time()
        try:
            prepare(path, output)
        except InputError as error:
            refused.add(content)
            assert str(error).isprintable() and len(str(error)) < 5000
            assert str(path) in str(error) or str(error).startswith("task t: ")
            assert not output.exists()
        else:  # what is left is a task
            assert pl.read_parquet(output)["label"].is_in([0, 1]).all()
            output.unlink()
        slowest = max(slowest, time.process_time() - start)

    check()
    assert len(refused) >= 200
    assert slowest < 5


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_line_of_ten_megabytes_is_left_out_or_named(tmp_path, ending):
    rows = [*ROWS, {"text": "\u202e<b>\x1b[31m" * 1_000_000, "label": 1}]
    path = tmp_path / f"rows.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        prepare(path, tmp_path / "task.parquet", longest=100)
        assert len(pl.read_parquet(tmp_path / "task.parquet")) == 24
        path.write_text(json.dumps({"text": "a", "label": rows[-1]["text"]}) + "\n")
    else:
        pl.DataFrame(rows).write_csv(path)
    with pytest.raises(
        InputError, match=r"rows\.\w+, (line 1: label|after .*field larger)"
    ) as error:
        prepare(path, tmp_path / "task.parquet")
    assert str(error.value).isprintable() and len(str(error.value)) < 5000


def test_marks_of_byte_order_and_characters_of_control_are_data(tmp_path):
    path = tmp_path / "rows.csv"
    rows = [{"text": f"a\0\x1b[31m\u202e<i>{i}", "label": i % 2} for i in range(24)]
    path.write_text("\ufeff" + pl.DataFrame(rows).write_csv(), encoding="utf-8")
    prepare(path, tmp_path / "task.parquet")
    found = pl.read_parquet(tmp_path / "task.parquet")["text"]
    assert set(found) == {f"{row['text']}:" for row in rows}


def test_a_column_that_stands_twice_is_named(tmp_path):
    (tmp_path / "rows.csv").write_text("text,text,label\na,b,0\n")
    with pytest.raises(InputError, match=r"line 1: two columns are called 'text'"):
        prepare(tmp_path / "rows.csv", tmp_path / "task.parquet")


# --- as users meet it ---------------------------------------------------------------------


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"tasks: [unclosed", "not valid JSON or YAML"),
        (b"- a\n- list\n", "keys at top level"),
        (b"figures: {x: {kind: order, models: [\x22\\e[31m\x22]}}\n", "key 'models' is missing"),
        (
            yaml.safe_dump(STUDIES[0] | {"models": {"../../m": {"path": "models/gptj"}}}).encode(),
            "the name '../../m' must be letters, digits",
        ),
    ],
)
def test_snakemake_says_what_is_wrong_and_starts_nothing(tmp_path, config, message):
    for part in ("Snakefile", "rules", "src", "profiles"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "study.yaml").write_bytes(config)
    done = starts.snakemake(tmp_path, "-n", "--configfile", "study.yaml", env={**os.environ})
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert message in output and "Traceback" not in output and "\x1b[31m" not in output
    assert not (tmp_path / "results").exists()
    shutil.rmtree(tmp_path / ".snakemake", ignore_errors=True)
