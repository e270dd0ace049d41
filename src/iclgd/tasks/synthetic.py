"""A made-up language whose documents make in-context learning worth learning.

The language has *topics* (clusters of words) and *tags*. A document binds a few
topics to tags drawn at random; each of its lines shows words of one topic, a colon and
the topic's tag. The same topic carries other tags in other documents, so only the context
determines which tag comes next: a model that predicts the next token well has
learned to learn in context (burstiness: Chan et al. 2022, arXiv 2205.05055; documents
with a latent concept: Xie et al. 2022, arXiv 2111.02080).

Two kinds of documents:

* topics: ``bado mela : Zam`` - the tag belongs to the topic of the words;
* pairs: ``bado mela ? Zam`` - one tag says that both words share a topic, another that
  they do not (the shape of textual entailment).

All randomness comes from the ``numpy.random.Generator`` that the caller passes.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np

from iclgd.io.cli import InputError

TOPICS, WORDS_PER_TOPIC, TAGS = 16, 12, 16
WORDS_PER_LINE = 2
LINE = WORDS_PER_LINE + 3  # words, colon or question mark, tag, new line
BOS, UNKNOWN, NEWLINE, COLON, QUESTION = range(5)
HELD_OUT = 2**31 + 1  # a seed that no recipe uses
SPECIAL = ("<s>", "<unk>", "\n", ":", "?")


def _vocabulary() -> tuple[list[str], list[str]]:
    """Pronounceable words (two syllables) and capitalised tags (one), always the same."""
    rng = np.random.default_rng(20240601)
    syllables = [c + v for c, v in itertools.product("bdfgklmnprstvz", "aeiou")]
    words = [a + b for a, b in itertools.product(syllables, syllables) if a != b]
    words = list(rng.choice(words, TOPICS * WORDS_PER_TOPIC, replace=False))
    tags = [s.capitalize() + c for s, c in itertools.product(syllables, "lmnrs")]
    return [str(w) for w in words], [str(t) for t in rng.choice(tags, TAGS, replace=False)]


WORDS, TAG_WORDS = _vocabulary()
VOCABULARY = [*SPECIAL, *WORDS, *TAG_WORDS]
FIRST_WORD = len(SPECIAL)
FIRST_TAG = FIRST_WORD + len(WORDS)


def topic_words(topic: int) -> np.ndarray:
    """Token ids of the words of ``topic`` (0 ... TOPICS - 1), shape [WORDS_PER_TOPIC]."""
    return FIRST_WORD + topic * WORDS_PER_TOPIC + np.arange(WORDS_PER_TOPIC)


# The lines a topic can have: ordered choices of its words, shape [lines, WORDS_PER_LINE].
LINES = np.array(list(itertools.permutations(range(WORDS_PER_TOPIC), WORDS_PER_LINE)))


@dataclass(frozen=True)
class Mixture:
    """What pretraining documents are made of.

    ``repeat`` is the share of lines that repeat an earlier line of their document,
    ``pairs`` the share of pair documents, ``topics`` the least and the greatest number of
    topics that one topic document binds; ``ginc`` the share of documents that are of another
    language instead, made of hidden Markov models (see the module of that name).
    """

    repeat: float = 0.0
    pairs: float = 0.0
    topics: tuple[int, int] = (2, 4)
    ginc: float = 0.0


def choose(rng: np.random.Generator, count: int, size: int, chosen: int) -> np.ndarray:
    """``count`` random orders of ``chosen`` different numbers below ``size``, [count, chosen]."""
    return rng.random((count, size)).argsort(axis=1)[:, :chosen]


def _topic_bodies(rng: np.random.Generator, topics: np.ndarray) -> np.ndarray:
    """Words and colon of one line for every topic of ``topics`` [count, lines].

    Two lines of one document are never the same. Shape [count, lines, WORDS_PER_LINE + 1].
    """
    words = LINES[choose(rng, len(topics), len(LINES), topics.shape[1])]
    words = FIRST_WORD + topics[..., None] * WORDS_PER_TOPIC + words
    return np.concatenate([words, np.full((*topics.shape, 1), COLON)], axis=-1)


def _pair_bodies(rng: np.random.Generator, different: np.ndarray) -> np.ndarray:
    """Two words and question mark for every entry of ``different`` [count, lines].

    The words share a topic where it is false. Shape [count, lines, WORDS_PER_LINE + 1].
    """
    left = rng.integers(0, TOPICS, different.shape)
    right = (left + different * rng.integers(1, TOPICS, different.shape)) % TOPICS
    words = LINES[rng.integers(0, len(LINES), different.shape)]
    words = FIRST_WORD + np.stack([left, right], axis=-1) * WORDS_PER_TOPIC + words
    return np.concatenate([words, np.full((*different.shape, 1), QUESTION)], axis=-1)


def _with_tags(bodies: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """Lines [count, lines, LINE]: bodies, each followed by its tag and a new line."""
    return np.concatenate([bodies, tags[..., None], np.full((*tags.shape, 1), NEWLINE)], axis=-1)


def _document(lines: np.ndarray, length: int) -> np.ndarray:
    """BOS and the lines [count, lines, LINE], cut to ``length`` tokens."""
    flat = lines.reshape(len(lines), -1)
    return np.concatenate([np.full((len(lines), 1), BOS), flat], axis=1)[:, :length]


def documents(
    rng: np.random.Generator, count: int, length: int, mixture: Mixture
) -> tuple[np.ndarray, np.ndarray]:
    """Draw documents as token ids.

    Returns ``tokens`` [count, length] and ``is_tag`` [count, length], true where a token is a
    tag. Every document starts with BOS; the last line may be cut by ``length``.
    """
    size = -(-(length - 1) // LINE)
    row = np.arange(count)[:, None]
    of_pairs = rng.random(count) < mixture.pairs
    bound = rng.integers(mixture.topics[0], mixture.topics[1] + 1, count)
    bound[of_pairs] = 2
    topics, tags = choose(rng, count, TOPICS, TOPICS), choose(rng, count, TAGS, TAGS)
    # Which of the document's bindings each line shows: a topic, or same (0) / different (1).
    binding = rng.integers(0, bound[:, None], (count, size))
    bodies = _topic_bodies(rng, topics[row, binding])
    bodies[of_pairs] = _pair_bodies(rng, binding[of_pairs])
    lines = _with_tags(bodies, FIRST_TAG + tags[row, binding])
    # A repeated line copies one of the lines before it (the first line has none to copy).
    repeated = rng.random((count, size)) < mixture.repeat
    earlier = rng.integers(0, np.maximum(np.arange(size), 1), (count, size))
    for line in range(1, size):
        again = repeated[:, line]
        lines[again, line] = lines[again, earlier[again, line]]
    tokens = _document(lines, length)
    return tokens, tokens >= FIRST_TAG


def text(tokens: np.ndarray) -> str:
    """A document [length] as text, which `tokenizer_json` turns into the same tokens again."""
    words = " ".join(VOCABULARY[token] for token in tokens if token != BOS)
    return re.sub(" ?\n ?", "\n", words)


def held_out(count: int, lines: int = 12) -> list[str]:
    """``count`` documents of whole lines that no model was trained on, always the same.

    They are of the mixture that the built-in models learned from, and as long as theirs.
    """
    rng = np.random.default_rng(HELD_OUT)
    mixture = Mixture(repeat=0.3, topics=(3, 5))
    return [text(tokens) for tokens in documents(rng, count, 1 + lines * LINE, mixture)[0]]


def _probe(
    rng: np.random.Generator, shots: int, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Class of every line of a probe [count, shots + 1], and the answer's token id [count].

    Demonstrations are class-balanced as far as ``shots`` allows and in random order; the
    query, the last line, is of a random class.
    """
    count, classes = labels.shape
    shown = rng.permuted(np.tile(np.arange(shots) % classes, (count, 1)), axis=1)
    query = rng.integers(0, classes, count)
    return np.column_stack([shown, query]), labels[np.arange(count), query]


