"""Measure a model's perplexity on held-out documents of the made-up language, by position.

The documents are the same for every model, and not in any training data; a model with
another tokenizer reads the same text in its own tokens.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--documents", type=int, default=512, help="how many documents")
parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
parser.add_argument("--output", type=Path, required=True, help="table to write")
args = parser.parse_args()
cli.torch_step()

import torch  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.perplexity import PERPLEXITY
from iclgd.metrics import perplexity
from iclgd.models import loading
from iclgd.tasks import prompts, synthetic

torch.set_num_threads(args.threads)
loaded = loading.load(args.model, args.device)
sequences = prompts.encode(loaded.tokenizer, synthetic.held_out(args.documents))
longest = max(map(len, sequences))
if loaded.context is not None and longest > loaded.context:
    raise cli.InputError(
        f"model {loaded.name}: a document has {longest} tokens, the context holds {loaded.context}"
    )
nats = perplexity.token_nats(loaded.model, sequences)
parquet.write(perplexity.by_position(loaded.name, nats), args.output, PERPLEXITY)
