"""Types of single values of a configuration, each with its own message; values stay as written.

YAML reads ``1e-4`` as text and ``yes`` as a truth value, so nothing is converted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Hashable
from typing import Annotated, Any

from pydantic import PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from iclgd.io import text
from iclgd.study.values import nearest


def wrong(message: str) -> PydanticCustomError:
    """An error of this one line, which need not be a template."""
    return PydanticCustomError("config", "{message}", {"message": message})


def wrong_type(value: Any, needed: str) -> PydanticCustomError:
    """``value`` is not of the type ``needed``, in JSON's words."""
    if value is None:
        return wrong("nothing stands there")
    if not isinstance(value, str):
        return wrong(f"{value!r}: it is not of type {needed!r}")
    hint = ""
    if needed in ("number", "integer"):
        with contextlib.suppress(ValueError):
            hint = f"; write {_yaml_number(float(value))} without quotes"
    return wrong(f"{value!r} is text, {needed} is needed{hint}")


def _yaml_number(value: float) -> str:
    """A spelling that YAML 1.1 reads as a number: 1e-4 would be text."""
    written = f"{value:g}"
    return written if "e" not in written or "." in written else written.replace("e", ".0e", 1)


def number(
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
) -> Any:
    """A number within limits; ``whole`` ones are not 4.0, which ``range`` would not take."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise wrong_type(value, "integer" if whole else "number")
        for bad, what in (
            (least is not None and value < least, f"less than the minimum of {least}"),
            (most is not None and value > most, f"greater than the maximum of {most}"),
            (above is not None and value <= above, f"not greater than {above}"),
            (below is not None and value >= below, f"not less than {below}"),
        ):
            if bad:
                raise wrong(f"{value!r}: it is {what}")
        return value

    return Annotated[int if whole else float, PlainValidator(check)]


def words(
    least: int = 1,
    most: int | None = None,
    pattern: tuple[str, str, str] | None = None,
    also: Callable[[str], Any] | None = None,
) -> Any:
    """A text. ``pattern``: expression, what the text is, and what it may hold."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong_type(value, "string")
        if pattern and not matches(pattern, value):
            raise wrong(f"{pattern[1]} {value!r} must be {pattern[2]}")
        if len(value) < least:
            raise wrong(f"{value!r}: it should be non-empty")
        if most is not None and len(value) > most:
            raise wrong(f"{value!r}: it is too long (at most {most} characters)")
        if also:
            try:
                also(value)
            except ValueError as error:
                raise wrong(f"{value!r}: {error}") from error
        return value

    return Annotated[str, PlainValidator(check)]


def one_of(*known: Hashable) -> Any:
    """One of a few words."""

    def check(value: Any) -> Any:
        if value is None:
            raise wrong_type(value, "string")
        if not isinstance(value, str) or value not in known:
            raise wrong(f"{value!r} is not valid {nearest(value, known)}")
        return value

    return Annotated[str, PlainValidator(check)]


def either(*known: str, otherwise: Any) -> Any:
    """One of a few words, or else what another type takes."""
    other = TypeAdapter(otherwise)

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in known:
            return value
        try:
            return other.validate_python(value)
        except ValidationError as error:
            raise first(error) from error

    return Annotated[Any, PlainValidator(check)]


def first(error: ValidationError) -> PydanticCustomError:
    """The first error of a nested check, as one of this place."""
    found = error.errors()[0]
    inside = ".".join(map(str, found["loc"]))
    return wrong(f"{inside}: {found['msg']}" if inside else found["msg"])


def _printable(value: str) -> None:
    if not value.isprintable():
        raise ValueError("shown to readers: no line ends or other characters that do not print")


# Names become files and directories: results/agreement/{model}/.../{a}--{b}.curves.parquet. (Not
# "$" at the end of a pattern, which also matches before a line end.)
NAME = (
    r"(?!.*--)(?!.*\.(json|parquet|curves|accuracy)\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,49}\Z",
    "the name",
    "letters, digits, '.', '_' and '-', at most 50, a letter or digit first, without '--' and an "
    "ending like .json",
)
REVISION = (
    r"(?!.*--)(?!.*\.json\Z)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z",
    "the revision",
    "letters, digits, '.', '_', '+' and '-', at most 64, a letter or digit first, without '--' and "
    "an ending like .json",
)
ON_HUB = (
    r"(?!.*(--|\.\.))(?!.*[.-](/|\Z))(?!.*\.git\Z)(\w[\w.-]*/)?\w[\w.-]*\Z",
    "the address",
    "owner/name: letters, digits, '.', '_' and '-', as the hub takes them",
)

# pip is given ``name==version``: neither may be an option, an address or a range.
PACKAGE = (
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z",
    "the package",
    "letters, digits, '.', '_' and '-', a letter or digit first and last",
)
VERSION = (
    r"[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z",
    "the version",
    "one version as the index writes it: letters, digits, '.', '!', '+', '_' and '-'",
)
SHA256 = (r"[0-9a-f]{64}\Z", "the hash", "the sha256 of the wheel, 64 digits of 0-9 and a-f")


def matches(pattern: tuple[str, str, str], value: str) -> bool:
    """Whether a text is what a pattern describes."""
    return bool(re.match(pattern[0], value))


Name = words(0, pattern=NAME)
Revision = words(0, pattern=REVISION)
OnHub = words(most=96, pattern=ON_HUB)
PackageName = words(most=200, pattern=PACKAGE)
Version = words(most=200, pattern=VERSION)
Sha256 = words(pattern=SHA256)
Text = words()
AnyText = words(0)
Shown = words(most=200, also=_printable)
Template = words(also=text.parse_template)
Count = number(1, 1_000_000, whole=True)
Whole = number(whole=True)
NotNegative = number(0, whole=True)
Number = number()
Rate = number(above=0, most=1_000_000)
Positive = number(above=0)
Fraction = number(0, 1)
Momentum = number(0, below=1)
