"""Helpers that tests share: tiny random models of every architecture, a tokenizer, a task."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from support.models import ARCHITECTURES, tiny_tokenizer
from support.tasks import tiny_task
from support.workflow import STUDY, copy_finished
from support.workflow import finished_study as run_study

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def task() -> pl.DataFrame:
    return tiny_task()


@pytest.fixture(params=ARCHITECTURES)
def architecture(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory) -> Path:
    """The tiny study's project, once it has run; the workers of a test run share it."""
    folder = tmp_path_factory.getbasetemp()
    return run_study(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run Snakemake first, then slow ones, so that the workers end together.

    xdist gives a worker one file after another (with --no-loadscope-reorder in this order).
    """
    rank = {}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        own = 0 if "workflow" in marks else 1 if "slow" in marks else 2
        rank[item.path] = min(own, rank.get(item.path, own))
    items.sort(key=lambda item: rank[item.path])


@pytest.fixture
def finished(finished_study, tmp_path) -> Path:
    """The finished project, to be changed by one test."""
    return copy_finished(finished_study, tmp_path / "project", STUDY)
