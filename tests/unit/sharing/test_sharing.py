"""What leaves a hospital: nothing that identifies anybody, the same bytes each time, and refusals of what must not."""

import re
import stat
import zipfile
from pathlib import Path

import pytest
from tests.unit.sharing.conftest import MODELS, REASON, drawn

import nephrograde as ng
from nephrograde.errors import InputError, RunError, ShareError
from nephrograde.evaluation.scores.scores import Score
from nephrograde.run.folder import RunFolder

KINDS = ("scores", "statistics")


def bytes_of(path):
    """All bytes of a file, or of all files of a folder with their names."""
    if path.is_dir():
        return b"".join(one.name.encode() + one.read_bytes() for one in sorted(path.rglob("*")))
    return path.read_bytes()


def identifiers(run_dir):
    """What must not leave: ids, parts of ids, the folder, the reason of the ledger, dates, the user and the machine."""
    ids = {row.patient_id for row in ng.open_run(run_dir).scores.rows}
    parts = {part for one in ids for part in (one, one.rpartition("案")[2])} | {"HOSP1", "病案"}
    return {*parts, *run_dir.parts[1:], *REASON.split(), "王小明", str(run_dir.home())} - {"tmp", "on", "for"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["share.zip", "folder"])
def test_no_identifier_is_in_any_byte(write_run, tmp_path, kind, name):
    run_dir = write_run(1)
    made = ng.share(run_dir, tmp_path / name, what=kind)
    raw = bytes_of(made.path)
    assert len(raw) > 3000
    for text in identifiers(run_dir):
        for encoding in ("utf-8", "utf-16-le", "gb18030"):
            assert text.encode(encoding) not in raw, text
    assert not re.search(rb"(?:19|20)\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", raw)
    assert RunFolder(run_dir).pseudonyms_key_path.read_bytes().strip() not in raw


def test_the_search_finds_what_the_scores_of_the_run_hold(write_run):
    run_dir = write_run(1)
    raw = RunFolder(run_dir).scores_path.read_bytes()
    assert sum(text.encode() in raw for text in identifiers(run_dir)) > 60


