"""How large is an installation, and how long does it take to start? Each extra in an environment of its own.

The wheel is built, and installed with uv into new environments: the base, the base with each extra, and what packed
models need, from ``locks/grading.txt`` with its hashes, on every Python that is found. The sizes are those of
``site-packages``, in which files are stored once for all environments of this script. Beside each extra is what it
takes to import its packages alone. Imports and start-up are CPU time, user and system, of a fresh process with the
files in the system's cache and compiled: medians of several turns. torch is the build for the CPU; the one with CUDA
is not measured. The exit code is 1 where a budget is exceeded, or a locked installation does not pass
``nephrograde doctor``.

Run: python -m bench.install [--turns 7] [--python 3.12 …] [--without encoder-astra …]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from statistics import median

from release.check_install import Program, as_of_a_user, install, uv

from nephrograde.doctor.packages import EXTRAS, module_of

ROOT = Path(__file__).resolve().parents[1]
OF_DEVELOPERS = {"bench", "docs", "test"}
MOST_MB = {"base": 1600.0, "grading": 900.0}
"""Megabytes of an installation without torch's CUDA; the first with torch for the CPU, the second without torch."""
STARTS = {
    "import nephrograde": ("-c", "import nephrograde"),
    "nephrograde --version": ("-m", "nephrograde", "--version"),
    "nephrograde --help": ("-m", "nephrograde", "--help"),
    "nephrograde predict --help": ("-m", "nephrograde", "predict", "--help"),
    "imports of predict GRADER.zip": ("-c", "from nephrograde import load_grader, grade_many"),
}
MOST_S = {"import nephrograde": 0.15, "nephrograde --help": 0.5, "imports of predict GRADER.zip": 1.2}
"""Seconds of CPU."""


def megabytes(environment: Path) -> float:
    """The size of what is installed, without compiled bytecode."""
    found = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in found if "__pycache__" not in path.parts) / 1e6


def cpu_s(python: Path, words: tuple[str, ...], folder: Path) -> float:
    """CPU seconds of one process that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, *words], cwd=folder, env=as_of_a_user(), check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def import_s(environment: Path, folder: Path, modules: list[str], turns: int) -> float:
    """CPU seconds that a process takes to import modules; the median of some turns, after one that compiles."""
    words = ("-c", "; ".join(f"import {module}" for module in modules))
    return median([cpu_s(environment / "bin" / "python", words, folder) for _ in range(turns + 1)][1:])


def sizes(wheel: Path, folder: Path, extras: list[str], turns: int) -> bool:
    """Print the size of the base, what each extra adds and takes to import; whether a budget is exceeded."""
    packages = {extra.name: extra.packages for extra in EXTRAS}
    install(wheel, folder / "base", sys.executable)
    base = megabytes(folder / "base")
    version = subprocess.run(
        [folder / "base" / "bin" / "python", "-c", "import torch; print(torch.__version__)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    print(f"{'installed':24}{'MB':>8}{'more than the base':>22}{'its imports, CPU s':>22}")
    print(f"{f'base (torch {version})':24}{base:8.0f}")
    for extra in extras:
        install(wheel, folder / extra, sys.executable, extra)
        size = megabytes(folder / extra)
        taken = import_s(folder / extra, folder, [module_of(package) for package in packages[extra]], turns)
        print(f"{extra:24}{size:8.0f}{size - base:22.0f}{taken:22.2f}", flush=True)
    return "+cpu" in version and base > MOST_MB["base"]


def locked(wheel: Path, folder: Path, python: str) -> bool:
    """Install from the lock for grading on a Python, and examine it; whether something is wrong."""
    environment = folder / f"grading-{python}"
    uv("venv", "--python", python, environment)
    uv("pip", "install", "--python", environment, "--require-hashes", "-r", ROOT / "locks" / "grading.txt")
    uv("pip", "install", "--python", environment, "--no-deps", wheel)
    examined = json.loads(Program(environment / "bin", folder / f"empty-{python}").run("doctor", "--json"))
    size = megabytes(environment)
    told = next(
        re.findall(r"Python ([\d.]+)", one["what"])[0] for one in examined["checks"] if one["section"] == "Program"
    )
    works = "the self-test passes" if examined["works"] else "THE SELF-TEST FAILS"
    print(f"{f'locks/grading.txt, Python {told}':36}{size:8.0f} MB, {works}")
    return not examined["works"] or size > MOST_MB["grading"]


def starts(environment: Path, folder: Path, turns: int) -> bool:
    """Print how long processes take to start, in turns; whether a budget is exceeded."""
    python = environment / "bin" / "python"
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for turn in range(turns + 1):
        for name, words in STARTS.items():
            seconds = cpu_s(python, words, folder)
            if turn:  # the first compiles
                taken[name].append(seconds)
    print(f"\n{'start':36}{'CPU s':>8}{'from':>8}{'to':>8}{'at most':>9}")
    for name, found in taken.items():
        most = f"{MOST_S[name]:9.2f}" if name in MOST_S else ""
        print(f"{name:36}{median(found):8.2f}{min(found):8.2f}{max(found):8.2f}{most}")
    return any(median(taken[name]) > most for name, most in MOST_S.items())


def main() -> int:
    """Print the tables; 1 where a budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--python", nargs="*", default=[sys.executable], help="versions or paths, for the lock")
    parser.add_argument("--without", nargs="*", default=[], help="extras that are not measured")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = sorted(set(project["optional-dependencies"]) - OF_DEVELOPERS - set(options.without))
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, load {load:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="nephrograde-install-") as name:
        folder = Path(name)
        uv("build", "--wheel", "--out-dir", folder, ROOT)
        [wheel] = folder.glob("*.whl")
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB\n")
        missed = sizes(wheel, folder, extras, min(options.turns, 3))
        print()
        outcomes = [locked(wheel, folder, python) for python in options.python]
        missed |= any(outcomes)
        missed |= starts(folder / "base", folder, options.turns)
    if missed:
        print("A budget is exceeded.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
