"""What each figure is made of: from its entry to files, titles and names, for input and params."""

from types import SimpleNamespace as Namespace

FORMATS = ["svg", "png", "pdf", "html", "tex"]  # of every figure


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
    """Logits tables of a figure's learners, or of those of its pairs."""
    entry = config["figures"][wildcards.figure]
    if "pairs" in entry or "of" in entry:
        return figure_pair_logits(wildcards)
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
        figures = [n for n in asked() if KINDS[config["figures"][n]["kind"]].explored]
        paths = [path for name in figures for path in files(Namespace(figure=name))]
        return list(dict.fromkeys(paths))

    return found


def figure_controls(entry):
    """What each control of a figure is: its name to ``[original, kind]``."""
    return {
        name: [entries[name]["of"], entries[name]["control"]]
        for entries, names in (
            (config["models"], entry["models"]),
            (config["tasks"], entry["tasks"]),
        )
        for name in names
        if "of" in entries[name.split("@")[0]]
    }


def summaries(wildcards):
    """The summary that each figure shows."""
    return [path for name in asked() for path in figure_summary(Namespace(figure=name))]


def all_manifests(wildcards):
    figures = config["figures"].values()
    names = dict.fromkeys(n for entry in figures for n in entry.get("models", []))
    models = catalogue.expand_all(list(names), config["models"])
    return [f"results/models/{model}.json" for model in dict.fromkeys(models)]


def figure_title(name):
    return config["figures"][name].get("title", name)


def named_in(name):
    """Base names of all that a figure names: models, tasks and learners."""
    names = []
    for entry in catalogue.parts(config, config["figures"][name]):
        names += [*entry["models"], *entry.get("tasks", []), *entry.get("learners", [])]
        names += [pair[1] for pair in entry.get("runs", [])]
        names += [one for pair in entry.get("pairs", []) for one in pair]
    return sorted({name.split("@")[0] for name in names})


def human_names(name):
    """The ``label`` of every entry that a figure names, for readers."""
    labels = all_labels()
    return {one: labels[one] for one in named_in(name) if one in labels}


def figure_roles(name):
    known = roles.of_study(config)
    found = {one: known[one] for one in named_in(name)}
    if "of" in config["figures"][name]:  # such a figure adds ICL under another order
        found[order_reference(name)] = "icl-reordered"
    return found


def order_reference(name):
    """ICL under another order, as a figure of other figures calls it."""
    first = catalogue.compared(config, config["figures"][name])[0][3]
    return catalogue.order_reference(config, first)


def told(name, keys):
    """What a step is told of a figure (``iclgd.io.figures``)."""
    entry = config["figures"][name]
    ways = {
        "title": figure_title,
        "labels": human_names,
        "chance": lambda _: chances(entry["tasks"]),
        "controls": lambda _: figure_controls(entry),
        "learners": lambda _: catalogue.expand_all(
            entry["learners"], config["learners"]
        ),
        "reference": lambda _: (
            entry["learners"][0] if "learners" in entry else order_reference(name)
        ),
        "causal": lambda _: [
            one for one in named_in(name) if "causal" in config["learners"].get(one, {})
        ],
    }
    found = {"name": name, "kind": entry["kind"], "roles": figure_roles(name)}
    return found | {key: ways[key](name) for key in keys}


def figure_json(wildcards):
    """``--figure`` of a plot."""
    kind = KINDS[config["figures"][wildcards.figure]["kind"]]
    return as_json(told(wildcards.figure, ("title", "labels", *kind.told)))


def statistic_json(keys):
    """``--figure`` of a summary: without the words that only readers see."""

    def found(wildcards):
        return as_json(told(wildcards.figure, keys))

    return found


def figures_json(wildcards):
    """``--figures`` of what is about all figures."""
    return json.dumps({name: told(name, ["causal"]) for name in asked()})


def chances(tasks):
    """Accuracy of guessing among the label words, by task."""
    return {
        task: 1 / sizes.classes(derived.base(config["tasks"], task)) for task in tasks
    }


def figure_summary(wildcards):
    """The summary that a figure shows."""
    kind = KINDS[config["figures"][wildcards.figure]["kind"]]
    return [f"results/summary/{kind.summary(wildcards.figure)}.parquet"]


def figure_files(wildcards):
    return [f"results/figures/{wildcards.figure}.{format}" for format in FORMATS]


def all_figures(wildcards):
    return [path for name in asked() for path in figure_files(Namespace(figure=name))]


def shifts(wildcards):
    """What is shifted in every reference."""
    learners = config["learners"].items()
    return as_json(
        {
            "shifts": {
                name: entry["shift"] for name, entry in learners if "shift" in entry
            }
        }
    )


def all_labels():
    """The ``label`` of every entry, for readers."""
    catalogues = (config["models"], config["tasks"], config["learners"])
    entries = {name: entry for one in catalogues for name, entry in one.items()}
    return {n: entry["label"] for n, entry in entries.items() if "label" in entry}


def study_json(wildcards):
    """What the report is told of the whole study; its figures in their order."""
    figures = {
        name: {
            "kind": entry["kind"],
            "title": figure_title(name),
            "caption": KINDS[entry["kind"]].caption,
            "summary": figure_summary(Namespace(figure=name))[0],
            "files": figure_files(Namespace(figure=name)),
        }
        for name, entry in config["figures"].items()
    }
    return json.dumps({"figures": figures, "labels": all_labels(), "config": config})


# --- rules made of rows -------------------------------------------------------------------

TABLES = {
    "accuracy": "results/summary/{figure}.accuracy.parquet",
    "agreement": figure_pairs,
    "attention": figure_attention,
    "circuits": figure_circuits,
    "curves": figure_curves,
    "demonstrations": figure_demonstrations,
    "drift": figure_drift,
    "folders": figure_folders,
    "logits": figure_logits,
    "manifests": figure_manifests,
    "models": figure_manifests,
    "order": "results/summary/{figure}.order.parquet",
    "perplexity": figure_perplexity,
    "sparsity": figure_sparsity,
    "task": figure_tasks,
}


def tables(names):
    return {name: TABLES[name] for name in names}


def options(names):
    """``--name`` and its files, for every name."""

    def found(wildcards, input):
        given = {name: input.get(name) for name in names}
        return " ".join(
            f"--{name} {shlex.join([files] if isinstance(files, str) else files)}"
            for name, files in given.items()
        )

    return found


def caption(name, text):
    """Snakemake's own report reads captions from files."""
    path = os.path.abspath(os.path.join(".snakemake", "captions", f"{name}.rst"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text + "\n")
    return path
