"""De-identification of a hospital's export: the output has the images but identifies no patient."""

import csv
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.unit.sources.deidentify.conftest import PLANTED, ROOT, ct_slice, save

from nephrograde.errors import InputError
from nephrograde.sources.deidentify.folder import DeidentifySettings, deidentify_folder
from nephrograde.volume.dicom.archive import BOMB_BYTES
from nephrograde.volume.read import read_volume


def run(export_dir, tmp_path, **settings):
    return deidentify_folder(
        export_dir,
        tmp_path / "out",
        key_path=tmp_path / "apart" / "key.csv",
        settings=DeidentifySettings(**settings),
    )


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def objects_of(out_dir):
    return [pydicom.dcmread(path) for path in sorted(out_dir.rglob("*.dcm"))]


@pytest.mark.parametrize("settings", [{}, {"keep_descriptions": False, "keep_characteristics": False}])
def test_no_planted_identifier_is_in_any_byte_or_name_of_the_output(export_dir, tmp_path, settings):
    done = run(export_dir, tmp_path, **settings)
    assert done.n_written == 8
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == 10  # images, the report, the journal
    for identifier in PLANTED:
        assert identifier not in str(done.set_aside)
        for path in written:
            assert identifier not in str(path.relative_to(tmp_path))
            content = path.read_bytes()
            for encoding in ("utf-8", "gb18030", "utf-16-le"):
                assert identifier.encode(encoding) not in content, (identifier, path.name)


