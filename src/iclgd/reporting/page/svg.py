"""Inline SVG for the report: Vega's output reduced to its visible parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from iclgd.io.cli import InputError

NAMESPACE = "{http://www.w3.org/2000/svg}"
# Nothing else gets into the page: no scripts, no links, no styles.
ELEMENTS = re.compile(
    r"svg|g|path|line|rect|circle|text|tspan|title|defs|clipPath|linearGradient|stop"
)
LENGTHS = re.compile(r"d|transform|[cdr]?[xy]|[xy][12]|r|width|height|viewBox")
PAINT = re.compile(
    r"id|clip-path|(fill|stroke)(-\w+)?|opacity|display|text-anchor|font-(size|weight|style)"
    r"|offset|stop-color|gradientUnits"
)
# Vega's label of a mark: its position, its colour and perhaps shape, then what readers may see.
TIP = re.compile(r"(?:^|; )color: #\w{6}; (?:shape: [\w-]+; )?(.+)$", re.S)
AXIS = re.compile(r"([XY])-axis titled '(.*?)' for a ", re.S)


@dataclass(frozen=True)
class Inline:
    """A figure's markup, and the titles of its horizontal and vertical axes."""

    markup: str
    across: list[str]
    up: list[str]


def inline(path: Path, name: str, title: str) -> Inline:
    """The SVG at ``path`` for a page, without its ``title``, which the page has as a heading.

    Ids begin with ``name``; marks have their values as ``data-tip``.
    Raises InputError naming the file if it is no SVG, or has elements that no figure has.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not an SVG ({error})") from error
    axes: dict[str, dict[str, None]] = {"X": {}, "Y": {}}
    for element in root.iter():
        kind = element.tag.removeprefix(NAMESPACE)
        if kind == "text" and " ".join(element.itertext()) == title:  # a line, or several
            element.text = ""
            element[:] = []
        if not ELEMENTS.fullmatch(kind):
            raise InputError(f"{path}: an element {kind!r} does not belong in a figure")
        label = element.get("aria-label", "")
        if axis := AXIS.match(label):
            axes[axis[1]][axis[2]] = None
        _strip(element, name)
        if kind != "text" and (tip := TIP.search(label)):
            element.set("data-tip", tip[1])
    _prune(root)
    for part in root.findall(f"{NAMESPACE}title") + root.findall(f"{NAMESPACE}rect"):
        root.remove(part)  # the page has its own title and ground
    ElementTree.register_namespace("", NAMESPACE[1:-1])
    return Inline(ElementTree.tostring(root, "unicode"), list(axes["X"]), list(axes["Y"]))


def _strip(element: ElementTree.Element, name: str) -> None:
    """Keep the attributes that draw, with lengths to a hundredth and ids of this figure alone."""
    kept = {}
    for key, value in element.attrib.items():
        if LENGTHS.fullmatch(key):
            kept[key] = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", value)
        elif PAINT.fullmatch(key):
            kept[key] = value.replace("url(#", f"url(#{name}-")
    if "id" in kept:
        kept["id"] = f"{name}-{kept['id']}"
    if kept.get("opacity") == "1":
        del kept["opacity"]
    element.attrib.clear()
    element.attrib.update(kept)


def _prune(element: ElementTree.Element) -> None:
    """Remove what draws nothing: paths without paint, empty texts, plain groups."""
    for child in list(element):
        _prune(child)
        kind, place = child.tag.removeprefix(NAMESPACE), list(element).index(child)
        empty = kind == "text" and not child.text and not len(child)
        unpainted = kind == "path" and not {"fill", "stroke"} & set(child.attrib)
        if empty or (unpainted and element.tag != f"{NAMESPACE}clipPath"):
            element.remove(child)
        elif kind == "g" and not child.attrib:
            element[place : place + 1] = list(child)
