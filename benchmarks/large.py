"""Whole-model GD of one large model: peak memory in shares of its weights, and resets.

Each arm is a process of its own: the peak of a process cannot be taken back. With a CUDA card
the model has LLaMA-7B's shape and the memory is the card's; without one it has a quarter
of a billion weights and the memory is the process's.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import measure
import polars as pl
import torch

from iclgd.io import memory
from iclgd.learners import gradient_descent, trainable, training_batch
from iclgd.learners.settings import Learner

CARD = torch.cuda.is_available()
SEVEN = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
QUARTER = {
    "vocab_size": 4000,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 20,
    "num_attention_heads": 16,
}
LEARNER = Learner(rate=1e-5, epochs=2, record=())


def peak() -> int:
    """Bytes at the peak so far: of the card, or of this process."""
    if CARD:
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def ours(model, batch: training_batch.Batch) -> dict[str, float]:
    """With as little memory as it can do with; the share of a reset in a run, too."""
    memory.free = lambda threads: 0
    model, chosen = trainable.choose(model, None)
    start = time.perf_counter()
    for _ in gradient_descent.descend(model, chosen, [batch], LEARNER):
        pass
    run = time.perf_counter() - start
    start = time.perf_counter()
    chosen.kept.restore([p.detach() for p in chosen.start.values()])
    if CARD:
        torch.cuda.synchronize()
    return {"run": run, "reset": time.perf_counter() - start}


def plain(model, batch: training_batch.Batch) -> dict[str, float]:
    """A copy to reset from, and torch.optim's step behind the backward pass."""
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimiser = torch.optim.SGD(model.requires_grad_(True).parameters(), lr=LEARNER.rate)
    rows = torch.arange(len(batch.tokens), device=batch.tokens.device)
    start = time.perf_counter()
    for _ in range(LEARNER.epochs):
        optimiser.zero_grad()
        logits = model(batch.tokens).logits[rows, batch.positions[:, 0]]
        torch.nn.functional.cross_entropy(logits, batch.targets[:, 0]).backward()
        optimiser.step()
    run = time.perf_counter() - start
    start = time.perf_counter()
    model.load_state_dict(kept)
    return {"run": run, "reset": time.perf_counter() - start}


def arm(name: str) -> None:
    """Run one arm in this process and print what it needed, as JSON."""
    before = peak()
    device = "cuda" if CARD else "cpu"
    with torch.device(device):
        model = measure.llama(**(SEVEN if CARD else QUARTER))
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    vocabulary = model.config.vocab_size
    rows = measure.demonstrations(8, 60, vocabulary)
    found = {"ours": ours, "plain": plain}[name](
        model, training_batch.tensors(rows, "label", device)
    )
    print(
        json.dumps({**found, "epochs": LEARNER.epochs, "peak": peak() - before, "weights": weights})
    )


if len(sys.argv) > 1:
    arm(sys.argv[1])
    sys.exit()
# What is freed goes back to the system, so that the peak is what was needed.
returned = {"MALLOC_TRIM_THRESHOLD_": "100000", "MALLOC_MMAP_THRESHOLD_": "100000"}
names = {"ours": "update as each gradient arrives", "plain": "copy and torch.optim"}
rows = []
for number in range(2):
    for short, name in names.items():
        done = subprocess.run(
            [sys.executable, __file__, short],
            stdout=subprocess.PIPE,
            env={**os.environ, **returned},
        )
        if done.returncode:
            print(f"round {number}: {name}: failed, perhaps out of memory; left out")
            continue
        rows.append({"arm": name, "round": number, **json.loads(done.stdout)})
        share = rows[-1]["peak"] / rows[-1]["weights"]
        print(f"round {number}: {name}: peak {share:.2f} of the weights")
measure.save(pl.DataFrame(rows), "large")
