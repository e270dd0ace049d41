"""Validation of the configuration, and the helpers that rules use as input and params.

Nothing but this and wanted.smk reads the configuration. What a job is told is one entry of a
catalogue as one JSON string, so that Snakemake sees every change of it and no other.
"""

import json
import os
import re
import shlex
import sys

HERE = str(
    workflow.current_basedir
)  # also where another workflow uses this one as a module
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "src")]
import catalogue
import derived
import failures
import places
import running
import sizes
from places import own

from iclgd.io import gpus
from iclgd.io.imports import SRC, closure
from iclgd.study import roles
from iclgd.study.kinds import KINDS, REPORT, STATISTICS

try:
    # A module has the configuration that it is given.
    if workflow.modifier.is_main_snakefile():
        catalogue.override(config, workflow.config_settings.config_args)
    catalogue.check(config)
except catalogue.ConfigError as error:
    sys.exit(str(error))  # an exception would be shown with this line of this file
catalogue.simplify(config)

# A job that runs elsewhere lives on when this run dies; steps on this machine do not.
if workflow.remote_exec:
    os.environ.pop(running.RUN, None)

shown = workflow.output_settings
failures.watch(in_full=shown.verbose or shown.printshellcmds)

# On this machine as many GPU jobs run at a time as it has cards, or --resources gpu=N allows;
# without a card they ask for none. On a cluster the profile says what they ask for.
CARDS = len(gpus.visible())
GPUS = min(CARDS, 1)
if CARDS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", CARDS)
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
VARIANT = rf"{NAME}(@[A-Za-z0-9._+-]+)?"


wildcard_constraints:
    model=VARIANT,
    task=NAME,
    design=NAME,
    learner=VARIANT,
    a=VARIANT,
    b=VARIANT,
    figure=NAME,
    draws=r"\d+-\d+",


def imports(script):
    """The modules of the library that a script imports, directly or not, as files."""
    return [own(f"src/{path}") for path in closure(SRC.parent / script)]


def as_json(value):
    """One spelling of a catalogue entry, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True)


# --- entries, as params -------------------------------------------------------------------


def model_entry(wildcards):
    return as_json(catalogue.model_entry(config, wildcards.model))


def pretrain_entry(wildcards):
    # The order of keys is kept: it is not the order in which anything is computed.
    return as_json(config["models"][wildcards.model]["pretrain"])


def construct_entry(wildcards):
    return as_json(catalogue.model_entry(config, wildcards.model)["construct"])


def task_entry(wildcards):
    # Labels are numbered in the order in which they stand in the configuration.
    entry = config["tasks"][wildcards.task]
    return json.dumps({k: v for k, v in entry.items() if k not in catalogue.DISPLAY})


def shots(wildcards):
    return config["demonstrations"][wildcards.design]["shots"]


def orders(wildcards):
    return config["demonstrations"][wildcards.design].get("orders", 1)


def keep(wildcards):
    return config["demonstrations"][wildcards.design].get("keep", 1024)


def learner_entry(wildcards):
    return as_json(catalogue.learner_entry(config, wildcards.learner))


def trained_orders(wildcards):
    """``--orders N`` for a learner that trains on the first orders only."""
    count = config["learners"][wildcards.learner.split("@")[0]].get("orders")
    return f"--orders {count}" if count else ""


def second_learner(wildcards, input):
    """``--b`` with its logits, or ``--shift`` for a reference, which has none of its own."""
    if input.b:
        return f"--b {shlex.join(input.b)}"
    return f"--shift {config['learners'][wildcards.b]['shift']}"


# --- files, as input ----------------------------------------------------------------------


def weights(wildcards):
    """Files of a local model, or the provenance of one that is made here."""
    entry = catalogue.model_entry(config, wildcards.model)
    if "construct" in entry:
        return [f"results/construction/{wildcards.model}/provenance.json"]
    if "pretrain" in entry:
        return [f"results/pretraining/{wildcards.model.split('@')[0]}/provenance.json"]
    if "path" in entry:
        return sorted(map(str, places.model(entry["path"]).iterdir()))
    return []


def model_source(wildcards):
    """``--source`` of fetch_model: a local folder, or nothing for the hub."""
    entry = catalogue.model_entry(config, wildcards.model)
    if "construct" in entry:
        return f"--source results/construction/{wildcards.model}"
    if "pretrain" in entry:
        folder = f"results/pretraining/{wildcards.model.split('@')[0]}"
        return (
            f"--source {folder}/{entry['revision']}"
            if "revision" in entry
            else f"--source {folder}"
        )
    if "path" in entry:
        return f"--source {shlex.quote(str(places.model(entry['path'])))}"
    return ""


def mixed_in(wildcards):
    """The provenance of the model that another one is mixed with, if it is."""
    entry = catalogue.model_entry(config, wildcards.model)["construct"]
    toward = entry.get("toward")
    return [f"results/construction/{toward}/provenance.json"] if toward else []


def toward(wildcards, input):
    """``--toward`` with that model's folder."""
    return "".join(f"--toward {os.path.dirname(path)}" for path in input.mixed_in)


