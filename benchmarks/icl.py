"""ICL of AG News, 8 demonstrations: queries per second beside lm-evaluation-harness.

One model folder (25 million random weights in LLaMA's shape), the same prompts, the label words'
log-probabilities of both compared. The harness runs at the best of its batch sizes.

AG News is read from ICLGD_DATA/real/ag_news/{train,test}.jsonl if that is set, or else from
the hub (fancyzhx/ag_news).
"""

import json
import logging
import os
import tempfile
import time
from pathlib import Path

import measure
import polars as pl
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from iclgd.learners import in_context
from iclgd.models import prefix_cache
from iclgd.models.loading import Loaded
from iclgd.tasks.readouts.next_token import NextToken

QUERIES, SHOTS = 200, 8
LABELS = [" World", " Sports", " Business", " Technology"]
INSTRUCTION = (
    "Classify the news articles into the categories of World, Sports, Business, and Technology.\n\n"
)


def news(split: str) -> list[dict]:
    """Rows of AG News: text, label."""
    if "ICLGD_DATA" in os.environ:
        path = Path(os.environ["ICLGD_DATA"]) / "real/ag_news" / f"{split}.jsonl"
        return [json.loads(line) for line in path.open()]
    from datasets import load_dataset

    return load_dataset("fancyzhx/ag_news", split=split).select(range(2000)).to_list()


def save_model(folder: str, texts: list[str]) -> None:
    """A random model with a byte-level BPE of 12,000 tokens learned from ``texts``."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=12_000,
            special_tokens=["<s>"],
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    special = {"bos_token": "<s>", "eos_token": "<s>", "pad_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    measure.llama(
        vocab_size=len(words.get_vocab()),
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=6,
        num_attention_heads=8,
        tie_word_embeddings=True,
    ).save_pretrained(folder)


train, test = news("train"), news("test")[:QUERIES]
shown = [train[i] for i in torch.randperm(len(train), generator=torch.manual_seed(0))[:SHOTS]]
prompts = [
    INSTRUCTION
    + "".join(f"Article: {r['text']}\nAnswer:{LABELS[r['label']]}\n\n" for r in shown)
    + f"Article: {row['text']}\nAnswer:"
    for row in test
]
logging.disable(logging.WARNING)
with tempfile.TemporaryDirectory() as folder:
    save_model(folder, [row["text"] for row in train])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    loaded = Loaded("random", model.requires_grad_(False), tokenizer, "cpu", None)
    harness = {
        size: HFLM(
            pretrained=folder, device="cpu", dtype="float32", batch_size=size, backend="causal"
        )
        for size in (1, 2, 4, 8, 16)
    }
label_ids = [tokenizer(label)["input_ids"][0] for label in LABELS]


def ours() -> torch.Tensor:
    sequences = tokenizer(prompts)["input_ids"]
    prefix = prefix_cache.Prefix(loaded.model)
    found = in_context.score(loaded, sequences, NextToken(label_ids, 1024), prefix)
    return torch.from_numpy(found.label_logprobs)


def theirs(size: int, count: int = QUERIES) -> torch.Tensor:
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=(prompt, label), idx=i)
        for prompt in prompts[:count]
        for i, label in enumerate(LABELS)
    ]
    answers = harness[size].loglikelihood(requests, disable_tqdm=True)
    return torch.tensor([logprob for logprob, _ in answers]).view(-1, len(LABELS))


def seconds(size: int) -> float:
    start = time.perf_counter()
    theirs(size, 16)
    return time.perf_counter() - start


best = min(harness, key=seconds)
name = f"lm-evaluation-harness, batch {best}"
answers = {}
ours()
table = measure.take_turns(
    "ICL, 8 demonstrations, queries",
    {
        "shared prefix": lambda: answers.update(ours=ours()),
        name: lambda: answers.update(theirs=theirs(best)),
    },
    {"shared prefix": QUERIES, name: QUERIES},
    rounds=3,
    warm=True,
)
difference = (answers["ours"] - answers["theirs"]).abs().max().item()
print(f"label log-probabilities differ by {difference:.1e}")
measure.save(table.with_columns(pl.lit(difference).alias("difference")), "icl")
