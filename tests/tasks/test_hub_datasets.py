"""Data sets come over the protocol of the hub, or one line says why not, and nothing is left."""

import io
import json

import polars as pl
import pytest
from support.fake_hub import FakeHub, Outcome, step

pytestmark = pytest.mark.slow

NAME = "org/films"
CARD = """---
configs:
- config_name: plain
  data_files:
  - {split: train, path: plain/train-*.parquet}
  - {split: test, path: plain/test-*.parquet}
- config_name: loud
  data_files:
  - {split: train, path: loud/train-*.parquet}
  - {split: asked, path: loud/asked-*.parquet}
---
"""
ENTRY = {"prompt": "{text}:{label}\n", "labels": {"0": "a", "1": "b"}, "queries": 8}


def rows(word: str, count: int) -> bytes:
    """A Parquet file of texts that begin with ``word``."""
    file = io.BytesIO()
    texts = [f"{word} film {number}" for number in range(count)]
    pl.DataFrame({"text": texts, "label": [n % 2 for n in range(count)]}).write_parquet(file)
    return file.getvalue()


def content(word: str = "good") -> dict[str, bytes]:
    return {
        "README.md": CARD.encode(),
        "plain/train-0.parquet": rows(f"{word} first", 12),
        "plain/train-1.parquet": rows(f"{word} second", 6),
        "plain/test-0.parquet": rows(f"{word} test", 8),
        "loud/train-0.parquet": rows(f"{word.upper()} first", 12),
        "loud/asked-0.parquet": rows(f"{word.upper()} asked", 8),
    }


@pytest.fixture
def hub():
    with FakeHub() as running:
        yield running


def prepare(hub: FakeHub, tmp_path, name="plain", test="test", revision=None, **more) -> Outcome:
    """Prepare a task in results/; if that fails, nothing is there."""
    results = tmp_path / "results"
    results.mkdir(parents=True, exist_ok=True)
    for old in results.iterdir():
        old.unlink()
    source = {"dataset": more.pop("dataset", NAME), "train": "train", "test": test, "name": name}
    source |= {"revision": revision} if revision else {}
    outcome = step(
        *("prepare_task", hub, tmp_path, "--task", "films"),
        *("--entry", json.dumps({**ENTRY, "hub": source})),
        *("--output", results / "films.parquet", "--manifest", results / "films.json"),
        **more,
    )
    assert outcome.status == 0 or list(results.iterdir()) == []
    return outcome


def texts(tmp_path, split: str = "train") -> set[str]:
    table = pl.read_parquet(tmp_path / "results/films.parquet")
    return set(table.filter(pl.col("split") == split)["text"])


def expected(word: str, count: int) -> set[str]:
    return {f"{word} film {number}:" for number in range(count)}


def test_configurations_splits_and_revisions_are_the_ones_asked_for(hub, tmp_path):
    """Rows of a split come from all of its files, and only files of the configuration come."""
    old = hub.push(NAME, content("old"), "v1", kind="datasets")
    new = hub.push(NAME, content("new"), kind="datasets")
    outcome = prepare(hub, tmp_path)
    assert outcome.status == 0 and f"data set {NAME}: commit {new}" in outcome.said
    assert texts(tmp_path) == expected("new first", 12) | expected("new second", 6)
    assert texts(tmp_path, "test") < expected("new test", 8)
    assert not [path for _, path, _ in hub.seen if "/loud/" in path]

    (tmp_path / NAME).mkdir(parents=True)  # a folder of the same name is not the data set
    assert prepare(hub, tmp_path, "loud", "asked", "v1").status == 0
    assert texts(tmp_path) == expected("OLD first", 12)
    assert texts(tmp_path, "test") < expected("OLD asked", 8)
    assert prepare(hub, tmp_path, "loud", "asked", old).status == 0
    assert texts(tmp_path) == expected("OLD first", 12)


def test_faults_that_pass_are_survived(hub, tmp_path):
    hub.push(NAME, content(), kind="datasets")
    hub.fail("busy", "^/api/datasets", 1)
    hub.fail("broken", "^/datasets/.*README.md$", 2)
    hub.fail("broken", "/tree/", 1)
    for fault in ("cut", "short", "flipped"):
        hub.fail(fault, "^/cdn/", 1)
    outcome = prepare(hub, tmp_path)
    assert outcome.status == 0, outcome.said
    assert texts(tmp_path) == expected("good first", 12) | expected("good second", 6)
    assert outcome.pauses[0] == 77
    assert not [fault for fault in hub.faults if fault.times]


