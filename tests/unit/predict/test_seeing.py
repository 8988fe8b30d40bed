"""What a new patient's scans are cut from, and which file an error is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.errors import VolumeError
from nephrograde.predict.together import see_together
from nephrograde.study import Arm, CohortSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import write_image


def test_a_mask_that_lies_outside_another_phase_names_its_scan(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(20, 10, (20, 20, 10)).astype(np.int16)
    mask = np.zeros(values.shape, np.uint8)
    mask[8:12, 8:12, 4:7] = 1
    for phase, z_mm in (("cmp", 0.0), ("np", 900.0)):
        write_image(values, tmp_path / f"{phase}.nii.gz", spacing_mm=(1.0, 1.0, 3.0), origin_mm=(0.0, 0.0, z_mm))
    write_image(mask, tmp_path / "mask.nii.gz", spacing_mm=(1.0, 1.0, 3.0))
    arm = Arm(name="both", supervision=Supervision.BOX, slices=1, phases=("cmp", "np"), fusion="early")
    study = Study(cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp", "np")), arm=(arm,))
    scans = {
        "cmp": Scan("cmp", tmp_path / "cmp.nii.gz", tmp_path / "mask.nii.gz", None, None, None),
        "np": Scan("np", tmp_path / "np.nii.gz", None, None, None, None),
    }
    with pytest.raises(VolumeError) as caught:
        see_together(scans, arm, study)
    assert (caught.value.code, caught.value.path) == ("mask-carried-outside", tmp_path / "np.nii.gz")
