"""The locks hold what an installation needs, in the versions of constraints.txt, within the project's ranges."""

import re
import runpy
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = SimpleNamespace(**runpy.run_path(str(ROOT / "release" / "lock.py")))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ELSEWHERE = re.compile(r"nvidia-|cuda-|triton$|colorama$|brotlicffi$|setuptools$")
"""Packages of other systems and of CUDA, and torch's build tool, which the tests run without or as they find it."""


def lines_of(name):
    """The lines of a lock or of the constraints, those that end in a backslash joined."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def versions_of(name):
    pairs = [line.partition(" ")[0].split("==") for line in lines_of(name)]
    return {canonicalize_name(package): version for package, version in pairs}


def required(extras):
    """The requirements of the project with extras, and with those that they include."""
    found = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return [one for one in map(Requirement, found) if one.name != "nephrograde"]


@pytest.fixture(scope="module")
def constraints():
    return versions_of("constraints.txt")


@pytest.mark.parametrize("kind", list(LOCK.SOURCES))
def test_every_version_is_that_of_the_constraints_and_has_hashes(kind, constraints):
    versions = versions_of(f"locks/{kind}.txt")
    assert {name: version for name, version in versions.items() if constraints.get(name, version) != version} == {}
    assert [name for name in versions if name not in constraints and not ELSEWHERE.match(name)] == []
    assert [
        line for line in lines_of(f"locks/{kind}.txt") if not re.search(r" --hash=sha256:[0-9a-f]{64}(?: |$)", line)
    ] == []


@pytest.mark.parametrize("kind", list(LOCK.SOURCES))
def test_no_lock_names_a_registry(kind):
    text = (ROOT / "locks" / f"{kind}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*(?:-i|--index-url|--extra-index-url|--find-links|-f)\b", text, re.MULTILINE)


def test_the_lock_satisfies_the_project():
    versions = versions_of("locks/nephrograde.txt")
    unfit = {
        str(one)
        for one in required(LOCK.EXTRAS)
        if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))
    }
    assert unfit == set()


def test_the_lock_for_grading_satisfies_the_container_and_has_no_torch():
    versions = versions_of("locks/grading.txt")
    unfit = {
        line
        for line in lines_of(LOCK.GRADING)
        if not Requirement(line).specifier.contains(versions.get(canonicalize_name(Requirement(line).name), "0"))
    }
    assert unfit == set()
    assert not {"torch", "lightning-fabric", "triton"} & set(versions)
    assert set(versions) < set(versions_of("locks/nephrograde.txt"))


def test_the_locks_are_resolved_for_the_versions_of_python_that_the_project_names():
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert set(LOCK.PYTHONS) == named
    assert PROJECT["requires-python"] == f">={min(LOCK.PYTHONS)}"
