"""Repositories of the hub: the commit of a revision, and files of it as the hub has them.

Address, token, proxies and cache are those of huggingface_hub, from its ``HF_...`` variables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from iclgd.io import files, retry
from iclgd.io.cli import InputError

AT_ONCE = 4  # files that are downloaded at the same time


@dataclass(frozen=True)
class Commit:
    """A repository of models or datasets at a commit, and the hash that the hub has of each file.

    A hash is SHA-256 of large files (LFS, Xet), and that of git for the others.
    """

    kind: str
    name: str
    what: str  # for messages
    commit: str
    hashes: dict[str, str]


def look_up(kind: str, name: str, revision: str | None) -> Commit:
    """The commit that ``revision`` (a branch, a tag or a commit; None: main) of ``name`` is now.

    ``kind``: model or dataset. Raises InputError if the hub has no such thing, refuses it or is out
    of reach (`retry.persist`).
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_ETAG_TIMEOUT
    from huggingface_hub.errors import HFValidationError

    what = f"{'data set ' if kind == 'dataset' else ''}{name} at {revision or 'main'}"

    def ask():
        try:
            return HfApi().repo_info(
                name,
                repo_type=kind,
                revision=revision,
                files_metadata=True,
                timeout=HF_HUB_ETAG_TIMEOUT,  # without one it would wait for ever
            )
        except HFValidationError as error:
            raise InputError(f"{what}: {error}") from error
        except (json.JSONDecodeError, KeyError) as error:  # a login page, or another server
            raise ConnectionError("the answer is not one of a hub (HF_ENDPOINT?)") from error

    info = retry.persist(ask, what)
    hashes = {
        file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings
    }
    return Commit(kind, name, what, info.sha, hashes)


def bring(source: Commit, names: Iterable[str], folder: Path | None) -> None:
    """Download files of ``source`` into ``folder``, or into the hub's cache without one.

    Raises InputError if one cannot be had, or does not arrive as the hub has it.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for _ in pool.map(lambda name: _bring(source, name, folder), names):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # the first that fails ends it


def _bring(source: Commit, name: str, folder: Path | None) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.constants import HF_HUB_CACHE

    def ask() -> None:
        with files.room_for(folder or Path(HF_HUB_CACHE)):
            try:
                found = hf_hub_download(
                    source.name,
                    name,
                    repo_type=source.kind,
                    revision=source.commit,
                    local_dir=folder,
                )
            except RuntimeError as error:  # of hf_xet, for whatever is no OSError
                raise ConnectionError(str(error)) from error
        path = Path(found)
        if _digest(path, source.hashes[name]) != source.hashes[name]:
            path.resolve().unlink()  # in the cache the name is a link
            path.unlink(missing_ok=True)
            raise ConnectionError("it arrived with another hash than the hub has of it")

    retry.persist(ask, f"{source.what}, {name}")


def _digest(path: Path, like: str) -> str:
    """Hash of a file, of the kind of ``like``: SHA-256, or SHA-1 of git's blob."""
    with path.open("rb") as file:
        if len(like) == 64:
            return hashlib.file_digest(file, "sha256").hexdigest()
        blob = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
        return hashlib.file_digest(file, lambda: blob).hexdigest()
