"""Every architecture gives what plain transformers and torch give, or is refused with the reason.

A minute on two quiet cores, more on busy ones; not part of `make test`: make test-models.
"""

import check
import pytest
import small


@pytest.mark.parametrize("kind", small.KINDS)
def test_it_is_as_documented(kind):
    assert check.row(kind) == check.documented()[kind]


def test_the_page_has_every_architecture():
    assert list(check.documented()) == small.KINDS
