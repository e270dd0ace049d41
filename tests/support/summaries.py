"""Made-up but realistic summaries of every kind, for the tests of the figures."""

from __future__ import annotations

import json
import math
import random

import polars as pl

EPOCHS = [0, 1, 5, 20, 40, 200]
RATES = [1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3]
GD = ["gd", "gd-v-middle", "gd-v-deep"]
WEIGHTS = {
    "llama-small": 5e4,
    "gpt2-xl": 1.5e9,
    "gpt-neo-2.7b": 2.7e9,
    "gpt-j-6b": 6.05e9,
    "llama-7b": 6.74e9,
    "llama-13b": 13.0e9,
}


def band(row, estimate, width, draws=5):
    """A row with its band; one draw has none."""
    known = estimate is not None and draws > 1
    return {
        **row,
        "estimate": estimate,
        "low": estimate - width if known else None,
        "high": estimate + width if known else None,
        "draws": draws,
    }


def kept(rows, path, **ints):
    """Write rows with every column in the type that the summaries have."""
    whole = {"prompts", "shots", "epoch", "draws", "layers", "step", "k", "layer"}
    whole |= {"at", "seed", "seeds"}
    texts = [
        "model",
        "task",
        "design",
        "a",
        "b",
        "metric",
        "learner",
        "measure",
        "source",
        "matrix",
        "revision",
        "kind",
        "control",
        "departure",
        "nature",
        "reading",
        "response",
        "part",
        "demonstrations",
        "labels",
        "against",
    ]
    schema = {
        name: pl.Int32
        if name in whole
        else pl.String
        if name in texts
        else pl.Boolean
        if name in ("chosen", "at_end")
        else pl.Float64
        for name in rows[0]
    }
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
    return path


def learned(rate, epoch, top):
    """Accuracy of a rate: rises with rate times epochs, and falls when it is too large."""
    x = math.log10(max(rate * epoch, 1e-9) / 0.05)
    return 0.06 + top * math.exp(-x * x / 1.6) if epoch else 0.06


def agreement(
    path,
    models=("llama-7b",),
    tasks=("agnews",),
    shots=(4,),
    rates=RATES,
    gds=GD,
    draws=5,
    broken=True,
    design="n{}",
):
    rng, rows = random.Random(0), []
    for m, model in enumerate(models):
        for t, task in enumerate(tasks):
            for n in shots:
                run = {"model": model, "task": task, "design": design.format(n), "shots": n}
                icl = 0.3 + 0.1 * math.log2(n) + 0.03 * m + 0.04 * t

                def add(b, epoch, acc, to, ocs, lost=0.0, chosen=False, run=run, icl=icl):
                    for metric, value, wide in (
                        ("accuracy_a", icl, 0.05),
                        ("accuracy_b", acc, 0.06),
                        ("token_overlap", to, 0.03),
                        ("ocs", ocs, 0.04),
                        ("js", 0.3, 0.1),
                    ):
                        row = {**run, "a": "icl", "b": b, "epoch": epoch, "metric": metric}
                        rows.append(
                            {**band(row, value, wide, draws), "diverged": lost, "chosen": chosen}
                        )

                if n > 1:
                    add("icl-reordered", 0, icl - 0.01, 0.66, 0.76)
                add("icl-redrawn", 0, icl - 0.03, 0.52, 0.64)
                for g, gd in enumerate(gds):
                    for rate in rates:
                        last = False
                        for epoch in EPOCHS:
                            lost = broken and rate == max(rates) and epoch > 20 and g == 0
                            acc = learned(rate, epoch, 0.4 + 0.03 * n - 0.1 * g)
                            acc += rng.uniform(-0.01, 0.01)
                            x = (acc - 0.05) * 0.4
                            pick = rate == rates[-2 if len(rates) > 1 else 0] and epoch == 40
                            add(
                                f"{gd}@{rate:g}",
                                epoch,
                                *((None,) * 3 if lost else (acc, 0.03 + x, 0.05 + 1.5 * x)),
                                float(lost),
                                pick and not last,
                            )
    return kept(rows, path)


