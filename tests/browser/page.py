"""The study whose report the tests open, and what they read in it."""

import polars as pl
import yaml
from selenium.webdriver import ActionChains
from support.reports import HOSTILE
from support.workflow import STUDY

from iclgd.reporting.kinds.registry import KINDS as REPORTED
from iclgd.reporting.page.contents import SECTIONS

GD = 'GD <i>"whole"</i> &amp; all'


def hostile() -> dict:
    """The tiny study, every kind of figure, with markup in every text; GINC has other prompts."""
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    del study["figures"]["bayes"]
    for figure in study["figures"].values():
        figure["title"] = f"{figure['kind']} {HOSTILE}"
    study["models"]["llama-small"]["label"] = f"model {HOSTILE}"
    study["tasks"]["topic2"] |= {"label": f"task {HOSTILE}", "instruction": f"{HOSTILE}\n"}
    study["learners"]["gd"]["label"] = GD
    study["figures"]["agreement"]["pairs"] = [["icl", "gd"], ["icl", "icl-reordered"]]
    # Nor can Bayes read these prompts.
    study["figures"]["size"]["pairs"] = [["icl", "gd"]]
    return study


def in_order() -> dict:
    """The figures of that study as the page has them: verdicts stand with the answer."""

    def place(one: tuple[str, dict]) -> int:
        kind = one[1]["kind"]
        section = list(SECTIONS).index(REPORTED[kind].SECTION)
        return -1 if kind == "equivalence" else section

    return dict(sorted(hostile()["figures"].items(), key=place))


def texts(browser, selector: str) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector
    )


def style(browser, selector: str, name: str) -> str:
    return browser.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]",
        *(selector, name),
    )


def unfold(browser) -> None:
    every = "document.querySelectorAll('details')"
    browser.execute_script(f"for (const one of {every}) one.open = true")


def press(browser, *keys) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def claims(project) -> pl.DataFrame:
    return pl.read_parquet(project / "results/default/summary/claims.parquet")


def visible(browser, column: str) -> list[str]:
    """Texts of a column of the claims that are shown, from top to bottom."""
    return browser.execute_script(
        """return [...document.querySelectorAll("#claims-table tbody tr")]
            .filter(row => row.getClientRects().length)
            .map(row => row.querySelector("td." + arguments[0]).textContent)""",
        column,
    )
