"""One study and one browser for all tests of the report."""

import chromium
import pytest
from page import hostile
from support.workflow import copy_project, snakemake


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of the project in which that study has run."""
    folder = copy_project(tmp_path_factory.mktemp("run") / "project", hostile())
    snakemake(folder, "--", "results/default/report.html")
    return folder


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    if problem := chromium.obstacle():
        pytest.skip(problem)
    with chromium.running(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(running, project):
    """The page just opened; at the end, nothing went wrong or was asked of the network."""
    address = (project / "results/default/report.html").as_uri()
    chromium.emulate(running)
    running.get(address)
    yield running
    assert chromium.complaints(running) == []
    visited = chromium.requests(running)
    assert len(visited) >= 1
    assert {one.split("#")[0] for one in visited} == {address}
    assert running.title == "Is in-context learning gradient descent?"  # no script renamed it
