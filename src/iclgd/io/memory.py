"""How much memory a job may take beside others, and that it keeps what it has."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

INFO = Path("/proc/meminfo")
# Limit and use of a container, or of a job on a cluster: version 2 of control groups, version 1.
GROUPS = (
    (
        Path("/sys/fs/cgroup/memory.max"),
        Path("/sys/fs/cgroup/memory.current"),
    ),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def free(threads: int) -> int:
    """Bytes of the machine's free memory for each of the jobs that fit its cores.

    ``threads``: those of a job. Free is what the system can give without swapping, and what this
    process's group is still allowed; 0 where neither is told.
    """
    jobs = (
        max(1, len(os.sched_getaffinity(0)) // threads) if hasattr(os, "sched_getaffinity") else 1
    )
    known = [bound for bound in (_system(), _group()) if bound is not None]
    return min(known, default=0) // jobs


def _system() -> int | None:
    """Bytes available by /proc/meminfo; None where there is no such file."""
    if not INFO.exists():
        return None
    fields = dict(line.split(":", 1) for line in INFO.read_text().splitlines())
    return 1024 * int(fields["MemAvailable"].split()[0])


def _group() -> int | None:
    """Bytes that the control group leaves; None without a limit."""
    for limit, used in GROUPS:
        if limit.exists() and used.exists() and limit.read_text().strip() != "max":
            return max(0, int(limit.read_text()) - int(used.read_text()))
    return None


def keep_freed() -> None:
    """Keep freed memory for the next tensors of this process, where its C library is glibc.

    Otherwise every large tensor is new memory from the system, which sets it to zero page by page:
    a tenth of the time of gradient descent on a hundred million weights (docs/performance.md).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
