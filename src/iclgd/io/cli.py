"""What every step's command line shares: a parser, one-line errors, progress."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from iclgd.io.figures import figure
from iclgd.io.text import plain

# Threads are the job's, not the machine's: sums come out the same on 2 cores and on 64.
# Torch steps set their own number. Read by Polars and by BLAS when they are imported.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

WARM = "ICLGD_WARM"  # address of the warm process, set by iclgd.io.preload
REQUEST = struct.Struct("!8sQ")  # what a step asks it for, first of all: kind, bytes to come
RUN = "ICLGD_RUN"  # lock file of the run that this step belongs to and its owner: rules/running.py
MEMORY = ("allocate memory", "bad_alloc", "failed to map segment")
MORE_MEMORY = (
    "give the step more (mem_mb of its rule on a cluster), run fewer at once (--cores), or take a "
    "smaller model or design"
)


class InputError(Exception):
    """Bad input. Its message is one line that names the culprit; the step exits with 1.

    Text quoted from files is escaped and shortened here, for logs and terminals.
    """

    def __str__(self) -> str:
        return plain(super().__str__())


def out_of_memory(error: BaseException) -> bool:
    """Whether the error is a lack of memory, of the machine or its GPU, by type or message."""
    kinds = ("MemoryError", "OutOfMemoryError")
    return type(error).__name__ in kinds or any(text in str(error) for text in MEMORY)


def _report(kind, error, trace):
    if issubclass(kind, InputError):
        print(f"error: {error}", file=sys.stderr)
    elif out_of_memory(error):
        message = str(error).strip().split("\n")[0][:200] or kind.__name__
        print(f"error: out of memory ({message}): {MORE_MEMORY}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def parser(description: str) -> argparse.ArgumentParser:
    """A parser that shows ``description`` (a module's docstring) and defaults in --help.

    From here on an uncaught InputError ends the process with one line instead of a trace, and
    so does the end of the Snakemake run that has started this step on its own machine.
    """
    sys.excepthook = _report
    if RUN in os.environ:
        threading.Thread(
            target=_end_with_run, args=os.environ[RUN].split("\n"), daemon=True
        ).start()
    return argparse.ArgumentParser(
        description=description,
        formatter_class=type(
            "Formatter",
            (argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter),
            {},
        ),
    )


def asking_parser(description: str, output: str) -> argparse.ArgumentParser:
    """The parser of a step that asks a model about the demonstrations of a task; ``output``: what
    it writes."""
    shared = parser(description)
    add = shared.add_argument
    add("--model", type=existing, required=True, help="manifest, models/X.json")
    add("--task", type=existing, required=True, help="task table, tasks/X.parquet")
    add("--demonstrations", type=existing, required=True, help="table of orders")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"])
    add("--threads", type=int, default=1, help="CPU threads")
    add("--output", type=Path, required=True, help=f"{output} to write")
    return shared


def learner_parser(
    description: str,
    name: str,
    example: str | None = None,
    orders: bool = False,
) -> argparse.ArgumentParser:
    """The parser of a step of one learner.

    ``name``: the learner's, where none is given. ``example``: of its settings as JSON, for a step
    that takes them; ``orders``: whether it may answer for the first orders of a draw only.
    """
    shared = asking_parser(description, "logits table")
    add = shared.add_argument
    if example:
        add("--learner", type=json_object, required=True, help=f"JSON such as {example}")
    if orders:
        add("--orders", type=int, help="for the first so many orders of a draw only")
    add("--name", default=name, help="learner's name in the output")
    add("--keep", type=int, default=1024, help="most likely tokens to keep")
    return shared


def figure_parser(description: str) -> argparse.ArgumentParser:
    """The parser of a step of one figure, with the option ``--figure``."""
    shared = parser(description)
    shared.add_argument(
        "--figure",
        type=figure,
        required=True,
        help="JSON: name and kind of the figure, and what its kind needs (iclgd.io.figures)",
    )
    return shared


def _end_with_run(path: str, owner: str) -> None:
    """End this step when its run is gone, so that it cannot write while the next run does.

    The run holds the lock as long as it lives, so that waiting for it means waiting for its end.
    """
    with open(path) as lock:
        if lock.read() == owner:
            fcntl.flock(lock, fcntl.LOCK_SH)
    os._exit(1)


def json_object(text: str) -> dict:
    """Argparse type: a JSON object, such as one entry of a catalogue."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object is needed, {...}")
    return value


def existing(text: str) -> Path:
    """Argparse type: the path of something that is there."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist")
    return path


def progress(items: Iterable, total: int, what: str) -> Iterator:
    """Iterate with a bar on a terminal, or with at most ten lines in a log."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what)
        return
    shown = 0
    for done, item in enumerate(items, start=1):
        yield item
        if total and done * 10 // total > shown:
            shown = done * 10 // total
            print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)


def torch_step() -> None:
    """A step that runs a model: continue where torch is imported (`_in_warm_process`)."""
    _in_warm_process("torch")


def table_step() -> None:
    """A step that reads and writes tables: continue where Polars is imported."""
    _in_warm_process("tables")


def figure_step() -> None:
    """A step that draws: continue where Polars and Altair are imported."""
    _in_warm_process("figures")


def _in_warm_process(kind: str) -> None:
    """Run the rest of this step in the warm process (``iclgd.io.preload``), if there is one.

    Called after the arguments have been checked. With a warm process it does not return but
    ends this process with the step's status; without one the step continues here. ``kind``: what
    is imported there, a key of `preload.MODULES`.
    """
    address = os.environ.pop(WARM, None)
    if address is None:
        return
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return  # it is gone
        own = {"folder": os.getcwd(), "environment": dict(os.environ), "arguments": sys.argv}
        request = json.dumps(own).encode()
        header = REQUEST.pack(kind.encode(), len(request))
        try:
            socket.send_fds(connection, [header], [1, 2])
            connection.sendall(request)
            status = connection.recv(1)
        except ConnectionError:
            status = b""  # it was killed meanwhile
    if not status:
        print(f"error: killed, most likely for want of memory: {MORE_MEMORY}", file=sys.stderr)
        sys.exit(128 + signal.SIGKILL)
    sys.exit(status[0])
