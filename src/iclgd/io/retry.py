"""Retries of network requests: a few tries with growing pauses, then an error of one line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

from iclgd.io.cli import InputError

PAUSES = (2, 8, 32)  # seconds
# For a gated or private repository the Hub gives the same answer as for a missing one.
REFUSED = (
    "the hub refuses it: the name is wrong, or it is gated or private; ask for access on its page "
    "on the hub, log in with `hf auth login` (or set HF_TOKEN), then run again"
)


def persist(ask: Callable, what: str):
    """``ask()``, tried again after each of `PAUSES` if the network failed.

    Raises InputError naming ``what``, at once if another try could not help: the hub does not
    have it or refuses it, or the network is switched off on purpose.
    """
    from huggingface_hub.errors import HTTPError

    for pause in (*PAUSES, None):
        try:
            return ask()
        except (OSError, HTTPError) as error:
            refused = any(_status(one) in (401, 403) for one in _causes(error))
            reason = REFUSED if refused else " ".join(str(error).split())
            if pause is None or any(map(_final, _causes(error))):
                raise InputError(f"{what}: {reason}") from error
        print(f"{what}: {reason}; trying again in {pause} s", file=sys.stderr, flush=True)
        time.sleep(pause)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int:
    """The status of an HTTP response; 500, a server error, for anything else."""
    return getattr(getattr(error, "response", None), "status_code", 500)


def _final(error: BaseException) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = _status(error)
    return isinstance(error, OfflineModeIsEnabled) or (status < 500 and status not in (408, 429))
