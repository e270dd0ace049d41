"""Derive a negative control from a model: the same architecture without its training.

Writes a folder and a manifest like those of fetch_model. The control is `random` (fresh weights),
`embeddings` (fresh blocks between trained embeddings, norms and unembedding) or `shuffled` (the
trained blocks in another order).
"""

import json
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--name", required=True, help="name of the control")
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--control", required=True, choices=["random", "embeddings", "shuffled"])
parser.add_argument("--folder", type=Path, required=True, help="folder to fill")
parser.add_argument("--manifest", type=Path, required=True, help="manifest to write")
args = parser.parse_args()
cli.torch_step()

from iclgd.io import files  # after parsing: --help is quick
from iclgd.models import hub, loading, untrained
from iclgd.models.gguf_header import Told

loaded = loading.load(args.model, "cpu")
control = untrained.CONTROLS[args.control](loaded.model, args.name)
base = json.loads(args.model.read_text())
entry = {"of": loaded.name, "control": args.control, "dtype": base["dtype"]}
entry["remote_code"] = base["remote_code"]
# What is left of a model that was quantised is quantised.
kept = {} if args.control == "random" else base
told = Told(kept.get("quantised"), kept.get("instruct"))

with files.whole(args.folder) as partial:
    control.save_pretrained(partial)
    loaded.tokenizer.save_pretrained(partial)
    manifest = hub.manifest(args.name, entry, partial, base["commit"], told)
with files.whole(args.manifest) as temporary:
    temporary.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
