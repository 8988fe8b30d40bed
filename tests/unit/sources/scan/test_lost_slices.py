"""A slice that is cut short or empty costs the slice, not the phase: as if the folder of the series were read."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.errors import VolumeError
from nephrograde.files import read_rows
from nephrograde.run.folder import RunFolder
from nephrograde.sample.prepare import prepare_cohort
from nephrograde.sources.scan.scan import ScanSettings, scan_folder
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.dicom.series_list import DAMAGED_HEADING, SeriesList
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.volume.finding import Finding
    from nephrograde.volume.volume import Volume

NEVER = ScanSettings(look="never", workers=1)
COUNT = 24
LOST = 9
DAMAGE = {
    "empty": lambda _: b"",
    "pixels cut short": lambda content: content[:4000],
    "header cut short": lambda content: content[:300],
}


@pytest.fixture
def stored() -> npt.NDArray[np.uint16]:
    """Slices whose values grow evenly along the stack, so that a bridged slice has its true values."""
    x, y, z = np.meshgrid(np.arange(64), np.arange(64), np.arange(COUNT), indexing="ij")
    return np.asarray(900 + 2 * x + y + 10 * z, dtype=np.uint16)


@pytest.fixture
def export(tmp_path: Path, write_series: Callable[..., list[Path]], stored: npt.NDArray[np.uint16]) -> list[Path]:
    return write_portal(tmp_path / "export" / "王小东", write_series, stored)


def write_portal(folder: Path, write_series: Callable[..., list[Path]], stored: Any, **entries: Any) -> list[Path]:
    positions = [(0.0, 0.0, 5.0 * k) for k in range(stored.shape[2])]
    return write_series(
        folder, values=stored, positions_mm=positions, PatientID="PLANTED-7", StudyInstanceUID="1.2.3", **entries
    )


def scanned(tmp_path: Path, phase: str = "np") -> Volume:
    result = scan_folder(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=NEVER)
    (row,) = read_rows(result.table_path)
    return read_volume(tmp_path / "out" / row[f"{phase}_image"])


@pytest.mark.parametrize("how", DAMAGE)
def test_the_slice_is_bridged_as_from_the_folder(
    tmp_path: Path, export: list[Path], stored: npt.NDArray[np.uint16], how: str
) -> None:
    export[LOST].write_bytes(DAMAGE[how](export[LOST].read_bytes()))
    volume, direct = scanned(tmp_path), read_volume(export[0].parent)
    np.testing.assert_array_equal(volume.values, stored.astype(int) - 1024)
    np.testing.assert_array_equal(volume.values, direct.values)
    assert volume.bridged == direct.bridged == (LOST,)
    (fault,) = volume.faults
    assert (fault.code, fault.severity) == ("dicom-slice-lost", "warning")
    assert f"file {COUNT} of the list" in fault.message
    assert "王小东" not in fault.message


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(("slices", "is_used"), [((3, 8), True), ((8, 12), False)])
def test_a_region_is_cut_where_the_tumour_does_not_touch_the_slice(
    tmp_path: Path, export: list[Path], how: str, slices: tuple[int, int], is_used: bool
) -> None:
    """From the folder to the region that a network sees, as a user goes: scan, prepare."""
    export[LOST].write_bytes(DAMAGE[how](export[LOST].read_bytes()))
    (row,) = read_rows(scan_folder(tmp_path / "export", tmp_path / "cohort.csv", settings=NEVER).table_path)
    found = prepared_findings(tmp_path, row, slices)
    lost = found["dicom-slice-lost" if is_used else "dicom-slice-in-tumour"]
    assert (lost.patient_id, lost.severity) == ("P0001", "warning" if is_used else "fatal")
    assert f"file {COUNT} of the list" in lost.message


def prepared_findings(tmp_path: Path, row: dict[str, str], slices: tuple[int, int]) -> dict[str, Finding]:
    """Prepare the scan with a tumour on some slices: its findings by code; a region is cut unless one is fatal."""
    mask = np.zeros((64, 64, COUNT), np.uint8)
    mask[20:30, 20:30, slice(*slices)] = 1
    write_image(mask, tmp_path / "mask.nii.gz", spacing_mm=(0.7, 0.9, 5.0))
    scan = Scan("np", tmp_path / row["np_image"], tmp_path / "mask.nii.gz", None, None, None)
    cohort = Cohort((Case(row["patient_id"], True, 1, {"np": scan}, {}),), ("np",), (), None)
    study = Study(
        cohort=CohortSettings(table=tmp_path / "cohort.csv", phases=("np",)),
        arm=(Arm(name="strong", supervision=Supervision.MASK),),
        image=ImageSettings(box_voxels=(16, 16, 8), box_mm=(32.0, 32.0, 40.0)),
    )
    prepared = prepare_cohort(cohort, study, run=RunFolder(tmp_path / "run"))
    assert len(prepared.regions) == all(finding.severity == "warning" for finding in prepared.findings)
    return {finding.code: finding for finding in prepared.findings}


@pytest.mark.parametrize("how", ["pixels cut short", "header cut short"])
def test_a_slice_lost_at_the_end_is_said(tmp_path: Path, export: list[Path], how: str) -> None:
    export[-1].write_bytes(DAMAGE[how](export[-1].read_bytes()))
    volume = scanned(tmp_path)
    assert (volume.values.shape[2], volume.bridged) == (COUNT - 1, ())
    assert [fault.code for fault in volume.faults] == ["dicom-slice-lost"]


@pytest.mark.parametrize("how", DAMAGE)
def test_series_in_one_folder_do_not_take_each_others_slices(
    tmp_path: Path,
    export: list[Path],
    write_series: Callable[..., list[Path]],
    stored: npt.NDArray[np.uint16],
    how: str,
) -> None:
    """Nobody knows of which series an empty file is: it is missing where a slice is missing."""
    names = [f"other{k}" for k in range(COUNT)]
    write_portal(export[0].parent, write_series, stored + 7, SeriesDescription="arterial", names=names)
    export[LOST].write_bytes(DAMAGE[how](export[LOST].read_bytes()))
    assert scanned(tmp_path).bridged == (LOST,)
    arterial = scanned(tmp_path, "cmp")
    assert (arterial.bridged, arterial.faults) == ((), ())


def test_a_sound_copy_elsewhere_replaces_the_lost_slice(tmp_path: Path, export: list[Path]) -> None:
    (tmp_path / "export" / "again").mkdir()
    (tmp_path / "export" / "again" / "IM").write_bytes(export[LOST].read_bytes())
    export[LOST].write_bytes(export[LOST].read_bytes()[:4000])
    volume = scanned(tmp_path)
    assert (volume.values.shape[2], volume.bridged, volume.faults) == (COUNT, (), ())


@pytest.mark.parametrize("how", [*DAMAGE, "damaged member"])
def test_members_of_archives_are_bridged_too(tmp_path: Path, export: list[Path], how: str) -> None:
    if how in DAMAGE:
        export[LOST].write_bytes(DAMAGE[how](export[LOST].read_bytes()))
    with zipfile.ZipFile(tmp_path / "export" / "a.zip", "w") as archive:
        for path in export:
            archive.write(path, f"CT/{path.name}")
    if how == "damaged member":
        whole, pixels = (tmp_path / "export" / "a.zip").read_bytes(), export[LOST].read_bytes()[-2000:]
        (tmp_path / "export" / "a.zip").write_bytes(whole.replace(pixels, bytes(2000), 1))
    for path in export:
        path.unlink()
    volume = scanned(tmp_path)
    assert volume.bridged == (LOST,)
    assert [fault.code for fault in volume.faults] == ["dicom-slice-lost"]


def test_a_list_says_which_files_are_doubtful(tmp_path: Path, export: list[Path]) -> None:
    export[LOST].write_bytes(b"")
    scan_folder(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=NEVER)
    (list_path,) = (tmp_path / "out" / "cohort.series").iterdir()
    assert list_path.read_text(encoding="utf-8").splitlines()[-2:] == [
        DAMAGED_HEADING,
        export[LOST].as_posix(),
    ]
    with SeriesList(list_path) as listed:
        assert (len(listed), listed.n_sure) == (COUNT, COUNT - 1)
    export[LOST].unlink()
    assert read_volume(list_path).bridged == (LOST,)
    export[LOST + 1].unlink()  # named as a slice, and gone
    with pytest.raises(VolumeError) as caught:
        read_volume(list_path)
    assert caught.value.code == "file-missing"


@pytest.mark.parametrize(("slices", "is_used"), [((3, 8), True), ((8, 12), False)])
def test_a_wholly_missing_slice_is_bridged_where_no_tumour_is(
    tmp_path: Path, export: list[Path], slices: tuple[int, int], is_used: bool
) -> None:
    export[LOST].unlink()
    (row,) = read_rows(scan_folder(tmp_path / "export", tmp_path / "cohort.csv", settings=NEVER).table_path)
    found = prepared_findings(tmp_path, row, slices)
    assert found["dicom-slice-lost"].severity == "warning"
    assert ("dicom-slice-in-tumour" in found) == (not is_used)


def test_too_many_lost_slices_are_named(tmp_path: Path, export: list[Path]) -> None:
    for path in export[5:9]:
        path.write_bytes(path.read_bytes()[:4000])
    result = scan_folder(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=ScanSettings(workers=1))
    (row,) = read_rows(result.series_path)
    assert (row["chosen"], row["reason"]) == ("no", "unreadable:fault=file-truncated")
