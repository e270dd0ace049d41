"""Figures as files: SVG, PNG, PDF, a self-contained page, a LaTeX table; always the same bytes."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import quote

import vl_convert

from iclgd.io import files
from iclgd.io.cli import InputError
from iclgd.reporting import style
from iclgd.reporting.export import latex, pdf
from iclgd.reporting.findings import Findings

FORMATS = (".svg", ".png", ".pdf", ".html", ".tex")


def save(
    chart: dict,
    outputs: list[Path],
    title: str,
    library: Path | None = None,
    found: Findings | None = None,
) -> None:
    """Write .svg, .png (twice the size), .pdf (of print size), .html (whole, works offline) or
    .tex (its findings, ``found``: `findings.of`), each at once.

    ``title`` names the document; ``library`` is the JavaScript of bundle_library, for pages,
    which takes seconds to bundle. Raises InputError for another suffix.
    """
    spec = _unpacked(chart)
    spec["config"] = style.config()
    vega = vl_convert.vegalite_to_vega(spec)
    for path in outputs:
        if path.suffix not in FORMATS:
            raise InputError(f"{path}: figures are written as {', '.join(FORMATS)}")
    svg = vl_convert.vega_to_svg(vega)
    for path in outputs:
        if path.suffix == ".png":
            content = vl_convert.svg_to_png(svg, scale=2)
        elif path.suffix == ".svg":
            name = f"<title>{html.escape(title)}</title>"
            text = re.sub(
                r"(<svg[^>]*>)", lambda m, name=name: m[1] + name, _numbered(svg), count=1
            )
            content = text.encode()
        elif path.suffix == ".pdf":
            content = pdf.of(svg)
        elif path.suffix == ".tex":
            caption = " ".join(map(_sentence, filter(None, (title, found.headline))))
            caption += f" In brackets: {found.brackets}."
            content = latex.table(found.table, caption, path.stem).encode()
        else:
            content = _page(vega, title, path.stem, library).encode()
        with files.whole(path) as temporary:
            temporary.write_bytes(content)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


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


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="UTF-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <style>{style}</style>
  <script>{library}</script>
</head>
<body>
  <p><a href="../report.html#figure-{name}">In the report, with what it means</a></p>
  <div id="figure"></div>
  <script>vegaEmbed("#figure", {vega}, {options});</script>
</body>
</html>
"""


# Not wider than the screen; on a dark one lightness turns round, hue stays.
STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
svg { max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) {
  svg { filter: invert(0.93) hue-rotate(180deg) brightness(1.08); }
}
"""


def _page(vega: dict, title: str, name: str, library: Path | None) -> str:
    """The interactive figure as one page; no link of its menu leads to the network."""
    actions = {"export": True, "source": False, "compiled": False, "editor": False}
    return PAGE.format(
        title=html.escape(title),
        style=STYLE,
        name=html.escape(quote(name)),
        library=library.read_text() if library else vl_convert.javascript_bundle(),
        vega=json.dumps(vega).replace("<", "\\u003c"),  # no tag or comment begins in the script
        options=json.dumps({"mode": "vega", "renderer": "svg", "actions": actions}),
    )
