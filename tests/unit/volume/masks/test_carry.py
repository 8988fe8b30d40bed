"""A mask on another scan of the patient: where it lands, and whether the finding distinguishes good and bad fits."""

import numpy as np
import pytest
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.masks.carry import carry_mask
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def patient(tiny_cohort_dir):
    """Two phases of a synthetic patient, the tumour drawn on the first."""
    folder = tiny_cohort_dir / "images" / "SYN-0003"
    source, target = read_volume(folder / "cmp.nii.gz"), read_volume(folder / "up.nii.gz")
    return (
        source,
        read_marks(folder / "cmp_mask.nii.gz", source).mask,
        target,
        read_marks(folder / "up_mask.nii.gz", target).mask,
    )


def moved(volume, values, *, shift_mm, turn_deg, outside):
    """The values of a volume as if the patient had moved."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(values.T).astype(np.float32))
    image.SetSpacing(volume.spacing_mm)
    image.SetOrigin(volume.origin_mm)
    motion = SimpleITK.Euler3DTransform()
    motion.SetCenter(volume.to_mm([(n - 1) / 2 for n in values.shape]))
    motion.SetRotation(0.0, 0.0, float(np.radians(turn_deg)))
    motion.SetTranslation(shift_mm)
    resampled = SimpleITK.Resample(image, image, motion.GetInverse(), SimpleITK.sitkLinear, outside)
    return SimpleITK.GetArrayFromImage(resampled).T


def moved_patient(patient, *, shift_mm, turn_deg):
    source, mask, target, drawn = patient
    values = moved(target, target.values, shift_mm=shift_mm, turn_deg=turn_deg, outside=-1000.0)
    truth = moved(target, drawn, shift_mm=shift_mm, turn_deg=turn_deg, outside=0.0) > 0.5
    return source, mask, make_volume(values, spacing_mm=target.spacing_mm, origin_mm=target.origin_mm), truth


def test_the_same_place_fits_exactly_on_any_grid(volume, blob):
    fine = make_volume(np.repeat(volume.values, 2, axis=2), spacing_mm=(0.8, 0.9, 1.5), origin_mm=(-20.0, -30.0, 99.25))
    carried = carry_mask(blob, volume, fine, how="position")
    np.testing.assert_array_equal(carried.mask, np.repeat(blob, 2, axis=2))
    assert carried.fault.code == "mask-carried"
    assert (
        "fat 0% and air 0% under it, where it was drawn 0% and 0%; median 40 HU, there 40 HU" in carried.fault.message
    )


@pytest.mark.slow
def test_a_shifted_scan_is_told_and_registered(patient):
    source, mask, target, truth = moved_patient(patient, shift_mm=(3.0, -4.0, -16.0), turn_deg=5.0)
    by_position = carry_mask(mask, source, target, how="position")
    assert dice(by_position.mask, truth) < 0.75
    assert by_position.fault.code == "mask-carried-poorly"
    rigid = carry_mask(mask, source, target, how="rigid")
    assert dice(rigid.mask, truth) > 0.85
    assert rigid.fault.code == "mask-carried"
    assert rigid.motion.turn_deg == pytest.approx(5.0, abs=2.5)
    again = carry_mask(mask, source, target, how="rigid")
    np.testing.assert_array_equal(again.mask, rigid.mask)


def test_registration_says_that_it_found_nothing(volume, blob):
    tiny = make_volume(
        volume.values[20:26, 18:24, 8:12], spacing_mm=volume.spacing_mm, origin_mm=volume.to_mm((20, 18, 8))
    )
    carried = carry_mask(blob, volume, tiny, how="rigid")
    assert "found nothing better" in carried.fault.message
    assert carried.fault.code == "mask-carried-poorly"
    assert "% of it lies outside the image" in carried.fault.message


def test_a_scan_that_lies_elsewhere_is_refused(volume, blob):
    elsewhere = make_volume(volume.values, spacing_mm=volume.spacing_mm, origin_mm=(-20.0, -30.0, 900.0))
    with pytest.raises(VolumeError, match="carried from another phase") as caught:
        carry_mask(blob, volume, elsewhere, how="position")
    assert caught.value.code == "mask-carried-outside"
