"""The rules of the workflow as text, loops unrolled."""

from __future__ import annotations

import re

from iclgd.study.kinds import KINDS, STATISTICS
from support.workflow import ROOT


def rules() -> dict[str, str]:
    """Text of every rule that runs a script, by its name; the two loops for every row."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        blocks = re.split(r"^ *rule(?: (\w+))?:", path.read_text(), flags=re.M)[1:]
        for name, text in zip(blocks[::2], blocks[1::2], strict=True):
            for one, body in {name: text}.items() if name else looped(text):
                found[one] = body
    return found


def looped(text: str):
    """The rules of a loop over kinds or statistics, as if they were written out."""
    what, names = ("summarise", STATISTICS) if "summarise_" in text else ("plot", KINDS)
    variable = "statistic" if what == "summarise" else "kind"
    for name in names:
        row = names[name]
        body = text.replace(f'f"{what}_{{{variable}}}"', f'"{what}_{name}"')
        body = body.replace(f"{{{variable}}}", name).replace('f"', '"').replace("{{", "{")
        body = body.replace("}}", "}").replace("{row.ending}", getattr(row, "ending", ""))
        yield f"{what}_{name}", body