def probe(
    rng: np.random.Generator, count: int, shots: int, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prompts that need in-context learning: ``shots`` topic lines, then a query.

    Demonstrations are class-balanced as far as ``shots`` allows and in random order, and no
    two lines are the same. Returns ``tokens`` [count, (shots + 1) * LINE - 1] that end with
    the query's colon, ``answer`` [count] (a token id) and ``labels`` [count, classes], the
    token ids of the tags in play.
    """
    topics = choose(rng, count, TOPICS, classes)
    labels = FIRST_TAG + choose(rng, count, TAGS, classes)
    which, answer = _probe(rng, shots, labels)
    row = np.arange(count)[:, None]
    lines = _with_tags(_topic_bodies(rng, topics[row, which]), labels[row, which])
    return _document(lines, (shots + 1) * LINE - 1), answer, labels


def pair_probe(
    rng: np.random.Generator, count: int, shots: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for pair lines: two tags, for words that share a topic and that do not."""
    labels = FIRST_TAG + choose(rng, count, TAGS, 2)
    which, answer = _probe(rng, shots, labels)
    lines = _with_tags(_pair_bodies(rng, which), labels[np.arange(count)[:, None], which])
    return _document(lines, (shots + 1) * LINE - 1), answer, labels


def topic_task(
    rng: np.random.Generator, classes: int, rows: int, mixed: float = 0.0, held_out: int = 0
) -> list[dict]:
    """Rows of a topic task, ``{"text", "label", "label_text"}``, all texts different.

    Classes take turns, so any leading part of the table is balanced. In a share ``mixed`` of
    the rows the second word is of another topic of the task: no document has such lines, and the
    label is that of the first word. The last ``held_out`` words of each topic are in queries
    alone, and these have no others: such rows have the ``split`` train or test, and there are
    ``rows`` of the former. Raises InputError if the language has fewer different lines than
    requested.
    """
    topics = rng.choice(TOPICS, classes, replace=False)
    tags = rng.choice(TAGS, classes, replace=False)
    lines = [rng.permutation(LINES) for _ in range(classes)]
    table = []
    for split, own in _lines_by_split(lines, held_out).items():
        count = rows if split != "test" else classes * len(own[0])
        if count > classes * len(own[0]):
            raise InputError(
                f"{count} rows requested, but {classes} topics make only "
                f"{classes * len(own[0])} different lines"
            )
        for i in range(count):
            label, words = i % classes, own[i % classes][i // classes]
            ids = topic_words(topics[label])[words]
            row = {"label": label, "label_text": TAG_WORDS[tags[label]]}
            table.append({"ids": ids, **row, **({"split": split} if split else {})})
    if mixed:
        _mix(rng, table, [topic_words(topic) for topic in topics], mixed)
    return [{"text": " ".join(VOCABULARY[t] for t in row.pop("ids")), **row} for row in table]


def _lines_by_split(lines: list[np.ndarray], held_out: int) -> dict[str, list[np.ndarray]]:
    """The lines [lines, WORDS_PER_LINE] of every class by split, which is empty if there is one."""
    if not held_out:
        return {"": lines}
    known = WORDS_PER_TOPIC - held_out
    return {
        "train": [own[(own < known).all(1)] for own in lines],
        "test": [own[(own >= known).all(1)] for own in lines],
    }


def _mix(rng: np.random.Generator, table: list[dict], words: list[np.ndarray], mixed: float):
    """Give a share ``mixed`` of the rows a second word of another class, at the same place."""
    taken = {tuple(row["ids"]) for row in table}
    for row in table:
        if rng.random() >= mixed:
            continue
        own = words[row["label"]]
        first, second = (int(np.flatnonzero(own == token)[0]) for token in row["ids"])
        others = [other for label, other in enumerate(words) if label != row["label"]]
        # The second word keeps its number within its topic, and with it its split.
        for other in (others[i] for i in rng.permutation(len(others))):
            if (own[first], other[second]) not in taken:
                row["ids"] = np.array([own[first], other[second]])
                taken.add(tuple(row["ids"]))
                break


def pair_task(rng: np.random.Generator, rows: int) -> list[dict]:
    """Rows of the pair task, ``{"premise", "hypothesis", "label", "label_text"}``.

    Label 0: both words share a topic; label 1: they do not. All pairs differ.
    """
    tags = rng.choice(TAGS, 2, replace=False)
    word = np.arange(len(WORDS))
    same = word[:, None] // WORDS_PER_TOPIC == word[None] // WORDS_PER_TOPIC
    pools = [np.argwhere(same & ~np.eye(len(WORDS), dtype=bool)), np.argwhere(~same)]
    if rows > 2 * min(map(len, pools)):
        raise InputError(f"{rows} rows requested, but only {2 * min(map(len, pools))} pairs exist")
    pools = [rng.permutation(pool) for pool in pools]
    return [
        {
            "premise": WORDS[pools[i % 2][i // 2][0]],
            "hypothesis": WORDS[pools[i % 2][i // 2][1]],
            "label": i % 2,
            "label_text": TAG_WORDS[tags[i % 2]],
        }
        for i in range(rows)
    ]


def tokenizer_json() -> str:
    """The language's tokenizer: one token a word, the new line and the colon; BOS in front."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token=SPECIAL[UNKNOWN])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" +"), "removed"),
            pre_tokenizers.Split("\n", "isolated"),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", BOS)]
    )
    tokenizer.add_special_tokens([SPECIAL[BOS], SPECIAL[UNKNOWN]])
    tokenizer.decoder = decoders.Fuse()
    return tokenizer.to_str(pretty=True)


def check_tokenizer(tokenizer, model: str) -> None:
    """Raise InputError unless ``tokenizer`` has the words of the language, as they are."""
    if tokenizer.get_vocab() != {word: i for i, word in enumerate(VOCABULARY)}:
        raise InputError(f"model {model}: its tokens are not those of the made-up language")


def make_task(
    rng: np.random.Generator, kind: str, rows: int, classes: int = 2, **more: float
) -> list[dict]:
    """A generated task of kind ``topics`` (``more`` as `topic_task`) or ``pairs`` (two classes)."""
    return topic_task(rng, classes, rows, **more) if kind == "topics" else pair_task(rng, rows)
