"""The study, read and checked, and what all rules share: imports, wildcards, GPUs."""

import os
import sys
from pathlib import Path

HERE = str(
    workflow.current_basedir
)  # also where another workflow uses this one as a module
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "src")]
import failures
import progress
import running

from iclgd.io import gpus
from iclgd.io.imports import SRC, closure
from iclgd.study import captions, kinds, paths
from iclgd.study.config import ConfigError, override
from iclgd.study.costs import Costs
from iclgd.study.places import own
from iclgd.study.study import DEFAULT, Study, name_of

try:
    name = DEFAULT
    # A module's configuration is passed to it.
    if workflow.modifier.is_main_snakefile():
        override(config, workflow.config_settings.config_args)
        name = name_of(workflow.overwrite_configfiles)
    study = Study(config, name)
    if workflow.modifier.is_main_snakefile():
        # All arguments: Snakemake tells targets from options only later.
        study.refuse_targets(sys.argv[1:])
except ConfigError as error:
    sys.exit(str(error))  # an exception would be shown with this line of this file

# Jobs on a cluster survive the end of this run; steps on this machine do not.
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
    try:
        return [own(f"src/{path}") for path in closure(SRC.parent / script)]
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is missing, which {script} is or imports")


def caption(name, text):
    """Snakemake's own report reads captions from files."""
    path = Path(".snakemake/captions").absolute() / f"{name}.rst"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return str(path)


def at_once():
    """Jobs that run at the same time at most, most of which take one core."""
    return (workflow.cores if workflow.local_exec else workflow.nodes) or 1


def refuse_missing():
    """Snakemake silently skips a step if a file that it reads is missing while
    what it once wrote is there. So every file that rules name has to exist.
    """
    for step in workflow.rules:
        for file in step.input:
            if str(file).startswith(own("src/")) and not os.path.exists(file):
                sys.exit(f"{file} is missing, which {step.name} reads")
