"""Replicates of families of gradient descent: which pairs they stand in."""

import pytest
from support.configurations import ROOT, changed

from iclgd.study import checks, pairing
from iclgd.study.config import ConfigError


def replicated(*pair: str) -> dict:
    """The default configuration with a replicate of a family of GD in one figure."""
    config = changed("learners/gd-fixed/orders", 2)
    config["learners"]["gd-replicate"] = {"reference": "gd-fixed", "shift": "order"}
    config["figures"] = {"depth": {**config["figures"]["depth"], "pairs": [list(pair)]}}
    return config


@pytest.mark.parametrize("first", ["gd-fixed", "gd-fixed@0.03"])
def test_a_replicate_of_a_family_is_compared_rate_by_rate(first):
    config = replicated(first, "gd-replicate")
    checks.check(config, ROOT)
    pairs = {pair[3:] for pair in pairing.compared(config, config["figures"]["depth"])}
    rates = ["gd-fixed@0.01", "gd-fixed@0.03"] if first == "gd-fixed" else [first]
    assert pairs == {(rate, "gd-replicate") for rate in rates}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            ("gd-fixed@0.03", "gd-replicate@0.03"),
            "'gd-replicate@0.03' is a reference of 'gd-fixed', which stands second and takes its "
            "rate from the first, as in [gd-fixed@0.03, gd-replicate]",
        ),
        (("gd-replicate", "gd-fixed"), "as in [gd-fixed, gd-replicate]"),
        (
            ("gd-adam", "gd-replicate"),
            "'gd-replicate' is a reference of 'gd-fixed', not of 'gd-adam'",
        ),
        (
            ("gd-fixed@0.3", "gd-replicate"),
            "'gd-fixed@0.3' is not in the catalogue (known: gd-fixed@0.01",
        ),
    ],
)
def test_a_pair_that_is_no_replicate_is_refused(pair, message):
    with pytest.raises(ConfigError) as caught:
        checks.check(replicated(*pair), ROOT)
    assert message in str(caught.value)
