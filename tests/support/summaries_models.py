"""Made-up summaries of what models are made of: attention, constructions, twins."""

from __future__ import annotations

import itertools

from support.summaries import band, kept


def attention(path, learners=("gd-kv@0.01", "gd-kv-attention@0.01"), draws=5, layers=24):
    rows = []
    usual = {"sim_aou": 0.2, "sim_aou_chance": 0.15, "sim_aou_raw": 0.05, "sim_am": 0.5}
    usual |= {"sim_am_before": 0.45, "sim_am_delta": -0.1, "kendall": 0.19, "kendall_before": 0.18}
    whole = {"rec2ftp": 0.87, "rec2ftp_chance": 0.8, "label_accuracy": 0.6}
    run = {"model": "gpt-neo", "task": "agnews", "design": "n8", "shots": 8}
    for i, learner in enumerate(learners):
        for chosen, name in ((True, learner), (False, learner.replace("0.01", "0.1"))):
            key = {**run, "learner": name, "epoch": 1}
            for layer in [None, *range(layers)]:
                for metric, value in {**usual, **({} if layer is not None else whole)}.items():
                    known = metric != "sim_am_delta" or layer != 0
                    x = value + 0.1 * i + 0.005 * (layer or 0) if known else None
                    row = {**key, "layer": layer, "metric": metric}
                    rows.append({**band(row, x, 0.04, draws), "chosen": chosen})
    return kept(rows, path)


def dose(path, draws=5, departures=("softmax", "causal")):
    slope = {"token_overlap": -0.4, "ocs": -0.1, "rbo": -0.3, "tv": 0.3, "js": 0.1}
    slope |= {"accuracy_a": 0.0, "accuracy_b": -0.1, "sen_a": 0.01, "sen_b": 0.0}
    places = {name: (0.0, 0.3, 1.0) for name in departures} | {"steps of GD": (-2, -1, 0, 1, 2, 3)}
    rows = []
    for departure, shares in places.items():
        steps = departure == "steps of GD"
        readings = ("untuned",) if steps else ("untuned", "tuned", "kernel")
        for share, reading in itertools.product(shares, readings):
            for metric, change in slope.items():
                change *= 1.3 if reading == "untuned" else 1.0
                if reading == "kernel" and departure == "softmax":
                    change *= 1 - share  # at share 1 it is GD on functions
                row = {
                    "model": f"{departure}@{share}" if share else "construction",
                    "task": "topic4",
                    "design": "n8",
                    "shots": 8,
                    "epoch": 2,
                    "metric": metric,
                    "departure": departure,
                    "nature": "not GD" if departure == "causal" else "another kernel",
                    "dose": share,
                    "reading": reading,
                    "rate": 1.0,
                    "at_end": False,
                    "draw": None,
                }
                level = 1.0 if change < 0 or metric == "accuracy_a" else 0.0
                response = "falls" if change < 0 and not share else None
                row = band(row, level + change * abs(share) / 3, 0.02, draws)
                rows.append({**row, "response": response})
    return kept(rows, path)


def reach(path, models=("llama-large", "gpt2"), layers=2, draws=5, matrices="qkvo"):
    groups = [(layer, matrix) for layer in range(layers) for matrix in (*matrices, "mlp")]
    groups = [*groups, (None, "rest")] if matrices else []
    rows = []
    for model, part, shown, (layer, matrix) in itertools.product(
        models,
        ("mapping", "labels"),
        ("own", "wrong labels", "other texts"),
        [*groups, (None, "all")],
    ):
        run = {"model": model, "task": "topic4", "design": "n4", "shots": 4}
        run |= {"layer": layer, "matrix": matrix, "part": part, "demonstrations": shown}
        level = {"own": 0.3, "wrong labels": 0.2, "other texts": 0.0}[shown] + 0.1 * (layer or 0)
        level += {"v": 0.2, "all": 0.3}.get(matrix, 0.0) + 0.1 * (part == "labels")
        for metric in ("fitted", "r2", "cosine"):
            rows.append(band({**run, "metric": metric}, min(level, 0.95), 0.05, draws))
    return kept(rows, path)


