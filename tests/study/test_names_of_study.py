"""Names with values: one spelling, and the right one for any other."""

import re

import pytest

from iclgd.study import names

LEARNERS = {"gd": {"rates": [1.0, 0.01]}, "icl": {}, "g.d": {}}
MODELS = {
    "m": {"revisions": ["step1000", "step2"]},
    "soft": {"construct": {"softmax": [0.3, 1]}},
    "random": {"of": "m@step2"},
}


def test_an_entry_with_a_list_has_a_name_for_each_value():
    assert names.known(LEARNERS) == ["gd@1", "gd@0.01", "icl", "g.d"]
    assert names.known(MODELS) == ["m@step1000", "m@step2", "soft@0.3", "soft@1", "random"]
    assert names.underived(MODELS) == ["m@step1000", "m@step2", "soft@0.3", "soft@1"]
    assert names.expand_all(["gd@1", "icl"], LEARNERS) == ["gd@1", "icl"]
    assert [names.base("gd@1"), names.value("gd@1"), names.value("gd")] == ["gd", "1", ""]


def test_a_pattern_matches_these_names_and_no_other():
    pattern = names.pattern(["g.d", "gd@1"])
    assert [bool(re.fullmatch(pattern, one)) for one in ("g.d", "gd@1", "gxd", "gd")] == [
        True,
        True,
        False,
        False,
    ]
    assert not re.fullmatch(names.pattern([]), "")


@pytest.mark.parametrize(
    ("typed", "right"),
    [("gd@1.0", "gd@1"), ("gd@1e-2", "gd@0.01"), ("gd@.01", "gd@0.01"), ("gd@2", None)],
)
def test_another_spelling_of_a_value_is_recognised(typed, right):
    assert names.respelled(typed, LEARNERS) == right


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("results/logits/m/t/d/gd@1.0/0-4.parquet", "'gd@1.0' is not in the configuration (did"),
        ("results/agreement/m/t/d/icl--gd@1e-2.curves.parquet", "(did you mean 'gd@0.01'?)"),
        ("results/models/m@step2000.json", "(did you mean 'm@step1000'?)"),
        ("results/logits/m/t/d/gd@7/0-4.parquet", "(known: gd@1, gd@0.01)"),
        ("results/logits/m@step2/t/d/gd@1/0-4.parquet", None),
        ("profile@x", None),
        ("other/x@y/z", None),
    ],
)
def test_a_target_with_an_unknown_value_is_named(target, message):
    found = names.target_problems([target], [MODELS, LEARNERS])
    assert len(found) == bool(message)
    assert not message or message in found[0]