def test_statistics_hold_no_score(write_run, tmp_path):
    run_dir = write_run(1)
    raw = bytes_of(ng.share(run_dir, tmp_path / "share.zip", what="statistics").path)
    shared = bytes_of(ng.share(run_dir, tmp_path / "scores.zip", what="scores").path)
    texts = [repr(row.p_high).encode() for row in ng.open_run(run_dir).scores.rows]
    assert not any(text in raw for text in texts)
    assert all(text in shared for text in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_run_and_key_give_the_same_bytes(write_run, tmp_path, kind):
    run_dir = write_run(1)
    first = ng.share(run_dir, tmp_path / "a.zip", what=kind)
    second = ng.share(run_dir, tmp_path / "b.zip", what=kind)
    assert bytes_of(first.path) == bytes_of(second.path)
    assert first.sha256 == second.sha256
    other = ng.share(run_dir, tmp_path / "c.zip", what=kind, key=tmp_path / "other.key")
    assert other.sha256 != first.sha256


def test_a_pseudonym_needs_the_key_and_the_order_tells_nothing(write_run, tmp_path):
    made = ng.share(write_run(1), tmp_path / "folder", what="scores")
    rows = [line.split(",") for line in (made.path / "pseudonymised.csv").read_text().splitlines()[1:]]
    pseudonyms = [row[0] for row in rows]
    assert pseudonyms == sorted(pseudonyms)
    assert len(set(pseudonyms)) == 60
    truths = [row[1] for row in rows]
    assert truths != ["1" if row.is_high else "0" for row in drawn(1)[:60]]
    again = ng.share(write_run(1), tmp_path / "again", what="scores", key=tmp_path / "new.key")
    assert not set(pseudonyms) & {
        line.split(",")[0] for line in (again.path / "pseudonymised.csv").read_text().splitlines()
    }


def test_the_key_is_private_and_stays_outside(write_run, tmp_path):
    run_dir = write_run(1)
    made = ng.share(run_dir, tmp_path / "share.zip")
    assert made.key_path == RunFolder(run_dir).pseudonyms_key_path
    assert stat.S_IMODE(made.key_path.stat().st_mode) == 0o600
    for out, key in (("folder", "folder/key"), ("x.zip", "x.zip")):
        with pytest.raises(InputError, match="would lie in what is shared"):
            ng.share(run_dir, tmp_path / out, key=tmp_path / key)
    (tmp_path / "bad.key").write_text("secret", encoding="utf-8")
    with pytest.raises(InputError, match="is not a key of pseudonyms"):
        ng.share(run_dir, tmp_path / "share.zip", key=tmp_path / "bad.key")


def test_a_test_set_that_was_never_opened_is_refused(write_run, tmp_path):
    closed = tuple(Score(row.patient_id, row.model, "oof", 0, row.is_high, row.p_high) for row in drawn(1))
    for run_dir in (write_run(1, closed, is_opened=False), write_run(2, is_opened=False)):
        with pytest.raises(RunError, match="was never opened"):
            ng.share(run_dir, tmp_path / "share.zip")
    run = RunFolder(write_run(3))
    run.estimates_path.unlink()
    with pytest.raises(RunError, match="Run `nephrograde evaluate` first"):
        ng.share(run.run_dir, tmp_path / "share.zip")
    assert not (tmp_path / "share.zip").exists()


def test_few_patients_of_a_grade_give_no_statistics(write_run, tmp_path):
    run_dir = write_run(1, drawn(1, n=20))  # 8 of high grade
    with pytest.raises(RunError, match="Fewer than 10 patients of a grade"):
        ng.share(run_dir, tmp_path / "share.zip")
    assert not (tmp_path / "share.zip").exists()
    assert ng.share(run_dir, tmp_path / "share.zip", fewest=8).n_high == 8
    assert ng.share(run_dir, tmp_path / "scores.zip", what="scores").n == 20


def test_small_counts_are_suppressed_on_request(write_run, tmp_path):
    from nephrograde.sharing.share_file import read_share

    run_dir = write_run(1)
    whole = read_share(ng.share(run_dir, tmp_path / "a.zip").path).statistics
    made = read_share(ng.share(run_dir, tmp_path / "b.zip", smallest=5).path).statistics
    kept = 0
    for a, b in zip(whole.model("size").benefit, made.model("size").benefit, strict=True):
        assert a.tp is not None
        assert a.fp is not None
        is_small = any(0 < count < 5 for count in (a.tp, a.fp, 24 - a.tp, 36 - a.fp))
        assert (b.tp is None) is is_small
        kept += not is_small
    assert 0 < kept < 19
    assert b"1 to 4" in (tmp_path / "b.zip").read_bytes()


def test_names_of_models_are_the_only_text_and_are_checked(write_run, tmp_path):
    for name, what in (
        ("Dr Wang's model", "not one word"),
        ("m-HOSP1-病案7310264", "contains the id of a patient"),
        ("m-ｈｏｓｐ1-病案７３10264", "contains the id of a patient"),  # other forms of the same letters
    ):
        run_dir = write_run(1, drawn(1, models=(name,)))
        with pytest.raises(InputError, match=what):
            ng.share(run_dir, tmp_path / "share.zip")
    with pytest.raises(InputError, match=r"has no scores of test patients. Name one of: weak-1-cmp, size"):
        ng.share(write_run(2), tmp_path / "share.zip", models=("nonesuch",))
    made = ng.share(write_run(3), tmp_path / "share.zip", models=("size",))
    assert [one.name for one in made.head.models] == ["size"]
    assert b"weak-1-cmp" not in made.path.read_bytes()


def test_patients_whom_one_model_did_not_score_are_left_out_of_all(write_run, tmp_path):
    rows = tuple(row for row in drawn(1) if not (row.model == "size" and row.patient_id.endswith("07")))
    made = ng.share(write_run(1, rows), tmp_path / "share.zip")
    assert (made.n, made.n_left_out) == (59, 1)


def test_a_folder_with_other_files_is_refused(write_run, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ShareError, match="holds other files"):
        ng.share(write_run(1), tmp_path / "folder")


def test_the_file_says_in_both_languages_what_is_in_it(write_run, tmp_path):
    made = ng.share(write_run(1), tmp_path / "share.zip")
    with zipfile.ZipFile(made.path) as archive:
        text = archive.read("README.txt").decode()
    for part in (
        "60 test patients, 24 of them high grade",
        "Not in this file:",
        "fewer than 10",
        "60例测试患者",
        "文件中没有",
    ):
        assert part in text
    assert text.count("Research use only") == 1


def test_the_command_says_what_leaves(write_run, tmp_path, nephrograde):
    run_dir = write_run(1)
    code, out, err = nephrograde("share", str(run_dir), "--statistics", "--out", str(tmp_path / "s.zip"))
    assert (code, err) == (0, "")
    for part in ("In this file:", "Not in this file:", *MODELS, "must not be sent", "SHA-256"):
        assert part in out
    code, _, err = nephrograde("share", str(run_dir), "--out", str(tmp_path / "s.zip"))
    assert code == 2
    assert "exactly one of the two" in err
    code, out, _ = nephrograde("share", str(run_dir), "--scores", "--out", str(tmp_path / "文件夹"), "--lang", "zh")
    assert code == 0
    assert "文件中没有：" in out


@pytest.mark.slow
def test_a_study_shares_its_identity_its_outcome_and_that_it_is_synthetic(tiny_run_dir, tmp_path):
    made = ng.share(tiny_run_dir, tmp_path / "s.zip", what="scores", key=tmp_path / "key", models=("weak-1-cmp",))
    assert made.head.outcome == "who-isup-grade-3-4"
    assert made.head.synthetic
    (model,) = made.head.models
    assert re.fullmatch("[0-9a-f]{64}", model.identity or "")
    other = ng.share(tiny_run_dir, tmp_path / "o.zip", what="scores", key=tmp_path / "key", models=("size",))
    assert other.head.models[0].identity != model.identity
    assert not Path(tiny_run_dir, "sharing").exists()
