"""What each figure is made of: from its entry to files, titles and names, for input and params."""

from types import SimpleNamespace as Namespace

FORMATS = ["svg", "png", "pdf", "html", "tex"]  # of every figure
# Kinds of figures whose pairs the report's explorer shows.
EXPLORED = ("agreement", "shots", "size")


def asked():
    """Names of all figures; what is about a whole study ends here if there are none."""
    if not config["figures"]:
        sys.exit("config: figures: nothing is asked for")
    return list(config["figures"])


def figure_models(wildcards):
    parts = catalogue.parts(config, config["figures"][wildcards.figure])
    names = dict.fromkeys(name for part in parts for name in part["models"])
    return list(dict.fromkeys(catalogue.expand_all(list(names), config["models"])))


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


def compared(wildcards):
    return catalogue.compared(config, config["figures"][wildcards.figure])


def figure_pairs(wildcards, ending=""):
    """Agreement tables of a figure."""
    return [
        f"results/agreement/{model}/{task}/{design}/{a}--{b}{ending}.parquet"
        for model, task, design, a, b in compared(wildcards)
    ]


def figure_pair_logits(wildcards):
    """Logits tables of both learners of every pair of a figure; a reference has none."""
    runs = [
        (model, task, design, learner)
        for model, task, design, *pair in compared(wildcards)
        for learner in pair
        if not catalogue.is_reference(config, learner)
    ]
    return [path for run in dict.fromkeys(runs) for path in logits(*run)]


def order_reference(wildcards):
    """ICL under another order, as a figure of other figures calls it."""
    return catalogue.order_reference(config, compared(wildcards)[0][3])


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


def explored(files):
    """``files`` of every figure whose pairs of learners the report's explorer shows."""

    def found(wildcards):
        figures = [n for n in asked() if config["figures"][n]["kind"] in EXPLORED]
        paths = [path for name in figures for path in files(Namespace(figure=name))]
        return list(dict.fromkeys(paths))

    return found


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
    return [path for name in asked() for path in figure_summary(Namespace(figure=name))]


def roles(wildcards):
    """What is no plain model, task or learner: controls, constructions, layer-causal GD."""
    keys = {"of": "control", "construct": "construction", "causal": "causal"}
    return as_json(
        {
            name: role
            for part in ("models", "tasks", "learners")
            for name, entry in config[part].items()
            for key, role in keys.items()
            if key in entry
        }
    )


def all_manifests(wildcards):
    figures = config["figures"].values()
    names = dict.fromkeys(n for entry in figures for n in entry.get("models", []))
    models = catalogue.expand_all(list(names), config["models"])
    return [f"results/models/{model}.json" for model in dict.fromkeys(models)]


def figure_title(wildcards):
    return config["figures"][wildcards.figure].get("title", wildcards.figure)


def named_in(wildcards):
    """Base names of all that a figure names: models, tasks and learners."""
    names = []
    for entry in catalogue.parts(config, config["figures"][wildcards.figure]):
        names += [*entry["models"], *entry.get("tasks", []), *entry.get("learners", [])]
        for pair in [*entry.get("pairs", []), *entry.get("runs", [])]:
            names += pair
    return {name.split("@")[0] for name in names}


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
        {task: 1 / sizes.classes(derived.base(config["tasks"], task)) for task in tasks}
    )


def figure_summary(wildcards):
    """The summary that a figure shows."""
    parts = {"scale": ".accuracy", "order": ".order"}
    kind = config["figures"][wildcards.figure]["kind"]
    return [f"results/summary/{wildcards.figure}{parts.get(kind, '')}.parquet"]


def figure_files(wildcards):
    return [f"results/figures/{wildcards.figure}.{format}" for format in FORMATS]


def all_figures(wildcards):
    return [path for name in asked() for path in figure_files(Namespace(figure=name))]


def all_captions(wildcards):
    kinds = dict.fromkeys(entry["kind"] for entry in config["figures"].values())
    return [own(f"rules/captions/{kind}.rst") for kind in kinds]


def shifts(wildcards):
    """What is shifted in every reference."""
    learners = config["learners"].items()
    return as_json(
        {name: entry["shift"] for name, entry in learners if "shift" in entry}
    )


def reported_figures(wildcards):
    """What the report is told of each figure, in their order."""
    return json.dumps(
        {
            name: {
                "kind": entry["kind"],
                "title": entry.get("title", name),
                "summary": figure_summary(Namespace(figure=name))[0],
                "files": figure_files(Namespace(figure=name)),
            }
            for name, entry in config["figures"].items()
        }
    )


def all_labels(wildcards):
    """The ``label`` of every entry, for readers."""
    catalogues = (config["models"], config["tasks"], config["learners"])
    entries = {name: entry for one in catalogues for name, entry in one.items()}
    return as_json(
        {n: entry["label"] for n, entry in entries.items() if "label" in entry}
    )


def whole_configuration(wildcards):
    return json.dumps(config)


def figure_kinds(wildcards):
    return as_json({name: entry["kind"] for name, entry in config["figures"].items()})