def test_names_stand_in_the_key_and_beside_it_for_the_owner_only(export_dir, tmp_path):
    done = run(export_dir, tmp_path)
    key_path = tmp_path / "apart" / "key.csv"
    originals = {row["original_id"]: row["patient_id"] for row in rows_of(key_path)}
    assert originals["PESEL44051401458"] != originals["HN0099887"]
    assert any("Kowalska" in row["path"] for row in rows_of(done.names_path))
    for path in (key_path, done.names_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_descriptions_still_tell_the_phase(export_dir, tmp_path):
    run(export_dir, tmp_path)
    texts = {one.get("SeriesDescription") for one in objects_of(tmp_path / "out")}
    assert texts == {"Faza tętnicza 1.0 B30f", "皮髓质期 1.0mm", None}
    assert {one.StudyDescription for one in objects_of(tmp_path / "out") if one.Modality == "CT"} == {
        "CT jamy brzusznej",
        "腹部增强",
    }


def test_without_descriptions_and_characteristics_neither_is_kept_nor_claimed(export_dir, tmp_path):
    run(export_dir, tmp_path, keep_descriptions=False, keep_characteristics=False)
    for one in objects_of(tmp_path / "out"):
        assert not any(one.get(name) for name in ("SeriesDescription", "StudyDescription", "PatientAge", "PatientSex"))
        assert [item.CodeValue for item in one.DeidentificationMethodCodeSequence] == ["113100", "113107"]


def test_each_object_says_what_was_done_and_belongs_to_its_pseudonym(export_dir, tmp_path):
    run(export_dir, tmp_path)
    for path in (tmp_path / "out").rglob("*.dcm"):
        one = pydicom.dcmread(path)
        assert one.PatientIdentityRemoved == "YES"
        assert one.LongitudinalTemporalInformationModified == "MODIFIED"
        assert [item.CodeValue for item in one.DeidentificationMethodCodeSequence] == [
            *("113100", "113105", "113107", "113108")
        ]
        assert one.PatientID == one.PatientName == path.relative_to(tmp_path / "out").parts[0]
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
        assert one.preamble == bytes(128)
        assert "SourceApplicationEntityTitle" not in one.file_meta
        assert not any(element.tag.is_private or element.tag.group == 0x6000 for element in one.iterall())


def test_dates_of_a_patient_move_together_and_times_of_day_stay(tmp_path):
    folder = tmp_path / "in"
    for study in (1, 8):
        save(ct_slice(1, study=study, time="101540.500000"), folder / str(study))
    run(folder, tmp_path)
    (row,) = (row for row in rows_of(tmp_path / "apart" / "key.csv") if row["patient_id"] == "P0001")
    first, last = sorted(objects_of(tmp_path / "out"), key=lambda one: one.StudyDate)
    moved = np.datetime64(f"{first.StudyDate[:4]}-{first.StudyDate[4:6]}-{first.StudyDate[6:]}")
    assert moved - np.datetime64("2021-03-01") == int(row["days_shifted"])
    days = [np.datetime64(f"{one.StudyDate[:4]}-{one.StudyDate[4:6]}-{one.StudyDate[6:]}") for one in (first, last)]
    assert days[1] - days[0] == 7
    assert -3650 <= int(row["days_shifted"]) <= -30
    for one in (first, last):
        assert one.AcquisitionDate == one.StudyDate
        assert one.AcquisitionDateTime == f"{one.StudyDate}101540.500000"
        assert (one.AcquisitionTime, one.ContrastBolusStartTime) == ("101540.500000", "101425.000000")
        assert one.PatientBirthDate == ""


def test_references_of_a_mask_still_find_its_series(export_dir, tmp_path):
    run(export_dir, tmp_path)
    by_uid = {one.SOPInstanceUID: one for one in objects_of(tmp_path / "out")}
    (mask,) = (one for one in by_uid.values() if one.Modality == "SEG")
    (series,) = mask.ReferencedSeriesSequence
    (instance,) = series.ReferencedInstanceSequence
    image = by_uid[instance.ReferencedSOPInstanceUID]
    assert image.SeriesInstanceUID == series.SeriesInstanceUID
    assert (image.FrameOfReferenceUID, image.StudyInstanceUID) == (mask.FrameOfReferenceUID, mask.StudyInstanceUID)
    assert image.SourceImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert mask.SegmentSequence[0].SegmentLabel == "Tumour"
    assert not any(uid.startswith(ROOT) for uid in by_uid)


def test_the_volume_is_the_same_as_before(export_dir, tmp_path):
    run(export_dir, tmp_path)
    before = read_volume(export_dir / "Kowalska_Lucja" / "np")
    uids = {one.SeriesInstanceUID: one for one in objects_of(tmp_path / "out")}
    folders = {path.parent for path in (tmp_path / "out").rglob("IM0003.dcm")}
    assert len(uids) == 4
    assert len(folders) == 2
    for folder in folders:
        after = read_volume(folder)
        np.testing.assert_array_equal(after.values, before.values)
        for what in ("size", "spacing_mm", "origin_mm"):
            assert getattr(after.grid, what) == getattr(before.grid, what)


@pytest.mark.slow
def test_a_real_series_keeps_its_voxels_and_its_place(shared_data, tmp_path):
    image_dir = shared_data / "ct_dicom" / "CRLM-CT-1004" / "image"
    done = deidentify_folder(image_dir, tmp_path / "out", key_path=tmp_path / "key.csv")
    assert not done.set_aside
    before, after = read_volume(image_dir), read_volume(tmp_path / "out" / "P0001" / "study-1" / "series-1")
    np.testing.assert_array_equal(after.values, before.values)
    np.testing.assert_allclose(after.grid.origin_mm, before.grid.origin_mm)
    np.testing.assert_allclose(after.grid.direction, before.grid.direction)


def test_a_name_missing_in_one_file_is_known_from_another(tmp_path):
    first, second = ct_slice(1), ct_slice(2)
    second.PatientName = ""
    for number, image in enumerate((first, second)):
        save(image, tmp_path / "in" / str(number))
    run(tmp_path / "in", tmp_path)
    assert {one.SeriesDescription for one in objects_of(tmp_path / "out")} == {"Faza tętnicza 1.0 B30f"}


def one(patient_id, name, description, *, study=1, number=1, **values):
    """A slice whose header holds only what is given here."""
    image = ct_slice(number, study=study)
    for keyword in (
        *("OtherPatientIDs", "PatientAddress", "PatientTelephoneNumbers", "InstitutionName", "InstitutionAddress"),
        *("RequestAttributesSequence", "SourceImageSequence", "AccessionNumber", "ReferringPhysicianName"),
    ):
        delattr(image, keyword)
    image.PatientID, image.PatientName, image.SeriesDescription = patient_id, name, description
    image.StudyDescription, image.PatientBirthDate = "CT", ""
    for keyword, value in values.items():
        setattr(image, keyword, value)
    return image


def described(out_dir):
    return [one.SeriesDescription for one in objects_of(out_dir)]


def test_a_name_that_only_a_later_file_has_is_removed_from_earlier_ones(tmp_path):
    save(one("Z900", "", "Brzezinski art", number=1), tmp_path / "in" / "a")
    save(one("Z900", "Brzezinski^Jan", "art", number=2), tmp_path / "in" / "b")
    run(tmp_path / "in", tmp_path)
    assert described(tmp_path / "out") == ["art", "art"]


def test_a_name_is_known_from_a_file_of_the_study_that_has_an_id(tmp_path):
    save(one("ANON", "", "Brzezinski art", number=1), tmp_path / "in" / "a")
    save(one("Z900", "Brzezinski^Jan", "np", number=2), tmp_path / "in" / "b")
    run(tmp_path / "in", tmp_path)
    assert sorted(described(tmp_path / "out")) == ["art", "np"]


def test_a_description_that_names_another_patient_of_the_export_is_cleaned_of_that_name(tmp_path):
    save(one("Z901", "Kostka^Ewa", "Brzezinski up, was Z90017", number=1), tmp_path / "in" / "a")
    save(one("Z90017", "Brzezinski^Jan", "Ewa Kostka venous", number=2, study=2), tmp_path / "in" / "b")
    save(one("Z903", "Low^Art", "low kidney art", number=3, study=3), tmp_path / "in" / "c")
    save(one("Z904", "Kidney", "low kidney art", number=4, study=4), tmp_path / "in" / "d")
    run(tmp_path / "in", tmp_path)
    assert described(tmp_path / "out") == ["up, was", "venous", "low kidney art", "low kidney art"]
    assert run(tmp_path / "in", tmp_path).n_written == 0


def test_a_new_patient_whom_earlier_copies_name_renews_them(tmp_path):
    save(one("Z901", "Kostka^Ewa", "Brzezinski up", number=1), tmp_path / "in" / "a")
    run(tmp_path / "in", tmp_path)
    save(one("Z900", "Brzezinski^Jan", "np", number=2, study=2), tmp_path / "in" / "b")
    assert run(tmp_path / "in", tmp_path).n_written == 2
    assert described(tmp_path / "out") == ["up", "np"]


def test_a_name_that_an_archive_or_a_report_has_is_known_too(tmp_path):
    report = one("Z900", "Brzezinski^Jan", "art", number=2)
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    del report.PixelData
    save(one("Z900", "", "Brzezinski art"), tmp_path / "in" / "a")
    save(report, tmp_path / "report")
    with zipfile.ZipFile(tmp_path / "in" / "z.zip", "w") as archive:
        archive.write(tmp_path / "report", "report")
    run(tmp_path / "in", tmp_path)
    assert described(tmp_path / "out") == ["art"]


def test_ids_and_names_that_only_sequences_have_are_known(tmp_path):
    other, request, physician = (pydicom.Dataset() for _ in range(3))
    other.PatientID, request.AccessionNumber, request.RequestedProcedureID = "KH-98765", "ACC55667", "CT ABD"
    physician.PersonName = "Nikt^Doktor"
    request.ReferencedStudySequence = [physician]
    image = one(
        "Z900", "", "98765 acc55667 NIKT CT ABD", OtherPatientIDsSequence=[other], RequestAttributesSequence=[request]
    )
    save(image, tmp_path / "in" / "a")
    run(tmp_path / "in", tmp_path)
    assert described(tmp_path / "out") == ["CT ABD"]


def test_a_later_export_that_reveals_a_name_renews_earlier_copies(tmp_path):
    save(one("Z900", "", "Brzezinski art", number=1), tmp_path / "in" / "a")
    run(tmp_path / "in", tmp_path)
    assert described(tmp_path / "out") == ["Brzezinski art"]
    save(one("Z900", "Brzezinski^Jan", "art", number=2), tmp_path / "in" / "b")
    again = run(tmp_path / "in", tmp_path)
    assert (again.n_written, again.n_kept) == (2, 0)
    assert described(tmp_path / "out") == ["art", "art"]
    assert run(tmp_path / "in", tmp_path).n_written == 0


def test_the_same_files_and_key_give_the_same_bytes(export_dir, tmp_path):
    run(export_dir, tmp_path)
    deidentify_folder(export_dir, tmp_path / "again", key_path=tmp_path / "apart" / "key.csv")
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.dcm")}
        for folder in (tmp_path / "out", tmp_path / "again")
    )
    assert first == second


