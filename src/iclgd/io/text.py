"""Untrusted text: prompt templates that evaluate nothing, and messages of one plain line.

Needs the standard library alone: the check of the configuration uses it, too.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

LABEL = "label"
LONGEST = 1000  # characters of a message


def plain(message: str) -> str:
    """``message`` as one line for a terminal, a log or a page.

    Whatever does not print is escaped: line ends, ANSI codes, marks that turn the direction of
    writing, lone surrogates. Of a long message the middle is left out.
    """
    if len(message) > LONGEST:
        message = f"{message[: LONGEST // 2]} [...] {message[-LONGEST // 2 :]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)


@dataclass(frozen=True)
class Template:
    """A prompt: each of ``parts`` is literal text and the field after it; ``tail`` follows.

    ``space`` is the white space in front of the label, ``ending`` what follows it.
    """

    parts: tuple[tuple[str, str], ...]
    tail: str
    space: str
    ending: str

    def fill(self, row: dict[str, str]) -> str:
        """The text in front of ``space``, with the fields of ``row``."""
        return "".join(literal + row[field] for literal, field in self.parts) + self.tail


def parse_template(prompt: str) -> Template:
    """Parse ``"Review: {text}\\nSentiment: {label}\\n\\n"``; braces are written twice.

    Raises ValueError unless fields are plain names and ``{label}`` stands once, after them:
    attributes, indices, conversions and format specifications would be evaluated.
    """
    parts, literal = [], ""
    for before, field, specification, conversion in string.Formatter().parse(prompt):
        literal += before
        if field is None:
            continue
        if specification or conversion or not field.isidentifier():
            written = field + (f"!{conversion}" if conversion else "")
            written += f":{specification}" if specification else ""
            raise ValueError(f"{{{written}}}: the name of a field alone may stand in braces")
        parts.append((literal, field))
        literal = ""
    if [field for _, field in parts].count(LABEL) != 1:
        raise ValueError(f"{{{LABEL}}} must stand in it exactly once")
    *parts, (tail, last) = parts
    if last != LABEL:
        raise ValueError(f"{{{last}}} stands after {{{LABEL}}}")
    stripped = tail.rstrip(" ")
    return Template(tuple(parts), stripped, tail[len(stripped) :], literal)
