"""GINC: a language whose documents come from hidden concepts, and its exact Bayesian reader.

Xie et al. (2022, arXiv 2111.02080): a concept is a hidden Markov model whose states are pairs of
an entity and a property. Concepts differ in how properties follow each other; entities, which
mostly stay, and the emission table (the token of each entity and property) are shared by all
concepts. Property 0 emits the delimiter. A document comes from one concept. A prompt is *not*
like a document: short examples, each of another entity, all begin with the same property and
are separated by delimiters.

Symbols are words of the made-up language (`synthetic`), so its tokenizer is GINC's as well.
Differences from the authors' code: no two entities emit the same token for a property, every
state can follow every other (with `LEAK`, else a prompt may be impossible in each concept),
and examples have no delimiter inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from iclgd.io.cli import InputError
from iclgd.tasks import synthetic

CONCEPTS, ENTITIES, PROPERTIES, SYMBOLS = 5, 10, 10, 150
LENGTH = 5  # tokens of an example, its label included, in the probes
STAY = 0.9  # probability that the entity stays; else a mixture of permutations
TEMPERATURE = 0.3  # of the softmax over permutations: near 0, one of them has all the weight
LEAK = 0.01
SEED = 1111
FLOOR = 1e-30  # stands for probability 0, whose logarithm is not finite
POOL = 20_000  # examples that a task is chosen from


@dataclass(frozen=True)
class Family:
    """A mixture of C hidden Markov models with H states over V tokens, equally likely at first.

    ``start`` [C, H], ``transition`` [C, H, H] (rows sum to 1), ``emission`` [H, V], common to
    all.
    """

    start: np.ndarray
    transition: np.ndarray
    emission: np.ndarray


def _mixed_permutations(rng: np.random.Generator, size: int) -> np.ndarray:
    """A doubly stochastic matrix without zeros: random permutations with few large weights."""
    weights = np.exp(rng.random(size) / TEMPERATURE)
    permutations = np.eye(size)[np.array([rng.permutation(size) for _ in range(size)])]
    return (1 - LEAK) * np.tensordot(weights / weights.sum(), permutations, 1) + LEAK / size


@cache
def memory() -> np.ndarray:
    """Token id of every property of every entity, [ENTITIES, PROPERTIES]."""
    rng = np.random.default_rng([SEED, 0])
    symbols = synthetic.FIRST_WORD + synthetic.choose(rng, PROPERTIES, SYMBOLS, ENTITIES).T
    symbols[:, 0] = synthetic.NEWLINE
    return symbols


@cache
def family() -> Family:
    """The language's concepts; state ``entity * PROPERTIES + property``."""
    rng = np.random.default_rng([SEED, 1])
    entities = STAY * np.eye(ENTITIES) + (1 - STAY) * _mixed_permutations(rng, ENTITIES)
    transition = []
    for _ in range(CONCEPTS):
        transition.append(np.kron(entities, _mixed_permutations(rng, PROPERTIES)))
    states = ENTITIES * PROPERTIES
    start = np.full((CONCEPTS, states), 1 / states)
    emission = np.eye(len(synthetic.VOCABULARY))[memory().flatten()]
    return Family(start, np.array(transition), emission)


