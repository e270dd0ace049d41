"""`iclgd study`: compose a study, write it, run it, print its answer."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import yaml

from iclgd import launch
from iclgd.io.cli import InputError
from iclgd.study import compose
from iclgd.study.config import ConfigError

HEAD = """\
# {command}
# Planned for {minutes:.0f} minutes on {cores} cores. To change something, edit this file and run
#   iclgd run {file}
"""


def run(args: argparse.Namespace) -> int:
    """The exit status. Raises InputError for a model, a task or a file that does not fit."""
    cores = args.cores or len(os.sched_getaffinity(0))
    model = compose.model(args.model)
    task = compose.task(args.task, args.text, args.label, dict(args.words))
    name = args.name or f"{model[0]}-{task[0]}"
    file = Path(f"{name}.yaml")
    try:
        config = compose.study(model, task, args.shots)
        config, minutes = compose.sized(config, args.minutes, cores)
    except ConfigError as error:
        raise InputError(f"--model or --task: {error}") from error
    command = "iclgd " + subprocess.list2cmdline(sys.argv[1:])
    head = HEAD.format(command=command, minutes=minutes, cores=cores, file=file)
    text = head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    if file.exists() and file.read_text(encoding="utf-8") != text:
        raise InputError(f"{file} is there, and is another study: choose another --name")
    file.write_text(text, encoding="utf-8")
    (design,) = config["demonstrations"].values()
    print(f"{file}: {design['draws']} draws, about {minutes:.0f} minutes on {cores} cores")
    if minutes > args.minutes:
        print(f"That is the least: a smaller model, or more than --minutes {args.minutes:g}")
    return 0 if args.plan else launch.run(str(file), cores)
