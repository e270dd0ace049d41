"""ICL imitated without training: by a task vector, or by a static patch of the MLPs.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order and query, asked alone of a model that is changed at the last token. The
change comes from ICL's states on training texts that the draw does not show, without labels. Which
layer, or which ridge, is chosen for every draw and order by total variation from ICL on the
validation queries; the log has what was chosen.
"""

import sys

from iclgd.io import cli

example = '{"method": "vector", "how": "add"} or {"method": "patch", "texts": 256}'
parser = cli.learner_parser(__doc__, "imitation", example, orders=True)
args = parser.parse_args()
cli.torch_step()


from iclgd.io import parquet
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import batches, inputs, teachers, teaching
from iclgd.models import attention, probes
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

entry = teachers.imitating(args.learner)
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
words = prompts.labels(task)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)
alone = prompts.encode_queries(loaded.tokenizer, queries)
validation = prompts.validation(queries)
prompts.check_length([len(tokens) for tokens in alone], loaded.context, **names)
ways, model = probes.Ways(loaded, prefixes=True), loaded.model
attention.simplify(model)
asked = teaching.Texts(alone, ways.of(alone)[0])

with parquet.Parts(args.output, LOGITS) as table:
    for run in cli.progress(runs, len(runs), "draws and orders"):
        texts = prompts.unshown(task, run, entry.texts)
        lesson, judge = (
            teaching.lesson(loaded, ways, task, run, rows, readout) for rows in (texts, validation)
        )
        places = teaching.shuffled(len(texts), run) if entry.shuffled else None
        best = teachers.nearest(model, lesson, judge, entry, places)
        print(
            f"draw {run.draw}, order {run.order}: {best.called}, {best.apart:.4f} from ICL",
            file=sys.stderr,
        )
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        for first in range(0, len(queries), batches.QUERIES):
            numbers = list(range(len(alone)))[first : first + batches.QUERIES]
            found = readout.read(teaching.logits(model, asked.these(numbers), best.change))
            own = prompts.bound(queries.slice(first, batches.QUERIES), run, words)
            table.add((*keys.values(), first), readout.rows(found, {**constant, **keys}, own))