def test_every_uid_that_the_standard_does_not_register_is_replaced_in_all_files_alike(tmp_path):
    uid = "1.2.840.10008.5.1.4.1.1.2.44051401"
    first = one("Z900", "Kostka^Ewa", "art", number=1, SeriesInstanceUID=uid)
    second = one("Z900", "Kostka^Ewa", "np", number=2)
    reference = pydicom.Dataset()
    reference.SeriesInstanceUID = uid
    second.ReferencedSeriesSequence = [reference]
    for number, image in enumerate((first, second)):
        save(image, tmp_path / "in" / str(number))
    run(tmp_path / "in", tmp_path)
    series = {image.SeriesDescription: image for image in objects_of(tmp_path / "out")}
    assert series["art"].SeriesInstanceUID.startswith("2.25.")
    assert series["np"].ReferencedSeriesSequence[0].SeriesInstanceUID == series["art"].SeriesInstanceUID
    assert series["art"].SOPClassUID == first.SOPClassUID


def test_a_private_transfer_syntax_is_not_written(tmp_path):
    save(one("Z900", "Kostka^Ewa", "art"), tmp_path / "in" / "a")
    raw = (tmp_path / "in" / "a").read_bytes()
    (tmp_path / "in" / "a").write_bytes(raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.826.0.440514.1\0\0"))
    assert run(tmp_path / "in", tmp_path).set_aside == {"a private transfer syntax": 1}


@pytest.mark.slow
def test_pages_with_text_are_flagged_and_written_only_when_asked_for(export_dir, tmp_path):
    done = run(export_dir, tmp_path)
    assert (done.n_written, done.n_flagged) == (8, 3)
    report = rows_of(done.report_path)
    flagged = [row for row in report if row["flagged"] != "0"]
    assert [(row["files"], row["set_aside"]) for row in flagged] == [("0", "1")] * 3
    asked = run(export_dir, tmp_path, write_suspects=True)
    assert asked.n_flagged == 3
    assert len(objects_of(tmp_path / "out")) == 11
    assert "not an image: report, document or other object" in asked.set_aside
    assert run(export_dir, tmp_path).n_flagged == 3
    assert len(objects_of(tmp_path / "out")) == 8  # no longer requested, so removed
    assert run(export_dir, tmp_path, write_suspects=True).n_written == 11


def test_what_cannot_be_read_is_counted_by_reason(export_dir, tmp_path):
    with zipfile.ZipFile(export_dir / "bomb.dat", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(BOMB_BYTES + 1))
    reasons = run(export_dir, tmp_path).set_aside
    wanted = [
        "empty",
        "not DICOM",
        "damaged",
        "its name leads out of the archive",
        "zip bomb",
        "link that leads nowhere",
    ]
    for begin in wanted:
        assert sum(n for reason, n in reasons.items() if reason.startswith(begin)) == 1, begin


def test_a_second_run_writes_nothing_and_gives_everyone_the_same_name(export_dir, tmp_path):
    run(export_dir, tmp_path)
    key, report = (tmp_path / "apart" / "key.csv").read_bytes(), (tmp_path / "out" / "deidentified.csv").read_bytes()
    again = run(export_dir, tmp_path)
    assert (again.n_written, again.n_kept) == (0, 8)
    assert (tmp_path / "apart" / "key.csv").read_bytes() == key
    assert (tmp_path / "out" / "deidentified.csv").read_bytes() == report


def test_new_files_join_their_series_and_removed_ones_come_back(export_dir, tmp_path):
    run(export_dir, tmp_path)
    lost = next((tmp_path / "out").rglob("IM0002.dcm"))
    lost.unlink()
    save(ct_slice(4, series=2), export_dir / "late")
    again = run(export_dir, tmp_path)
    assert (again.n_written, again.n_kept) == (2, 7)
    assert lost.is_file()
    assert len(list((tmp_path / "out").rglob("IM0004.dcm"))) == 1


@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_a_run_that_was_stopped_goes_on(export_dir, tmp_path, stop_after):
    seen = []

    def stop(n):
        seen.append(n)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    key_path = tmp_path / "apart" / "key.csv"
    with pytest.raises(KeyboardInterrupt):
        deidentify_folder(export_dir, tmp_path / "out", key_path=key_path, progress=stop)
    with (tmp_path / "out" / "files.csv").open("a") as journal:
        journal.write("half a li")
    n_before = len(objects_of(tmp_path / "out"))
    done = run(export_dir, tmp_path)
    assert (done.n_kept, done.n_written) == (n_before, 8 - n_before)
    assert len({one.SOPInstanceUID for one in objects_of(tmp_path / "out")}) == 8


def test_a_copy_of_a_written_file_is_not_written_twice(tmp_path):
    folder = tmp_path / "in"
    save(ct_slice(1), folder / "a")
    save(ct_slice(1), folder / "b")
    assert run(folder, tmp_path).set_aside == {"has the SOP Instance UID of a file that is already written": 1}


def test_people_under_nobodys_id_are_told_apart(tmp_path):
    folder = tmp_path / "in"
    for number, patient in enumerate(("PL", "CN")):
        image = ct_slice(number, patient=patient)
        image.PatientID = "ANONYMOUS"
        save(image, folder / patient)
    assert run(folder, tmp_path).n_patients == 2


def test_the_key_may_not_lie_in_what_is_given_away(export_dir, tmp_path):
    with pytest.raises(InputError, match="meant to be shared"):
        deidentify_folder(export_dir, tmp_path / "out", key_path=tmp_path / "out" / "sub" / "key.csv")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["key.csv", "sub/key.csv", "../export/key.csv"])
