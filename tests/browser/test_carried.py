"""The first screen of the report, its addresses, and what it carries along."""

import base64
import io
import json
import re
from xml.etree import ElementTree

import chromium
import polars as pl
from page import claims, hostile, in_order, texts, unfold, visible
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from iclgd.study.kinds import KINDS

# --- the first screen, and addresses ---------------------------------------------------------


def test_the_answer_is_on_the_first_screen_and_the_rest_on_few(browser):
    with chromium.width(browser, 1280, 800):
        ends = browser.execute_script(
            """return [".lead", ".tiles", "#answer svg"].map(
                one => document.querySelector(one).getBoundingClientRect().top)"""
        )
        high = browser.execute_script("return document.documentElement.scrollHeight")
    assert 0 < ends[0] < ends[1] < ends[2] < 600
    assert high / 800 <= 12


def test_the_address_keeps_what_is_chosen(browser, project):
    unfold(browser)
    menu = Select(browser.find_element(By.CSS_SELECTOR, "[data-filter=verdict]"))
    verdict = menu.options[-1].text
    menu.select_by_visible_text(verdict)
    browser.find_element(By.CSS_SELECTOR, "th[data-column=claim] button").click()
    shown = visible(browser, "claim")
    assert 0 < len(shown) < len(claims(project))
    assert "#cells?verdict=" in browser.current_url
    browser.refresh()
    assert visible(browser, "claim") == shown  # unfolded, filtered and sorted again
    choice = [By.CSS_SELECTOR, "[data-choice=query]"]
    Select(browser.find_element(*choice)).select_by_index(1)
    chosen = browser.find_element(*choice).get_attribute("value")
    result = texts(browser, "#result")
    assert "#explorer?model=" in browser.current_url
    browser.refresh()
    assert browser.find_element(*choice).get_attribute("value") == chosen
    assert texts(browser, "#result") == result


def test_a_permalink_unfolds_and_shows_its_part(browser):
    folded = browser.find_element(By.CSS_SELECTOR, "figure > details:not([open])")
    figure = folded.find_element(By.XPATH, "..")
    drawing = figure.find_element(By.TAG_NAME, "svg")
    assert not drawing.is_displayed()
    link = figure.find_element(By.CSS_SELECTOR, ".permalink").get_attribute("href")
    browser.get(link)
    assert link.endswith(f"#{figure.get_attribute('id')}")
    WebDriverWait(browser, 5).until(lambda _: drawing.is_displayed())
    top = "return arguments[0].getBoundingClientRect().top"
    assert 0 <= browser.execute_script(top, figure) < 200


# --- what the page carries --------------------------------------------------------------------


def test_every_figure_can_be_saved_from_the_page_alone(browser, project):
    unfold(browser)
    saved = browser.execute_script(
        """const saved = [];
        const files = [];
        URL.createObjectURL = (file) => `blob:${files.push(file) - 1}`;
        HTMLAnchorElement.prototype.click = function () { saved.push([this.download, this.href]) };
        for (const one of document.querySelectorAll("[data-svg]")) one.click();
        const text = async ([name, at]) => [name, await files[at.slice(5)].text()];
        return Promise.all(saved.map(text))"""
    )
    assert [name for name, _ in saved] == [f"{name}.svg" for name in in_order()]
    for _, drawing in saved:
        assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    links = browser.find_elements(By.CSS_SELECTOR, "a[download$='.csv']")
    assert [one.get_attribute("download") for one in links] == [f"{one}.csv" for one in in_order()]
    for link in links:
        name = link.get_attribute("download").removesuffix(".csv")
        data = base64.b64decode(link.get_attribute("href").partition(",")[2])
        table = pl.read_csv(io.BytesIO(data), infer_schema=False)
        figure = hostile()["figures"][name]
        summary = KINDS[figure["kind"]].summary(name)
        stored = pl.read_parquet(project / f"results/default/summary/{summary}.parquet")
        assert (table.columns, len(table)) == (stored.columns, len(stored))


def test_another_report_is_held_against_this_one(browser, project, tmp_path):
    page = (project / "results/default/report.html").read_text()
    carried = re.search('id="found">(.*?)</script>', page)[1]
    found = json.loads(carried)
    number = next(place for place, one in enumerate(found) if not one[2])
    verdict = next(place for place, one in enumerate(found) if one[2])
    changed = [[*one] for one in found]
    changed[number][1], changed[verdict][1] = "<b>7</b>", "otherwise"
    changed.append(["of the other alone", "1", False])
    other = tmp_path / "other.html"
    other.write_text(page.replace(carried, json.dumps(changed).replace("<", "\\u003c")))
    field = browser.find_element(By.ID, "other")
    field.send_keys(str(other))
    soon = WebDriverWait(browser, 5)
    soon.until(lambda _: texts(browser, "#compared")[0])
    assert texts(browser, "#compared") == [
        f"2 of {len(found)} values that both have differ; 0 stand in this report alone,"
        " 1 in the other."
    ]
    rows = {place: [*found[place][:2], changed[place][1]] for place in (number, verdict)}
    cells = texts(browser, "#differences td")
    assert [cells[:3], cells[3:]] == [rows[place] for place in sorted(rows)]
    browser.find_element(By.ID, "verdicts-only").click()
    assert texts(browser, "#differences td") == rows[verdict]
    assert texts(browser, "#compared")[0].startswith("1 of ")
    (tmp_path / "none.html").write_text("<p>no report</p>")
    field.send_keys(str(tmp_path / "none.html"))
    soon.until(lambda _: "none.html is no report" in texts(browser, "#compared")[0])
    assert not browser.find_element(By.ID, "differences").is_displayed()
