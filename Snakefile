"""In-context learning against gradient descent, on the same demonstrations.

Every figure of the configuration is a target; only what figures need is computed.
"""

import os
import sys
from pathlib import Path

from snakemake.settings.types import Quietness
from snakemake.utils import min_version

min_version("9.0")


# A study given with --configfile is not merged into the default one, which is config.yaml of the
# working directory or else of the workflow.
if not workflow.overwrite_configfiles:
    default = "config.yaml"

    configfile: default if os.path.exists(default) else workflow.source_path(default)


include: "rules/common.smk"
include: "rules/slurm.smk"
include: "rules/models.smk"
include: "rules/tasks.smk"
include: "rules/learners.smk"
include: "rules/metrics.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


refuse_missing()
QUIET = set(workflow.output_settings.quiet or ())
costs = Costs(study.config)


# Only later is it known whether this is a dry run. Another workflow has jobs of its own.
if workflow.modifier.is_main_snakefile():
    progress.plan(
        lambda: workflow.dag.needrun_jobs() if workflow.dryrun else (),
        costs,
        at_once(),
        study.tests(),
    )


# The limit of rules/common.smk is for the cards of this machine, not for a cluster's.
resource_scopes:
    gpu="local",


# Executed by runs that start jobs, not by the jobs themselves: one run at a time in a folder.
# Snakemake keeps its default limit of 100 job starts a second by waking its scheduler once a
# second more for every finished job: after 200 jobs the scheduler takes most of a core. Here
# no more jobs start at once than there are cores. A cluster's limit stays.
onstart:
    try:
        running.begin()
    except running.RunningError as error:
        sys.exit(str(error))
    study.record()
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    else:
        wait_for_earlier_jobs()
    if not QUIET & {Quietness.PROGRESS, Quietness.ALL}:
        progress.watch(workflow.dag.needrun_jobs(), costs.seconds, at_once())


# A run of the whole study ends with its answer; make, which asks for quiet, shows it itself.
onsuccess:
    if not (workflow.dag_settings.targets or QUIET):
        print(Path(study.paths.answer).read_text(), end="")


localrules:
    all,


rule all:
    default_target: True
    input:
        study.all_figures,
        study.paths.claims,
        study.paths.answer,
        study.paths.findings,
        study.paths.report,
