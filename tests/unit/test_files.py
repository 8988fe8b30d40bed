"""Whole-file writing: a reader sees the old file or the new one, never a half."""

import os
import socket
import stat

import pytest

from nephrograde.errors import RunError, WriteError
from nephrograde.files import fingerprint, read_json, read_rows, sha256_of, write_json, write_rows
from nephrograde.replacement import remove_leftovers, remove_ours, replaced, replaced_folder


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="midway"), replaced(path) as temporary_path:
        temporary_path.write_text("ne")
        raise ValueError("midway")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.csv"]


def test_a_temporary_file_keeps_the_suffix_that_writers_look_at(tmp_path):
    with replaced(tmp_path / "a.npy") as temporary_path:
        assert temporary_path.suffix == ".npy"
        temporary_path.touch()
    assert (tmp_path / "a.npy").exists()


@pytest.fixture
def specials(tmp_path, monkeypatch):
    """What is there and no regular file, by kind: a stand-in for devices, of which none is touched."""
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening, (tmp_path / "open.txt").open("w") as opened:
        listening.bind("socket")
        (tmp_path / "to-pipe").symlink_to("pipe")
        (tmp_path / "dangling").symlink_to("nowhere")
        (tmp_path / "to-open").symlink_to(f"/proc/self/fd/{opened.fileno()}")
        yield {name: tmp_path / name for name in ("pipe", "socket", "to-pipe", "dangling", "to-open")}


def kinds(folder):
    return {path.name: stat.S_IFMT(path.lstat().st_mode) for path in folder.iterdir()}


@pytest.mark.skipif(os.name != "posix", reason="Windows has none of these")
def test_what_is_no_regular_file_is_refused_before_anything_is_done(specials, tmp_path):
    before = kinds(tmp_path)
    for path in specials.values():
        with pytest.raises(WriteError, match="neither a file nor a link"), replaced(path):
            pytest.fail(f"{path.name} was accepted")
        with pytest.raises(WriteError, match="not a folder"), replaced_folder(path, is_ours=OURS):
            pytest.fail(f"{path.name} was accepted as a folder")
    assert kinds(tmp_path) == before
    assert not (tmp_path / "nowhere").exists()


def test_a_link_to_a_file_is_replaced_and_the_file_stays(tmp_path):
    (tmp_path / "theirs.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("theirs.txt")
    with replaced(tmp_path / "link.txt") as temporary_path:
        temporary_path.write_text("new")
    assert not (tmp_path / "link.txt").is_symlink()
    assert [(tmp_path / name).read_text() for name in ("theirs.txt", "link.txt")] == ["old", "new"]


OURS = {"weights", "card"}.__contains__


def test_a_folder_is_replaced_whole(tmp_path):
    target_dir = tmp_path / "fold-0"
    target_dir.mkdir()
    (target_dir / "card").touch()
    with replaced_folder(target_dir, is_ours=OURS) as temporary_dir:
        (temporary_dir / "weights").write_text("w")
        assert (target_dir / "card").exists()
    assert [entry.name for entry in target_dir.iterdir()] == ["weights"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["fold-0"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target_dir = tmp_path / "fold-0"
    target_dir.mkdir()
    (target_dir / "card").touch()
    with pytest.raises(KeyboardInterrupt), replaced_folder(target_dir, is_ours=OURS):
        raise KeyboardInterrupt
    assert (target_dir / "card").exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_files_of_others_stay_in_a_folder_that_is_replaced(tmp_path):
    target_dir = tmp_path / "fold-0"
    (target_dir / "figures").mkdir(parents=True)
    (target_dir / "figures" / "mine.png").touch()
    for name in ("notes.txt", "weights", "card"):
        (target_dir / name).write_text("old")
    with replaced_folder(target_dir, is_ours=OURS) as temporary_dir:
        (temporary_dir / "weights").write_text("new")
    assert {str(path.relative_to(target_dir)) for path in target_dir.rglob("*") if path.is_file()} == {
        "figures/mine.png",
        "notes.txt",
        "weights",
    }
    assert (target_dir / "weights").read_text() == "new"


def test_a_link_in_place_of_a_folder_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights").write_text("old")
    (tmp_path / "fold-0").symlink_to(tmp_path / "elsewhere")
    with replaced_folder(tmp_path / "fold-0", is_ours=OURS) as temporary_dir:
        (temporary_dir / "weights").write_text("new")
    assert (tmp_path / "elsewhere" / "weights").read_text() == "old"
    assert (tmp_path / "fold-0" / "weights").read_text() == "new"


@pytest.mark.parametrize(
    ("remove", "names"),
    [
        (remove_leftovers, [".nephrograde-2-b", ".nephrograde-3-c.csv"]),
        (lambda folder: remove_ours(folder, lambda _: True), ["b", "c.csv"]),
    ],
)
def test_nothing_behind_a_link_is_removed(tmp_path, remove, names):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".nephrograde-1-a.csv").touch()
    (tmp_path / "run").mkdir()
    for name in names:
        (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    remove(tmp_path / "link")
    remove(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    assert (tmp_path / "elsewhere" / ".nephrograde-1-a.csv").exists()


def test_what_another_process_is_writing_is_not_stale(tmp_path):
    for name in ("a.npy", ".nephrograde-12-a.npy"):
        (tmp_path / name).touch()
    remove_ours(tmp_path, lambda name: name.endswith(".npy"))
    assert [path.name for path in tmp_path.iterdir()] == [".nephrograde-12-a.npy"]


def test_only_names_that_the_program_gives_are_leftovers(tmp_path):
    kept = [
        ".vimrc.tmpl",
        ".a.csv.123.tmp.csv",
        "nephrograde-1-a",
        ".nephrograde-x-a",
        ".nephrograde-1-",
        ".nephrograde",
    ]
    for name in (*kept, ".nephrograde-12-a.csv"):
        (tmp_path / name).touch()
    (tmp_path / ".thesis.tmp").mkdir()
    (tmp_path / ".nephrograde-12-fold-0").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / ".nephrograde-12-a.csv").touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, ".thesis.tmp", "below"}
    assert (tmp_path / "below" / ".nephrograde-12-a.csv").exists()


def test_rows_come_back_with_every_digit_and_none_is_empty(tmp_path):
    path = tmp_path / "rows.csv"
    write_rows(path, ("name", "value"), [{"name": "患者,甲", "value": 0.1 + 0.2}, {"name": "b", "value": None}])
    rows = read_rows(path)
    assert rows == [{"name": "患者,甲", "value": "0.30000000000000004"}, {"name": "b", "value": ""}]


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_json_is_named(tmp_path, content):
    path = tmp_path / "study.lock.json"
    path.write_text(content)
    with pytest.raises(RunError, match=r"study\.lock\.json"):
        read_json(path)


def test_missing_files_say_what_to_do(tmp_path):
    with pytest.raises(RunError, match="a run folder"):
        read_json(tmp_path / "study.lock.json")
    with pytest.raises(RunError, match="earlier stage"):
        read_rows(tmp_path / "regions.csv")


def test_json_keeps_chinese_text_readable(tmp_path):
    write_json(tmp_path / "a.json", {"名": 1})
    assert "名" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"名": 1}


def test_a_folders_hash_follows_names_and_contents(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"a")
    first = sha256_of(folder)
    (folder / "1.dcm").rename(folder / "2.dcm")
    second = sha256_of(folder)
    (folder / "2.dcm").write_bytes(b"b")
    assert len({first, second, sha256_of(folder)}) == 3
    assert sha256_of(folder / "2.dcm") == "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"


def test_fingerprint_sees_values():
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
