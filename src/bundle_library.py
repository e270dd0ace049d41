"""Bundle the JavaScript that draws figures in a browser, once for all pages.

Writes Vega, Vega-Lite and Vega-Embed, as vl-convert brings them, as one text. Every page has
it inside and needs no network.
"""

import os
from pathlib import Path

from iclgd import cli

parser = cli.parser(__doc__)
parser.add_argument("--output", type=Path, required=True, help="JavaScript file to write")
args = parser.parse_args()

import vl_convert  # after parsing: --help is quick

args.output.parent.mkdir(parents=True, exist_ok=True)
temporary = args.output.with_name(f".{args.output.name}.partial")
temporary.write_text(vl_convert.javascript_bundle(), encoding="utf-8")
os.replace(temporary, args.output)
