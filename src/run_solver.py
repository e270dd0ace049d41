"""A solver of the task that does no gradient descent: its answers in the form of the others'.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order and query. Solvers give a probability to each label and nothing to
other tokens. Some read the model's hidden states of texts alone; `transfer` is ICL of another
model with the same vocabulary, which gives whole distributions.
"""

from iclgd.io import cli

example = '{"solver": "neighbours", "temperature": 0.1}'
parser = cli.learner_parser(__doc__, "solver", example)
args = parser.parse_args()
cli.torch_step()

import numpy as np  # after parsing: --help is quick
import torch

from iclgd.io import parquet
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import features, inputs, solvers, solving
from iclgd.models import dimensions
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads
)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)
rows_of, words = prompts.rows_of(task, runs), prompts.labels(task)
shown, asked = [None] * len(runs), None
if solvers.SOLVERS[args.learner["solver"]].reads:
    layer = args.learner.get("layer", solvers.LAYER)
    encoded = answer_tokens.encode_demonstrations(loaded.tokenizer, task, runs)
    texts = [[tokens[:start] for tokens, start in run] for run in encoded]
    alone = prompts.encode_queries(loaded.tokenizer, queries)
    lengths = [len(sequence) for run in [*texts, alone] for sequence in run]
    prompts.check_length(lengths, loaded.context, **names)
    shown = features.last_states_of(loaded, texts, layer)
    asked = features.last_states(loaded, alone, layer)

vocabulary = dimensions.vocabulary(loaded.model)
with parquet.Parts(args.output, LOGITS) as table:
    for run, states in cli.progress(zip(runs, shown, strict=True), len(runs), "draws and orders"):
        own = prompts.bound(queries, run, words)
        given = solving.Shown(
            labels=np.array([rows_of[run.binding][i]["label"] for i in run.examples]),
            answers=own["label"].to_numpy(),
            classes=len(readout.targets),
            features=states,
            query_features=asked,
        )
        logits = torch.full((len(queries), vocabulary), np.log(solving.FLOOR), dtype=torch.float64)
        logits[:, readout.targets] = torch.from_numpy(solving.solve(args.learner, given))
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        rows = readout.rows(readout.read(logits), {**constant, **keys}, own)
        table.add((*keys.values(), 0), rows)
