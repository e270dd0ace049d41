"""Helpers that tests share: tiny random models of every architecture, a tokenizer, a task."""

from __future__ import annotations

import os

import polars as pl
import pytest
from support.models import ARCHITECTURES, tiny_tokenizer
from support.tasks import tiny_task

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
