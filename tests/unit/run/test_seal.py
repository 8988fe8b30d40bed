"""Seals notice every altered, missing or added file of an evaluation."""

import json

import pytest

from nephrograde.errors import RunError
from nephrograde.files import read_json, write_json
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import FORMAT
from nephrograde.run.seal import ReadAhead, Seal, make_seal, read_seal, renew_seal, seal_fold


@pytest.fixture
def run(tmp_path):
    """Two fitted folds and two tables, sealed; only their bytes matter."""
    run = RunFolder(tmp_path / "run")
    for fold in (run.fold("weak-1-cmp", 0), run.fold("weak-1-cmp", 1)):
        fold.fold_dir.mkdir(parents=True)
        for path in fold.paths:
            path.write_text(f"{fold.number} {path.name}")
        seal_fold(fold)
    for path in (run.scores_path, run.estimates_path):
        path.parent.mkdir(parents=True)
        path.write_text(path.name)
    write_json(run.study_lock_path, {"format": FORMAT, "study": {"image": 1}})
    renew_seal(run, run.folds())
    return run


def sealed(run: RunFolder) -> Seal:
    seal = read_seal(run)
    assert seal is not None
    return seal


def test_an_untouched_run_holds_and_gives_its_files(run):
    seal = sealed(run)
    seal.verify()
    seal.check_study(read_json(run.study_lock_path))
    assert seal == make_seal(run, run.folds())
    assert [fold.number for fold in seal.folds("weak-1-cmp")] == [0, 1]
    assert seal.read(run.fold("weak-1-cmp", 1).weights_path) == b"1 weights.safetensors"


def test_the_same_run_gives_the_same_bytes(run):
    before = run.seal_path.read_bytes()
    renew_seal(run, reversed(list(run.folds())))
    assert run.seal_path.read_bytes() == before


@pytest.mark.parametrize("name", ["card.json", "history.csv", "predictions.csv"])
def test_an_altered_or_missing_file_of_a_network_is_refused(run, name):
    path = run.fold("weak-1-cmp", 1).fold_dir / name
    path.write_text("other")
    with pytest.raises(RunError, match=rf"{name} is not the file that nephrograde wrote"):
        sealed(run).verify()
    with pytest.raises(RunError, match=rf"{name} is not the file"):
        make_seal(run, run.folds())
    path.unlink()
    with pytest.raises(RunError, match=rf"{name} is missing"):
        sealed(run).verify()


def test_weights_are_verified_when_they_are_read(run):
    weights_path = run.fold("weak-1-cmp", 0).weights_path
    weights_path.write_bytes(b"other")
    seal = sealed(run)
    seal.verify()
    for use in (seal.read, seal.digest):
        with pytest.raises(RunError, match=r"fold-0/weights\.safetensors is not the file"):
            use(weights_path)
    weights_path.unlink()
    assert len(seal.digest(weights_path)) == 64
    with pytest.raises(RunError, match=r"weights\.safetensors is missing"):
        seal.read(weights_path)


def test_altered_weights_are_not_sealed_by_another_evaluation(run):
    before = sealed(run)
    run.fold("weak-1-cmp", 0).weights_path.write_bytes(b"other")
    assert make_seal(run, run.folds()) == before


def test_an_altered_table_is_refused_and_a_missing_one_left_to_its_reader(run):
    run.scores_path.unlink()
    sealed(run).verify()
    run.estimates_path.write_text("other")
    with pytest.raises(RunError, match=r"estimates\.csv is not the file.*nephrograde evaluate"):
        sealed(run).verify()


def test_a_missing_fold_and_an_added_one_are_refused(run):
    fold = run.fold("weak-1-cmp", 1)
    added = run.fold("weak-1-cmp", 2)
    added.fold_dir.mkdir()
    with pytest.raises(RunError, match="fold-2 is not one of the folds"):
        sealed(run).verify()
    added.fold_dir.rmdir()
    fold.fold_dir.rename(run.run_dir / "elsewhere")
    with pytest.raises(RunError, match="fold-1 is missing"):
        sealed(run).verify()


def test_another_study_in_the_lock_file_is_refused(run):
    with pytest.raises(RunError, match="another study"):
        sealed(run).check_study({"study": {"image": 2}})


@pytest.mark.parametrize(
    "content",
    ["{", "{}", '{"study": 1, "files": {}}', '{"study": "", "files": []}', '{"study": "", "files": {"a": 1}}'],
)
def test_a_damaged_or_missing_seal_is_refused(run, content):
    run.seal_path.write_text(content)
    with pytest.raises(RunError, match=r"seal\.json"):
        read_seal(run)
    run.seal_path.unlink()
    with pytest.raises(RunError, match=r"seal\.json is missing"):
        read_seal(run)


def test_a_seal_names_only_files_of_its_run(run):
    content = json.loads(run.seal_path.read_text())
    run.seal_path.write_text(json.dumps({**content, "files": {"../other.csv": "0" * 64}}))
    with pytest.raises(RunError, match="outside"):
        read_seal(run)


def test_a_run_that_was_not_evaluated_has_none(tmp_path):
    assert read_seal(RunFolder(tmp_path)) is None


def test_what_a_notebook_leaves_is_no_fold(run):
    (run.models_dir / ".ipynb_checkpoints" / "fold-0").mkdir(parents=True)
    (run.models_dir / "weak-1-cmp" / ".ipynb_checkpoints").mkdir()
    (run.fold("weak-1-cmp", 0).fold_dir / ".ipynb_checkpoints").mkdir()
    (run.models_dir / "weak-1-cmp" / "fold-01").mkdir()
    sealed(run).verify()
    assert [fold.number for fold in run.folds()] == [0, 1]


def test_files_are_read_ahead_and_verified_all_the_same(run: RunFolder) -> None:
    paths = [fold.weights_path for fold in run.folds()]
    seal = sealed(run)
    ahead = ReadAhead(seal.read, paths)
    assert [ahead.get(path) for path in (*paths, paths[0])] == [seal.read(path) for path in (*paths, paths[0])]
    paths[-1].write_bytes(b"other")
    ahead = ReadAhead(seal.read, paths)
    with pytest.raises(RunError, match="is not the file"):
        ahead.get(paths[-1])
