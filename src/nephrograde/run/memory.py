"""How much memory this process and its children can still take."""

from __future__ import annotations

import math
from pathlib import Path


def free_bytes() -> float:
    """Memory that processes can still take: of the machine, and of the container or job; infinite if nothing tells.

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
    return min(free, default=math.inf)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
