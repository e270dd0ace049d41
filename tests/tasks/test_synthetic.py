"""The made-up language: documents, probes, tasks and the tokenizer."""

from collections import Counter

import numpy as np
import pytest
from tokenizers import Tokenizer

from iclgd.io.cli import InputError
from iclgd.tasks import synthetic

LENGTH = 64


def rng(seed=0):
    return np.random.default_rng(seed)


def lines_of(tokens):
    """The complete lines of documents [count, length], shape [count, lines, LINE]."""
    full = (tokens.shape[1] - 1) // synthetic.LINE
    return tokens[:, 1 : 1 + full * synthetic.LINE].reshape(len(tokens), full, synthetic.LINE)


def topic_of(words):
    return (words - synthetic.FIRST_WORD) // synthetic.WORDS_PER_TOPIC


def test_documents_are_lines_of_words_mark_tag_newline():
    tokens, is_tag = synthetic.documents(rng(), 50, LENGTH, synthetic.Mixture(0.3, 0.5, (2, 4)))
    assert tokens.shape == is_tag.shape == (50, LENGTH)
    assert (tokens[:, 0] == synthetic.BOS).all()
    lines = lines_of(tokens)
    assert np.isin(lines[..., 2], (synthetic.COLON, synthetic.QUESTION)).all()
    assert (lines[..., 4] == synthetic.NEWLINE).all()
    assert ((lines[..., :2] >= synthetic.FIRST_WORD) & (lines[..., :2] < synthetic.FIRST_TAG)).all()
    # Tags stand at positions 4, 9, 14, ... and nowhere else.
    assert (np.flatnonzero(is_tag.all(0)) == np.arange(4, LENGTH, 5)).all()
    assert is_tag.sum() == 50 * 12


def test_in_a_topic_document_the_topic_decides_the_tag():
    tokens, _ = synthetic.documents(rng(), 200, LENGTH, synthetic.Mixture(0.0, 0.0, (3, 3)))
    bindings = Counter()
    for document in lines_of(tokens):
        topics = topic_of(document[:, :2])
        assert (topics[:, 0] == topics[:, 1]).all()
        assert (document[:, 0] != document[:, 1]).all()
        bound = set(zip(topics[:, 0], document[:, 3], strict=True))
        assert len(bound) == len({t for t, _ in bound}) == len({tag for _, tag in bound}) <= 3
        assert len(np.unique(document[:, :2], axis=0)) == len(document)  # none repeated
        bindings.update(bound)
    # Only the context determines the tag: a topic has nearly all tags over 200 documents.
    assert len(bindings) > 0.8 * synthetic.TOPICS * synthetic.TAGS


def test_in_a_pair_document_the_relation_decides_the_tag():
    tokens, _ = synthetic.documents(rng(), 200, LENGTH, synthetic.Mixture(0.0, 1.0))
    shares = []
    for document in lines_of(tokens):
        topics = topic_of(document[:, :2])
        same = topics[:, 0] == topics[:, 1]
        assert (document[:, 2] == synthetic.QUESTION).all()
        assert len(set(zip(same, document[:, 3], strict=True))) <= 2
        assert len(set(document[same, 3])) <= 1 and len(set(document[~same, 3])) <= 1
        shares.append(same.mean())
    assert 0.45 < np.mean(shares) < 0.55


@pytest.mark.parametrize("repeat", [0.0, 0.3, 1.0])
def test_share_of_repeated_lines(repeat):
    tokens, _ = synthetic.documents(rng(), 400, LENGTH, synthetic.Mixture(repeat))
    lines = lines_of(tokens)
    again = [(lines[:, :i] == lines[:, i : i + 1]).all(-1).any(1) for i in range(1, 12)]
    assert abs(np.mean(again) - repeat) < 0.03


