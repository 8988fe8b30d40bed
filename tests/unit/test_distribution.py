"""The check of what is published finds what is missing, what does not belong there, and metadata that differ."""

import io
import runpy
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
INFO = "nephrograde-0.1.0.dist-info"
PACKAGE = ("__init__.py", "py.typed", "version.py", "report/locale/zh/report.json", "web/pages/grade.js")


@pytest.fixture(scope="module")
def check():
    return SimpleNamespace(**runpy.run_path(str(ROOT / "release" / "check_distribution.py")))


@pytest.fixture
def checkout(tmp_path, check):
    """A checkout with the real documents and a package of a few files."""
    root = tmp_path / "checkout"
    for name in check.OF_SOURCE - {"PKG-INFO", "setup.cfg"}:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in PACKAGE:
        path = root / "src" / "nephrograde" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / "src" / "nephrograde" / name).read_bytes())
    (root / "src" / "nephrograde" / "__pycache__").mkdir()
    (root / "src" / "nephrograde" / "__pycache__" / "version.pyc").write_bytes(b"compiled")
    return root


def metadata_of(check, root):
    project = check.tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = ["Metadata-Version: 2.4", "Name: nephrograde", "Version: 0.1.0", "License-Expression: Apache-2.0"]
    lines += ["Requires-Python: >=3.11", "Description-Content-Type: text/markdown"]
    lines += [f"Classifier: {one}" for one in project["classifiers"]]
    lines += [f"Requires-Dist: {one}" for one in project["dependencies"]]
    lines += ['Requires-Dist: optuna>=5.0; extra == "tune"']
    return "\n".join([*lines, "", (root / "README.md").read_text(encoding="utf-8")])


@pytest.fixture
def published(check, checkout, tmp_path):
    """Write both distributions, after a change of what they hold, and return the problems."""

    def write(wheel=(), source=(), without=(), metadata=lambda text: text):
        package = {f"nephrograde/{name}": b"x" for name in PACKAGE}
        info = {f"{INFO}/{name}": b"" for name in check.OF_METADATA}
        info[f"{INFO}/METADATA"] = metadata(metadata_of(check, checkout)).encode()
        info[f"{INFO}/entry_points.txt"] = b"[console_scripts]\nnephrograde = nephrograde.__main__:start\n"
        folder = tmp_path / "dist"
        folder.mkdir()
        with zipfile.ZipFile(folder / "nephrograde-0.1.0-py3-none-any.whl", "w") as archive:
            for name, content in {**package, **info, **dict(wheel)}.items():
                if name not in without:
                    archive.writestr(name, content)
        files = {f"src/{name}": b"x" for name in package} | dict.fromkeys(check.OF_SOURCE, b"x") | dict(source)
        with tarfile.open(folder / "nephrograde-0.1.0.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                if name not in without:
                    member = tarfile.TarInfo(f"nephrograde-0.1.0/{name}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        return check.problems_of(folder, checkout)

    return write


def test_what_is_whole_can_be_published(published):
    assert published() == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"without": ["nephrograde/report/locale/zh/report.json"]}, "lacks nephrograde/report/locale/zh/report.json"),
        ({"without": ["nephrograde/py.typed"]}, "lacks nephrograde/py.typed"),
        ({"without": ["src/nephrograde/web/pages/grade.js"]}, "lacks src/nephrograde/web/pages/grade.js"),
        ({"without": [f"{INFO}/licenses/LICENSE"]}, "holds no licence"),
        ({"without": ["CHANGELOG.md"]}, "lacks CHANGELOG.md"),
        ({"wheel": {"tests/unit/test_lock.py": b""}}, "holds tests/unit/test_lock.py"),
        ({"wheel": {"nephrograde/__pycache__/version.pyc": b""}}, "version.pyc, a kind of file that is not known"),
        ({"wheel": {"nephrograde/scan.dcm": b""}}, "scan.dcm, a kind of file"),
        ({"wheel": {"nephrograde/many.json": bytes(9_000_001)}}, "The installed package has 9.0 MB"),
        ({"source": {"bench/start.py": b""}}, "holds bench/start.py"),
        ({"metadata": lambda text: text.replace("Version: 0.1.0", "Version: 0.2.0")}, "Version is '0.2.0'"),
        ({"metadata": lambda text: text.replace("Apache-2.0", "MIT", 1)}, "License-Expression is 'MIT'"),
        ({"metadata": lambda text: text.replace("Classifier: Typing :: Typed\n", "")}, "the classifiers"),
        ({"metadata": lambda text: text.replace("numpy>=1.26", "numpy>=1.25", 1)}, "the dependencies"),
        ({"metadata": lambda text: text[: len(text) // 2]}, "the description"),
    ],
)
def test_a_fault_of_a_distribution_is_found(published, changed, found):
    assert any(found in problem for problem in published(**changed)), found


def test_a_file_of_an_unknown_kind_is_found_though_the_package_holds_it(published, checkout):
    (checkout / "src" / "nephrograde" / "model.onnx").write_bytes(b"")
    problems = published(wheel={"nephrograde/model.onnx": b""}, source={"src/nephrograde/model.onnx": b""})
    assert problems == [
        "nephrograde-0.1.0-py3-none-any.whl holds nephrograde/model.onnx, a kind of file that is not known."
    ]


def test_versions_that_differ_are_found(published, checkout):
    citation = checkout / "CITATION.cff"
    citation.write_text(
        citation.read_text(encoding="utf-8").replace("version: 0.1.0", "version: 0.2.0"), encoding="utf-8"
    )
    assert any("different versions: 0.1.0, 0.2.0" in problem for problem in published())


def test_a_folder_without_both_distributions_is_refused(check, tmp_path):
    assert check.problems_of(tmp_path) == [
        f"{tmp_path} holds 0 wheels and 0 source distributions instead of one of each."
    ]


def test_every_file_of_this_package_is_of_a_known_kind(check):
    files = check.package_files(ROOT)
    assert len(files) > 700
    assert {check.kind(name) for name in files} == check.KINDS