def kept_models():
    """Models that are pretrained to be kept: those without revisions to study."""
    return [
        n
        for n, e in config["models"].items()
        if "pretrain" in e and "revisions" not in e
    ]


def pretrained_models(wildcards):
    return [f"results/pretraining/{model}/provenance.json" for model in kept_models()]


def pretraining_benchmarks(wildcards):
    return [f"logs/pretrain_model/{model}.tsv" for model in kept_models()]


def not_derived(entries):
    """A regular expression for the entries of a catalogue that are not made of another one."""
    names = catalogue.underived(entries)
    return "|".join(re.escape(name) for name in names) or "(?!)"


def derived_from(entries):
    """A regular expression for the entries of a catalogue that are made of another one."""
    names = [name for name, entry in entries.items() if "of" in entry]
    return "|".join(re.escape(name) for name in names) or "(?!)"


def original_model(wildcards):
    return f"results/models/{config['models'][wildcards.model]['of']}"


def original_manifest(wildcards):
    return f"{original_model(wildcards)}.json"


def model_control(wildcards):
    return config["models"][wildcards.model]["control"]


def original_task(wildcards):
    return f"results/tasks/{config['tasks'][wildcards.task]['of']}.parquet"


def task_control(wildcards):
    return config["tasks"][wildcards.task]["control"]


def other_task(wildcards):
    """The task whose inputs a control shows, if it is of that kind."""
    entry = config["tasks"][wildcards.task]
    return [f"results/tasks/{entry['texts']}.parquet"] if "texts" in entry else []


def other_texts(wildcards):
    """``--texts`` with that task's table."""
    return "".join(f"--texts {shlex.quote(path)}" for path in other_task(wildcards))


def original_prompt(wildcards):
    return derived.base(config["tasks"], wildcards.task)["prompt"]


def task_files(wildcards):
    files = config["tasks"][wildcards.task].get("files", [])
    return list(files.values()) if isinstance(files, dict) else files


def of_method(method):
    """A regular expression for the learners of a method (one that never matches for none)."""
    entries = config["learners"].items()
    names = [
        n
        for base, e in entries
        if e.get("method") == method
        for n in catalogue.expand(base, e)
    ]
    return "|".join(map(re.escape, names)) or "(?!)"


def of_kind(*kinds):
    """A regular expression for the figures of some kinds (one that never matches for none)."""
    names = [
        name for name, entry in config["figures"].items() if entry["kind"] in kinds
    ]
    return "|".join(map(re.escape, names)) or "(?!)"


def logits(model, task, design, learner):
    """All blocks of draws of one learner's logits."""
    draws = catalogue.blocks(config["demonstrations"][design])
    return [
        f"results/logits/{model}/{task}/{design}/{learner}/{block}.parquet"
        for block in draws
    ]


def logits_a(wildcards):
    return logits(wildcards.model, wildcards.task, wildcards.design, wildcards.a)


def logits_b(wildcards):
    """The second learner's logits; none for a reference, which is the first one, shifted."""
    if "reference" in config["learners"][wildcards.b.split("@")[0]]:
        return []
    return logits(wildcards.model, wildcards.task, wildcards.design, wildcards.b)
