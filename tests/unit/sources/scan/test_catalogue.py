import builtins
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import zipfile
from functools import partial

import pytest

from nephrograde.errors import InputError
from nephrograde.sources.scan import headers, tree
from nephrograde.sources.scan.catalogue import Skipped, catalogue, last_catalogue
from nephrograde.sources.scan.store import COPY


@pytest.fixture
def export_dir(tmp_path, write_stack, dicom_bytes):
    """Two patients: one in folders, one in a nested archive; with duplicates and other files among them."""
    export_dir = tmp_path / "export"
    write_stack(export_dir / "DICOM" / "A", [10, 0, 5], name="IM{}", PatientID="PLANTED-2", StudyInstanceUID="7.2")
    write_stack(export_dir / "DICOM", [0, 1], uid="3.3", PatientID="PLANTED-2", StudyInstanceUID="7.1")
    shutil.copytree(export_dir / "DICOM" / "A", export_dir / "again")
    inner = tmp_path / "inner"
    write_stack(inner, [2, 4, 6, 8], uid="5.5", name="{}.dcm", PatientID="PLANTED-1")
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        for path in sorted(inner.iterdir(), reverse=True):
            archive.write(path, f"读片/{path.name}")
    with zipfile.ZipFile(export_dir / "patient.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "inner.zip")
    (export_dir / "empty").touch()
    (export_dir / "report.pdf").write_bytes(b"%PDF-1.7")
    (export_dir / "cut").write_bytes(dicom_bytes()[:200])
    (export_dir / "DICOMDIR").write_bytes(dicom_bytes(SOPClassUID="1.2.840.10008.1.3.10"))
    return export_dir


@pytest.fixture
def read_paths(monkeypatch):
    """The files that are opened below the folders ``export`` and ``x``, in their order."""
    paths = []
    opened = open

    def note(path, *args, **kwargs):
        _, is_below, name = str(path).replace(os.sep, "/").partition("/export/")
        _, is_in_x, short = str(path).replace(os.sep, "/").partition("/x/")
        if is_below or is_in_x:
            paths.append(name or short)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", note)
    return paths


def series_of(held):
    return [
        [(one.patient_id, one.study_uid, one.series_uid, one.n_images) for one in study] for study in held.studies()
    ]


def test_a_mixed_tree_becomes_patients_studies_and_series(export_dir, tmp_path):
    done: list[int] = []
    with catalogue(export_dir, tmp_path / "held.sqlite", advance=done.append) as held:
        assert series_of(held) == [
            [("PLANTED-1", "1.2.3", "5.5", 4)],
            [("PLANTED-2", "7.1", "3.3", 2)],
            [("PLANTED-2", "7.2", "1.2.3.9", 3)],
        ]
        assert held.n_files == 8 + 4 + 4
        assert sum(done) == 8 + 1 + 4  # an archive counts as one file
        assert held.skipped() == [
            Skipped(headers.DICOMDIR, 1, ("DICOMDIR",)),
            Skipped(headers.CUT_SHORT, 1, ("cut",)),
            Skipped(headers.EMPTY, 1, ("empty",)),
            Skipped(headers.NOT_DICOM, 1, ("report.pdf",)),
            Skipped(COPY, 3, ()),
        ]


def test_files_are_lines_of_a_series_list_from_feet_to_head(export_dir, tmp_path):
    with catalogue(export_dir, tmp_path / "held.sqlite") as held:
        zipped, _, folder = (study[0] for study in held.studies())
        top = export_dir.as_posix()
        assert held.files(folder) == [f"{top}/DICOM/A/IM{k}" for k in (2, 3, 1)]
        assert held.files(zipped) == [f"{top}/patient.zip//inner.zip//读片/{k}.dcm" for k in (1, 2, 3, 4)]


def test_a_second_scan_reads_what_is_new_or_changed_and_forgets_what_is_gone(
    export_dir, tmp_path, read_paths, write_stack
):
    held_path = tmp_path / "held.sqlite"
    catalogue(export_dir, held_path).close()
    read_paths.clear()
    with catalogue(export_dir, held_path) as held:
        before = series_of(held)
    assert read_paths == []
    shutil.rmtree(export_dir / "again")
    (export_dir / "patient.zip").unlink()
    write_stack(export_dir / "DICOM" / "A", [15], name="IM{}", first=4, PatientID="PLANTED-2", StudyInstanceUID="7.2")
    os.utime(export_dir / "DICOM" / "1", ns=(1, 1))
    read_paths.clear()
    with catalogue(export_dir, held_path) as held:
        assert series_of(held) == [before[1], [("PLANTED-2", "7.2", "1.2.3.9", 4)]]
        assert COPY not in {one.reason for one in held.skipped()}
    assert read_paths == ["DICOM/1", "DICOM/A/IM4"]


def test_a_scan_that_is_broken_off_goes_on_where_it_was(tmp_path, write_stack, read_paths):
    write_stack(tmp_path / "export", range(50))
    read_paths.clear()
    held_path = tmp_path / "held.sqlite"
    done: list[int] = []

    def advance(n):
        done.append(n)
        if len(done) == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue(tmp_path / "export", held_path, workers=1, advance=advance, chunks=(10, 2000))
    first = len(read_paths)
    assert 25 <= first < 50
    with catalogue(tmp_path / "export", held_path, workers=1, chunks=(10, 2000)) as held:
        assert series_of(held) == [[("PLANTED-1", "1.2.3", "1.2.3.9", 50)]]
    assert len(read_paths) - first == 25


@pytest.mark.slow
def test_several_processes_find_what_one_does(tmp_path, write_stack):
    write_stack(tmp_path / "export", range(60))
    with zipfile.ZipFile(tmp_path / "export" / "more.zip", "w") as archive:
        for number in range(1, 61):
            archive.write(tmp_path / "export" / f"{number}", f"CT/{number}")
    found = []
    for workers in (1, 2):
        held_path = tmp_path / f"{workers}.sqlite"
        with catalogue(tmp_path / "export", held_path, workers=workers, chunks=(20, 25)) as held:
            found.append((list(held.studies()), held.n_files, held.skipped()))
    assert found[0] == found[1]
    assert found[0][1] == 120


@pytest.mark.slow
def test_where_no_process_can_be_started_the_files_are_read_all_the_same(tmp_path, write_stack, monkeypatch):
    write_stack(tmp_path / "x", range(50))
    monkeypatch.setattr("nephrograde.sources.scan.catalogue.begin_serving", partial(os._exit, 1))
    with catalogue(tmp_path / "x", tmp_path / "held.sqlite", workers=2, chunks=(20, 2000)) as held:
        assert held.n_files == 50


@pytest.mark.slow
def test_processes_do_not_run_the_script_again(tmp_path, write_stack):
    write_stack(tmp_path / "x", range(50))
    script = f"""
from functools import partial
from pathlib import Path
from nephrograde.sources.scan.catalogue import catalogue
print("begun")
folder, held_path = Path({str(tmp_path / "x")!r}), Path({str(tmp_path / "held.sqlite")!r})
with catalogue(folder, held_path, workers=2, chunks=(20, 2000)) as held:
    print(held.n_files)
"""
    (tmp_path / "no_guard.py").write_text(script, encoding="utf-8")
    answer = subprocess.run([sys.executable, str(tmp_path / "no_guard.py")], capture_output=True, text=True, check=True)
    assert (answer.stdout.split(), answer.stderr) == (["begun", "50"], "")


def test_acquisitions_of_one_place_become_parts_with_files_of_their_own(tmp_path, write_stack):
    for number, name in enumerate(("early", "late")):
        write_stack(tmp_path / "x", [0, 5, 10], name=name + "{}", first=1 + 3 * number, AcquisitionNumber=f"{number}")
    with catalogue(tmp_path / "x", tmp_path / "held.sqlite") as held:
        ((early, late),) = held.studies()
        assert (early.key, late.key, early.n_images) == ("1.2.3.9.1", "1.2.3.9.2", 3)
        assert [line.rsplit("/", 1)[1] for line in held.files(late)] == ["late4", "late5", "late6"]


def test_what_cannot_be_read_is_tried_again(tmp_path, write_stack, monkeypatch):
    write_stack(tmp_path / "x", [0, 5, 10])
    opened = open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("x/2"):
            raise PermissionError
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", refuse)
    with catalogue(tmp_path / "x", tmp_path / "held.sqlite") as held:
        assert held.skipped() == [Skipped(tree.UNREADABLE, 1, ("2",))]
    monkeypatch.undo()
    with catalogue(tmp_path / "x", tmp_path / "held.sqlite") as held:
        assert (held.n_files, held.skipped()) == (3, [])


def test_another_folder_starts_anew_and_the_file_is_for_its_owner_only(tmp_path, write_stack):
    write_stack(tmp_path / "x", [0, 5, 10])
    (tmp_path / "y").mkdir()
    catalogue(tmp_path / "x", tmp_path / "held.sqlite").close()
    with catalogue(tmp_path / "y", tmp_path / "held.sqlite") as held:
        assert (held.n_files, list(held.studies())) == (0, [])
    assert stat.S_IMODE((tmp_path / "held.sqlite").stat().st_mode) == 0o600


def test_mistakes_are_named(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        catalogue(tmp_path / "nothing", tmp_path / "held.sqlite")
    held_path = tmp_path / "held.sqlite"
    with catalogue(tmp_path, held_path), pytest.raises(InputError, match="in use by another scan"):
        catalogue(tmp_path, held_path)


def test_names_that_are_no_text_are_catalogued_and_line_breaks_refused(tmp_path, dicom_bytes):
    (tmp_path / "x").mkdir()
    for name in (b"\xc6\xbd", b"a\nb"):
        (tmp_path / "x" / os.fsdecode(name)).write_bytes(dicom_bytes())
    with catalogue(tmp_path / "x", tmp_path / "held.sqlite") as held:
        ((header,),) = held.studies()
        assert [os.fsencode(line) for line in held.files(header)] == [os.fsencode(tmp_path / "x") + b"/\xc6\xbd"]
        assert [one.count for one in held.skipped()] == [1]


def test_a_real_series_is_read(shared_data, tmp_path):
    with catalogue(shared_data / "ct_dicom", tmp_path / "held.sqlite") as held:
        ((header,),) = held.studies()
        assert (header.n_images, header.orientation, header.step_mm, header.extent_mm) == (41, "axial", 5, (-375, -175))
        assert len(held.files(header)) == 41


def test_everything_that_was_passed_over_is_named(export_dir, tmp_path):
    with catalogue(export_dir, tmp_path / "held.sqlite") as held:
        named = list(held.skipped_files())
        assert len(named) == sum(one.count for one in held.skipped())
        top = export_dir.as_posix()
        assert [path for reason, path in named if reason == COPY] == [f"{top}/again/IM{k}" for k in (1, 2, 3)]
        listed = {line for study in held.studies() for header in study for line in held.files(header)}
        assert not listed & {path for _, path in named}
        assert (headers.NOT_DICOM, f"{top}/report.pdf") in named


def test_a_catalogue_of_an_older_version_is_read_anew(tmp_path, write_stack, read_paths):
    write_stack(tmp_path / "x", [0, 5, 10])
    read_paths.clear()
    catalogue(tmp_path / "x", tmp_path / "held.sqlite").close()
    with sqlite3.connect(tmp_path / "held.sqlite") as connection:
        connection.execute("UPDATE scan SET version = version - 1")
    connection.close()
    catalogue(tmp_path / "x", tmp_path / "held.sqlite").close()
    assert read_paths == ["1", "2", "3"] * 2


def test_one_series_is_found_again_without_changing_the_catalogue(export_dir, tmp_path, write_stack):
    held_path = tmp_path / "held.sqlite"
    write_stack(export_dir / "twice", [0, 1], uid="3.3", PatientID="PLANTED-9", StudyInstanceUID="7.1")
    catalogue(export_dir, held_path, workers=1).close()
    before = held_path.read_bytes()
    with last_catalogue(held_path) as held:
        header = held.find("7.2", "1.2.3.9")
        assert header is not None
        assert [line.rpartition("/")[2] for line in held.files(header)] == ["IM2", "IM3", "IM1"]
        assert held.find("7.2", "1.2.3.9", part="2") is None
        assert held.find("7.2", "none") is None
        assert held.find("7.1", "3.3") is None  # of two patients
    assert held_path.read_bytes() == before
    for path, what in ((tmp_path / "none.sqlite", "missing"), (export_dir / "report.pdf", "not a scan catalogue")):
        with pytest.raises(InputError, match=what):
            last_catalogue(path)
    with sqlite3.connect(held_path) as connection:
        connection.execute("UPDATE scan SET version = 1")
    connection.close()
    with pytest.raises(InputError, match="another version"):
        last_catalogue(held_path)
