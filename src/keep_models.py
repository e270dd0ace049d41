"""Keep pretrained models in the repository: their files without checkpoints, and the time it took.

A model that did not acquire in-context learning is kept like any other; its provenance says so.
"""

import csv
import json
import shutil
from pathlib import Path

from iclgd.io import cli, files

parser = cli.parser(__doc__)
parser.add_argument(
    "--pretrained", type=cli.existing, nargs="+", required=True, help="their provenance.json"
)
parser.add_argument(
    "--benchmarks", type=cli.existing, nargs="+", required=True, help="their benchmarks, same order"
)
parser.add_argument("--into", type=Path, required=True, help="folder of the kept models")
args = parser.parse_args()

FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "curve.parquet",
)
for provenance, benchmark in zip(args.pretrained, args.benchmarks, strict=True):
    with benchmark.open() as file:
        seconds = float(next(csv.DictReader(file, delimiter="\t"))["s"])
    story = json.loads(provenance.read_text()) | {"seconds": round(seconds)}
    kept = args.into / provenance.parent.name
    with files.whole(kept) as partial:
        partial.mkdir()
        for name in FILES:
            shutil.copy2(provenance.parent / name, partial / name)
        (partial / "provenance.json").write_text(json.dumps(story, indent=2) + "\n")
    print(f"{kept}: {story['in_context_learning']}")
