"""Example prompts for the report, with the answers of both learners.

No model is loaded and no metric computed: agreement tables say which queries are shown, logits
tables have their distributions, and the tokenizer in the model's folder spells tokens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from tokenizers import Tokenizer

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import agreement, pairing, registry
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
# What is read of agreement tables, and of logits tables: their keys, and what they hold there.
_KEYS = (*RUN_COLUMNS, "a", "b", *KEY_COLUMNS)
_READ = (*_KEYS, "split", "status", "loss", "tv", "token_overlap")
AGREED = {name: registry.AGREEMENT[name] for name in _READ}
LEARNER = [*RUN_COLUMNS, "learner"]
ASKED = {name: LOGITS[name] for name in (*LEARNER, *KEY_COLUMNS)}
ANSWERS = {name: LOGITS[name] for name in ("answer_id", "top_ids", "top_logprobs")}
# Rows of agreement tables that are shown, each with the run of b's answer.
CHOSEN = {**AGREED, "place": pl.String, "learner_b": pl.String}
CHOSEN |= {"draw_b": KEY_COLUMNS["draw"], "order_b": KEY_COLUMNS["order"]}
BROKEN = "\N{REPLACEMENT CHARACTER}"
UNTRUSTED = {"remote_code": False}


def chosen(pairs: pl.DataFrame, epoch: int, shift: str | None) -> pl.DataFrame:
    """The test queries at ``PLACES`` of two learners, by the total variation of their answers.

    ``pairs`` is their agreement table (`AGREED`). Its rows at ``epoch`` are sorted by ``tv``; ties
    go by draw, order and example, and where fewer than five are left, each has the first of its
    places. Queries without a distribution are left out. Returns the columns of `CHOSEN`; b's
    answers in a reference are a's own in another run, as `pairing.shifted` has it (``shift``).
    """
    rows = pairs.filter(split="test", status="ok", epoch=epoch).sort("tv", *KEY_COLUMNS)
    at: dict[int, str] = {}
    if len(rows):
        for place, share in PLACES.items():
            at.setdefault(round(share * (len(rows) - 1)), place)
    rows = rows[list(at)].with_columns(place=pl.Series(list(at.values()), dtype=pl.String))
    run = ["design", "draw", "order"]
    runs = pairs.select(*run, draw_b="draw", order_b="order").unique()
    runs = pairing.shifted(runs, shift) if shift else runs
    rows = rows.join(runs, on=run, how="left", maintain_order="left")
    return rows.with_columns(learner_b="a" if shift else "b").select(CHOSEN.keys())


def asked(rows: pl.DataFrame, side: str) -> pl.DataFrame:
    """Where logits tables have the answers of side ``a`` or ``b`` to rows of `chosen`: `ASKED`."""
    names = {"a": ("a", "draw", "order"), "b": ("learner_b", "draw_b", "order_b")}[side]
    theirs = dict(zip(("learner", "draw", "order"), names, strict=True))
    return rows.select(pl.col(theirs.get(name, name)).alias(name) for name in ASKED)


def answers(path: Path, keys: pl.DataFrame) -> pl.DataFrame:
    """Those of ``keys`` (`ASKED`) that a logits table has, with its `ANSWERS` to them.

    A learner without epochs (ICL) has one answer for every epoch.
    """
    learner = {name: ASKED[name] for name in LEARNER}
    keys = keys.join(parquet.read(path, learner).head(1), on=LEARNER, how="semi")
    keys = keys.rename({"epoch": "asked"})
    table = parquet.read(path, {**KEY_COLUMNS, "trained": LOGITS["trained"]}).with_row_index("row")
    found = table.join(keys, on=["draw", "order", "example"])
    found = found.filter((pl.col("epoch") == pl.col("asked")) | pl.col("trained").is_null())
    rows = found["row"].unique().sort()
    known = parquet.read(path, ANSWERS, rows).with_columns(row=rows)
    return found.join(known, on="row").with_columns(epoch="asked").select(*ASKED, *ANSWERS)


def answered(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """``rows`` of `chosen` with both sides' `ANSWERS` (suffixes ``_a`` and ``_b``).

    ``found`` are all `answers`. Raises InputError naming a learner that has none.
    """
    for side in ("a", "b"):
        how = {"how": "left", "maintain_order": "left", "validate": "m:1"}
        theirs = asked(rows, side).join(found, on=[*ASKED], **how)
        for *run, learner in theirs.filter(pl.col("top_ids").is_null())[LEARNER].rows():
            raise InputError(f"no logits of {learner!r} for {'/'.join(map(str, run[:3]))}")
        rows = rows.hstack(theirs.select(pl.col(*ANSWERS).name.suffix(f"_{side}")))
    return rows


def likely(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` of `answered` with both distributions over likely tokens.

    Adds ``ids``: a's ten likeliest tokens, then b's others, and in their order ``probability_a``,
    ``probability_b``, ``rank_a`` and ``rank_b`` (from 1); null for a token that this side's
    table does not keep.
    """
    found = []
    for row in rows.iter_rows(named=True):
        sides = {side: (row[f"top_ids_{side}"], row[f"top_logprobs_{side}"]) for side in "ab"}
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
    answers = [spelled_token(tokens, token) for token in rows["answer_id_b"]]
    return rows.with_columns(pl.Series("tokens", spelled), pl.Series("answer_token", answers))


def prompts_of(
    task: pl.DataFrame, demonstrations: pl.DataFrame, shown: pl.DataFrame, shift: str | None
) -> pl.DataFrame:
    """What both learners saw for each of ``shown`` (rows of `chosen`): columns of `EXAMPLES`.

    ``demonstrations_b`` is null for a trained learner, which is given the query alone; a reference
    (``shift``, see `pairing.shifted`) has other demonstrations than ICL, or another order.
    """
    words, keys = prompts.labels(task), shown.select("draw", "order").rows()

    def runs_of(table: pl.DataFrame) -> list[prompts.Demonstrations]:
        needed = table.join(shown, on=["draw", "order"], how="semi")
        by_key = {(run.draw, run.order): run for run in prompts.in_order(needed)}
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
