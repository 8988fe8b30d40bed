"""A segmentation in an export becomes, through the scan's tables, the mask of the series it was drawn on."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes

from nephrograde.files import read_rows
from nephrograde.sources.scan.scan import ScanSettings, scan_folder
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_segmentation_in_an_archive_is_read_as_the_mask_of_its_phase(tmp_path: Path) -> None:
    write_cohort(tmp_path / "phantom", PhantomSettings(patients=4, phases=("up", "cmp"), matrix_px=64, dicom=True))
    export_dir = tmp_path / "导出"
    export_dir.mkdir()
    slices_dir = next(path.parent for path in sorted((tmp_path / "phantom").rglob("cmp/IM0001.dcm")))
    slices = [dcmread(path) for path in sorted(slices_dir.iterdir())]  # head first
    marked = np.zeros((len(slices), 64, 64), dtype=np.uint8)
    marked[5:9, 20:31, 40:44] = 1
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="肿瘤",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type="MANUAL",
    )
    segmentation = highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=marked,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=highdicom.UID(),
        series_number=100,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    segmentation.save_as(tmp_path / "seg")
    with zipfile.ZipFile(export_dir / "一.zip", "w") as archive:
        for number, path in enumerate(sorted(slices_dir.parent.rglob("IM*.dcm"))):
            archive.write(path, f"病人/{number}")
        archive.write(tmp_path / "seg", "病人/SEG")
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=ScanSettings(look="never", workers=1))
    (row,) = read_rows(result.table_path)
    assert not row.get("up_mask")
    volume = read_volume(tmp_path / row["cmp_image"])
    mask = read_marks(tmp_path / row["cmp_mask"], volume).mask
    np.testing.assert_array_equal(mask, marked[::-1].transpose(2, 1, 0) > 0)
