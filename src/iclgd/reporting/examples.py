"""Example prompts for the report, with the answers of both learners.

No model is loaded: distributions are read from logits tables, and tokens are spelled by the
tokenizer in the model's folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from tokenizers import Tokenizer

from iclgd.io.cli import InputError
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.io.schemas.keys import KEY_COLUMNS
from iclgd.metrics import agreement, distributions, pairing
from iclgd.models import loading
from iclgd.tasks import prompts

# Of the test queries of two learners, by total variation: typical and extreme ones.
PLACES = {
    "nearest": 0,
    "lower quartile": 0.25,
    "median": 0.5,
    "upper quartile": 0.75,
    "farthest": 1,
}
BROKEN = "\N{REPLACEMENT CHARACTER}"
UNTRUSTED = {"remote_code": False}


def compared(a: pl.DataFrame, b: pl.DataFrame, name_b: str, epoch: int) -> pl.DataFrame:
    """The answers of both learners to the test queries at ``PLACES``; of b at one epoch.

    ``a`` and ``b`` are logits tables. The rows are those of `pairing.paired`, with the pair's
    names, ``place``, ``tv`` and ``token_overlap``; ties in total variation go by draw, order and
    example, and where fewer than five are left, each has the first of its places. Queries
    without a distribution are left out.
    """
    pairs = pairing.paired(a.filter(split="test"), b.filter(split="test", epoch=epoch))
    pairs = pairs.filter(status="ok", status_a="ok")
    pairs = pairs.rename({"learner_a": "a"}).with_columns(b=pl.lit(name_b))
    at: dict[int, str] = {}
    if len(pairs):
        tops = pairing.top(pairs, "_a"), pairing.top(pairs, "")
        tv, overlap = distributions.total_variation(*tops)[0], agreement.token_overlap(*tops)
        pairs = pairs.with_columns(tv=tv, token_overlap=overlap).sort("tv", *KEY_COLUMNS)
        for place, share in PLACES.items():
            at.setdefault(round(share * (len(pairs) - 1)), place)
    return pairs[list(at)].with_columns(place=pl.Series(list(at.values()), dtype=pl.String))


def likely(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` of `compared` with both distributions over likely tokens.

    Adds ``ids``: a's ten likeliest tokens, then b's others, and in their order ``probability_a``,
    ``probability_b``, ``rank_a`` and ``rank_b`` (from 1); null for a token that this side's
    table does not keep.
    """
    found = []
    for row in rows.iter_rows(named=True):
        sides = {"a": (row["top_ids_a"], row["top_logprobs_a"])}
        sides["b"] = (row["top_ids"], row["top_logprobs"])
        ids = list(dict.fromkeys(i for top, _ in sides.values() for i in top[: agreement.K]))
        columns = {"ids": ids}
        for side, (top, logprobs) in sides.items():
            rank = {token: place for place, token in enumerate(top, start=1)}
            probability = dict(zip(top, np.exp(np.array(logprobs, float)).tolist(), strict=True))
            columns[f"probability_{side}"] = [probability.get(i) for i in ids]
            columns[f"rank_{side}"] = [rank.get(i) for i in ids]
        found.append(columns)
    names = ("probability_a", "probability_b", "rank_a", "rank_b")
    kinds = {"ids": pl.List(pl.Int32), **{name: EXAMPLES[name] for name in names}}
    return rows.hstack(pl.DataFrame(found, schema=kinds))


class InPython:
    """A tokenizer of transformers that has no backend in Rust, with the names of one that has."""

    decoder = "its own"

    def __init__(self, tokens):
        self.tokens = tokens
        self.known = set(tokens.get_vocab().values())

    def id_to_token(self, token: int) -> str | None:
        piece = self.tokens.convert_ids_to_tokens(token) if token in self.known else None
        return piece.decode(errors="backslashreplace") if isinstance(piece, bytes) else piece

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        # Cleaning up would move spaces in front of punctuation.
        plain = {"clean_up_tokenization_spaces": False}
        return self.tokens.decode(ids, skip_special_tokens=skip_special_tokens, **plain)


