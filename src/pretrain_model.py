"""Pretrain a small language model on documents of a made-up language.

Writes FOLDER as the Hugging Face classes read it (config.json, model.safetensors,
tokenizer.json, tokenizer_config.json), with provenance.json (recipe, hash of the weights, its
accuracy on held-out probes), curve.parquet (one row a probe), and one folder step{N} with the same
model files for each N of the entry's `checkpoints`.
"""

import json
import sys
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument(
    "--entry",
    type=cli.json_object,
    required=True,
    help="the model's `pretrain` entry, as JSON: shape (keywords of the Hugging Face config), "
    "seed, mixture, objective, steps ... (pretraining.Recipe)",
)
parser.add_argument("--output", type=Path, required=True, help="folder to write")
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
args = parser.parse_args()
cli.torch_step()

# Imported after parsing, so that --help is quick.
import polars as pl
import torch
from tqdm import tqdm
from transformers.utils import logging

from iclgd.io import files
from iclgd.models import pretraining

torch.set_num_threads(args.threads)
torch.use_deterministic_algorithms(True)
logging.disable_progress_bar()
recipe = pretraining.read_entry(args.entry)
model = pretraining.build_model(recipe)
with files.whole(args.output) as partial:
    partial.mkdir()

    def save(step: int) -> None:
        pretraining.save_model(model, partial / f"step{step}")

    curve, terminal = [], sys.stderr.isatty()
    with tqdm(total=recipe.steps + recipe.decay, unit="step", disable=not terminal) as bar:
        for row in pretraining.pretrain(model, recipe, save):
            if terminal:
                bar.update(row["step"] - bar.n)
            elif len(curve) % 5 == 0:
                print(pretraining.describe(row), file=sys.stderr, flush=True)
            curve.append(row)

    pretraining.save_model(model, partial)
    pl.DataFrame(curve).write_parquet(partial / "curve.parquet")
    provenance = pretraining.provenance(args.entry, model, curve, partial / "model.safetensors")
    print(provenance["in_context_learning"], file=sys.stderr)
    (partial / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
