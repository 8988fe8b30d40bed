"""How much memory this process and its children can still take."""

from __future__ import annotations

import math
from pathlib import Path


def free_bytes() -> float:
    """Memory that processes can still take; infinite if nothing tells.

    That of the machine, of the container or job, and what a limit of this process's addresses (``ulimit -v``) leaves.

    >>> free_bytes() > 0
    True
    """
    lines = _text(Path("/proc/meminfo")).splitlines()
    free = [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    root = Path("/sys/fs/cgroup")
    own = _text(Path("/proc/self/cgroup")).rpartition("0::/")[2].strip()
    for group in (root / own, *(root / own).parents):
        limit, used = _text(group / "memory.max").strip(), _text(group / "memory.current").strip()
        if limit.isdecimal() and used.isdecimal():
            free.append(max(0.0, float(limit) - float(used)))
        if group == root:
            break
    return min([*free, _left_by_limit()], default=math.inf)


def _left_by_limit() -> float:
    """What a limit of the addresses of this process leaves; infinite if there is none."""
    try:
        import resource
    except ImportError:  # Windows has none
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = _text(Path("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not taken:
        return math.inf
    return max(0.0, float(limit) - float(taken[0]) * resource.getpagesize())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
