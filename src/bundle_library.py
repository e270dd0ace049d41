"""Bundle the JavaScript that draws figures in a browser, once for all pages.

Writes Vega, Vega-Lite and Vega-Embed, as vl-convert brings them, as one text. Every page has
it inside and needs no network.
"""

from pathlib import Path

from iclgd.io import cli, files

parser = cli.parser(__doc__)
parser.add_argument("--output", type=Path, required=True, help="JavaScript file to write")
args = parser.parse_args()

import vl_convert  # after parsing: --help is quick

with files.whole(args.output) as temporary:
    temporary.write_text(vl_convert.javascript_bundle(), encoding="utf-8")
