"""Rows of data sets of the hub, through `datasets`, at one commit.

`datasets` runs no code of a data set and keeps a cache. Where it cannot reach the hub it takes the
newest copy in that cache, of whichever commit; here it may not.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from iclgd.io import files, repositories, retry
from iclgd.io.cli import InputError

if TYPE_CHECKING:
    from datasets import DatasetBuilder

COMMIT = re.compile("[0-9a-f]{40}")


def hub_rows(
    dataset: str, train: str, test: str, name: str | None = None, revision: str | None = None
) -> dict[str, Iterator[tuple[str, dict]]]:
    """Rows of two splits of configuration ``name`` of a data set, with their places.

    With HF_HUB_OFFLINE they come from the cache, if that has the commit ``revision`` (None: any).
    Raises InputError with what the hub or `datasets` says of a failure.
    """
    # A count of downloads would go to another host than the hub; behind a firewall that takes time.
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    from datasets.exceptions import DatasetsError
    from huggingface_hub.constants import is_offline_mode
    from yaml import YAMLError

    what = f"data set {dataset}"
    find = _in_cache if is_offline_mode() else _on_hub
    try:
        builder = find(dataset, name, revision, what)
        tables = {split: builder.as_dataset(split=split) for split in (train, test)}
    except (ValueError, RuntimeError, YAMLError, DatasetsError) as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise InputError(f"{what}: {' '.join(f'{error}{cause}'.split())}") from error
    print(f"{what}: commit {builder.hash}", file=sys.stderr)

    def rows(split: str) -> Iterator[tuple[str, dict]]:
        return ((f"{dataset} {split}, row {i}", row) for i, row in enumerate(tables[split]))

    return {"train": rows(train), "test": rows(test)}


def _in_cache(dataset: str, name: str | None, revision: str | None, what: str) -> DatasetBuilder:
    if revision and not COMMIT.fullmatch(revision):
        raise InputError(f"{what}: offline, a revision must be a commit, of 40 hexadecimal digits")
    builder = retry.persist(lambda: _builder(dataset, name, revision, what), what)
    if revision and builder.hash != revision:
        raise InputError(f"{what}: offline, and in the cache is commit {builder.hash}")
    builder.download_and_prepare()
    return builder


def _on_hub(dataset: str, name: str | None, revision: str | None, what: str) -> DatasetBuilder:
    """The data set at the commit that ``revision`` is now; its files are those of the hub."""
    source = repositories.look_up("dataset", dataset, revision)
    # `datasets` asks for it first, and loses the reason if it cannot have it.
    repositories.bring(source, {"README.md"} & source.hashes.keys(), None)

    def build() -> DatasetBuilder:
        builder = _builder(dataset, name, source.commit, what)
        if builder.hash != source.commit:
            raise ConnectionError(
                f"the hub does not give commit {source.commit}; in the cache is {builder.hash}"
            )
        place = Path(builder.cache_dir)
        if not place.exists():
            pinned = f"{_address(dataset)}@{source.commit}/"
            paths = [path for split in builder.config.data_files.values() for path in split]
            own = [path.removeprefix(pinned) for path in paths if path.startswith(pinned)]
            repositories.bring(source, own, None)
        with files.room_for(place):
            builder.download_and_prepare()
        return builder

    return retry.persist(build, what)


def _builder(dataset: str, name: str | None, commit: str | None, what: str) -> DatasetBuilder:
    from datasets import load_dataset_builder
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import FileNotFoundDatasetsError

    try:
        return load_dataset_builder(_address(dataset), name, revision=commit)
    except (EmptyDatasetError, FileNotFoundDatasetsError) as error:  # OSErrors that stay
        raise InputError(f"{what}: {error}") from error


def _address(dataset: str) -> str:
    """The name alone may be that of a folder here."""
    return f"hf://datasets/{dataset}"
