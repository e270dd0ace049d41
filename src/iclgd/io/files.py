"""Files and folders that appear under their name only when complete."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iclgd.io.cli import InputError

FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))


class DiskFull(InputError):
    """A disk or a quota is full."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Within, a full disk raises DiskFull naming ``path``."""
    try:
        yield
    except Exception as error:
        # Libraries written in Rust raise no OSError; only their message is specific.
        if not any(text in str(error) for text in FULL):
            raise
        raise DiskFull(f"{path}: no room to write it, the disk is full") from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name; what is written there gets the name ``path`` at the end of the block.

    The name is this writer's own, so that two never write the same file. If the block fails,
    nothing is left; leftovers of killed writers are removed before and after ``path`` is written.
    Raises DiskFull naming ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_partial(path)  # makes room
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with room_for(path):
            yield temporary
        if path.is_dir():
            shutil.rmtree(path)  # a folder cannot be replaced at once
        os.replace(temporary, path)
        _remove_partial(path)  # of writers that began after this one, and were killed
    finally:
        remove(temporary)


def _remove_partial(path: Path) -> None:
    # The pattern of the token: "m.*" would be another writer's "m.5.0123abcd" as well.
    for old in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.partial"):
        remove(old)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
