"""Run a command while a warm process stands by: steps start in it without importing libraries.

    python -m iclgd.io.preload snakemake --cores all

Importing torch and transformers, or Polars and Altair, takes longer than most steps of the built-in
models. Here it is done once: each step (``cli.torch_step``, ``table_step``, ``figure_step``) asks
the warm process to fork, and the fork runs the script with the step's own arguments, folder,
environment and output. A step that finds no warm process imports what it needs itself and writes
the same bytes. The warm process ends with the command, however that ends.

A fork has none of its parent's threads. Polars starts some when it is imported: two of its
allocator, which stops them around every fork, and one that removes files of queries larger than
memory, which no step has. Those that compute start with the first query, so no query is ever run
here. A test knows these threads by name.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from pathlib import Path

from iclgd.io import cli

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
TABLES = ("polars", "scipy.special")
MODULES = {
    "tables": TABLES,
    "figures": (*TABLES, "altair"),
    "torch": (
        *TABLES,
        "torch",
        "transformers.models.auto",
        "transformers.models.llama.modeling_llama",
    ),
}


def main() -> None:
    """Start the warm process, then become the command of the command line."""
    folder = tempfile.mkdtemp()
    address = str(Path(folder) / "warm")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    ended, held = os.pipe()
    if os.fork() == 0:
        os.close(held)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            _serve(listener, ended)
        finally:
            shutil.rmtree(folder)
            os._exit(0)
    # The command holds this end of the pipe as long as it lives; what it starts does not.
    os.set_inheritable(held, True)
    os.environ[cli.WARM] = address
    os.execvp(sys.argv[1], sys.argv[1:])


def _serve(listener: socket.socket, ended: int) -> None:
    """Fork once for every connection, until the command has ``ended``; import what the first one of
    its kind needs."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # A step alone has these from Snakemake; libraries read them when they are imported.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # The threads that are there are known.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    while ended not in select.select([listener, ended], [], [])[0]:
        connection, _ = listener.accept()
        header, outputs, _, _ = socket.recv_fds(connection, cli.REQUEST.size, 2)
        if len(header) == cli.REQUEST.size:  # else it was gone before it asked
            kind, size = cli.REQUEST.unpack(header)
            # What cannot be imported here cannot be in the step either, which then says so.
            with contextlib.suppress(Exception):
                warm(kind.rstrip(b"\0").decode())
            if os.fork() == 0:
                try:
                    os._exit(_step(connection, size, outputs))
                finally:
                    os._exit(1)
        for output in outputs:
            os.close(output)
        connection.close()


def warm(kind: str) -> None:
    """Import what steps of a kind need, a key of `MODULES`."""
    for name in MODULES[kind]:
        importlib.import_module(name)
    if kind == "torch":
        # Loading a first model builds a table of names of all architectures: build it once, here.
        names = importlib.import_module("transformers.conversion_mapping")
        names.get_checkpoint_conversion_mapping("llama")


def _step(connection: socket.socket, size: int, outputs: list[int]) -> int:
    """Run the requested script with the client's ``outputs``, and send back its exit status.

    The request is of ``size`` bytes: a long one comes in several pieces.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    message = connection.recv(size, socket.MSG_WAITALL)
    threading.Thread(target=_end_with, args=[connection], daemon=True).start()
    request = json.loads(message)
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # where the step's environment says
    sys.argv = request["arguments"]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        # As at the end of any process: the step's own hook reports, in one line or in full.
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([status]))
    return status


def _end_with(connection: socket.socket) -> None:
    """End this step when its job, at the other end, is gone: its output is no longer needed."""
    connection.recv(1)
    os._exit(1)


if __name__ == "__main__":
    main()