def accuracy(
    path,
    tasks=("agnews", "cb", "sst2", "rte"),
    models=("llama-7b",),
    draws=5,
    gds=("gd", "gd-v-deep"),
    broken=False,
):
    rows = []
    table = {"agnews": (0.42, 0.69, 0.71), "cb": (0.39, 0.72, 0.62), "sst2": (0.49, 0.75, 0.9)}
    for m, model in enumerate(models):
        for task in tasks:
            low, high, icl = table.get(task, (0.36, 0.65, 0.60))
            for n in (8, 512):
                run = {"model": model, "task": task, "design": f"n{n}", "shots": n}
                if n == 8:
                    row = {**run, "learner": "icl", "epoch": 0, "metric": "accuracy"}
                    rows.append(
                        {**band(row, icl - 0.04 * m, 0.05, draws), "diverged": 0.0, "chosen": True}
                    )
                for g, gd in enumerate(gds):
                    for epoch in (0, 20, 200):
                        value = (low if n == 8 else high) - 0.08 * g if epoch else 0.12
                        bad = broken and n == 512 and epoch
                        for metric in ("accuracy", "label_accuracy"):
                            row = {
                                **run,
                                "learner": f"{gd}@0.001",
                                "epoch": epoch,
                                "metric": metric,
                            }
                            rows.append(
                                {
                                    **band(row, None if bad else value, 0.06, draws),
                                    "diverged": float(bool(bad)),
                                    "chosen": epoch == 20 and not bad,
                                }
                            )
    return kept(rows, path)


def order(
    path,
    tasks=("agnews",),
    rates=(1e-4, 1e-3, 1e-2),
    draws=5,
    broken=True,
    others=("sgd-1", "sgd-4", "adam"),
):
    rows = []
    for task in tasks:
        run = {"model": "llama-7b", "task": task, "design": "n8-orders", "shots": 8}

        def add(learner, epoch, lost=0.0, run=run, **found):
            for measure, value in found.items():
                row = {**run, "learner": learner, "epoch": epoch, "measure": measure}
                wide = value * 0.3 if value and measure.endswith("sen") else 0.1
                rows.append({**band(row, value, wide, draws), "diverged": lost})

        add("icl", 0, sen=0.15, label_sen=0.12, pattern_cosine=1.0, mantel_r=1.0, mantel_p=0.001)
        add("oracle", 0, sen=0.2, pattern_cosine=0.3, pattern_permuted=0.3, pattern_beyond=0.0)
        for name in ("gd", *others):
            for rate in rates:
                for e in EPOCHS:
                    lost = broken and name == "adam" and rate == max(rates) and e > 40
                    size = {"gd": 2e-6, "adam": 0.06}.get(name, 0.05) * (rate / max(rates)) ** 0.3
                    sen = size * math.exp(-e / 150) if e else 0.0
                    r = None if lost or not e or name == "gd" else 0.25 - e / 900
                    add(
                        f"{name}@{rate:g}",
                        e,
                        float(lost),
                        sen=None if lost else sen,
                        label_sen=None if lost else sen * 0.7,
                        pattern_cosine=r,
                        pattern_permuted=r and r * 0.6,
                        pattern_beyond=r and r * 0.4,
                        pattern_own=r and r * 0.5,
                        mantel_r=r and r * 0.8,
                        mantel_p=r and 0.02 + e / 1000,
                    )
    return kept(rows, path)


def variance(
    path,
    tasks=("agnews",),
    draws=5,
    learners=("icl", "gd@0.001", "sgd-1@0.01", "adam@0.001"),
    broken=False,
):
    rows = []
    shares = {"last label": 0.35, "last demonstration": 0.25, "positions": 0.22, "rest": 0.18}
    for task in tasks:
        for i, learner in enumerate(learners):
            for source, value in shares.items():
                row = {
                    "model": "llama-7b",
                    "task": task,
                    "design": "n4-orders",
                    "shots": 4,
                    "learner": learner,
                    "epoch": 0 if learner == "icl" else 200,
                    "source": source,
                }
                gone = broken and i == 1
                rows.append(band(row, None if gone else value * (1 - 0.15 * i), 0.05, draws))
    return kept(rows, path)


def sparsity(path, models=tuple(WEIGHTS)[:3], circuits=True, layers=32):
    rows = []
    need = {"q": 0.999939, "k": 0.999939, "v": 0.74994}
    for m, model in enumerate(models):
        for matrix, required in need.items():
            for delta in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
                for measure, scale in (("share", 45 - 8 * m), ("share_rms", 20)):
                    x = min(0.95, delta * scale)
                    row = {"model": model, "matrix": matrix, "threshold": delta, "measure": measure}
                    rows.append(
                        {**band(row, x, x * 0.15, layers), "layers": layers, "required": required}
                    )
        for matrix in ("qk", "ov") if circuits else ():
            for measure, value in (("stable_rank", 9.0 + m), ("hoyer", 0.3), ("gini", 0.6)):
                row = {"model": model, "matrix": matrix, "threshold": None, "measure": measure}
                rows.append(
                    {
                        **band(row, value * (1 if matrix == "qk" else 1.3), value * 0.1, layers),
                        "layers": layers,
                        "required": None,
                    }
                )
    return kept([{k: v for k, v in row.items() if k != "draws"} for row in rows], path)


