"""The exact Bayesian reader of topics and pairs: closed form, counting documents, what is none."""

import itertools

import numpy as np
import pytest

from iclgd.io.cli import InputError
from iclgd.tasks import bindings, synthetic
from iclgd.tasks.synthetic import BOS, COLON, FIRST_TAG, NEWLINE, QUESTION, TAGS, topic_words


def line(topic: int, tag: int, words=(0, 1)) -> list[int]:
    return [*topic_words(topic)[list(words)].tolist(), COLON, FIRST_TAG + tag, NEWLINE]


def pair(left: int, right: int, tag: int) -> list[int]:
    return [topic_words(left)[3], topic_words(right)[5], QUESTION, FIRST_TAG + tag, NEWLINE]


def asked(*lines: list[int]) -> np.ndarray:
    """p(tag) [TAGS] after all lines but the last one's tag."""
    prompt = [BOS, *itertools.chain(*lines)][:-2]
    (found,) = bindings.read([[int(token) for token in prompt]], "t")
    assert found.sum() == pytest.approx(1) and not found[:FIRST_TAG].any()
    return found[FIRST_TAG:]


def test_by_hand():
    np.testing.assert_allclose(asked(line(3, 0)), np.full(TAGS, 1 / 16))
    sure = asked(line(3, 7), line(4, 2, (5, 2)), line(3, 0, (8, 9)))
    assert sure[7] == 1
    free = asked(line(3, 7), line(4, 2), line(3, 7, (4, 5)), line(5, 0))
    assert free[[7, 2]].tolist() == [0, 0] and set(free.round(12)) == {0, round(1 / 14, 12)}


def test_pairs_by_hand():
    """One tag is that of words that share a topic, another that of all others."""
    assert asked(pair(1, 1, 5), pair(2, 2, 0))[5] == 1
    other = asked(pair(1, 1, 5), pair(2, 9, 0))
    assert other[5] == 0 and other.max() == pytest.approx(1 / 15)
    assert asked(pair(1, 1, 5), pair(4, 2, 8), pair(2, 9, 0))[8] == 1


def test_it_is_what_is_left_of_the_documents_of_the_language():
    """Documents of two or three topics, so many that those of the same lines tell the next tag."""
    rng = np.random.default_rng(0)
    tokens, _ = synthetic.documents(rng, 200_000, 1 + 3 * synthetic.LINE, synthetic.Mixture(0.3))
    lines = tokens[:, 1:].reshape(len(tokens), 3, synthetic.LINE)
    topics = (lines[..., 0] - synthetic.FIRST_WORD) // synthetic.WORDS_PER_TOPIC
    tags = lines[..., 3] - FIRST_TAG
    # Given the topics of all lines, two tags say which third one: of a topic as before, or new.
    known = topics[:, 2] == topics[:, 0]
    assert (tags[known, 2] == tags[known, 0]).all()
    new = (topics[:, 2] != topics[:, 0]) & (topics[:, 2] != topics[:, 1])
    new &= topics[:, 0] != topics[:, 1]
    place = (tags[new, 2] - tags[new, 0]) % TAGS
    assert not (place == 0).any() and not (tags[new, 2] == tags[new, 1]).any()
    share = np.bincount(place, minlength=TAGS)[1:] / new.sum()
    assert np.abs(share - 1 / 15).max() < 4 * (1 / 15 / new.sum()) ** 0.5


@pytest.mark.parametrize("seed", range(3))
def test_every_document_can_be_read_in_any_order(seed):
    rng = np.random.default_rng(seed)
    mixture = synthetic.Mixture(repeat=0.3, pairs=0.3)
    for tokens in synthetic.documents(rng, 30, 1 + 8 * synthetic.LINE, mixture)[0].tolist():
        (found,) = bindings.read([tokens[:-2]], "t")
        assert found[tokens[-2]] > 0
        lines = [tokens[at : at + synthetic.LINE] for at in range(1, len(tokens), synthetic.LINE)]
        shown = [lines[i] for i in rng.permutation(7)]
        np.testing.assert_array_equal(asked(*shown, lines[-1]), found[FIRST_TAG:])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line(1, 0), line(1, 2), line(3, 0)], "binds words that another line binds otherwise"),
        ([line(1, 4), line(2, 4), line(3, 0)], "has a tag that is bound to other words as well"),
        ([line(1, 4), pair(2, 2, 0)], "is of another kind than the last"),
        ([[*line(1, 4)[:1], *line(2, 4)[1:]], line(3, 0)], "has words of two topics"),
        ([[7, 8, 9, 10, 11], line(3, 0)], "is no line of the language"),
        ([[NEWLINE, *line(3, 0)], line(3, 0)], "is no line of the language"),
        ([line(3, 0)[:3] + line(3, 0)], "is no line"),
    ],
)
def test_what_no_document_has_is_named(lines, message):
    with pytest.raises(InputError, match=f"task t: Bayes cannot read it, as .* {message}"):
        asked(*lines)
