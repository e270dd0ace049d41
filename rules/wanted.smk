"""What each figure is made of: from its entry to files, titles and names, for input and params."""


def figure_models(wildcards):
    return catalogue.expand_all(
        config["figures"][wildcards.figure]["models"], config["models"]
    )


def figure_runs(wildcards):
    """(model, task, design, learner) of every logits table that a figure shows."""
    entry = config["figures"][wildcards.figure]
    pairs = entry.get("runs") or [
        (design, learner)
        for design in entry["demonstrations"]
        for learner in entry["learners"]
    ]
    return [
        (model, task, design, learner)
        for model in figure_models(wildcards)
        for task in entry["tasks"]
        for design, name in pairs
        for learner in catalogue.expand_all([name], config["learners"])
    ]


def figure_logits(wildcards):
    return [path for run in figure_runs(wildcards) for path in logits(*run)]


def controlled_pairs(entry, model, task):
    """The pairs of a figure that a model and a task are compared with.

    Of controls only the pair itself counts, not its references, and one control at a time.
    """
    controls = ("of" in config["models"][model.split("@")[0]]) + (
        "of" in config["tasks"][task]
    )
    if entry["kind"] != "controls" or controls == 0:
        return entry["pairs"]
    learners = [] if controls == 2 else entry["pairs"]
    return [
        pair
        for pair in learners
        if "reference" not in config["learners"][pair[1].split("@")[0]]
    ]


def figure_attention(wildcards):
    """Attention tables of a figure: of every learner but the first, which is ICL."""
    entry = config["figures"][wildcards.figure]
    icl = catalogue.expand_all(entry["learners"][:1], config["learners"])
    return [
        path.replace("results/logits/", "results/attention/", 1)
        for run in figure_runs(wildcards)
        if run[-1] not in icl
        for path in logits(*run)
    ]


def figure_pairs(wildcards, ending=""):
    """Agreement tables of a figure; a reference that a design has no second order for is left out."""
    entry = config["figures"][wildcards.figure]
    paths = []
    for model in figure_models(wildcards):
        for task in entry["tasks"]:
            for design in entry["demonstrations"]:
                for first, second in controlled_pairs(entry, model, task):
                    for a in catalogue.expand_all([first], config["learners"]):
                        for b in catalogue.expand_all([second], config["learners"]):
                            if catalogue.comparable(config, design, b):
                                paths.append(
                                    f"results/agreement/{model}/{task}/{design}/{a}--{b}{ending}.parquet"
                                )
    return paths


def figure_pair_logits(wildcards):
    """Logits tables of both learners of every pair of a figure."""
    entry = config["figures"][wildcards.figure]
    names = dict.fromkeys(name for pair in entry["pairs"] for name in pair)
    return [
        path
        for model in figure_models(wildcards)
        for task in entry["tasks"]
        for design in entry["demonstrations"]
        for learner in catalogue.expand_all(list(names), config["learners"])
        for path in logits(model, task, design, learner)
    ]


def figure_curves(wildcards):
    return figure_pairs(wildcards, ".curves")


def figure_manifests(wildcards):
    return [f"results/models/{model}.json" for model in figure_models(wildcards)]


def figure_folders(wildcards):
    return [f"results/models/{model}" for model in figure_models(wildcards)]


def figure_perplexity(wildcards):
    return [f"results/perplexity/{model}.parquet" for model in figure_models(wildcards)]


def figure_sparsity(wildcards):
    return [f"results/sparsity/{model}.parquet" for model in figure_models(wildcards)]


def figure_circuits(wildcards):
    return [
        f"results/sparsity/{model}.circuits.parquet"
        for model in figure_models(wildcards)
    ]


def figure_drift(wildcards):
    """Drift of every checkpoint from the first checkpoint of its model."""
    first = {}
    for model in figure_models(wildcards):
        first.setdefault(model.split("@")[0], model)
    return [
        f"results/drift/{model}--{first[model.split('@')[0]]}.parquet"
        for model in figure_models(wildcards)
    ]


def figure_demonstrations(wildcards):
    entry = config["figures"][wildcards.figure]
    return [
        f"results/demonstrations/{task}/{design}/{block}.parquet"
        for task in entry["tasks"]
        for design in entry["demonstrations"]
        for block in catalogue.blocks(config["demonstrations"][design])
    ]


def figure_tasks(wildcards):
    return [
        f"results/tasks/{task}.parquet"
        for task in config["figures"][wildcards.figure]["tasks"]
    ]


def first_learner(wildcards):
    return config["figures"][wildcards.figure]["learners"][0]


def figure_controls(wildcards):
    """What each control of a figure is: its name to ``[original, kind]``."""
    entry = config["figures"][wildcards.figure]
    return as_json(
        {
            name: [entries[name]["of"], entries[name]["control"]]
            for entries, names in (
                (config["models"], entry["models"]),
                (config["tasks"], entry["tasks"]),
            )
            for name in names
            if "of" in entries[name.split("@")[0]]
        }
    )


def summaries(wildcards):
    """The summary that each figure shows."""
    parts = {"scale": ".accuracy", "order": ".order"}
    return [
        f"results/summary/{name}{parts.get(entry['kind'], '')}.parquet"
        for name, entry in config["figures"].items()
    ]


def all_manifests(wildcards):
    names = dict.fromkeys(
        n for entry in config["figures"].values() for n in entry["models"]
    )
    models = catalogue.expand_all(list(names), config["models"])
    return [f"results/models/{model}.json" for model in dict.fromkeys(models)]


def figure_title(wildcards):
    return config["figures"][wildcards.figure].get("title", wildcards.figure)


def named_in(wildcards):
    """Base names of all that a figure names: models, tasks and learners."""
    entry = config["figures"][wildcards.figure]
    pairs = [*entry.get("pairs", []), *entry.get("runs", [])]
    names = [*entry["models"], *entry.get("tasks", []), *entry.get("learners", [])]
    return {
        name.split("@")[0]
        for name in [*names, *(name for pair in pairs for name in pair)]
    }


def human_names(wildcards):
    """The ``label`` of every entry that a figure names, for readers."""
    catalogues = (config["models"], config["tasks"], config["learners"])
    entries = {name: entry for one in catalogues for name, entry in one.items()}
    named = named_in(wildcards) & set(entries)
    return as_json({n: entries[n]["label"] for n in named if "label" in entries[n]})


def chances(wildcards):
    """Accuracy of guessing among the label words, by task of a figure."""
    tasks = config["figures"][wildcards.figure]["tasks"]
    return as_json(
        {
            task: 1 / catalogue.classes(derived.base(config["tasks"], task))
            for task in tasks
        }
    )


def figure_kinds(wildcards):
    return as_json({name: entry["kind"] for name, entry in config["figures"].items()})
