"""The recipe of the container holds what grading needs and nothing of networks; no engine is asked."""

import re
import shutil
import socket
import sys
import tomllib
from pathlib import Path

import pytest
from tests.one_file import INTEGRATIONS, imported

ROOT = Path(__file__).parents[2]
FOLDER = INTEGRATIONS / "container"
RECIPE = (FOLDER / "Containerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_NETWORKS = {"torch", "lightning-fabric"}
EXTRAS = ("grader", "dicom", "pacs", "web")


def name_of(requirement):
    return re.split(r"[<>=!\[]", requirement)[0].lower()


@pytest.fixture(scope="module")
def check():
    return imported(FOLDER / "healthcheck.py")


def test_the_container_has_the_dependencies_of_the_project_without_those_of_networks():
    lines = (FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = {line for line in lines if line and not line.startswith("#")}
    extras = {one for extra in EXTRAS for one in PROJECT["optional-dependencies"][extra]}
    wanted = {*PROJECT["dependencies"], *extras}
    assert found == {one for one in wanted if name_of(one) not in {*OF_NETWORKS, "nephrograde"}}
    assert {name_of(one) for one in PROJECT["dependencies"]} >= OF_NETWORKS


def test_what_the_recipe_copies_is_there_and_it_ends_without_root():
    ignored = (FOLDER / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    allowed = [ROOT / line.removeprefix("!") for line in ignored[1:]]
    copied = [
        ROOT / word for line in re.findall(r"^COPY (?!--from)(.*)$", RECIPE, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert len(copied) >= 6
    for path in copied:
        assert path.exists(), path
        assert any(path == one or one in path.parents for one in allowed), path
    last = RECIPE[RECIPE.rindex("FROM ") :]
    assert re.findall(r"^USER (\d+):\d+$", last, re.MULTILINE) == ["10001"]
    [program] = re.findall(r'^ENTRYPOINT \["(.*)"\]$', last, re.MULTILINE)
    assert program in PROJECT["scripts"]
    assert "HEALTHCHECK" in last


def test_a_container_is_well_while_something_listens_or_the_program_starts(check, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        monkeypatch.setenv("NEPHROGRADE_PORT", port)
        assert check.main() == 0
    assert check.main() == 1
    assert port in capsys.readouterr().err
    monkeypatch.delenv("NEPHROGRADE_PORT")
    assert check.main() == 0
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert check.main() == 1
