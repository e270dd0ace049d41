"""What README.md and docs/results.md say a run found is what the reference runs printed.

``make reference`` writes their tables; `iclgd.reporting.quotes` says how prose names its rows.
"""

from pathlib import Path

import pytest
import yaml

from iclgd.reporting import quantities, quotes

ROOT = Path(__file__).parents[2]


def settings(study: str) -> str:
    """The configuration of a study, without its comments."""
    path = ROOT / ("config.yaml" if study == "default" else f"config/{study}.yaml")
    return yaml.safe_dump(yaml.safe_load(path.read_text()))


def findings(page: str) -> str:
    """The part of a page that is about findings."""
    text = (ROOT / page).read_text()
    if page != "README.md":
        return text
    return text.partition("\n## Run it")[0]


@pytest.mark.parametrize("page", quotes.PAGES)
def test_tables_are_those_of_the_reference(page):
    text = (ROOT / page).read_text()
    assert len(quotes.TABLE.findall(text)) == text.count("<!-- table") >= 1
    assert quotes.rewritten(text, quantities.reference) == text


@pytest.mark.parametrize("page", quotes.PAGES)
def test_every_number_in_prose_is_one_of_the_reference(page):
    text = findings(page)
    assert len(list(quotes.numbers(text))) >= 20
    assert quotes.unsupported(text, quantities.reference, settings) == []


def test_references_are_those_of_studies_that_come_with_the_workflow():
    studies = {path.stem for path in (ROOT / "config").glob("*.yaml")} | {"default"}
    found = {path.stem for path in (ROOT / "docs/reference").glob("*.csv")}
    assert "default" in found <= studies
    assert len(quantities.reference("default")) > 1000
