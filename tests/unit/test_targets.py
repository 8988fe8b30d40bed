"""What the documents and the workflow tell a reader or a machine to run is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
CALLS = re.compile(r"(?:^|run: |`)make ([a-z]+(?:-[a-z]+)*)\b", re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/check.yml"]
)
def test_every_make_target_that_is_named_exists(name):
    called = set(CALLS.findall((ROOT / name).read_text(encoding="utf-8")))
    assert called
    assert called <= TARGETS


@pytest.mark.needs("yaml")
def test_the_workflow_runs_the_targets_on_every_system():
    import yaml

    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))
    made = {
        step["run"].removeprefix("make ")
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if step.get("run", "").startswith("make ")
    }
    assert made == {"test", "quick"}
    matrices = [job["strategy"]["matrix"] for job in workflow["jobs"].values()]
    assert {version for matrix in matrices for version in matrix["python"]} == {"3.11", "3.12", "3.13"}
    assert {system.partition("-")[0] for matrix in matrices for system in matrix.get("os", [])} == {"macos", "windows"}
    for job in workflow["jobs"].values():
        assert "shared-data" in job["env"]["TESTS_WITHOUT"].split(",")