STAYING = [
    ("busy", "^/api/datasets", f"{NAME} at main: 429 Too Many Requests"),
    ("broken", "README.md$", f"{NAME} at main, README.md: Server error '503 SERVICE"),
    ("broken", "/tree/", f"{NAME}: the hub does not give commit "),
    ("portal", "^/api/datasets", f"{NAME} at main: the answer is not one of a hub"),
    ("short", "^/cdn/", f"{NAME} at main, plain/t"),
    ("flipped", "^/cdn/", f"{NAME} at main, plain/t"),
]


def test_a_fault_that_stays_is_one_line_and_the_cache_stays_good(hub, tmp_path):
    """The data set was fetched before, at another commit: that is not taken in its place."""
    hub.push(NAME, content("old"), kind="datasets")
    assert prepare(hub, tmp_path).status == 0
    hub.push(NAME, content("new"), kind="datasets")
    for fault, where, reason in STAYING:
        hub.fail(fault, where)
        assert prepare(hub, tmp_path).error.startswith(f"data set {reason}")
        hub.faults.clear()
    assert prepare(hub, tmp_path).status == 0
    assert texts(tmp_path) == expected("new first", 12) | expected("new second", 6)


def test_what_is_not_there_or_refused_is_named_at_once(hub, tmp_path):
    hub.push(NAME, content(), kind="datasets")
    for asked, reason in (
        ({"dataset": "org/none"}, "data set org/none at main: 404 Client Error. Repository Not"),
        ({"revision": "v9"}, f"data set {NAME} at v9: 404 Client Error. Revision Not Found"),
        ({"name": "quiet"}, f"data set {NAME}: BuilderConfig 'quiet' not found. Available: ['pl"),
        ({"test": "dev"}, f"""data set {NAME}: Unknown split "dev". Should be one of ['train',"""),
    ):
        outcome = prepare(hub, tmp_path, **asked)
        assert outcome.error.startswith(reason)
        assert outcome.pauses == []
    hub.refused[NAME] = (401, "GatedRepo")
    outcome = prepare(hub, tmp_path / "locked")
    assert outcome.error.startswith(f"data set {NAME} at main, README.md: the hub refuses it: ")
    assert outcome.pauses == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({**content(), "plain/train-1.parquet": b"PAR1 not a table PAR1"}, "Parquet"),
        ({**content(), "README.md": b"---\nconfigs: [\n---\n"}, "expected the node content"),
        ({"README.md": b"# None here\n"}, "doesn't contain any data files"),
        ({"README.md": CARD.encode()}, "No (supported) data files found"),
    ],
)
def test_a_broken_data_set_is_one_line(hub, tmp_path, broken, reason):
    hub.push(NAME, broken, kind="datasets")
    outcome = prepare(hub, tmp_path)
    assert outcome.error.startswith(f"data set {NAME}: ") and reason in outcome.error
    assert outcome.pauses == []


def test_offline_the_cache_serves_what_was_asked_for_and_nothing_else(hub, tmp_path):
    offline = {"HF_HUB_OFFLINE": "1"}
    commit = hub.push(NAME, content(), kind="datasets")
    cold = prepare(hub, tmp_path, **offline).error
    assert cold.startswith(f"data set {NAME}: ") and "offline" in cold.lower()
    assert hub.seen == []
    assert prepare(hub, tmp_path).status == 0
    first = (tmp_path / "results/films.parquet").read_bytes()
    before = len(hub.seen)
    for revision in (None, commit):
        outcome = prepare(hub, tmp_path, revision=revision, **offline)
        assert outcome.status == 0 and f"commit {commit}" in outcome.said
        assert (tmp_path / "results/films.parquet").read_bytes() == first
    other = prepare(hub, tmp_path, revision="0" * 40, **offline)
    assert other.error == f"data set {NAME}: offline, and in the cache is commit {commit}"
    assert other.pauses == []
    branch = prepare(hub, tmp_path, revision="main", **offline).error
    assert branch.startswith(f"data set {NAME}: offline, a revision must be a commit")
    assert len(hub.seen) == before
