"""In-context learning: next-token distributions of every query behind its demonstrations.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order and query. The prompt is the instruction, every demonstration in
its stored order, and the query; a prompt that does not fit the context is an error.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--task", type=cli.existing, required=True, help="task table, tasks/X.parquet")
parser.add_argument("--demonstrations", type=cli.existing, required=True, help="table of orders")
parser.add_argument("--name", default="icl", help="learner's name in the output")
parser.add_argument("--keep", type=int, default=1024, help="most likely tokens to keep")
parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
parser.add_argument("--output", type=Path, required=True, help="logits table to write")
args = parser.parse_args()
cli.torch_step()

import torch  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import scoring
from iclgd.models import loading, probes
from iclgd.tasks import prompts

torch.set_num_threads(args.threads)
task = parquet.read(args.task, TASK)
demonstrations = parquet.read(args.demonstrations, DEMONSTRATIONS)
names = scoring.check_inputs(task, demonstrations)
loaded = loading.load(args.model, args.device)
queries = prompts.queries(task)

runs = prompts.in_order(demonstrations)
label_ids = prompts.label_ids(loaded.tokenizer, task, runs, loaded.model)
constant = {"model": loaded.name, **names, "shots": len(runs[0].examples), "learner": args.name}
ways = probes.Ways(loaded, prefixes=True)
# Orders that begin alike stand side by side, and share what they begin with.
runs.sort(key=lambda run: (run.draw, run.examples))
parts = list(queries.iter_slices(scoring.QUERIES))
steps = ((run, part) for run in runs for part in parts)
with parquet.Parts(args.output, LOGITS) as table:
    for run, part in cli.progress(steps, len(runs) * len(parts), "blocks of queries"):
        sequences = prompts.encode_icl(loaded.tokenizer, task, run, part, label_ids)
        prompts.check_length([len(s) for s in sequences], loaded.context, **names)
        together, prefix = ways.of(sequences)
        found = scoring.score(loaded, sequences, label_ids, args.keep, prefix, together)
        if not found.finite.all():
            example = part["example"][int(found.finite.argmin())]
            raise cli.InputError(
                f"model {loaded.name} gives NaN or infinite logits on task {names['task']}, "
                f"design {names['design']}, draw {run.draw}, query {example}"
            )
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        rows = scoring.table(found, {**constant, **keys}, part, label_ids)
        table.add((*keys.values(), part["example"][0]), rows)
