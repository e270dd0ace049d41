"""The report as a file: whole, stable, small, and text from outside stays text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from support.reports import CONFIGURATION, HOSTILE, SVG, built, claim, example, inputs
from support.roles import ROLES
from support.steps import run_step

from iclgd.io.cli import InputError
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.reporting import quantities
from iclgd.reporting.claims import judge, overview
from iclgd.reporting.kinds.registry import KINDS
from iclgd.reporting.names import Names
from iclgd.reporting.page import beside, carried, contents, svg


class Page(HTMLParser):
    """Elements with their attributes, and the text of every element by tag."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    arguments = inputs(tmp_path, judged=[claim()])
    pages = []
    for _ in range(2):
        run_step("build_report", *arguments)
        pages.append((tmp_path / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_everything_is_in_the_page_and_little_of_it(tmp_path):
    page = Page(built(tmp_path, judged=[claim()]))
    names = [tag for tag, _ in page.elements]
    assert {"link", "iframe", "object", "embed", "img", "base"} & set(names) == set()
    assert [a for tag, a in page.elements if tag == "script" and "src" in a] == []
    addresses = [a["href"] for tag, a in page.elements if tag == "a"]
    assert len(addresses) >= 10
    # The page itself carries the data of its figure; nothing is from elsewhere.
    (data,) = (one for one in addresses if re.match(r"[a-z]+:|/", one))
    told = base64.b64decode(data.removeprefix("data:text/csv;base64,")).decode()
    assert told.startswith(
        "model,task,shots,learner,metric,estimate,low,high,chosen\nm,t,2,gd@0.1,"
    )
    anchors = {one[1:] for one in addresses if one.startswith("#")}
    assert anchors - {a.get("id") for _, a in page.elements} == set()
    page, methods = tmp_path / "report.html", Path(__file__).parents[3] / "docs/methods.md"
    assert page.stat().st_size - methods.stat().st_size < 40_000  # script and style
    assert {"figures/one.svg", "summary/one.parquet", "summary/examples.parquet"} <= set(addresses)


def test_texts_from_outside_are_text(tmp_path):
    quoted = {name: HOSTILE for name in ("text", "instruction", "answer", "answer_token")}
    rows = [example(tokens=[HOSTILE, "B"], demonstrations=[HOSTILE], task=HOSTILE, **quoted)]
    words = {name: HOSTILE for name in ("paper", "place", "claim", "reference", "learner")}
    page = built(tmp_path, title=HOSTILE, examples=rows, judged=[claim(**words)], label=HOSTILE)
    plain = built(tmp_path / "plain", judged=[claim()])
    # No element more than in a page of plain words, and every text is there in full.
    assert [tag for tag, _ in Page(page).elements] == [tag for tag, _ in Page(plain).elements]
    found = Page(page).texts
    assert HOSTILE in "".join(found["h3"])
    assert "".join(found["td"]).count(HOSTILE) == len([*words, "label in the findings", "claim"])
    assert "What it <shows>." in "".join(found["p"])
    data = next(text for text in found["script"] if text.startswith("["))
    assert "<" not in data
    assert json.loads(data)[0]["text"] == HOSTILE
    assert HOSTILE in "".join(found["pre"]).replace("''", "'")  # YAML doubles quotes


def test_only_the_pages_own_script_and_style_may_run(tmp_path):
    page = Page(built(tmp_path))
    policy = next(a["content"] for tag, a in page.elements if "http-equiv" in a)
    own = page.texts["script"][-1], page.texts["style"][-1]
    for text in own:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert [a for _, a in page.elements if "style" in a or any(k.startswith("on") for k in a)] == []


def test_a_study_without_claims_or_pairs_has_no_such_sections(tmp_path):
    none = built(tmp_path, examples=[])
    assert 'id="claims"' not in none
    assert 'id="explorer"' not in none
    empty = built(tmp_path / "empty", judged=[])
    assert "decide none of the papers" in empty
    assert 'id="claims-table"' not in empty


def test_the_page_begins_with_the_answer(tmp_path):
    page = built(tmp_path, said="No, by <3>.")
    _, _, main = page.partition('<main id="main">')
    start = main[: main.index('<section id="run">')]
    assert '<p class="lead">No, by &lt;3&gt;.</p>' in start and "<li>A note.</li>" in start
    assert '<td class="verdict inconclusive">inconclusive: few draws</td>' in start
    assert main.index("No, by") < main.index("<h2>")


def test_claims_are_shown_as_they_are_judged(tmp_path):
    silent = ("shots", "p_holm", "draws", "queries", "mde", "low", "high", "model")
    judged = [claim(), claim(verdict="fails", underpowered=True, **dict.fromkeys(silent))]
    page = built(tmp_path, judged=[*judged, claim()])
    assert "Cell by cell: 3 of them, holds 2, fails 1</summary>" in page
    first, second, _ = re.findall(r"<tr><td class=\"verdict\".*?</tr>", page)
    assert '<td class="estimate" data-sort="0.5">0.5 [0.25, 0.75]</td>' in first
    assert '<td class="mde" data-sort="0.1">0.1</td>' in first
    assert '<td class="estimate" data-sort="0.5">0.5</td>' in second
    assert '<td class="mde"> (underpowered)</td>' in second
    assert '<td class="shots"></td>' in second


def test_every_claim_has_one_row_with_its_verdict_by_paper(tmp_path):
    cells = [("A", "It is.", one) for one in ("fails", "holds", "negligible", "holds")]
    cells += [("B", "It was.", "cannot tell"), ("A", "It will be.", "negligible")]
    overall = {"It is.": "mixed", "It was.": "cannot tell", "It will be.": "negligible"}
    judged = [
        claim(paper=paper, claim=text, verdict=verdict, overall=overall[text])
        for paper, text, verdict in cells
    ]
    page = built(tmp_path, judged=judged)
    table = page.partition('<table id="papers">')[2].partition("</table>")[0]
    assert re.findall(r"<th scope=\"rowgroup\"[^>]*>(.*?)</th>", table) == ["A", "B"]
    rows = [tuple(re.findall("<td>(.*?)</td>", row)) for row in re.findall("<tr>.*?</tr>", table)]
    assert [row for row in rows if row] == [
        ("It is.", "mixed", "holds 2, fails 1, negligible 1"),
        ("It will be.", "negligible", "negligible 1"),
        ("It was.", "cannot tell", "cannot tell 1"),
    ]
    assert "Cell by cell: 6 of them, holds 2, negligible 2, fails 1, cannot tell 1<" in page
    found = overview.findings(pl.DataFrame(judged, schema=judge.SCHEMA))
    assert found[:2] == [
        ["paper", "verdict", "cells", "claim"],
        ["A", "mixed", "holds 2, fails 1, negligible 1", "It is."],
    ]


def model(name, architecture="llama", pretraining=None, **source):
    return {"model": name, "architecture": architecture, "pretraining": pretraining} | {
        "source": source or {"path": name}
    }


def test_the_study_is_counted_from_what_was_run():
    models = [
        *(model("live@step0"), model("live@step2"), model("big"), model("hub", repo="x/y")),
        *(
            model(f"t{i}", pretraining={"attention_momentum": eta})
            for i, eta in enumerate((0, 0.5))
        ),
        model("big-random", of="big", control="random"),
        *(model(f"made-soft@{dose}", "constructed", construct={}) for dose in (0.3, 1)),
    ]
    of_tasks = pl.DataFrame({"task": ["t", "u", None], "shots": [2, 512, None]})
    controls = pl.DataFrame({"task": ["t"], "control": ["t-labels"], "shots": [4]})
    no_tasks = pl.DataFrame({"model": ["big"]})
    tasks = {"t": {}, "u": {}, "t-labels": {"of": "t"}, "unused": {}}
    found = contents.summary(models, [of_tasks, controls, no_tasks], tasks)
    assert found == (
        "7 models (3 pretrained, 2 twins, 1 control, 1 construction), "
        "2 tasks and 1 control of them with 2 to 512 demonstrations, 3 figures"
    )
    assert contents.summary(models[:1], [no_tasks], tasks) == "1 model (1 pretrained), 1 figure"


@pytest.mark.parametrize("broken", ["examples", "summary/one", "summary/claims"])
def test_a_table_that_is_missing_or_broken_is_named(tmp_path, broken):
    arguments = inputs(tmp_path, judged=[claim()])
    path = tmp_path / f"{broken.replace('examples', 'summary/examples')}.parquet"
    path.write_text("no table")
    with pytest.raises(InputError, match=f"{path.name}: not a whole table"):
        run_step("build_report", *arguments)
    assert not (tmp_path / "report.html").exists()


def test_the_explorer_offers_what_exists_in_the_studys_order():
    rows = [
        example(model="m", b="icl-reordered", epoch=0, demonstrations_b=["z : B\n", "y : A\n"]),
        example(model="m", place="nearest"),
        example(model="m", place="farthest"),
        example(model="big"),
    ]
    table = pl.DataFrame(rows, schema=EXAMPLES)
    names = Names(ROLES, {"m": "Model M"})
    ordered = contents.in_order(table, ["m", "big"], names)
    shown = contents.explorer(ordered, names)
    found = [(one["model"], one["learner"], one["query"].split(":")[0]) for one in shown]
    gd = "GD, whole model, rate 0.1, epoch 5"
    assert found == [
        ("Model M", gd, "nearest"),
        ("Model M", gd, "farthest"),
        ("Model M", "ICL, demonstrations reordered", "median"),
        ("big", gd, "median"),
    ]
    # Token B is not kept by b, so it is not among b's likeliest.
    assert shown[0]["tokens"] == [("A", 0.75, 1.0, [True, True]), ("B", 0.25, None, [True, False])]


def test_the_explorer_opens_on_a_typical_query_of_the_first_test():
    rows = [
        example(b="gd@0.1"),
        example(model="k", b="gd@0.1", place="nearest"),
        example(model="k", b="gd@0.1"),
    ]
    test = {"model": "m", "task": "t", "design": "n2", "b": "gd@0.3", "measure": "tv"}
    test |= {"factor": 1.0, "choice": "nearest", "primary": False}
    verdicts = pl.DataFrame([test, {**test, "model": "k", "primary": True}])
    assert contents.opened(rows, [verdicts]) == 2
    assert contents.opened(rows, [verdicts.filter(~pl.col("primary"))]) == 0
    assert contents.opened(rows, [verdicts.with_columns(task=pl.lit("u"))]) == 0
    assert contents.opened([], []) == 0


def test_figures_stand_in_their_sections_and_verdicts_apart():
    figures = [
        {"name": name, "kind": kind, "section": section}
        for name, kind, section in (
            ("v", "equivalence", "answers"),
            ("size", "size", "growth"),
            ("order", "order", "order"),
            ("scale", "scale", "growth"),
        )
    ]
    found = [(one[0], [figure["name"] for figure in one[3]]) for one in contents.sections(figures)]
    assert found == [("order", ["order"]), ("growth", ["size", "scale"])]
    assert {kind.SECTION for kind in KINDS.values()} == set(contents.SECTIONS)
    with pytest.raises(InputError, match="kind mine: 'elsewhere' is no section"):
        contents.sections([{"name": "x", "kind": "mine", "section": "elsewhere"}])


def test_tables_as_csv_have_lists_and_digits_that_readers_can_use():
    table = pl.DataFrame({"name": ["a,b", None], "k": [[1, 2], []], "x": [1 / 3, 1e-9 / 3]})
    told = base64.b64decode(carried.csv(table).partition(",")[2]).decode()
    assert told == 'name,k,x\n"a,b",1 2,0.333333\n,"",3.33333e-10\n'


def test_the_page_carries_its_findings_for_another_page_to_compare(tmp_path):
    page = Page(built(tmp_path, said="No <b>way</b>."))
    found = json.loads(page.texts["script"][-2])
    assert found == [
        ["answer / sentence", "No <b>way</b>.", True],
        ["one / m / accuracy", "0.50", False],
    ]


def test_tiles_count_the_verdicts(tmp_path):
    page = built(tmp_path)
    tiles = page.partition('<ul class="tiles">')[2].partition("</ul>")[0]
    found = re.findall(r'<li class="(\w+)"><b>(\d+)</b> <strong>(\w+)</strong> (.*?)</li>', tiles)
    assert found == [
        ("none", "0", "equivalent", "as near to ICL as ICL is to itself"),
        ("none", "0", "different", "farther from ICL than ICL is from itself"),
        ("inconclusive", "1", "inconclusive", "undecided"),
    ]


def drawn(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "figure.svg"
    path.write_text(text)
    return path


def test_a_figure_keeps_its_marks_and_their_values(tmp_path):
    found = svg.inline(drawn(tmp_path, SVG.format(title="One")), "one", "One")
    assert (found.across, found.up) == (["epochs"], [])
    assert 'data-tip="learner: ICL; estimate: 1"' in found.markup
    assert 'id="one-clip0"' in found.markup
    assert 'clip-path="url(#one-clip0)"' in found.markup
    assert 'd="M1,1L2.35,2"' in found.markup
    assert "a word" in found.markup
    # The page has its own title and ground; what draws nothing is left out.
    assert re.findall(r"One|<title|<rect|aria|class|background|opacity", found.markup) == []


def test_a_title_of_several_lines_is_left_out_too(tmp_path):
    lines = "<tspan>GD is</tspan><tspan>farther</tspan>"
    path = drawn(tmp_path, SVG.format(title="One").replace(">One</text>", f">{lines}</text>"))
    assert "farther" in svg.inline(path, "one", "One").markup
    found = svg.inline(path, "one", "GD is farther").markup
    assert "farther" not in found and "a word" in found


@pytest.mark.parametrize(
    "element", ["<script>alert(1)</script>", "<foreignObject/>", "<image/>", "<style/>", "<a/>"]
)
def test_what_no_figure_holds_does_not_get_into_the_page(tmp_path, element):
    path = drawn(tmp_path, SVG.format(title="One").replace("<defs>", f"{element}<defs>"))
    name = re.match(r"<(\w+)", element)[1]
    with pytest.raises(InputError, match=rf"figure\.svg: an element '{name}'"):
        svg.inline(path, "one", "One")


def test_attributes_that_act_are_left_out(tmp_path):
    acting = 'onclick="alert(1)" style="fill:url(http://x)" href="http://x" fill="#000000"'
    path = drawn(tmp_path, SVG.format(title="One").replace('fill="#0072B2"', acting))
    assert re.findall("onclick|style|http://x", svg.inline(path, "n", "").markup) == []


def test_a_figure_that_is_no_svg_is_named(tmp_path):
    with pytest.raises(InputError, match=r"figure\.svg: not an SVG"):
        svg.inline(drawn(tmp_path, "<svg>"), "one", "One")


# --- the reference run --------------------------------------------------------------------


def reference(configuration=CONFIGURATION, **changes) -> list[quantities.Quantity]:
    """The quantities of a run with one claim."""
    table = pl.DataFrame([claim(**changes)], schema=judge.SCHEMA)
    known = quantities.of_configuration("one", "scale", configuration)
    return [known, *quantities.of_claims(table)]


def others(page: str) -> list[str]:
    """The cells of the reference run: of whole claims, then of single cells."""
    return re.findall(r'<td class="other"[^>]*>(.*?)</td>', page)


def test_claims_stand_beside_those_of_the_reference_run(tmp_path):
    same = built(tmp_path / "same", judged=[claim()], reference=reference())
    assert others(same) == ["holds", "0.5 [0.25, 0.75], p 0.02, holds"]
    assert same.count("reference run</") == 2
    assert "docs/reference/mine.csv" in same
    other = built(tmp_path / "other", judged=[claim()], reference=reference(estimate=0.51))
    mark = ' <span class="differs" title="this run differs">≠</span>'
    assert others(other) == ["holds", f"0.51 [0.25, 0.75], p 0.02, holds{mark}"]
    new = built(tmp_path / "new", judged=[claim(), claim(model="k")], reference=reference())
    assert others(new)[2] == f"not in it{mark}"


@pytest.mark.parametrize("known", [None, reference("another"), []])
def test_a_study_without_a_reference_shows_nothing_of_one(tmp_path, known):
    page = built(tmp_path, judged=[claim()], reference=known)
    assert others(page) == []
    assert "reference run" not in page


def test_texts_of_a_reference_are_text(tmp_path):
    known = reference(paper=HOSTILE, verdict=HOSTILE, overall=HOSTILE)
    page = built(tmp_path / "hostile", judged=[claim(paper=HOSTILE)], reference=known)
    known = reference(verdict="fails", overall="fails")
    plain = built(tmp_path / "plain", judged=[claim()], reference=known)
    assert [tag for tag, _ in Page(page).elements] == [tag for tag, _ in Page(plain).elements]
    sorts = [a.get("data-sort") for tag, a in Page(page).elements if a.get("class") == "other"]
    assert sorts == [HOSTILE, f"0.5 [0.25, 0.75], p 0.02, {HOSTILE}"]


def test_verdicts_stand_beside_those_of_the_reference_run():
    head = ["model", "learner", "excess", "verdict"]
    here = [head, ["m", "gd@0.1, epoch 5", "0.30", "different"], ["k", "gd", "0.1", "negligible"]]
    there = [head, ["m", "gd@0.2, epoch 9", "0.30", "different"], ["k", "gd", "0.2", "negligible"]]
    known = quantities.by_key(quantities.of_table("f", "equivalence", there))
    found = beside.verdicts("f", "equivalence", here, known)
    assert [(one.said, one.same) for one in found] == [
        ("0.30, different", True),
        ("0.2, negligible", False),
    ]
    assert beside.verdicts("f", "equivalence", here, {}) is None
    assert beside.verdicts("f", "scale", [head[:3], here[1][:3]], known) is None
