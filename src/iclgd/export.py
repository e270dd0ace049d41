"""Figures as files: SVG, PNG and a self-contained page; the same figure gives the same bytes."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path

import vl_convert

from iclgd import theme
from iclgd.cli import InputError


def save(chart, outputs: list[Path], title: str) -> None:
    """Write .svg, .png (twice the size) or .html (whole, works offline), each at once.

    ``title`` names the document. Raises InputError for another suffix.
    """
    spec = _unpacked(chart.to_dict(validate=False))
    spec["config"] = theme.config()
    vega = vl_convert.vegalite_to_vega(spec)
    for path in outputs:
        if path.suffix not in (".svg", ".png", ".html"):
            raise InputError(f"{path}: figures are written as .svg, .png or .html")
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.partial")
        if path.suffix == ".png":
            temporary.write_bytes(vl_convert.vega_to_png(vega, scale=2))
        elif path.suffix == ".svg":
            name = f"<title>{html.escape(title)}</title>"
            svg = _numbered(vl_convert.vega_to_svg(vega))
            text = re.sub(r"(<svg[^>]*>)", lambda m, name=name: m[1] + name, svg, count=1)
            temporary.write_text(text, encoding="utf-8")
        else:
            temporary.write_text(_page(vega, title), encoding="utf-8")
        os.replace(temporary, path)


def _unpacked(part):
    """The specification with the JSON texts of ``values`` as rows."""
    if isinstance(part, list):
        return [_unpacked(one) for one in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("values"), str) and "format" in part:
        return {"values": json.loads(part["values"])}
    return {
        name: _unpacked(one)
        for name, one in part.items()
        if not (name == "name" and re.fullmatch(r"view_\d+", str(one)))
    }


def _numbered(svg: str) -> str:
    """The SVG with its clip paths counted from 0: Vega counts on from figure to figure."""
    seen: dict[str, int] = {}
    return re.sub(r"\bclip(\d+)\b", lambda m: f"clip{seen.setdefault(m[1], len(seen))}", svg)


def _page(vega: dict, title: str) -> str:
    """The interactive figure as one page; no link of its menu leads to the network."""
    text = vl_convert.vega_to_html(vega, bundle=True, renderer="svg")
    menu = '"actions": {"export": true, "source": false, "compiled": false, "editor": false}'
    text = re.sub(r"(const embedOpt = \{)", lambda m: f"{m[1]}{menu}, ", text, count=1)
    text = text.replace("<html>", '<html lang="en">', 1)
    return text.replace("<head>", f"<head>\n  <title>{html.escape(title)}</title>", 1)
