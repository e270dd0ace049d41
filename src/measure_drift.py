"""Measure how far weights moved: mean |w - w_reference| of every tensor, in float32.

Reads the safetensors of two models (checkpoints of one pretraining run), a tensor at a time.
"""

import json
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--reference", type=cli.existing, required=True, help="manifest of the first")
parser.add_argument("--output", type=Path, required=True, help="drift table to write")
args = parser.parse_args()
cli.torch_step()

import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.drift import DRIFT
from iclgd.metrics import drift
from iclgd.models import checkpoints

manifests = args.model, args.reference
model, reference = (json.loads(path.read_text())["model"] for path in manifests)
folders = [checkpoints.Folder(path.with_suffix("")) for path in manifests]
total = len(folders[0].names())
rows = [
    (model, reference, *row)
    for row in cli.progress(drift.drift(*folders), total, f"tensors of {model}")
]
parquet.write(pl.DataFrame(rows, schema=DRIFT, orient="row"), args.output, DRIFT)
