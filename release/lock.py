"""Write the locks: every package that an installation needs, in one version, with the hashes of its files.

The versions are those of ``constraints.txt``, with which the tests run. ``nephrograde.txt`` holds the base and the
extras below; ``grading.txt`` holds what packed models need, without torch. Each is resolved for every Python; as all of
them agree, one file serves all. No file names a registry or an address.

Run: make locks, or python release/lock.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS_DIR = ROOT / "locks"
PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = ("dicom", "grader", "pack", "pacs", "pdf", "tune", "web")
"""What an installation for studies and for grading usually has. The other extras are large, and pinned by
``constraints.txt``."""
GRADING = "integrations/container/requirements.txt"
SOURCES: dict[str, tuple[str, ...]] = {
    "nephrograde": ("pyproject.toml", *(word for extra in EXTRAS for word in ("--extra", extra))),
    "grading": (GRADING,),
}
"""What each kind of lock is resolved from."""


def resolved(kind: str, python: str) -> str:
    """Resolve one lock for a version of Python; what earlier locks held plays no part.

    Args:
        kind: ``nephrograde`` or ``grading``.
        python: The version, such as 3.12.
    """
    environ = {key: value for key, value in os.environ.items() if key != "UV_FIND_LINKS"}
    words = ["--universal", "--python-version", python, "--constraint", "constraints.txt", "--generate-hashes"]
    words += ["--no-emit-index-url", "--no-annotate", "--custom-compile-command", "make locks", "--quiet"]
    command = [sys.executable, "-m", "uv", "pip", "compile", *SOURCES[kind], *words]
    return subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Write all locks; 1 if two versions of Python need different ones, which then need a file each."""
    LOCKS_DIR.mkdir(exist_ok=True)
    for kind in SOURCES:
        first, *others = [resolved(kind, python) for python in PYTHONS]
        if any(other != first for other in others):
            print(f"The locks of {kind} differ between Python {', '.join(PYTHONS)}; nothing was written.")
            return 1
        path = LOCKS_DIR / f"{kind}.txt"
        path.write_text(first, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
