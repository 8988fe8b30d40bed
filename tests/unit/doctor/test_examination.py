"""What `nephrograde doctor` says of an installation: whole, partial, broken, and too old."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from nephrograde.doctor import examination
from nephrograde.doctor.check import State
from nephrograde.doctor.outcomes import Outcome
from nephrograde.doctor.packages import BASE, EXTRAS, module_of, unfit
from nephrograde.doctor.trials import TRIALS
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_DEVELOPERS = {"bench", "docs", "test"}
EVERYTHING = dict.fromkeys((*BASE, *(package for extra in EXTRAS for package in extra.packages)), "1.2.3")


def packages_of(requirements):
    """The names of requirements, with those of the extras of nephrograde that they include."""
    found = set()
    for line in requirements:
        [(name, extras)] = re.findall(r"^([\w-]+)(?:\[([\w,-]+)\])?", line)
        optional = PROJECT["optional-dependencies"]
        found |= {one for extra in extras.split(",") for one in packages_of(optional.get(extra, ()))}
        found |= {name} - {"nephrograde"}
    return found


@pytest.fixture
def machine(monkeypatch):
    """An installation with given versions, on which some steps fail; every other step succeeds."""

    def make(versions, failures=None, ranges=None):
        said = {"trial:fonts": "A font has Chinese letters.", "trial:gpu": ""}

        def outcomes_of(rows):
            steps = [step for row in rows for step in row]
            assert len(steps) == len(set(steps))
            done = {step: Outcome(works=True, said=said.get(step, "Done."), seconds=0.25) for step in steps}
            return done | {step: Outcome(False, why) for step, why in (failures or {}).items()}

        monkeypatch.setattr(
            examination, "installed", lambda wanted: {one: versions[one] for one in wanted if one in versions}
        )
        monkeypatch.setattr(examination, "outcomes_of", outcomes_of)
        monkeypatch.setattr(examination, "unfit", lambda _versions: ranges or {})

    return make


def checked(name):
    return next(check for check in examination.examine().checks if check.name == name)


def test_the_packages_are_those_of_the_project():
    assert set(BASE) == packages_of(PROJECT["dependencies"])
    assert {extra.name: set(extra.packages) for extra in EXTRAS} == {
        name: packages_of(lines)
        for name, lines in PROJECT["optional-dependencies"].items()
        if name not in OF_DEVELOPERS
    }


def test_commands_of_extras_exist():
    from typer.main import get_group

    from nephrograde.cli import app

    known = get_group(app).commands
    for extra in EXTRAS:
        for command in extra.commands:
            name, *rest = command.split()
            if "=" in command:
                continue  # a line of a study
            options = {option for one in known[name].params for option in one.opts} | {
                option
                for sub in getattr(known[name], "commands", {}).values()
                for one in sub.params
                for option in one.opts
            }
            assert {word for word in rest if word.startswith("--")} <= options, command


def test_an_installation_with_everything_works(machine):
    machine(EVERYTHING)
    found = examination.examine()
    assert found.works
    assert {check.state for check in found.checks if check.section != "Machine"} == {State.OK}
    assert found.testing_s == pytest.approx(4 * 0.25)
    assert json.loads(json.dumps(found.as_dict()))["works"] is True


def test_an_extra_that_is_missing_is_named_with_its_commands_and_the_line_that_installs_it(machine):
    machine({name: version for name, version in EVERYTHING.items() if name != "weasyprint"})
    assert examination.examine().works
    check = checked("pdf")
    assert check.state is State.MISSING
    assert "report --pdf" in check.what
    assert check.remedy == 'Run: pip install "nephrograde[pdf]"'


def test_without_torch_packed_models_still_work(machine):
    machine({name: version for name, version in EVERYTHING.items() if name not in {"torch", "lightning-fabric"}})
    found = examination.examine()
    assert found.works
    assert checked("torch").state is State.MISSING
    assert "networks" not in {check.name for check in found.checks}
    assert "packed models" in {check.name for check in found.checks}


@pytest.mark.parametrize("package", ["numpy", "pandas", "torch"])
def test_a_package_of_the_base_that_raises_is_a_failure(machine, package):
    machine(
        EVERYTHING | {package: "2.0+cpu"}, {f"import:{module_of(package)}": "ImportError: built for another Python"}
    )
    assert not examination.examine().works
    check = checked(package)
    assert (check.state, check.remedy) == (State.FAILED, f"Run: pip install --force-reinstall {package}==2.0")
    assert "built for another Python" in check.what


def test_a_file_that_is_imported_in_place_of_a_package_is_named(machine, nephrograde, tmp_path, monkeypatch):
    (tmp_path / "openpyxl.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openpyxl", raising=False)
    machine(EVERYTHING, {"import:openpyxl": "ZeroDivisionError: division by zero"})
    found = checked("openpyxl")
    assert found.state is State.FAILED
    assert f"Python imports {tmp_path / 'openpyxl.py'} in its place (ZeroDivisionError" in found.what
    assert "PYTHONPATH" in found.remedy
    assert f"但Python导入的是{tmp_path / 'openpyxl.py'}（" in nephrograde("doctor", "--lang", "zh")[1]
    (tmp_path / "openpyxl.py").write_text("", encoding="utf-8")
    machine(EVERYTHING)
    found = checked("openpyxl")  # a file that can be imported does not hold what is needed
    assert found.state is State.WARNING
    assert found.what.endswith(f"but Python imports {tmp_path / 'openpyxl.py'} in its place.")
    monkeypatch.undo()
    machine(EVERYTHING, {"import:openpyxl": "ZeroDivisionError: division by zero"})
    assert "--force-reinstall openpyxl" in checked("openpyxl").remedy


def test_a_package_of_the_base_that_is_missing_is_a_failure(machine):
    machine({name: version for name, version in EVERYTHING.items() if name != "scipy"})
    assert not examination.examine().works
    assert checked("scipy").remedy == "Run: pip install nephrograde"


def test_weasyprint_without_pango_is_told_from_a_broken_one(machine):
    machine(EVERYTHING, {"import:weasyprint": "OSError: cannot load library 'libpango'"})
    assert examination.examine().works
    assert "Pango" in checked("pdf").remedy
    machine(EVERYTHING, {"import:weasyprint": "AttributeError: x"})
    assert checked("pdf").remedy == "Run: pip install --force-reinstall weasyprint==1.2.3"


@pytest.mark.parametrize("step", sorted(examination.TESTS))
def test_a_part_of_the_self_test_that_fails_is_a_failure(machine, step):
    machine(EVERYTHING, {step: "TrialError: other values"})
    assert not examination.examine().works


def test_a_package_outside_of_its_range_is_named(machine):
    machine(EVERYTHING, ranges={"numpy": ">=9", "optuna": ">=5"})
    assert examination.examine().works
    assert checked("numpy").what == "1.2.3 is installed, >=9 is needed."
    assert checked("tune").remedy == 'Run: pip install "nephrograde[tune]" --upgrade'


@pytest.mark.needs("packaging")
def test_versions_are_compared_with_the_ranges_of_the_installation(monkeypatch):
    from importlib import metadata

    monkeypatch.setattr(
        metadata, "requires", lambda _name: ["numpy>=1.26", 'optuna>=5.0; extra == "tune"', "torch>=2.4"]
    )
    found = unfit({"numpy": "1.9", "optuna": "5.1", "torch": "2.13.0+cpu", "pandas": "?"})
    assert found == {"numpy": ">=1.26"}


@pytest.mark.parametrize(
    ("torch", "driver", "state", "words"),
    [
        ("CUDA 13.0: H200 (140 GB)", True, State.OK, "H200"),
        ("", True, State.WARNING, "NVIDIA driver"),
        ("", False, State.NOTE, "on the processor"),
        (None, True, State.NOTE, "packed models"),
    ],
)
def test_a_gpu_is_named_or_why_there_is_none(machine, monkeypatch, torch, driver, state, words):
    machine({name: version for name, version in EVERYTHING.items() if name != "torch" or torch is not None})
    before = vars(examination)["outcomes_of"]
    found = {examination.GPU: Outcome(works=True, said=torch)} if torch is not None else {}
    monkeypatch.setattr(examination, "outcomes_of", lambda rows: before(rows) | found)
    monkeypatch.setattr(examination, "has_nvidia_driver", lambda: driver)
    check = checked("GPU")
    assert (check.state, words in check.what) == (state, True)


def test_pango_is_there_if_the_pdf_works(machine):
    machine(EVERYTHING)
    assert checked("programs").state is State.OK
    machine(EVERYTHING, {"import:weasyprint": "OSError: cannot load library"})
    assert checked("programs").state is State.NOTE


def told_everything():
    """Find every sentence of an examination in Chinese; versions and commands stay."""
    checks = [check for check in examination.examine().checks if not re.fullmatch(r"[\d.]+", check.what)]
    with speaking("zh"):
        said = {text: told(text) for check in checks for text in (check.section, check.what, check.remedy) if text}
    said = {text: chinese for text, chinese in said.items() if text not in {"Done.", "X1."}}
    assert {text for text, chinese in said.items() if not re.search("[\u4e00-\u9fff]", chinese)} == set()
    assert {text for text, chinese in said.items() if re.search(r"[A-Za-z]{2,} (?:are|is|it|the) ", chinese)} == set()


def test_every_trial_is_a_step():
    assert {f"trial:{name}" for name in TRIALS} == {*examination.TESTS, examination.GPU, examination.FONTS}


@pytest.mark.parametrize(("failures", "code"), [({}, 0), ({"import:pandas": "ImportError: no"}, 1)])
def test_the_command_prints_and_its_exit_code_says_whether_the_base_works(machine, nephrograde, failures, code):
    machine({**EVERYTHING, "numpy": "2.0"}, failures)
    ended, out, err = nephrograde("doctor")
    assert (ended, len(err.splitlines())) == (code, 1)
    assert "Research use only" in out
    assert f"{len(BASE) - code} packages are in order." in out
    assert ("FAILED" in out) is bool(code)
    assert "numpy: 2.0" not in out
    assert "numpy: 2.0" in nephrograde("doctor", "--all")[1]
    ended, out, _ = nephrograde("doctor", "--json")
    assert (ended, json.loads(out)["works"]) == (code, not code)


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_speaks_chinese(machine, nephrograde, monkeypatch, broken):
    imports = [f"import:{module_of(package)}" for package in EVERYTHING]
    failures = dict.fromkeys([*imports, *examination.TESTS, examination.GPU, examination.FONTS], "X1")
    machine(EVERYTHING, failures if broken else None, {"optuna": ">=5"})
    from nephrograde.doctor import surroundings

    if broken:
        monkeypatch.setattr(surroundings, "free_bytes", lambda: 1e9)
        monkeypatch.setattr(surroundings, "_is_writable", lambda _folder: False)
        monkeypatch.setattr(surroundings, "LETTERS", "\udcff")
    told_everything()
    missing = {name: version for name, version in EVERYTHING.items() if name in {"numpy", "typer"}}
    machine(missing)
    told_everything()
    said = nephrograde("doctor", "--lang", "zh")[1]
    assert "nephrograde在此无法使用" in said
    assert "[失败] pandas：未安装。" in said
