"""A record is used while it is current, and made again in every other case."""

import json

import pytest

from nephrograde.run.folder import RunFolder
from nephrograde.run.stage import kept_name, kept_record, remove_stale, run_stage


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.cohort_dir.mkdir(parents=True)
    run.cases_path.write_text("a")
    return run


def is_new(record):
    return record["version"] == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", '{"version": 1}', '{"version": "2"}'])
def test_a_record_that_is_damaged_or_not_current_is_made_again(tmp_path, content):
    record_path = tmp_path / "record.json"
    record_path.write_text(content)
    assert kept_record(record_path, lambda: {"version": 2}, is_current=is_new) == {"version": 2}
    assert json.loads(record_path.read_text()) == {"version": 2}


def test_a_failure_leaves_no_record(tmp_path):
    with pytest.raises(ZeroDivisionError):
        kept_record(tmp_path / "record.json", lambda: {"share": 1 / 0})
    assert list(tmp_path.iterdir()) == []


def test_a_stage_runs_again_when_an_input_a_setting_or_its_record_changes(run):
    keys: list[str] = []

    def go(settings="a"):
        run_stage("evaluate", run, inputs=[run.cohort_dir, run.scores_path], settings=settings, make=keys.append)
        return len(keys)

    assert (go(), go()) == (1, 1)
    run.cases_path.write_text("b")
    assert (go(), go(), go("b")) == (2, 2, 3)
    run.stage_path("evaluate").unlink()
    assert go("b") == 4
    assert len(set(keys)) == 3
    run.scores_dir.mkdir()
    run.scores_path.write_text("c")
    assert go("b") == 5


def test_an_interrupted_stage_runs_again(run):
    def interrupt(_key):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage("evaluate", run, inputs=[], settings=None, make=interrupt)
    keys: list[str] = []
    run_stage("evaluate", run, inputs=[], settings=None, make=keys.append)
    assert len(keys) == 1


def test_only_names_made_from_content_go_stale(tmp_path):
    kept, stale = kept_name("P1", "cmp", 1, ".json"), kept_name("P1", "cmp", 2, ".npy")
    others = ["notes.txt", "P1-cmp.npy", "P1-cmp.0123.npy", "regions.csv", "features.json"]
    for name in (kept, stale, *others):
        (tmp_path / name).touch()
    remove_stale(tmp_path, {kept})
    assert {path.name for path in tmp_path.iterdir()} == {kept, *others}


def test_names_hold_what_a_file_name_can_hold():
    assert "/" not in kept_name("a/b\\c:d", "cmp", 1, ".npy")
    assert len(kept_name("长" * 100, "cmp", 1, ".npy")) < 80