def checkpoints(
    path, models=("pythia-1.4b",), tasks=("agnews", "sst2", "cb", "rte"), draws=5, first=0
):
    rows = []
    steps = [s for s in (0, 1000, 8000, 32000, 64000, 100000, 143000) if s >= first]
    for model in models:
        for s in steps:
            key = {"model": model, "revision": f"step{s}", "step": s}
            for t, task in enumerate(tasks):
                value = 0.1 + (0.5 - 0.08 * t) / (1 + math.exp(-(s - 20000 - 9000 * t) / 9000))
                for measure in ("accuracy", "label_accuracy"):
                    row = {**key, "task": task, "learner": "icl", "measure": measure}
                    rows.append(band(row, value, 0.05, draws))
            row = {**key, "task": None, "learner": None, "measure": "mean_abs_change"}
            rows.append(band(row, 0.02 * math.sqrt(s / 1e5), 0, 1))
    return kept(rows, path)


def depth(path, tasks=("agnews",), draws=5):
    rows = []
    for task in tasks:
        for i, b in enumerate(("icl-reordered", "icl-redrawn", "gd@0.001", "gd-v-deep@0.005")):
            for k in range(1, 101):
                run = {
                    "model": "llama-7b",
                    "task": task,
                    "design": "n4",
                    "shots": 4,
                    "a": "icl",
                    "b": b,
                    "epoch": 0 if i < 2 else 40,
                    "k": k,
                }
                top = (0.75, 0.6, 0.2, 0.1)[i] + 0.1 * math.log10(k) * (1 if i < 2 else -0.3)
                rows += [
                    band({**run, "metric": "token_overlap"}, top, 0.03, draws),
                    band({**run, "metric": "ocs"}, min(top + 0.1, 1), 0.03, draws),
                ]
    return kept(rows, path)


def manifests(folder, weights=None):
    learned = {
        "llama-small": "emergent: next-token prediction",
        "gpt2-xl": "not acquired",
        "gpt-neo-2.7b": "trained with the ICL objective",
    }
    shape = {"llama": "llama", "gpt-j": "gptj", "gpt2": "gpt2", "gpt-neo": "gpt_neo"}
    paths = []
    for model, size in (weights or WEIGHTS).items():
        paths.append(folder / f"{model}.json")
        arch = next((v for k, v in shape.items() if model.startswith(k)), "other")
        text = {
            "model": model,
            "architecture": arch,
            "layers": 32,
            "weights": int(size),
            "quantised": None,
            "instruct": None,
            "in_context_learning": learned.get(model),
            "source": {"path": model},
        }
        paths[-1].write_text(json.dumps(text))
    return paths


def size_arguments(folder):
    return ["--manifests", *map(str, manifests(folder))]


CONTROLS = {"m-random": ["llama-7b", "random"], "t-labels": ["agnews", "labels"]}


def controls(path):
    """A pair between controls and ceiling on two metrics; a control above it on the others."""
    rows = []
    for i, metric in enumerate(("token_overlap", "ocs", "rbo", "similarity")):
        floor, ceiling = (0.2, 0.8) if i < 2 else (0.9, 0.8)
        for kind, control, b, estimate in (
            ("ceiling", None, "icl-reordered", ceiling),
            ("pair", None, "gd@0.01", 0.5),
            ("control", "m-random", "gd@0.01", floor),
            ("control", "t-labels", "gd@0.01", 0.1),
        ):
            place = (0.5 - floor) / (ceiling - floor) if i < 2 else None
            run = {"model": "llama-7b", "task": "agnews", "design": "n4", "shots": 4}
            run |= {"kind": kind, "control": control, "b": b, "epoch": 5, "metric": metric}
            levels = {"floor": floor, "ceiling": ceiling, "normalised": place}
            rows.append({**band(run, estimate, 0.05), **levels})
    return kept(rows, path)