def _next(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """One choice from every distribution ``rows`` [count, states]."""
    return (rows.cumsum(1) < rng.random((len(rows), 1))).sum(1).clip(max=rows.shape[1] - 1)


def _walk(
    rng: np.random.Generator, concepts: np.ndarray, states: np.ndarray, length: int
) -> np.ndarray:
    """States [count, length] of concepts [count], the first of them ``states`` [count]."""
    path = [states]
    while len(path) < length:
        path.append(_next(rng, family().transition[concepts, path[-1]]))
    return np.stack(path, 1)


def documents(rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    """Documents [count, length] of one concept each, BOS in front."""
    concepts = rng.integers(0, CONCEPTS, count)
    states = _walk(rng, concepts, _next(rng, family().start[concepts]), length - 1)
    return np.column_stack([np.full(count, synthetic.BOS), memory().flatten()[states]])


def beliefs(family: Family, tokens: np.ndarray) -> np.ndarray:
    """p(concept, next state | tokens) [count, C, H] after ``tokens`` [count, time], exactly.

    The forward algorithm over concept and state together; a concept never changes:
    b_0 = p(c) start, b_{t+1}(c, .) ~ (b_t(c, .) emission(., x_t)) transition(c), normalised
    over both. Raises InputError where no concept can emit the tokens.
    """
    concepts = len(family.start)
    belief = np.repeat(family.start[:, None] / concepts, len(tokens), 1)  # [C, count, H]
    for t in range(tokens.shape[1]):
        belief = belief * family.emission[:, tokens[:, t]].T
        total = belief.sum((0, 2))
        if not total.all():
            row = int(np.argmin(total))
            raise InputError(f"GINC cannot tell token {tokens[row, t]} at place {t} of {row}")
        belief = belief / total[:, None] @ family.transition
    return belief.swapaxes(0, 1)


def predict(family: Family, tokens: np.ndarray) -> np.ndarray:
    """p(next token | tokens) = sum_c p(c | tokens) p(next | tokens, c), [count, V].

    The Bayes-optimal prediction for documents (Xie et al., equation 1); nothing is trained.
    """
    return beliefs(family, tokens).sum(1) @ family.emission


def examples(
    rng: np.random.Generator, concepts: np.ndarray, properties: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Examples that begin with ``properties`` [count], of any entity and without a delimiter.

    Returns ``tokens`` [count, length - 1] and ``labels`` [count], the most likely token
    after them, given concept and first property (Xie et al., section 4).
    """
    count, of = len(concepts), memory().flatten()
    tokens, labels = np.zeros((count, length - 1), int), np.zeros(count, int)
    left = np.arange(count)
    while len(left):
        states = rng.integers(0, ENTITIES, len(left)) * PROPERTIES + properties[left]
        tokens[left] = of[_walk(rng, concepts[left], states, length - 1)]
        labels[left] = label(concepts[left], properties[left], tokens[left])
        broken = (tokens[left] == synthetic.NEWLINE).any(1) | (labels[left] == synthetic.NEWLINE)
        left = left[broken]
    return tokens, labels


def label(concepts: np.ndarray, properties: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The most likely token after ``tokens`` [count, time] for given concept and property."""
    found = np.zeros(len(tokens), int)
    for pair in {*zip(concepts.tolist(), properties.tolist(), strict=True)}:
        rows = (concepts == pair[0]) & (properties == pair[1])
        start = np.zeros((ENTITIES, PROPERTIES))
        start[:, pair[1]] = 1 / ENTITIES
        known = Family(start.reshape(1, -1), family().transition[[pair[0]]], family().emission)
        found[rows] = predict(known, tokens[rows]).argmax(1)
    return found


@cache
def beginnings(length: int) -> np.ndarray:
    """Pairs (concept, first property) [pairs, 2] whose likeliest examples have no delimiter."""
    of = family().transition.reshape(CONCEPTS, ENTITIES, PROPERTIES, ENTITIES, PROPERTIES)
    likeliest = of.sum((1, 3)).argmax(-1)
    concept, first = (grid.flatten() for grid in np.indices(likeliest.shape))
    valid, at = first > 0, first
    for _ in range(length - 1):
        at = likeliest[concept, at]
        valid &= at > 0
    return np.column_stack([concept, first])[valid]


def probe(
    rng: np.random.Generator, count: int, shots: int, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prompts of ``shots`` examples and a query of ``length - 1`` tokens, BOS in front.

    Returns ``tokens`` [count, 1 + shots * (length + 1) + length - 1], ``answer`` [count] and
    ``labels`` [count, V], every token.
    """
    concepts, properties = rng.choice(beginnings(length), count).T
    parts = [np.full((count, 1), synthetic.BOS)]
    for _ in range(shots):
        tokens, answers = examples(rng, concepts, properties, length)
        parts += [tokens, answers[:, None], np.full((count, 1), synthetic.NEWLINE)]
    tokens, answers = examples(rng, concepts, properties, length)
    labels = np.tile(np.arange(len(synthetic.VOCABULARY)), (count, 1))
    return np.column_stack([*parts, tokens]), answers, labels


def make_task(
    rng: np.random.Generator, kind: str, rows: int, classes: int = 2, length: int = LENGTH
) -> list[dict]:
    """Rows of one concept and first property, ``{"text", "label", "label_text"}``, all different.

    ``kind`` is ``ginc``, the only one; ``length`` counts the label. The class is an entity
    (``classes`` of them), whose token is that of the property likeliest after most examples; others
    are left out. Classes take turns, so any leading part is balanced. Raises InputError if
    there are too few examples.
    """
    if not 2 <= classes <= ENTITIES:
        raise InputError(f"{classes} classes requested, but GINC has {ENTITIES} entities")
    concept, first = rng.choice(beginnings(length))
    entities = rng.choice(ENTITIES, classes, replace=False)
    tokens, labels = examples(rng, np.full(POOL, concept), np.full(POOL, first), length)
    end = np.argmax([np.isin(labels, tokens_of).sum() for tokens_of in memory().T])
    words = memory()[entities, end].tolist()
    texts = {word: [] for word in words}
    for text, word in zip(map(tuple, tokens.tolist()), labels.tolist(), strict=True):
        if word in texts and text not in texts[word]:
            texts[word].append(text)
    most = classes * min(map(len, texts.values()))
    if rows > most:
        raise InputError(f"{rows} rows requested, but only {most} different examples were found")
    return [
        {
            "text": " ".join(
                synthetic.VOCABULARY[t] for t in texts[words[i % classes]][i // classes]
            ),
            "label": i % classes,
            "label_text": synthetic.VOCABULARY[words[i % classes]],
        }
        for i in range(rows)
    ]


def read(sequences: list[list[int]], task: str) -> np.ndarray:
    """`predict` after prompts, [prompts, V]. Raises InputError as `symbols` and `beliefs`."""
    return predict(family(), symbols(sequences, task))


def symbols(sequences: list[list[int]], task: str) -> np.ndarray:
    """Prompts [count, time] without BOS. Raises InputError if they are not of GINC's words.

    Examples of a task are of one length, and so are all prompts of a design.
    """
    known = {synthetic.BOS, *memory().flatten().tolist()}
    for sequence in sequences:
        for token in sequence:
            if token not in known:
                word = synthetic.VOCABULARY[token]
                raise InputError(
                    f"task {task}: {word!r} is no word of GINC, so Bayes cannot read it"
                )
    if len({len(sequence) for sequence in sequences}) != 1:
        raise InputError(f"task {task}: examples of GINC are of one length, these are not")
    return np.array(sequences)[:, 1:]
