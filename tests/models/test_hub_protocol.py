"""Models come over the protocol of the hub, or one line says why not, and nothing is left."""

import json

import pytest
from support.fake_hub import TOKEN, FakeHub, Outcome, step
from support.hub import small_source
from support.models import tiny_model, tiny_tokenizer
from support.wheels import write_gguf

from iclgd.models import loading

pytestmark = pytest.mark.slow

NAME = "org/tiny"
WEIGHTS = "model.safetensors"


@pytest.fixture
def hub():
    with FakeHub() as running:
        yield running


@pytest.fixture
def source(tmp_path):
    return small_source(tmp_path)


def fetch(hub: FakeHub, tmp_path, entry: dict | None = None, **more: str) -> Outcome:
    """Fetch a model into results/; if that fails, nothing is there."""
    results = tmp_path / "results"
    outcome = step(
        *("fetch_model", hub, tmp_path, "--name", "tiny"),
        *("--entry", json.dumps(entry or {"hub": NAME})),
        *("--folder", results / "tiny", "--manifest", results / "tiny.json"),
        **more,
    )
    assert outcome.status == 0 or list(results.iterdir()) == []
    return outcome


def arrived(tmp_path) -> dict[str, bytes]:
    folder = tmp_path / "results/tiny"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def manifest(tmp_path) -> dict:
    return json.loads((tmp_path / "results/tiny.json").read_text())


# --- what is there ------------------------------------------------------------------------


def test_a_revision_comes_whole_from_its_commit_and_no_more_than_needed(hub, tmp_path, source):
    """The revision is asked for once: what follows names the commit."""
    wanted = {path.name: path.read_bytes() for path in source.iterdir()}
    more = {"README.md": b"#", "onnx/model.safetensors": b"1", "tf_model.h5": b"2", "a.py": b"3"}
    commit = hub.push(NAME, {**wanted, **more}, "step1000")
    hub.push(NAME, {"config.json": b"{}"})
    assert fetch(hub, tmp_path, {"hub": NAME, "revision": "step1000"}).status == 0
    assert arrived(tmp_path) == wanted
    assert manifest(tmp_path)["commit"] == commit
    assert manifest(tmp_path)["sha256"] == loading.sha256(source)
    asked = [path for _, path, _ in hub.seen]
    assert [path for path in asked if "step1000" in path] == [
        f"/api/models/{NAME}/revision/step1000"
    ]
    files = {path.rsplit("/")[-1] for path in asked if f"/resolve/{commit}/" in path}
    assert files == set(wanted)


def test_shards_come_with_their_index_and_a_commit_is_a_revision(hub, tmp_path):
    """The shards of a model may have any names that its index lists."""
    folder = tmp_path / "sharded"
    tiny_model("llama", "float32").save_pretrained(folder, max_shard_size="9KB")
    tiny_tokenizer().save_pretrained(folder)
    shards = sorted(path.name for path in folder.glob("*.safetensors"))
    assert len(shards) > 2
    names = {shard: shard.replace("model-", "part-") for shard in shards}
    index = folder / f"{WEIGHTS}.index.json"
    for old, new in names.items():
        (folder / old).rename(folder / new)
        index.write_text(index.read_text().replace(old, new))
    commit = hub.push(NAME, folder)
    assert fetch(hub, tmp_path, {"hub": NAME, "revision": commit}).status == 0
    assert arrived(tmp_path) == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_gguf_file_of_a_repository_comes_alone(hub, tmp_path):
    path = write_gguf(tmp_path / "tiny.Q4_1.gguf")
    commit = hub.push(NAME, {path.name: path.read_bytes(), "tiny.Q8_0.gguf": b"another"})
    assert fetch(hub, tmp_path, {"hub": NAME, "file": path.name}).status == 0
    told = manifest(tmp_path)
    assert (told["commit"], told["quantised"]) == (commit, "Q4_1")
    assert not list((tmp_path / "results").rglob("*.gguf"))
    assert not [path for _, path, _ in hub.seen if "Q8_0" in path]
    missing = fetch(hub, tmp_path / "other", {"hub": NAME, "file": "tiny.Q2_K.gguf"})
    assert missing.error == f"{NAME} at main: tiny.Q2_K.gguf is not there"


def test_the_token_goes_to_the_hub_alone(hub, tmp_path, source):
    """Not to the host that the hub sends on to for large files."""
    hub.push(NAME, source)
    assert fetch(hub, tmp_path).status == 0
    told = {(path.startswith("/cdn/"), token) for _, path, token in hub.seen}
    assert told == {(False, True), (True, False)}
    for path in (tmp_path / "results").rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()


def test_a_proxy_is_left_to_the_library(hub, tmp_path, source):
    """No name server knows the hub: the proxy does."""
    commit = hub.push(NAME, source)
    proxy = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.address}
    assert fetch(hub, tmp_path, **proxy, NO_PROXY="localhost").status == 0
    assert manifest(tmp_path)["commit"] == commit
    hub.__exit__()
    refused = fetch(hub, tmp_path / "other", **proxy).error
    assert refused.startswith(f"{NAME} at main: ") and "refused" in refused


# --- what passes --------------------------------------------------------------------------


