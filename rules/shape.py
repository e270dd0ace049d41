"""The shape of the configuration: what its values are made of, and what its schema allows.

Values come first, so that no later step meets one that JSON, a command line or a file name
cannot carry, or an alias of YAML that holds itself.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from iclgd.io import text

SCHEMA = Path(__file__).with_name("config.schema.yaml")
MOST, DEEPEST, LONGEST = 20_000, 20, 10_000  # values, maps in maps, characters of a text
LARGEST = 2**63  # the first whole number that does not fit 64 bits
# Whole numbers only: JSON Schema would take 4.0 for one, Python's range and argparse do not.
CHECKER = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=CHECKER)
FORMATS = jsonschema.FormatChecker(())


@FORMATS.checks("printable", raises=ValueError)
def _printable(value) -> bool:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("readers see it: line ends and other characters that do not print are out")
    return True


@FORMATS.checks("template", raises=ValueError)
def _template(value) -> bool:
    return not isinstance(value, str) or bool(text.parse_template(value))


def nearest(name: str, known) -> str:
    """``(did you mean 'x'?)`` or the list of what is known."""
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, 1, 0.5)
    return f"(did you mean {close[0]!r}?)" if close else f"(known: {', '.join(known) or 'none'})"


def value_problems(config) -> list[str]:
    """One line for every value that a configuration cannot hold."""
    queue, found = [((), config)], []
    for place, value in queue:
        if isinstance(value, dict):
            named = [key for key in value if isinstance(key, str)]
            found += [
                f"{where_in(place)}: a name is {type(key).__name__}, not text; write it in quotes"
                for key in value
                if not isinstance(key, str)
            ]
            queue += [((*place, key), value[key]) for key in named]
        elif isinstance(value, list):
            queue += [((*place, number), one) for number, one in enumerate(value)]
        elif wrong := _wrong(value):
            found.append(f"{where_in(place)}: {wrong}")
        if len(queue) > MOST or len(place) > DEEPEST:
            return ["config: too many values, or too deep (does an alias of YAML hold itself?)"]
    return found


def where_in(place) -> str:
    """A place in the configuration: ``config: learners.gd.rates.0``."""
    return "config: " + (".".join(map(str, place)) or "top level")


def _wrong(value) -> str | None:
    """What is wrong with a single value, or None."""
    if isinstance(value, str):
        if len(value) > LONGEST:
            return f"a text of {len(value)} characters; at most {LONGEST} are possible"
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            return f"{value!r} holds a character that no file name or Unicode text can"
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is no finite number"
    if isinstance(value, int):
        return None if abs(value) < LARGEST else "a whole number of more than 64 bits"
    if value is None:
        return None
    return f"{type(value).__name__} is neither number nor text; write it in quotes"


def schema_problems(config: dict) -> list[str]:
    """Unknown keys, wrong types and values outside their range, in the order of the schema."""
    errors = [leaf for error in _validator().iter_errors(config) for leaf in _leaves(error)]
    errors.sort(key=lambda error: list(map(str, error.absolute_path)))
    return list(dict.fromkeys(_describe(error) for error in errors))


@cache
def _validator() -> jsonschema.protocols.Validator:
    return Validator(yaml.safe_load(SCHEMA.read_text()), format_checker=FORMATS)


def _leaves(error) -> list:
    if error.validator != "anyOf":
        return [error]
    # Of several alternatives, the one that fails deepest says most.
    return [max(error.context, key=lambda e: (len(e.absolute_path), e.validator != "type"))]


def _describe(error) -> str:
    where = where_in(error.absolute_path)
    value = error.instance
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = next(key for key in value if key not in known)
        return f"{where}: unknown key {extra!r} {nearest(extra, known)}"
    if error.validator == "enum":
        return f"{where}: {value!r} is not valid {nearest(value, error.validator_value)}"
    if error.validator == "type" and value is None:
        return f"{where}: nothing stands there"
    if error.validator == "type" and isinstance(value, str):
        hint = ""
        if error.validator_value in ("number", "integer"):
            with contextlib.suppress(ValueError):
                hint = f"; write {_yaml_number(float(value))} without quotes"
        return f"{where}: {value!r} is text, {error.validator_value} is needed{hint}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in value)
        return f"{where}: key {missing!r} is missing"
    if error.validator == "format":
        return f"{where}: {value!r}: {error.cause}"
    if error.validator == "pattern":
        return f"{where}: {error.schema['title']} {value!r} must be {error.schema['description']}"
    return f"{where}: {value!r}: {error.message.replace(repr(value), 'it', 1)}"


def _yaml_number(value: float) -> str:
    """A spelling that YAML 1.1 reads as a number: 1e-4 would be text."""
    text = f"{value:g}"
    return text if "e" not in text or "." in text else text.replace("e", ".0e", 1)
