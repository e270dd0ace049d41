"""Figures as parts of a page: what Vega writes, without what a page has no use for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from iclgd.cli import InputError

NAMESPACE = "{http://www.w3.org/2000/svg}"
# Nothing else gets into the page: no scripts, no links, no styles.
ELEMENTS = "svg g path line rect circle text tspan defs clipPath linearGradient stop".split()
LENGTHS = "d transform x y x1 x2 y1 y2 dx dy r cx cy rx ry width height viewBox".split()
ATTRIBUTES = {
    *LENGTHS,
    *"id clip-path fill fill-opacity stroke stroke-opacity stroke-width stroke-dasharray".split(),
    *"stroke-linecap stroke-linejoin stroke-miterlimit opacity text-anchor font-size".split(),
    *"font-weight font-style display offset stop-color gradientUnits".split(),
}
# Vega's label of a mark: what places it, its colour and maybe shape, then what readers may see.
TIP = re.compile(r"(?:^|; )color: #\w{6}; (?:shape: [\w-]+; )?(.+)$", re.S)
AXIS = re.compile(r"([XY])-axis titled '(.*?)' for a ", re.S)


@dataclass(frozen=True)
class Inline:
    """A figure's markup, and the titles of its horizontal and vertical axes."""

    markup: str
    across: list[str]
    up: list[str]


def inline(path: Path, name: str) -> Inline:
    """The SVG at ``path`` for a page; ids begin with ``name``, marks have their values as ``data-tip``.

    Raises InputError naming the file if it is no SVG, or holds what no figure does.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not an SVG ({error})") from error
    axes: dict[str, dict[str, None]] = {"X": {}, "Y": {}}
    for element in root.iter():
        kind = element.tag.removeprefix(NAMESPACE)
        if kind not in (*ELEMENTS, "title"):
            raise InputError(f"{path}: an element {kind!r} has no place in a figure")
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
    """Leave the attributes that draw, with lengths to a hundredth and ids of this figure's own."""
    kept = {key: value for key, value in element.attrib.items() if key in ATTRIBUTES}
    for key in kept.keys() & set(LENGTHS):
        kept[key] = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", kept[key])
    if "id" in kept:
        kept["id"] = f"{name}-{kept['id']}"
    for key, value in kept.items():
        kept[key] = re.sub(r"url\(#", f"url(#{name}-", value)
    if kept.get("opacity") == "1":
        del kept["opacity"]
    element.attrib.clear()
    element.attrib.update(kept)


def _prune(element: ElementTree.Element) -> None:
    """Take out what draws nothing, below ``element``: paths without paint, groups without use."""
    for child in list(element):
        _prune(child)
        kind, place = child.tag.removeprefix(NAMESPACE), list(element).index(child)
        unpainted = kind == "path" and not {"fill", "stroke"} & set(child.attrib)
        if unpainted and element.tag != f"{NAMESPACE}clipPath":
            element.remove(child)
        elif kind == "g" and not child.attrib:
            element[place : place + 1] = list(child)