def updates(path, models=("llama-large", "construction"), layers=2, draws=5):
    rows = []
    for model in models:
        made = model == "construction"
        matrices = ("guess",) if made else ("gate_proj", "down_proj")
        depth = 1 if made else layers
        for layer, matrix, shown in itertools.product(
            range(depth), matrices, ("own", "wrong labels", "other texts")
        ):
            run = {"model": model, "task": "topic4", "design": "n4", "shots": 4}
            run |= {"a": "patch", "b": "gd", "layer": layer, "matrix": matrix}
            run |= {"demonstrations": shown}
            level = {"own": 0.1, "wrong labels": 0.05, "other texts": -0.02}[shown]
            level = level + 0.9 * (made and shown == "own") + 0.02 * layer
            for metric, value in (
                ("update_cosine", level),
                ("shared_inputs", max(level, 0.0)),
                ("patch_spread", 0.9),
            ):
                rows.append(band({**run, "metric": metric}, value, 0.05, draws))
    return kept(rows, path)


def label_dose(path, models=("llama-large", "gpt2"), draws=5, abstract=True, gd=0.5):
    """ICL that follows all labels, GD that follows a share ``gd`` of them, and one that reads none.

    Before training GD is right by chance.
    """
    rows = []
    doses = [("right", 0.0), ("flipped", 0.3), ("flipped", 1.0)] + [("abstract", 0.0)] * abstract
    follows = {("icl", 0): 1.0, ("gd@0.01", 20): gd, ("gd@0.01", 0): None, ("oracle", 0): 0.0}
    for model, ((learner, epoch), part) in itertools.product(models, follows.items()):
        run = {"model": model, "design": "n4", "shots": 4, "learner": learner, "epoch": epoch}

        def add(task, metric, value, labels=None, dose=None, against=None, run=run):
            row = {**run, "task": task, "metric": metric, "labels": labels, "dose": dose}
            rows.append(band({**row, "against": against}, value, 0.05, draws))

        for labels, dose in doses:
            task = {"right": "topic4"}.get(labels, f"topic4-{labels}-{dose:g}")
            right = 0.25 if part is None else 0.9 - 0.8 * part * dose
            add(task, "accuracy", right, labels, dose)
            add(task, "followed", 0.25 if part is None else 0.9, labels, dose)
            if labels == "abstract":
                add(task, "accuracy_abstract", -0.1, against="topic4")
        add("topic4", "accuracy_slope", -0.8 * (part or 0.0))
        add("topic4", "accuracy_lost", 0.89 * (part or 0.0))
        if learner != "icl":
            add("topic4", "slope_past_icl", 0.8 - 0.8 * (part or 0.0), against="icl")
    return kept(rows, path)


def regression(path, models=("construction", "soft@0.3", "soft@1", "mix@1")):
    rows = []
    for m, model in enumerate(models):
        for scale in (0.25, 0.5, 1.0, 2.0):
            apart = 1e-16 if m == 0 else 0.1 * m * scale
            for metric, value in (
                ("prediction_distance", apart),
                ("sensitivity_distance", 2 * apart),
                ("sensitivity_cosine", 1 - apart / 2),
                ("loss_model", 6.4 + apart),
                ("loss_gd", 6.4),
            ):
                row = {"model": model, "rate": 1.0, "scale": scale, "metric": metric}
                rows.append(band(row, value, 0.1 * apart, 100))
    return kept([{**row, "prompts": row.pop("draws")} for row in rows], path)


def twins(path, seeds=5, etas=(0.0, 0.5)):
    """Lower perplexity and no better learning; a band needs two seeds."""
    rows = []
    grid = [("perplexity", [1, 11, 21, 31, 41, 51]), ("accuracy_2way", [0, 1, 2, 4, 8])]
    grid.append(("accuracy_4way", [0, 1, 2, 4, 8]))
    for measure, places in grid:
        for at in places:
            for eta in etas:
                base = 6 - 0.02 * at if measure == "perplexity" else 0.3 + 0.08 * at
                for kind in ("mean", "difference") if eta else ("mean",):
                    value = base + 0.1 * eta if kind == "mean" else 0.1 * eta
                    key = {"measure": measure, "at": at, "eta": eta, "kind": kind, "seed": None}
                    row = band(key, value, 0.05, seeds)
                    rows.append({**row, "seeds": row.pop("draws")})
                    for seed in range(seeds):
                        own = {**key, "seed": seed, "estimate": value + 0.02 * seed}
                        rows.append({**own, "low": None, "high": None, "seeds": None})
    return kept(rows, path)
