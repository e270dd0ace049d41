"""Extract the sparsity of a model's attention: shares of small weights, spectra of circuits.

For W_Q, W_K and W_V of every layer and head (of keys and values where those are fewer) the
share of |w| below each threshold, as the weights are and after division by the layer's
RMS; for every query head the singular values of W_Q^T W_K and W_O W_V with stable rank,
Hoyer and Gini index. Weights are read a layer at a time; the model is never built, but one
layer of random weights, by which the row of its architecture is tried.
"""

import json
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--output", type=Path, required=True, help="table of shares to write")
parser.add_argument("--circuits", type=Path, required=True, help="table of circuits to write")
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
args = parser.parse_args()
cli.torch_step()

import polars as pl
import torch

from iclgd.io import parquet
from iclgd.io.schemas.sparsity import CIRCUITS, SPARSITY
from iclgd.metrics import sparsity
from iclgd.metrics.sparsity_requirement import INVARIANTS
from iclgd.models import checkpoints, loading, row_check

torch.set_num_threads(args.threads)
manifest = json.loads(args.model.read_text())
folder = args.model.with_suffix("")
config = loading.config(folder, loading.trust(manifest))
row_check.check_config(config, manifest["remote_code"])
read = checkpoints.Folder(folder).read

shares, circuits = [], []
layers = range(config.num_hidden_layers)
for layer in cli.progress(layers, len(layers), "layers"):
    heads = sparsity.attention(config, layer, read)
    place = {"model": manifest["model"], "layer": layer}
    for matrix in "qkv":
        scaled = sparsity.by_rms(heads[matrix])
        for threshold in sparsity.THRESHOLDS:
            columns = {
                "share": sparsity.share_below(heads[matrix], threshold).numpy(),
                "share_rms": sparsity.share_below(scaled, threshold).numpy(),
            }
            keys = {"matrix": matrix, "threshold": threshold, **place}
            shares.append(
                pl.DataFrame(columns)
                .with_row_index("head")
                .with_columns(pl.lit(value).alias(key) for key, value in keys.items())
            )
    for circuit, values in sparsity.circuits(heads).items():
        columns = {name: getattr(sparsity, name)(values).numpy() for name in INVARIANTS}
        circuits.append(
            pl.DataFrame({**columns, "singular_values": values.tolist()})
            .with_row_index("head")
            .with_columns(pl.col(*INVARIANTS).fill_nan(None))
            .with_columns(pl.lit(value).alias(key) for key, value in place.items())
            .with_columns(pl.lit(circuit).alias("circuit"))
        )
parquet.write(pl.concat(circuits), args.circuits, CIRCUITS)
parquet.write(pl.concat(shares).sort("threshold"), args.output, SPARSITY)
