"""Install the wheel as a user does, into a new environment, and run it in an empty folder, away from the checkout.

The versions are those of ``constraints.txt``; torch is that among the wheels that pip's settings name
(``find-links``), otherwise the build for the CPU, as the one with CUDA takes several GB.

Run: python release/check_install.py dist [--python 3.12]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCORES = "patient_id,model,is_high,p_high\nA,m,0,0.1\nB,m,0,0.3\nC,m,0,0.6\nD,m,1,0.5\nE,m,1,0.8\nF,m,1,0.9\n"
"""Synthetic scores, whose AUC is 8/9."""
OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "NEPHROGRADE_COVERAGE")
"""What would let the installed program see the checkout or another environment, or compile each time it starts."""


@cache
def find_links() -> str:
    """Where pip looks for wheels besides its index, as its settings say; empty if nowhere."""
    if told := os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS"):
        return told
    command = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if asked.returncode else asked.stdout.strip()


def uv(*words: str | Path) -> None:
    """Run uv, without a word if it succeeds."""
    environ = dict(os.environ)
    if links := find_links():
        environ["UV_FIND_LINKS"] = links
    subprocess.run([sys.executable, "-m", "uv", *map(str, words), "--quiet"], check=True, env=environ)


def install(wheel: Path, folder: Path, python: str, extras: str = "") -> Path:
    """Make an environment with the wheel and what it needs.

    Args:
        wheel: The wheel.
        folder: Where the environment is made.
        python: The version or the path of Python.
        extras: Names of extras, separated by commas.

    Returns:
        The folder of its programs.
    """
    uv("venv", "--python", python, folder)
    wanted = f"{wheel}[{extras}]" if extras else str(wheel)
    torch = () if find_links() else ("--torch-backend", "cpu")
    uv("pip", "install", "--python", folder, "--constraint", ROOT / "constraints.txt", *torch, wanted)
    return folder / ("Scripts" if os.name == "nt" else "bin")


def as_of_a_user() -> dict[str, str]:
    """The environment variables of this process without ``OURS``."""
    return {key: value for key, value in os.environ.items() if key not in OURS}


class Program:
    """The installed program, run in an empty folder as by a user whose home is empty, too.

    Attributes:
        folder: The working folder.
    """

    def __init__(self, bin_dir: Path, folder: Path) -> None:
        self.folder = folder
        self._path = bin_dir / "nephrograde"
        self._environ = as_of_a_user()
        self._environ |= {"HOME": str(folder / "home"), "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}"}
        (folder / "home").mkdir(parents=True)

    def run(self, *words: str) -> str:
        """Run a command that must succeed; what it prints."""
        done = subprocess.run(
            [self._path, *words], cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False
        )
        if done.returncode or "Traceback" in done.stderr:
            raise AssertionError(
                f"nephrograde {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout


def problems_of(program: Program, environment: Path) -> list[str]:
    """Run what needs every kind of file of the package; what is wrong with the answers."""
    problems = []
    if not program.run("--version").startswith("nephrograde "):
        problems.append("--version does not print a version.")
    if "doctor" not in program.run("--help"):
        problems.append("--help does not list the commands.")
    examined = json.loads(program.run("doctor", "--json"))
    checks = {(one["section"], one["name"]): one for one in examined["checks"]}
    if str(environment.resolve()) not in checks["Program", "nephrograde"]["what"]:
        problems.append(f"Another installation ran: {checks['Program', 'nephrograde']['what']}")
    problems += [
        f"{section}, {name}: {one['what']}"
        for (section, name), one in checks.items()
        if section in {"Base", "Self-test"} and one["state"] != "ok"
    ]
    program.run("init", "study", "--lang", "zh")
    (program.folder / "scores.csv").write_text(SCORES, encoding="utf-8")
    if "0.889" not in program.run("evaluate", "scores.csv", "--out", "run", "--lang", "zh"):
        problems.append("evaluate does not find an AUC of 0.889.")
    page = (program.folder / "run" / "report" / "report.zh.html").read_text(encoding="utf-8")
    if "仅供研究使用" not in page:
        problems.append("The report is not in Chinese.")
    return problems


def main() -> int:
    """Install, run and say how long it took; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("dist", type=Path, help="the folder of the wheel")
    parser.add_argument("--python", default=sys.executable, help="the version or the path of Python")
    options = parser.parse_args()
    [wheel] = options.dist.glob("*.whl")
    start_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nephrograde-install-") as name:
        environment = Path(name) / "environment"
        bin_dir = install(wheel, environment, options.python)
        installed_s = time.perf_counter() - start_s
        problems = problems_of(Program(bin_dir, Path(name) / "empty"), environment)
    for problem in problems:
        print(problem)
    ran_s = time.perf_counter() - start_s - installed_s
    print(f"Installed {wheel.name} in {installed_s:.0f} s, and ran it in {ran_s:.0f} s.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
