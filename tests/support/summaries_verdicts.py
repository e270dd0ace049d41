"""Made-up summaries of verdicts and of the nearest that GD comes, for the tests of the figures."""

from __future__ import annotations

import itertools
import math

import polars as pl

from support.summaries import GD, band


def equivalence(path, models=("llama-7b",), draws=5, verdicts=("different", "equivalent")):
    """Lanes of every learner, at nine smallest effects; on one task there is no ICL.

    ``verdicts``: of an excess beyond and within the smallest effect. The last learner is tested for
    exploration.
    """
    rows = []
    known = draws > 1
    for model, task in itertools.product(models, ("agnews", "cb")):
        for g, gd in enumerate(GD):
            for choice, shift in (("nearest", 0.0), ("accuracy", 0.1)):
                for k in range(-4, 5):
                    excess, smallest = 0.3 * g + shift - 0.05, 0.05 * 2.0**k
                    learned = known and task == "agnews"
                    verdict = verdicts[excess < smallest] if learned else "inconclusive"
                    run = {"model": model, "task": task, "design": "n4", "shots": 4}
                    run |= {"a": "icl", "b": f"{gd}@0.01", "epoch": 20, "choice": choice}
                    run |= {"measure": "tv", "factor": 2.0**k, "queries": 96}
                    run |= {"reference": 0.05, "untouched": 0.9, "smallest": smallest}
                    solver = (0.4, "oracle") if task == "agnews" else (None, None)
                    run |= dict(zip(("solver", "solver_name"), solver, strict=True))
                    run |= {"rounding": 1e-5}
                    run |= {"untouched_least": 0.85 if learned else None}
                    run |= {"primary": g < len(GD) - 1, "excess": excess, "excess_mde": 0.1}
                    run |= {"excess_low": excess - 0.05 if known else None}
                    run |= {"excess_high": excess + 0.05 if known else None}
                    run |= {"verdict": verdict, "reason": None if learned else "no ICL"}
                    run |= {"draws_needed": None, "underpowered": False}
                    rows.append(band(run, excess + 0.05, 0.05, draws))
    return write(rows, path)


def nearest(path, rates=(1e-3, 1e-2), draws=5, broken=False):
    rows = []
    run = {"model": "llama-7b", "task": "agnews", "design": "n4", "shots": 4, "a": "icl"}
    for metric in ("tv", "token_overlap"):
        own = {**run, "b": "icl-reordered", "epoch": 0, "metric": metric, "loss": None}
        rows.append({**band(own, 0.1, 0.02, draws), "diverged": 0.0, "nearest": False})
        for gd in GD:
            for rate in rates:
                for epoch in (0, 1, 5, 20, 200):
                    lost = broken and rate == max(rates) and epoch > 5
                    one = {**run, "b": f"{gd}@{rate:g}", "epoch": epoch, "metric": metric}
                    one["loss"] = None if lost else 3 * math.exp(-300 * rate * epoch)
                    value = None if lost else 0.2 + 0.7 * math.exp(-rate * epoch)
                    picked = epoch == 5 and rate == rates[-1]
                    more = {"diverged": float(lost), "nearest": picked}
                    rows.append({**band(one, value, 0.05, draws), **more})
    return write(rows, path)


def existence(path, models=("llama-7b", "gpt2-xl"), draws=5, taught=True):
    """Learners from far to near: the untouched model, GD, what ICL taught, ICL in another order."""
    rows = []
    readings = {
        ("gd", "gd@0.01", 0, "untouched", "tv"): 0.9,
        ("gd", "gd@0.01", 20, "nearest", "tv"): 0.4,
        ("gd", "gd@0.01", 200, "accuracy", "tv"): 0.5,
        ("icl-reordered", "icl-reordered", 0, "nearest", "tv"): 0.1,
        ("oracle", "oracle", 0, "nearest", "tv"): 0.6,
    }
    if taught:
        readings["distil", "distil", 40, "nearest", "tv"] = 0.2
        readings["patch", "patch", 0, "nearest", "tv"] = 0.3
        readings["tangent", "tangent", 0, "nearest", "tv"] = 0.35
        readings["labels", "labels", 20, "nearest", "tv"] = 0.21
        readings["shuffled", "shuffled", 0, "nearest", "tv"] = 0.8
    for model, (key, tv) in itertools.product(models, readings.items()):
        run = {"model": model, "task": "agnews", "design": "n4", "shots": 4, "a": "icl"}
        run |= dict(zip(("family", "b", "epoch", "reading", "metric"), key, strict=True))
        run["foremost"] = key[0] in ("gd", "distil") and key[3] == "nearest"
        rows.append(band(run, tv, 0.02, draws))
        rows.append(band({**run, "metric": "units"}, 10 * tv, 0.5, draws))
        if taught:
            rows.append(band({**run, "metric": "beyond"}, tv - 0.2, 0.02, draws))
    return write(rows, path)


