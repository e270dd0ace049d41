"""A small hub on this machine that speaks the protocol of huggingface_hub, with faults by name.

As on the hub, small files come from the hub itself and large ones (`LARGE`) by a redirect from
another host, the CDN.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from support.steps import SRC

LARGE = (".safetensors", ".bin", ".gguf", ".parquet")
LOOPBACK = Path(__file__).parent / "loopback"
PAGE = 3  # files on one page of a listing
TOKEN = "hf_thisTokenMustNeverBeShown"
API = "/api/<any(models, datasets):kind>/<owner>/<name>"
ROUTES = Map(
    [
        Rule(API, endpoint="about", defaults={"revision": "main"}),
        Rule(f"{API}/revision/<revision>", endpoint="about"),
        Rule(f"{API}/tree/<revision>", endpoint="tree", defaults={"folder": ""}),
        Rule(f"{API}/tree/<revision>/<path:folder>", endpoint="tree"),
        Rule(f"{API}/paths-info/<revision>", endpoint="paths", methods=["POST"]),
        Rule("/<owner>/<name>/resolve/<revision>/<path:file>", endpoint="file"),
        Rule("/datasets/<owner>/<name>/resolve/<revision>/<path:file>", endpoint="data"),
        Rule("/cdn/<digest>", endpoint="cdn"),
        Rule(f"{API}/xet-read-token/<revision>", endpoint="xet"),
    ]
)


class _Quiet(WSGIRequestHandler):
    def log(self, *_) -> None:
        pass


@dataclass
class Fault:
    """What goes wrong, on paths that match, how often (-1: always).

    busy (429), broken (503), silent (for 3 s), gone (404), portal (a page of a network that wants a
    login), cut (the connection ends halfway), short (the file is), flipped (a bit is), xet (the
    file is said to be in a storage of Xet, which has lost it).
    """

    name: str
    where: str
    times: int


class FakeHub:
    """``with FakeHub() as hub``: repositories that were pushed, at ``hub.address``.

    ``refused``: status and error code for the files of a repository; with RepoNotFound it is as
    good as not there. ``seen``: method, path and whether a token came with it, of every request.
    """

    def __init__(self):
        self.repositories: dict[tuple[str, str], dict[str, dict[str, bytes]]] = {}
        self.names: dict[tuple[str, str], dict[str, str]] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str, bool]] = []
        self.lock = threading.Lock()
        self.server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self.address = f"http://127.0.0.1:{self.server.port}"
        self.other_host = f"http://localhost:{self.server.port}"

    def __enter__(self) -> FakeHub:
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def push(self, name: str, source, revision: str = "main", kind: str = "models") -> str:
        """Make the files of a folder (or of a map) a commit of a repository, and return it."""
        if isinstance(source, Path):
            paths = sorted(path for path in source.rglob("*") if path.is_file())
            source = {str(path.relative_to(source)): path.read_bytes() for path in paths}
        content = "".join(f"{path} {_sha256(data)}\n" for path, data in sorted(source.items()))
        commit = hashlib.sha1(content.encode()).hexdigest()
        self.repositories.setdefault((kind, name), {})[commit] = source
        self.names.setdefault((kind, name), {})[revision] = commit
        return commit

    def fail(self, name: str, where: str, times: int = -1) -> None:
        """Switch on a fault (`_fault`) for paths that the expression ``where`` is found in."""
        self.faults.append(Fault(name, where, times))

    # --- answers --------------------------------------------------------------------------

    def __call__(self, environment, start):
        request = Request(environment)
        try:
            answer = self._fault(request) or self._answer(request)
        except _Refusal as refusal:
            answer = refusal.args[0]
        except NotFound as error:  # what the library asks that is of no repository
            return error(environment, start)
        with self.lock:
            self.seen.append((request.method, request.path, "Authorization" in request.headers))
        return answer(environment, start)

    def _fault(self, request: Request) -> Response | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and re.search(fault.where, request.path):
                    break
            else:
                return None
            if fault.name in ("cut", "short", "flipped") and request.method == "HEAD":
                return None
            fault.times -= 1
        if fault.name == "busy":
            return Response("slow down", 429, {"Retry-After": "77"})
        if fault.name == "silent":
            time.sleep(3)
        if fault.name in ("broken", "silent"):
            return Response("oh", 503)
        if fault.name == "gone":
            return _refuse(404, "EntryNotFound", "Entry not found").args[0]
        if fault.name == "portal":
            return Response("<html>Log in to this network</html>", content_type="text/html")
        whole = self._answer(request)
        if fault.name == "xet":  # the file is in a storage of Xet, and that has lost it
            route = f"{self.address}/api/models/any/any/xet-read-token/main"
            whole.headers.update({"X-Xet-Hash": "ab" * 32, "X-Xet-Refresh-Route": route})
            return whole
        data = whole.get_data()
        if fault.name == "cut":  # the connection ends before the file does
            whole.response, length = iter([data[: len(data) // 2]]), len(data)
        elif fault.name == "short":
            whole.response, length = iter([data[:-10]]), len(data) - 10
        else:
            assert fault.name == "flipped"
            changed = data[:-1] + bytes([data[-1] ^ 1])
            whole.response, length = iter([changed]), len(data)
        whole.headers["Content-Length"] = str(length)
        return whole

    def _answer(self, request: Request) -> Response:
        endpoint, found = ROUTES.bind_to_environ(request.environ).match()
        if endpoint == "cdn":
            return self._cdn(request, found["digest"])
        if endpoint == "xet":
            way = {"X-Xet-Cas-Url": f"{self.address}/storage", "X-Xet-Access-Token": "storage"}
            return Response("{}", headers={**way, "X-Xet-Token-Expiration": "4000000000"})
        kind = found.pop("kind", "datasets" if endpoint == "data" else "models")
        name = f"{found.pop('owner')}/{found.pop('name')}"
        commit, content = self._commit(kind, name, found.pop("revision"))
        if endpoint == "about":
            return self._about(kind, name, commit, content)
        if endpoint == "tree":
            return self._tree(request, content, found["folder"])
        if endpoint == "paths":
            asked = request.form.getlist("paths")
            return _json([one for one in _entries(content) if one["path"] in asked])
        return self._file(name, commit, content, found["file"])

    def _commit(self, kind: str, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        if (kind, name) not in self.repositories:
            raise _refuse(404, "RepoNotFound", "Repository not found")
        commits = self.repositories[kind, name]
        commit = self.names[kind, name].get(revision, revision)
        if commit not in commits:
            raise _refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, commits[commit]

    def _about(self, kind: str, name: str, commit: str, content: dict[str, bytes]) -> Response:
        status, code = self.refused.get(name, (200, ""))
        if code == "RepoNotFound":
            raise _refuse(status, code, "Invalid username or password.")
        siblings = []
        for entry in _entries(content):
            if entry["type"] == "directory":
                continue
            sibling = {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]}
            if "lfs" in entry:
                sibling["lfs"] = {**entry["lfs"], "sha256": entry["lfs"]["oid"]}
            siblings.append(sibling)
        return _json({"id": name, "sha": commit, "private": False, "siblings": siblings})

    def _tree(self, request: Request, content: dict[str, bytes], folder: str) -> Response:
        inside = [
            one for one in _entries(content) if one["path"].startswith(f"{folder}/" * bool(folder))
        ]
        if not inside:
            raise _refuse(404, "EntryNotFound", f"{folder} does not exist")
        recursive = request.args.get("recursive") == "true"
        if not recursive:
            inside = [
                one for one in inside if str(PurePosixPath(one["path"]).parent) == (folder or ".")
            ]
        begin = int(request.args.get("cursor", 0))
        answer = _json(inside[begin : begin + PAGE])
        if begin + PAGE < len(inside):
            query = f"recursive={str(recursive).lower()}&cursor={begin + PAGE}"
            answer.headers["Link"] = f'<{self.address}{request.path}?{query}>; rel="next"'
        return answer

    def _file(self, name: str, commit: str, content: dict[str, bytes], file: str) -> Response:
        headers = {"X-Repo-Commit": commit}
        if name in self.refused:
            status, code = self.refused[name]
            raise _refuse(status, code, f"Access to {name} is restricted.")
        if file not in content:
            raise _refuse(404, "EntryNotFound", "Entry not found", headers)
        data = content[file]
        if not file.endswith(LARGE):
            return Response(data, headers={**headers, "ETag": f'"{_git(data)}"'})
        digest = _sha256(data)
        headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
        return Response("", 302, {**headers, "Location": f"{self.other_host}/cdn/{digest}"})

    def _cdn(self, request: Request, digest: str) -> Response:
        everything = [data for one in self.repositories.values() for data in one.values()]
        data = next(d for files in everything for d in files.values() if _sha256(d) == digest)
        answer = Response(data, headers={"ETag": f'"{digest}"'})
        return answer.make_conditional(request, accept_ranges=True, complete_length=len(data))


class _Refusal(Exception):
    """An answer that is an error."""


def _refuse(status: int, code: str, message: str, headers: dict | None = None) -> _Refusal:
    more = {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})}
    return _Refusal(Response(message, status, more))


def _json(value) -> Response:
    return Response(json.dumps(value), content_type="application/json")


def _entries(content: dict[str, bytes]) -> list[dict]:
    """Folders and files as a listing has them: the hash of git, of large files SHA-256 as well."""
    folders = {str(parent) for path in content for parent in PurePosixPath(path).parents} - {"."}
    entries = [
        {"type": "directory", "path": folder, "size": 0, "oid": _git(folder.encode())}
        for folder in sorted(folders)
    ]
    for path, data in sorted(content.items()):
        entry = {"type": "file", "path": path, "size": len(data), "oid": _git(data)}
        if path.endswith(LARGE):
            entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
        entries.append(entry)
    return entries


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


# --- steps against it ---------------------------------------------------------------------


def environment(hub: FakeHub, folder: Path, **more: str) -> dict[str, str]:
    """Variables for a process that knows this hub alone, with a cache of its own in ``folder``."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return kept | {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder / "cache"),
        "HF_TOKEN": TOKEN,
        "FOREIGN": str(folder / "foreign"),
        "PYTHONPATH": f"{LOOPBACK}:{SRC}",
        **more,
    }


@dataclass
class Outcome:
    """How a step ended: its status, what it said, and pauses of a second or more it asked for."""

    status: int
    said: str
    pauses: list[float]

    @property
    def error(self) -> str:
        """The line of its error, the only one, and the last thing said."""
        assert self.status == 1 and "Traceback" not in self.said, self.said
        assert self.said.count("\nerror: ") + self.said.startswith("error: ") == 1, self.said
        return self.said.splitlines()[-1].removeprefix("error: ")


def step(name: str, hub: FakeHub, folder: Path, *arguments, **more: str) -> Outcome:
    """Run ``src/{name}.py`` as a process that sees this hub alone; its pauses take no time."""
    folder.mkdir(exist_ok=True)
    pauses, foreign = folder / "pauses", folder / "foreign"
    pauses.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, SRC / f"{name}.py", *map(str, arguments)],
        env=environment(hub, folder, PAUSES=str(pauses), **more),
        capture_output=True,
        text=True,
        cwd=folder,
    )
    said = done.stdout + done.stderr
    assert not foreign.exists(), foreign.read_text()
    assert TOKEN not in said
    slept = [float(line) for line in pauses.read_text().split()] if pauses.exists() else []
    return Outcome(done.returncode, said, [pause for pause in slept if pause >= 1])
