"""Construct a model that learns in context by gradient descent, or one that departs from it.

Writes FOLDER as pretrain_model does, config.json and model.safetensors (float64) with the
tokenizer of the made-up language, and provenance.json: the entry, the hash of the weights,
its accuracy on held-out probes and, of trained attention, its loss.
"""

import json
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument(
    "--entry",
    type=cli.json_object,
    required=True,
    help="the model's `construct` entry, as JSON (constructed.build)",
)
parser.add_argument("--toward", type=cli.existing, help="folder of the model that is mixed in")
parser.add_argument("--output", type=Path, required=True, help="folder to write")
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
args = parser.parse_args()
cli.torch_step()

# Imported after parsing, so that --help is quick.
import torch
from transformers.utils import logging

from iclgd.io import files
from iclgd.models import gd_transformer, loading, pretraining

PROBES = 128  # prompts a probe
torch.set_num_threads(args.threads)
torch.use_deterministic_algorithms(True)
logging.disable_progress_bar()
if ("mix" in args.entry) != (args.toward is not None):
    raise cli.InputError("--toward belongs to an entry with 'mix', which needs it")
other = None
if args.toward:
    other = gd_transformer.ConstructedForCausalLM.from_pretrained(args.toward, dtype=torch.float64)
model, losses = gd_transformer.build(args.entry, other)

with files.whole(args.output) as partial:
    pretraining.save_model(model, partial)
    probes = pretraining.probe_accuracies(model, PROBES)
    last = losses[-len(losses) // 10 :]
    provenance = {
        "entry": args.entry,
        "loss": sum(last) / len(last) if last else None,
        "probes": probes,
        "in_context_learning": pretraining.acquired(probes),
        "sha256": loading.sha256(partial),
        "torch": torch.__version__,
    }
    (partial / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
