"""Retries of network requests: a few tries with growing pauses, then an error of one line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

from iclgd.io.cli import InputError

PAUSES = (2, 8, 32)  # seconds, if the hub asks for no longer ones
LONGEST = 300  # seconds; the hub counts requests in windows of five minutes
# For a gated or private repository the Hub gives the same answer as for a missing one.
REFUSED = (
    "the hub refuses it: the name is wrong, or it is gated or private; ask for access on its page "
    "on the hub, log in with `hf auth login` (or set HF_TOKEN), then run again"
)


def persist(ask: Callable, what: str):
    """``ask()``, tried again after each of `PAUSES` if the network failed.

    A pause is longer, up to `LONGEST`, if the hub asks for that. Raises InputError naming ``what``,
    at once if another try could not help: the hub does not have it or refuses it, the network is
    switched off on purpose, or a folder here may not be written.
    """
    from huggingface_hub.errors import HTTPError

    for pause in (*PAUSES, None):
        try:
            return ask()
        except (OSError, HTTPError) as error:
            causes = list(_causes(error))
            reason = _reason(causes)
            if pause is None or any(map(_final, causes)):
                raise InputError(f"{what}: {reason}") from error
            pause = min(max(pause, *map(_asked_for, causes)), LONGEST)
        print(f"{what}: {reason}; trying again in {pause} s", file=sys.stderr, flush=True)
        time.sleep(pause)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(causes: list[BaseException]) -> str:
    """Why it failed, on one line.

    huggingface_hub wraps whatever happened into an error that says to check the connection.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError

    if any(_status(one) in (401, 403) for one in causes):
        return REFUSED
    telling = [one for one in causes if not isinstance(one, LocalEntryNotFoundError)]
    error = (telling or causes)[0]
    return " ".join(str(error).split()) or type(error).__name__


def _status(error: BaseException) -> int:
    """The status of an HTTP response; 500, a server error, for anything else."""
    return getattr(getattr(error, "response", None), "status_code", 500)


def _asked_for(error: BaseException) -> int:
    """Seconds to wait that the response asks for; 0 if it does not."""
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = getattr(getattr(error, "response", None), "headers", {})
    after = headers.get("Retry-After", "")
    limit = parse_ratelimit_headers(headers)
    spent = limit is not None and limit.remaining == 0
    return max(int(after) if after.isdecimal() else 0, limit.reset_in_seconds if spent else 0)


def _final(error: BaseException) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = _status(error)
    return isinstance(error, (OfflineModeIsEnabled, PermissionError)) or (
        status < 500 and status not in (408, 429)
    )
