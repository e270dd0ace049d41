"""Values of a configuration that have several parts, and what each of them must be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from iclgd.study import scalars
from iclgd.study.scalars import Fraction, number, one_of, words


def different(found: list) -> list:
    """At least one, all different."""
    if not found:
        raise scalars.wrong("[]: it should be non-empty")
    if any(one in found[:i] for i, one in enumerate(found)):
        raise scalars.wrong(f"{found!r}: it has non-unique elements")
    return found


def some(item: Any) -> Any:
    """A list of at least one, all different."""
    return Annotated[list[item], AfterValidator(different)]


def two(found: list) -> list:
    """Two of them."""
    if len(found) != 2:
        raise scalars.wrong(f"{found!r}: two are needed")
    return found


def two_labels(found: dict) -> dict:
    """At least two labels."""
    if len(found) < 2:
        raise scalars.wrong(f"{found!r}: two labels at least are needed")
    return found


def shape(value: Any) -> dict:
    """Keywords of a config in transformers."""
    if not isinstance(value, dict):
        raise scalars.wrong_type(value, "object")
    if "model_type" not in value:
        raise scalars.wrong("key 'model_type' is missing")
    return value


def left_out(value: Any) -> Any:
    """A label as rows of a data set have it."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise scalars.wrong(f"{value!r}: it is not of type 'string', 'integer' or 'null'")
    return value


def _layer(value: Any) -> Any:
    kind = number(0, whole=True) if isinstance(value, int) else Fraction
    (check,) = (one for one in kind.__metadata__ if isinstance(one, PlainValidator))
    return check.func(value)


Names = some(words(0))
Pair = Annotated[list[words(0)], AfterValidator(two)]
Pairs = Annotated[list[Pair], Field(min_length=1)]
Matrices = some(one_of("q", "k", "v", "o", "mlp"))
Layer = Annotated[float, PlainValidator(_layer)]
Layers = Annotated[list[Layer], Field(min_length=1)]