def test_the_seed_decides():
    mixture = synthetic.Mixture(0.3, 0.3)
    first, again, other = (synthetic.documents(rng(s), 8, LENGTH, mixture)[0] for s in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(("classes", "shots"), [(2, 0), (2, 8), (4, 1), (4, 8)])
def test_probe_is_balanced_and_does_not_leak(classes, shots):
    tokens, answer, labels = synthetic.probe(rng(), 300, shots, classes)
    assert tokens.shape == (300, (shots + 1) * synthetic.LINE - 1)
    assert (tokens[:, -1] == synthetic.COLON).all()
    assert (labels == answer[:, None]).sum() == 300  # the answer is exactly one of the labels
    for prompt, right, tags in zip(tokens, answer, labels, strict=True):
        demos = prompt[1 : 1 + shots * synthetic.LINE].reshape(shots, synthetic.LINE)
        query = prompt[-synthetic.WORDS_PER_LINE - 1 : -1]
        counts = [(demos[:, 3] == tag).sum() for tag in tags]
        assert max(counts) - min(counts) <= 1 and sum(counts) == shots
        assert not (demos[:, :2] == query).all(1).any()  # the query is no demonstration
        same = topic_of(demos[:, 0]) == topic_of(query[0])
        assert ((demos[:, 3] == right) == same).all()


def test_pair_probe():
    tokens, answer, labels = synthetic.pair_probe(rng(), 300, 8)
    assert (tokens[:, -1] == synthetic.QUESTION).all()
    same = topic_of(tokens[:, -3]) == topic_of(tokens[:, -2])
    assert (np.where(same, labels[:, 0], labels[:, 1]) == answer).all()
    assert 0.4 < same.mean() < 0.6


@pytest.mark.parametrize("classes", [2, 4])
def test_topic_task_rows_are_distinct_and_balanced(classes):
    rows = classes * len(synthetic.LINES)
    table = synthetic.topic_task(rng(), classes, rows)
    assert len({row["text"] for row in table}) == rows
    labels = Counter(row["label"] for row in table)
    assert labels == dict.fromkeys(range(classes), len(synthetic.LINES))
    for row in table:
        first, second = (synthetic.VOCABULARY.index(word) for word in row["text"].split())
        assert topic_of(first) == topic_of(second)
    assert len({(row["label"], row["label_text"]) for row in table}) == classes
    assert len({row["label_text"] for row in table}) == classes
    with pytest.raises(InputError, match="different lines"):
        synthetic.topic_task(rng(), classes, rows + 1)


def topics_of(row):
    tokens = [synthetic.VOCABULARY.index(word) for word in row["text"].split()]
    places = [divmod(t - synthetic.FIRST_WORD, synthetic.WORDS_PER_TOPIC) for t in tokens]
    return [topic for topic, _ in places], [word for _, word in places]


def test_words_that_are_held_out_are_in_queries_alone():
    rows = synthetic.topic_task(np.random.default_rng(0), 8, 440, held_out=4)
    by_split = {split: [r for r in rows if r["split"] == split] for split in ("train", "test")}
    assert len(by_split["train"]) == 440 and len(by_split["test"]) == 8 * 4 * 3
    assert {word for r in by_split["train"] for word in topics_of(r)[1]} == set(range(8))
    assert {word for r in by_split["test"] for word in topics_of(r)[1]} == set(range(8, 12))
    assert len({r["text"] for r in rows}) == len(rows)
    with pytest.raises(InputError, match="8 topics make only 448 different lines"):
        synthetic.topic_task(np.random.default_rng(0), 8, 449, held_out=4)


def test_mixed_lines_have_the_label_of_their_first_word():
    rng = np.random.default_rng
    rows, plain = (synthetic.topic_task(rng(0), 4, 400, mixed=share) for share in (0.5, 0.0))
    assert [row["label"] for row in rows] == [row["label"] for row in plain]
    topic = {row["label"]: topics_of(row)[0][0] for row in plain}
    mixed = [topics_of(row)[0][0] != topics_of(row)[0][1] for row in rows]
    assert 0.4 < np.mean(mixed) < 0.6
    assert all(topics_of(row)[0][0] == topic[row["label"]] for row in rows)
    assert {t for row in rows for t in topics_of(row)[0]} == set(topic.values())
    assert len({row["text"] for row in rows}) == len(rows)
    both = synthetic.topic_task(rng(0), 4, 200, mixed=1.0, held_out=4)
    assert {word for r in both if r["split"] == "train" for word in topics_of(r)[1]} <= set(
        range(8)
    )


def test_pair_task_rows_are_distinct_and_balanced():
    table = synthetic.pair_task(rng(), 600)
    assert len({(row["premise"], row["hypothesis"]) for row in table}) == 600
    assert Counter(row["label"] for row in table) == {0: 300, 1: 300}
    for row in table:
        words = [synthetic.WORDS.index(row[key]) for key in ("premise", "hypothesis")]
        same = words[0] // synthetic.WORDS_PER_TOPIC == words[1] // synthetic.WORDS_PER_TOPIC
        assert row["label"] == (0 if same else 1)
    with pytest.raises(InputError, match="pairs exist"):
        synthetic.pair_task(rng(), 10**6)


def test_tokenizer_round_trip():
    tokenizer = Tokenizer.from_str(synthetic.tokenizer_json())
    assert len(set(synthetic.VOCABULARY)) == len(synthetic.VOCABULARY) == tokenizer.get_vocab_size()
    a, b, tag = *synthetic.WORDS[:2], synthetic.TAG_WORDS[0]
    encoded = tokenizer.encode(f"{a} {b} : {tag}\n{b} {a} ?")
    expected = ["<s>", a, b, ":", tag, "\n", b, a, "?"]
    assert encoded.tokens == expected
    assert encoded.ids == [synthetic.VOCABULARY.index(token) for token in expected]
    assert tokenizer.encode("no such words").ids == [synthetic.BOS] + [synthetic.UNKNOWN] * 3
    tokens, _ = synthetic.documents(rng(), 1, LENGTH, synthetic.Mixture())
    text = " ".join(synthetic.VOCABULARY[t] for t in tokens[0, 1:])
    assert tokenizer.encode(text).ids == tokens[0].tolist()