def test_the_key_may_not_lie_in_the_export(export_dir, tmp_path, place):
    before = sorted(export_dir.rglob("*"))
    with pytest.raises(InputError, match="the key file is in the input folder"):
        deidentify_folder(export_dir, tmp_path / "out", key_path=export_dir / place)
    assert sorted(export_dir.rglob("*")) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["key.xlsx", "key", ".", "..", ".csv"])
def test_the_key_is_a_csv_file(export_dir, tmp_path, name):
    (tmp_path / "apart").mkdir()
    with pytest.raises(InputError, match=r"does not end in \.csv"):
        deidentify_folder(export_dir, tmp_path / "out", key_path=tmp_path / "apart" / name)
    assert not list((tmp_path / "apart").iterdir())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["export", "export/out", "."])
def test_the_output_may_not_lie_in_the_input_nor_the_other_way_round(export_dir, tmp_path, out):
    with pytest.raises(InputError, match="separate output folder"):
        deidentify_folder(export_dir, tmp_path / out, key_path=tmp_path.parent / "key.csv")


def test_another_key_or_a_folder_of_other_things_is_refused(export_dir, tmp_path):
    run(export_dir, tmp_path)
    with pytest.raises(InputError, match="another key"):
        deidentify_folder(export_dir, tmp_path / "out", key_path=tmp_path / "apart" / "other.csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "work").touch()
    with pytest.raises(InputError, match="not empty"):
        deidentify_folder(export_dir, tmp_path / "full", key_path=tmp_path / "apart" / "key.csv")
    with pytest.raises(InputError, match="not a folder"):
        deidentify_folder(tmp_path / "none", tmp_path / "new", key_path=tmp_path / "apart" / "key.csv")


def test_a_folder_without_dicom_gives_nobody(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "page.pdf").write_bytes(b"%PDF-1.7")
    done = run(tmp_path / "in", tmp_path)
    assert (done.n_patients, done.n_written, done.set_aside) == (0, 0, {"not DICOM": 1})


@pytest.mark.slow
def test_mutated_files_never_stop_a_run_nor_get_their_contents_logged(tmp_path, caplog):
    folder, chance = tmp_path / "in", np.random.default_rng(4)
    save(ct_slice(1), folder / "whole")
    whole = (folder / "whole").read_bytes()
    for number in range(400):
        mutated = bytearray(whole)
        for _ in range(int(chance.choice((1, 3, 10, 40)))):
            mutated[chance.integers(132, len(whole))] = chance.integers(256)
        end = chance.integers(200, len(whole)) if number % 3 == 0 else len(whole)
        (folder / f"{number}").write_bytes(mutated[:end])
    done = run(folder, tmp_path)
    assert done.n_written + sum(done.set_aside.values()) == 401
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert (
            pydicom.dcmread(path, specific_tags=["PatientID"]).PatientID == path.relative_to(tmp_path / "out").parts[0]
        )
    assert not caplog.records


@pytest.mark.slow
def test_two_processes_on_one_key_name_no_two_people_alike(tmp_path):
    """The second is refused while the first is writing, and the key has one row for each patient in the end."""
    commands = []
    for name, patient in (("one", "PL"), ("two", "CN")):
        save(ct_slice(1, patient=patient), tmp_path / name / "1.dcm")
        words = [tmp_path / name, "--out", tmp_path / f"{name}-out", "--key", tmp_path / "key.csv"]
        commands.append([sys.executable, "-m", "nephrograde", "deidentify", *map(str, words)])
    codes = [process.wait() for process in [subprocess.Popen(command) for command in commands]]
    assert set(codes) <= {0, 2}
    for command, code in zip(commands, codes, strict=True):
        if code:
            assert subprocess.run(command, check=False).returncode == 0
    rows = {row["original_id"]: row["patient_id"] for row in rows_of(tmp_path / "key.csv")}
    assert sorted(rows.values()) == ["(secret)", "P0001", "P0002"]


def test_a_file_that_could_not_be_read_is_tried_again(tmp_path, monkeypatch):
    save(ct_slice(1), tmp_path / "export" / "1.dcm")
    open_path = Path.open

    def refuse(path, *arguments, **settings):
        if path.parent.name == "export":
            raise OSError(5, "Input/output error")
        return open_path(path, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert run(tmp_path / "export", tmp_path).n_written == 0
    assert run(tmp_path / "export", tmp_path).n_written == 1
