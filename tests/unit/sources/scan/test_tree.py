import os

from nephrograde.sources.scan import tree
from nephrograde.sources.scan.tree import walk_files


def paths_and_reasons(folder, **options):
    return [(found.path, found.reason) for found in walk_files(folder, **options)]


def test_finds_files_of_any_name_at_any_depth_in_the_same_order(tmp_path):
    for name in ("DICOM/A1/IM2", "DICOM/A1/IM1", "读片/x.y.z", "DICOMDIR", "DICOM/B/C/D/E/no extension"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 3)
    found = list(walk_files(tmp_path))
    assert [one.path for one in found] == [
        "DICOMDIR",
        "DICOM/A1/IM1",
        "DICOM/A1/IM2",
        "DICOM/B/C/D/E/no extension",
        "读片/x.y.z",
    ]
    assert {one.n_bytes for one in found} == {3}
    assert list(walk_files(tmp_path)) == found


def test_links_that_loop_lead_nowhere_or_meet_a_folder_again_are_named(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "IM1").write_bytes(b"1")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "c" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert paths_and_reasons(tmp_path) == [
        ("gone", tree.BROKEN_LINK),
        ("self", tree.BROKEN_LINK),
        ("b/c/IM1", ""),
        ("a", tree.LOOP),
        ("b/c/up", tree.LOOP),
    ]


def test_a_link_to_another_folder_is_followed_once(tmp_path):
    elsewhere = tmp_path / "archive"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "IM1").write_bytes(b"1")
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "one").symlink_to(elsewhere)
    (tmp_path / "scan" / "two").symlink_to(elsewhere)
    assert paths_and_reasons(tmp_path / "scan") == [("one/deep/IM1", ""), ("two", tree.LOOP)]


def test_a_folder_that_cannot_be_opened_is_named_and_the_others_are_read(tmp_path, monkeypatch):
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "IM1").write_bytes(b"1")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert paths_and_reasons(tmp_path) == [("closed", tree.UNREADABLE_FOLDER), ("open/IM1", "")]


def test_pipes_are_no_files_and_undecodable_names_are_kept(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xc6\xbd\xc9\xa8")).write_bytes(b"1")  # GB18030 on a disk whose names are UTF-8
    found = list(walk_files(tmp_path))
    assert [one.reason for one in found] == [tree.NO_FILE, ""]
    assert os.fsencode(found[1].path) == b"\xc6\xbd\xc9\xa8"


def test_the_catalogue_itself_is_left_out(tmp_path):
    (tmp_path / "held.sqlite").write_bytes(b"1")
    assert paths_and_reasons(tmp_path, leave_out=[tmp_path / "held.sqlite"]) == []
