"""Every file of a run is named in one place."""

import ast
import inspect
from pathlib import Path

import pytest

import nephrograde
from nephrograde.errors import RunError
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.folder import RunFolder
from nephrograde.run.quality_folder import QualityFolder
from nephrograde.run.report_folder import ReportFolder
from nephrograde.run.tuning_folder import TuningFolder

SOURCE_DIR = Path(nephrograde.__file__).parent
EXEMPT = (
    "run/folder.py",
    "run/fold_folder.py",
    "run/quality_folder.py",
    "run/report_folder.py",
    "run/tuning_folder.py",
    "explanation/head.py",  # tensors of a graph
    "export/",
)
"""The files that know the layout, and the room of files that have one of their own."""


def layout():
    """The names of files, and those of folders, that the run folder's classes give."""
    folders = (
        RunFolder(Path("run")),
        FoldFolder(Path("run/models/m/fold-0")),
        QualityFolder(Path("run/quality")),
        ReportFolder(Path("run/report")),
        TuningFolder(Path("run/tuning")),
    )
    files, dirs = set(), set()
    for folder in folders:
        for name, _ in inspect.getmembers(type(folder), lambda member: isinstance(member, property)):
            if name.endswith("_path"):
                files.add(getattr(folder, name).name)
            elif name.endswith("_dir"):
                dirs.add(getattr(folder, name).name)
    return files, dirs


def typed_by_hand(source):
    """Where a program names a file of a run, or joins the name of a folder of a run to a path."""
    files, dirs = layout()
    tree = ast.parse(source)
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    texts = [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]
    found = {line for line, text in texts if text.rpartition("/")[2] in files or text.startswith("fold-")}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            found |= {node.lineno} if node.right.value in dirs else set()
    return sorted(found)


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ('run_dir / "scores" / "members.csv"', True),
        ('x = "volumes/regions.csv"', True),
        ('run_dir / "models" / model', True),
        ('model_dir / f"fold-{fold}"', True),
        ("run.scores_path", False),
        ('message = "See volumes/findings.csv."', False),
        ('section = {"cohort": 1}["cohort"]', False),
    ],
)
def test_the_search_finds_paths_and_not_words(source, is_found):
    assert bool(typed_by_hand(source)) is is_found


@pytest.mark.slow
def test_no_room_types_a_path_of_a_run_by_hand():
    found = {}
    for path in sorted(SOURCE_DIR.rglob("*.py")):
        name = path.relative_to(SOURCE_DIR).as_posix()
        if not name.startswith(EXEMPT) and (lines := typed_by_hand(path.read_text(encoding="utf-8"))):
            found[name] = lines
    assert found == {}


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(RunError, match=r"is not a run folder: it has no study\.lock\.json"):
        RunFolder.open(tmp_path)
    (tmp_path / "study.lock.json").write_text("{}")
    assert RunFolder.open(str(tmp_path)) == RunFolder.open(tmp_path) == RunFolder.open(RunFolder(tmp_path))


def test_folds_are_listed_by_model_and_number(tmp_path):
    run = RunFolder(tmp_path)
    for model, fold in (("weak-1-cmp", "10"), ("weak-1-cmp", "2"), ("strong-cmp", "0"), ("weak-1-cmp", "old")):
        (run.models_dir / model / f"fold-{fold}").mkdir(parents=True)
    assert [(fold.model, fold.number) for fold in run.folds()] == [
        ("strong-cmp", 0),
        ("weak-1-cmp", 2),
        ("weak-1-cmp", 10),
    ]
    assert [fold.number for fold in run.folds("weak-1-cmp")] == [2, 10]


def test_only_real_folders_are_searched(tmp_path):
    run = RunFolder(tmp_path / "run")
    (tmp_path / "elsewhere" / "figures").mkdir(parents=True)
    for folder in (run.scores_dir, run.models_dir / "weak-1-cmp", tmp_path / "run" / "letters"):
        folder.mkdir(parents=True)
    run.report.report_dir.symlink_to(tmp_path / "elsewhere")
    (run.models_dir / "strong-cmp").symlink_to(tmp_path / "elsewhere")
    assert set(run.real_dirs()) == {run.run_dir, run.scores_dir, run.models_dir, run.models_dir / "weak-1-cmp"}