def tokenizer(folder: Path, manifest: dict = UNTRUSTED) -> Tokenizer | InPython:
    """The tokenizer of a model folder; only one without tokenizer.json needs transformers.

    Code that comes with it runs only if its ``manifest`` allows that. Raises InputError naming
    the folder if there is none, or it is broken.
    """
    path = folder / "tokenizer.json"
    try:
        if path.is_file():
            return Tokenizer.from_file(str(path))
        from transformers import AutoTokenizer

        found = AutoTokenizer.from_pretrained(folder, **loading.trust(manifest))
        return getattr(found, "backend_tokenizer", None) or InPython(found)
    except Exception as error:  # tokenizers raises nothing more special
        why = " ".join(str(error).split())
        raise InputError(f"{folder}: its tokenizer cannot be read ({why})") from error


def spelled_token(tokens: Tokenizer | InPython, token: int) -> str:
    """A token as it stands within a text; ``[id]`` for one that only the embedding has.

    Decoders strip the white space around a text, so the token is decoded twice in a row. A token
    that is not a whole character, is decoded as nothing or otherwise at the end of a text, or has
    white space of its own, has the tokenizer's own spelling.
    """
    piece = tokens.id_to_token(token)
    if piece is None:
        return f"[{token}]"
    if tokens.decoder is None or piece != piece.strip():
        return piece
    once, twice = (tokens.decode([token] * n, skip_special_tokens=False) for n in (1, 2))
    text = twice[len(once) :] if twice.startswith(once) else ""
    return piece if not text or BROKEN in text else text


def spell(rows: pl.DataFrame, tokens: Tokenizer | InPython) -> pl.DataFrame:
    """``rows`` of `likely` with their tokens and the right answer's first one as text."""
    spelled = [[spelled_token(tokens, token) for token in ids] for ids in rows["ids"]]
    answers = [spelled_token(tokens, token) for token in rows["answer_id"]]
    return rows.with_columns(pl.Series("tokens", spelled), pl.Series("answer_token", answers))


def prompts_of(
    task: pl.DataFrame, demonstrations: pl.DataFrame, shown: pl.DataFrame, shift: str | None
) -> pl.DataFrame:
    """What both learners saw for each of ``shown`` (rows of `compared`): columns of `EXAMPLES`.

    ``demonstrations_b`` is null for a trained learner, which is given the query alone; a reference
    (``shift``, see `pairing.shifted`) has other demonstrations than ICL, or another order.
    """
    words, keys = prompts.labels(task), shown.select("draw", "order").rows()

    def runs_of(table: pl.DataFrame) -> list[prompts.Demonstrations]:
        by_key = {(run.draw, run.order): run for run in prompts.in_order(table)}
        return [by_key.get(key, prompts.Demonstrations(*key, ())) for key in keys]

    def texts(table: pl.DataFrame) -> list[list[str]]:
        runs = runs_of(table)
        return [prompts.shown(prompts.bound(task, run, words), run.examples) for run in runs]

    theirs = texts(pairing.shifted(demonstrations, shift) if shift else demonstrations)
    trained = shown["loss"].is_not_null()
    parts = ("instruction", "text", "answer")
    runs = runs_of(demonstrations)
    rows_of = prompts.rows_of(task, runs)
    rows = [
        rows_of[run.binding][example] for run, example in zip(runs, shown["example"], strict=True)
    ]
    return pl.DataFrame(
        {
            **{part: [row[part] for row in rows] for part in parts},
            "demonstrations": texts(demonstrations),
            "demonstrations_b": [
                None if alone else one for alone, one in zip(trained, theirs, strict=True)
            ],
        },
        schema_overrides={"demonstrations_b": pl.List(pl.String)},
    )