def steps(path, models=("one", "two"), draws=5, families=("functions", "gd")):
    """Learners that are nearest after so many steps as a model has layers."""
    rows = []
    for (layers, model), name in itertools.product(enumerate(models, 1), families):
        run = {"model": model, "task": "topic4", "design": "n8", "shots": 8, "a": "icl"}
        for epoch in range(5):
            rate = name if name == "gd" else f"{name}@1"
            own = {**run, "family": name, "b": rate, "epoch": epoch, "metric": "tv"}
            rows.append({**band(own, 0.1 * abs(epoch - layers), 0.02, draws)})
            rows[-1]["nearest"] = epoch == layers
    return write(rows, path)


def errors(path, models=("llama-7b",), tasks=("agnews", "cb"), draws=5, few=(), near=(0.3, 0.0)):
    """Two learners that train err with ICL by ``near``; ``few``: tasks where ICL hardly errs."""
    gaps = {"icl-reordered": 0.4, "gd@0.01": near[0], "gd-v-middle@0.01": near[1], "oracle": 0.0}
    rows = []
    for model, task in itertools.product(models, tasks):
        for learner, gap in gaps.items():
            run = {"model": model, "task": task, "design": "n4", "shots": 4, "a": "icl"}
            run |= {"learner": learner, "epoch": 20 if "gd" in learner else 0, "queries": 96}

            def add(metric, value, cells, p=None, run=run, task=task):
                known = task not in few or metric == "error_a"
                own = {**run, "metric": metric, "cells": cells if known else 3.0}
                own["p"] = p if known and draws > 1 else None
                rows.append(band(own, value if known else None, 0.05, draws))

            right = learner == "oracle"
            add("error_a", 0.0 if task in few else 0.3, 480.0)
            add("error_b", 0.0 if right else 0.35, 480.0)
            add("error_with", 0.0 if right else 0.3 + gap, 144.0)
            add("error_without", 0.0 if right else 0.3, 336.0)
            add("error_gap", gap, 144.0, 0.01 if gap else 0.5)
            add("same_wrong", None if right else 0.34 + gap, 0.0 if right else 60.0)
            add("same_chance", None if right else 0.34, 0.0 if right else 60.0)
            add("same_gap", None if right else gap, 60.0, None if right else 0.01 if gap else 0.5)
            if learner != "icl-reordered":
                add("error_gap_excess", gap - 0.4, 144.0, 0.2 if gap > 0.2 else 0.001)
                add("same_gap_excess", None if right else gap - 0.4, 60.0, None)
    return write(rows, path)


PROTOCOLS = {  # of `sensitivity`
    "gd@0.01": {"rate": 0.01, "batch": None, "optimiser": "sgd", "loss": "label"},
    "gd@0.1": {"rate": 0.1, "batch": None, "optimiser": "sgd", "loss": "label"},
    "sgd-1": {"rate": 0.03, "batch": 1, "optimiser": "sgd", "loss": "all", "momentum": 0.9},
    "adam@0.001": {"rate": 0.001, "batch": None, "optimiser": "adam", "loss": "label"},
}


def sensitivity(path, models=("llama-7b",), tasks=("agnews", "cb"), draws=5, broken=False, near=()):
    """Protocols at four epochs. Those of ``near``, (task, family), come within reach of ICL.

    With ``broken`` Adam diverges.
    """
    rows = []
    for model, task in itertools.product(models, tasks):
        run = {"model": model, "task": task, "design": "n4", "shots": 4, "a": "icl"}
        run |= {"reference": 0.1, "smallest": 0.05, "queries": 96, "border": None, "loss": None}

        def add(learner, epoch, tv, acc, closest=False, lost=0.0, run=run):
            own = {**run, "family": learner.split("@")[0], "learner": learner, "epoch": epoch}
            own |= {"excess": None if tv is None else tv - 0.1, "accuracy": acc}
            for name in ("excess", "accuracy"):
                for end, wide in (("low", -0.03), ("high", 0.03)):
                    known = draws > 1 and own[name] is not None
                    own[f"{name}_{end}"] = own[name] + wide if known else None
            known = own["excess_high"] is not None
            own |= {"reached": known and own["excess_high"] < 0.05 and not lost}
            own |= {"missed": known and own["excess_low"] > 0.05, "diverged": lost}
            rows.append({**band(own, tv, 0.04, draws), "closest": closest})

        add("icl-reordered", 0, 0.1, 0.75)
        for learner, entry in PROTOCOLS.items():
            family = learner.split("@")[0]
            lost = broken and family == "adam"
            for epoch in (0, 1, 10, 200):
                tv = 0.11 + 0.79 * math.exp(-entry["rate"] * epoch)
                tv = min(0.11, tv) if (task, family) in near and epoch == 200 else 0.2 + tv * 0.7
                lose = 1.0 if lost and epoch else 0.0
                add(learner, epoch, None if lose else tv, None if lose else 0.8 - tv / 2, lost=lose)
            if not lost and learner != "gd@0.01":
                closest = 0.11 if (task, family) in near else 0.4
                add(learner, 200, closest, 0.6, closest=True)
                rows[-1]["border"] = "last epoch, highest rate" if family == "gd" else "last epoch"
    return write(rows, path)


def write(rows, path):
    frame = pl.DataFrame(rows, infer_schema_length=None)
    texts = {name: pl.String for name in ("border",) if name in frame.columns}
    frame.cast({pl.Int64: pl.Int32, pl.Null: pl.Float64, **texts}).write_parquet(path)
    return path
