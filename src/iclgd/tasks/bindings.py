"""The exact Bayesian reader of documents of topics and of pairs (`synthetic`).

A document binds keys to tags: the topics of its lines, or, in documents of pairs, whether the two
words share a topic. `synthetic.documents` orders topics and tags at random and gives the i-th
topic the i-th tag, so that a priori the map from keys to tags is a uniform injection. Which keys
lines have is drawn without a look at tags, and so is how many keys a document binds; a line that
is repeated has its own tag again. So inputs are exogenous: of the map they tell nothing, tags alone
do. After lines that bind some keys, the tag of a bound key is certain, and that of any other is
uniform over the tags that no key has: p(tag | lines, key) in closed form, in any order of lines.
"""

from __future__ import annotations

import numpy as np

from iclgd.io.cli import InputError
from iclgd.tasks.synthetic import (
    COLON,
    FIRST_TAG,
    FIRST_WORD,
    LINE,
    NEWLINE,
    QUESTION,
    TAGS,
    TOPICS,
    VOCABULARY,
    WORDS_PER_LINE,
    WORDS_PER_TOPIC,
)


def read(sequences: list[list[int]], task: str) -> np.ndarray:
    """p(next token | prompt) [prompts, vocabulary]. Prompts: BOS, lines, and a line up to its tag.

    Nothing is trained. Raises InputError that names the ``task`` and the line for what no document
    of the language has: other lines, lines of both kinds, a key with two tags or a tag of two keys.
    """
    found = np.zeros((len(sequences), len(VOCABULARY)))
    for row, tokens in zip(found, sequences, strict=True):
        lines = [tokens[at : at + LINE] for at in range(1, len(tokens), LINE)]
        bound: dict[int, int] = {}
        for line in lines[:-1]:
            tag = _tag(line, task)
            if bound.setdefault(_key(line, lines[-1], task), tag) != tag:
                raise _unreadable(line, task, "binds words that another line binds otherwise")
        tags = list(bound.values())
        if twice := {tag for tag in tags if tags.count(tag) > 1}:
            line = next(line for line in lines[:-1] if line[-2] in twice)
            raise _unreadable(line, task, "has a tag that is bound to other words as well")
        if len(lines[-1]) != WORDS_PER_LINE + 1:
            raise _unreadable(lines[-1], task, "is no line up to its tag")
        key = _key(lines[-1], lines[-1], task)
        free = [FIRST_TAG + tag for tag in range(TAGS) if FIRST_TAG + tag not in tags]
        possible = [bound[key]] if key in bound else free
        row[possible] = 1 / len(possible)
    return found


def _key(line: list[int], last: list[int], task: str) -> int:
    """What binds a tag in a line: its topic, or `TOPICS` for two words of one topic and one more
    for those of two. ``last``: a line of the same document."""
    words, mark = line[:WORDS_PER_LINE], line[WORDS_PER_LINE : WORDS_PER_LINE + 1]
    known = all(FIRST_WORD <= word < FIRST_TAG for word in words)
    if not known or mark not in ([COLON], [QUESTION]):
        raise _unreadable(line, task, "is no line of the language")
    if mark != last[WORDS_PER_LINE : WORDS_PER_LINE + 1]:
        raise _unreadable(line, task, "is of another kind than the last")
    topics = {(word - FIRST_WORD) // WORDS_PER_TOPIC for word in words}
    if mark == [QUESTION]:
        return TOPICS + len(topics) - 1
    if len(topics) > 1:
        raise _unreadable(line, task, "has words of two topics")
    return topics.pop()


def _tag(line: list[int], task: str) -> int:
    """The tag of a whole line."""
    if len(line) != LINE or line[-2] < FIRST_TAG or line[-1] != NEWLINE:
        raise _unreadable(line, task, "is no line of the language")
    return line[-2]


def _unreadable(line: list[int], task: str, why: str) -> InputError:
    text = " ".join(VOCABULARY[token] for token in line).replace("\n", "\\n")
    return InputError(f"task {task}: Bayes cannot read it, as {text!r} {why}")