def test_faults_that_pass_are_survived(hub, tmp_path, source):
    """A busy hub (which says how long), a broken one, and files that come in half or wrong."""
    hub.push(NAME, source)
    hub.fail("busy", "^/api/models", 1)
    hub.fail("broken", "^/api/models", 1)
    hub.fail("broken", "/resolve/.*/config.json$", 3)
    hub.fail("busy", "/resolve/.*/tokenizer.json$", 1)
    hub.fail("cut", "^/cdn/", 1)
    hub.fail("short", "^/cdn/", 1)
    hub.fail("flipped", "^/cdn/", 1)
    hub.fail("flipped", "/resolve/.*/config.json$", 1)
    outcome = fetch(hub, tmp_path)
    assert outcome.status == 0
    assert arrived(tmp_path) == {path.name: path.read_bytes() for path in source.iterdir()}
    assert outcome.pauses[:2] == [77, 8]  # before anything else; the second as ever
    assert not [fault for fault in hub.faults if fault.times]
    said = f"{NAME} at main, config.json: it arrived with another hash than the hub has of it"
    assert f"{said}; trying again in 2 s" in outcome.said


# --- what does not pass -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "where", "reason"),
    [
        ("busy", "^/api/models", ": 429 Too Many Requests"),
        ("broken", "^/api/models", ": Server error '503 SERVICE UNAVAILABLE'"),
        ("broken", "config.json$", ", config.json: Server error '503 SERVICE UNAVAILABLE'"),
        ("broken", "^/cdn/", f", {WEIGHTS}: Server error '503 SERVICE UNAVAILABLE'"),
        ("silent", "^/api/models", ": timed out"),
        ("busy", "^/cdn/", f", {WEIGHTS}: 429 Too Many Requests"),
        ("portal", "^/api/models", ": the answer is not one of a hub (HF_ENDPOINT?)"),
        ("portal", "config.json$", ", config.json: "),
        ("cut", "^/cdn/", f", {WEIGHTS}: "),
        ("short", "^/cdn/", f", {WEIGHTS}: Consistency check failed: file should be of size "),
        (
            "xet",
            f"{WEIGHTS}$",
            f", {WEIGHTS}: Task error: File reconstruction error: CAS Client Error",
        ),
        ("flipped", "^/cdn/", f", {WEIGHTS}: it arrived with another hash than the hub has"),
    ],
)
def test_a_fault_that_stays_is_one_line(hub, tmp_path, source, fault, where, reason):
    hub.push(NAME, source)
    hub.fail(fault, where)
    outcome = fetch(hub, tmp_path, HF_HUB_ETAG_TIMEOUT="1")
    assert outcome.error.startswith(f"{NAME} at main{reason}")
    assert sum(outcome.pauses) <= 30 * 60


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "GatedRepo"), (403, "GatedRepo"), (401, "RepoNotFound"), (403, "")],
)
def test_a_repository_that_is_refused_says_what_to_do(hub, tmp_path, source, status, code):
    """Of a gated one the list of files may be read; a private one is as good as not there."""
    hub.push(NAME, source)
    hub.refused[NAME] = (status, code)
    outcome = fetch(hub, tmp_path)
    assert "the hub refuses it: " in outcome.error and "`hf auth login`" in outcome.error
    assert outcome.error.startswith(f"{NAME} at main")
    assert outcome.pauses == []


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"hub": "org/none"}, "org/none at main: 404 Client Error. Repository Not Found"),
        ({"hub": NAME, "revision": "v9"}, f"{NAME} at v9: 404 Client Error. Revision Not Found"),
        ({"hub": "a/b/c"}, "a/b/c at main: Repo id must be"),
        ({"hub": "org/empty"}, "org/empty: neither model.safetensors nor pytorch_model.bin there"),
    ],
)
def test_what_is_not_there_is_named_at_once(hub, tmp_path, source, entry, reason):
    hub.push(NAME, source)
    hub.push("org/empty", {"README.md": b""})
    outcome = fetch(hub, tmp_path, entry)
    assert outcome.error.startswith(reason)
    assert outcome.pauses == []


def test_a_file_that_vanishes_is_named_at_once(hub, tmp_path, source):
    """The list of files has it, the hub does not."""
    hub.push(NAME, source)
    hub.fail("gone", "/resolve/.*/config.json$")
    outcome = fetch(hub, tmp_path)
    assert outcome.error.startswith(f"{NAME} at main, config.json: 404 Client Error. Entry Not")
    assert outcome.pauses == []


def test_a_hub_out_of_reach_is_one_line(hub, tmp_path):
    hub.__exit__()
    outcome = fetch(hub, tmp_path)
    assert outcome.error == f"{NAME} at main: [Errno 111] Connection refused"
    assert outcome.pauses == [2, 8, 32]


@pytest.mark.parametrize("warm", [False, True])
def test_offline_nothing_is_asked(hub, tmp_path, source, warm):
    """Models are not taken from the hub's cache: whatever was fetched is in results/."""
    hub.push(NAME, source)
    if warm:
        assert fetch(hub, tmp_path).status == 0
    before = len(hub.seen)
    other = tmp_path / "results" if not warm else tmp_path / "again"
    outcome = step(
        *("fetch_model", hub, tmp_path, "--name", "tiny", "--entry", json.dumps({"hub": NAME})),
        *("--folder", other / "tiny", "--manifest", other / "tiny.json"),
        HF_HUB_OFFLINE="1",
    )
    assert "offline mode is enabled" in outcome.error and outcome.error.startswith(NAME)
    assert len(hub.seen) == before and list(other.iterdir()) == []
