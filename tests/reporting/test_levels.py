"""Level lines and their names: apart from each other, in the order of the lines, solvers behind."""

import itertools

import polars as pl
import pytest

from iclgd.reporting import charts, levels, style
from iclgd.reporting.names import ZERO_SHOT, Names

NAMES = Names({"icl": "icl", "again": "icl-reordered", "knn": "solver", "vote": "solver"})
SIZE = (200, 150)
Y = charts.share("accuracy")


def styled(**estimates):
    styles = NAMES.styles([*estimates, ZERO_SHOT])
    schema = {"b": pl.String, "estimate": pl.Float64}
    rows = pl.DataFrame([*estimates.items()], schema, orient="row")
    band = rows.with_columns(low="estimate", high="estimate", draws=pl.lit(3))
    return levels.styled(band, NAMES, styles)


def written(layers):
    """Name and height of every text, and the colour of its line."""
    specs = [one.to_dict(validate=False, context={"top_level": False}) for one in layers]
    texts = [one for one in specs if one["mark"]["type"] == "text"]
    return [(one["data"]["values"][0]["text"], one["encoding"]["y"]["value"]) for one in texts]


def test_names_of_equal_lines_stand_apart_and_in_the_order_of_the_lines():
    rows = styled(icl=1.0, again=1.0, knn=0.99, vote=0.2)
    found = written(levels.ends(rows, Y, SIZE, chance=0.25))
    called = [NAMES.label(one) for one in ("icl", "again", "knn")]
    assert [name for name, _ in found] == [*called, "chance", NAMES.label("vote")]
    heights = [height for _, height in found]
    assert all(b - a >= levels.GAP - 1e-9 for a, b in itertools.pairwise(heights))
    assert heights[0] >= -levels.GAP and heights[-1] <= SIZE[1] + levels.GAP


def test_a_name_that_is_alone_stands_at_its_line():
    assert written(levels.ends(styled(icl=0.75), Y, SIZE))[0][1] == pytest.approx(150 * 0.25)
    assert levels.ends(styled(), Y, SIZE) == []


def test_as_many_names_as_there_are_fit_beside_a_panel():
    many = 30
    rows = pl.concat([styled(knn=0.5)] * many).with_columns(
        series=pl.Series([f"{i:02}" for i in range(many)])
    )
    high = levels.height(many)
    heights = [at for _, at in written(levels.ends(rows, Y, (200, high)))]
    assert all(b - a >= levels.GAP - 1e-9 for a, b in itertools.pairwise(heights))
    assert levels.height(3) == 150


def test_solvers_are_thin_and_have_one_colour_and_no_dash():
    rows = styled(icl=1.0, knn=0.9, vote=0.2)
    looks = {row["b"]: (row["color"], row["dash"]) for row in rows.iter_rows(named=True)}
    assert looks["knn"] == looks["vote"] == (levels.SOLVER["color"], style.SOLID)
    assert looks["icl"][0] == style.ROLES["icl"]["color"]
    x = charts.epochs(10, 200)
    thin, *others = levels.lines(rows, x, Y)
    assert thin.to_dict(validate=False)["mark"]["strokeWidth"] == 1
    assert len(others) > 1, "a band, a line and tooltips of what is compared"


def test_gd_at_one_rate_has_the_colour_of_its_role():
    names = Names({"gd": "gd", "deep": "gd-deep"})
    frame = pl.DataFrame({"b": ["gd", "deep", "gd@0.1"]})
    found = charts.rate_look(frame, "b", {0.1: "#123456"}, names)["color"].to_list()
    assert found == [style.ROLES["gd"]["color"], style.ROLES["gd-deep"]["color"], "#123456"]
