"""A file that marks the background, the body or both kidneys, or is no mask, is named; tumours of any size are not."""

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.errors import VolumeError
from nephrograde.predict.seeing import see
from nephrograde.study import MaskSettings, Study
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

SIZE = (80, 64, 40)
SPACING = (5.0, 5.0, 5.0)


def ellipsoid(middle, radii):
    x, y, z = np.ogrid[: SIZE[0], : SIZE[1], : SIZE[2]]
    i, j, k = middle
    a, b, c = radii
    return ((x - i) / a) ** 2 + ((y - j) / b) ** 2 + ((z - k) / c) ** 2 < 1


BODY = ((np.mgrid[:80, :64, :40][0] - 40) / 34) ** 2 + ((np.mgrid[:80, :64, :40][1] - 32) / 26) ** 2 < 1
KIDNEYS = ellipsoid((22, 40, 20), (6, 5, 11)) | ellipsoid((58, 40, 19), (6, 5, 11))
TUMOUR = ellipsoid((20, 40, 20), (5, 5, 4))
HU = (np.where(KIDNEYS, 170, np.where(BODY, 40, -1000)) + np.random.default_rng(2).normal(0, 10, SIZE)).astype(np.int16)
HU[TUMOUR] += np.int16(60)


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "np.nii.gz"
    write_image(HU, path, spacing_mm=SPACING, origin_mm=(-200.0, -160.0, -90.0))
    return path, read_volume(path)


def written(tmp_path, values, name="m.nii.gz"):
    write_image(values, tmp_path / name, spacing_mm=SPACING, origin_mm=(-200.0, -160.0, -90.0))
    return tmp_path / name


NO_MASKS = {
    "ones": (np.ones(SIZE, np.uint8), "mask-full"),
    "ones as fractions": (np.ones(SIZE, np.float32), "mask-full"),
    "every label": (1 + BODY + KIDNEYS.astype(np.uint8), "mask-full"),
    "inverted": (1 - TUMOUR.astype(np.uint8), "mask-inverted"),
    "inverted in a byte": (255 - 255 * TUMOUR.astype(np.uint8), "mask-inverted"),
    "the image": (HU, "mask-is-image"),
    "the image as fractions": (HU + np.float32(0.25), "mask-is-image"),
    "the image, 1024 higher": (np.maximum(HU + 1024, 0).astype(np.uint16), "mask-is-image"),
    "the image where the tumour is": (np.where(TUMOUR, HU, 0).astype(np.int16), "mask-is-image"),
    "the image in fractions": (np.where(TUMOUR, HU / 3, 0).astype(np.float32), "mask-is-image"),
    "a signed distance": (np.where(TUMOUR, 3, -7).astype(np.int16), "mask-is-image"),
}


@pytest.mark.parametrize("name", NO_MASKS)
def test_what_is_no_mask_is_refused(tmp_path, volume, name):
    values, code = NO_MASKS[name]
    with pytest.raises(VolumeError) as caught:
        read_marks(written(tmp_path, values), volume[1])
    assert caught.value.code == code
    assert caught.value.path == tmp_path / "m.nii.gz"


@pytest.mark.parametrize(
    ("marked", "code"), [(BODY, "mask-body"), (BODY & ~TUMOUR, "mask-body"), (KIDNEYS, "mask-kidneys")]
)
def test_another_structure_is_suspect_wherever_the_mask_is_read(tmp_path, volume, marked, code):
    mask_path = written(tmp_path, marked.astype(np.uint8))
    assert [fault.code for fault in read_marks(mask_path, volume[1]).faults] == [code]
    assert code in [fault.code for fault in delineate(mask_path, volume[1], MaskSettings()).faults]


TUMOURS = {
    "small": TUMOUR,
    "a litre": ellipsoid((24, 34, 20), (14, 13, 14)),
    "on both sides": ellipsoid((20, 40, 20), (5, 5, 5)) | ellipsoid((60, 40, 20), (5, 5, 5)),
    "one on either end": ellipsoid((20, 40, 10), (6, 5, 9)) | ellipsoid((60, 40, 30), (6, 5, 9)),
    "a kidney with its tumour": ellipsoid((20, 40, 20), (8, 7, 12)),
}


@pytest.mark.parametrize("name", TUMOURS)
def test_tumours_are_not_suspect(tmp_path, volume, name):
    assert read_marks(written(tmp_path, TUMOURS[name].astype(np.uint8)), volume[1]).faults == ()


def test_an_image_cropped_to_the_tumour_is_not_suspect(tmp_path):
    for values in (HU[15:26, 35:46, 16:25], np.full((11, 11, 9), 90) + np.arange(9)):
        image_path, mask_path = tmp_path / "np.nii.gz", tmp_path / "m.nii.gz"
        write_image(values.astype(np.int16), image_path, spacing_mm=SPACING)
        write_image(TUMOUR[15:26, 35:46, 16:25], mask_path, spacing_mm=SPACING)
        assert read_marks(mask_path, read_volume(image_path)).faults == ()


@pytest.mark.parametrize("count", [30, 200])
def test_many_labels_are_labels(tmp_path, volume, count):
    """As of the bones and organs of a whole body."""
    labels = np.zeros(SIZE, np.uint8)
    for number in range(1, count + 1):
        x, y, z = np.unravel_index(number, (7, 6, 6))
        labels[10 * x : 10 * x + 8, 10 * y : 10 * y + 8, 6 * z : 6 * z + 5] = number
    marks = read_marks(written(tmp_path, labels), volume[1])
    assert len(marks.present) == count


def test_an_interpolated_mask_is_one_of_fractions(tmp_path, volume):
    blurred = (
        TUMOUR.astype(np.float32) + np.roll(TUMOUR, 1, 0) * np.float32(0.7) - np.roll(TUMOUR, 3, 1) * np.float32(0.1)
    ) / np.float32(1.7)
    assert read_marks(written(tmp_path, blurred), volume[1]).present[0].number == 1


def test_minus_one_outside_the_labels_is_no_image(tmp_path, volume):
    labels = np.where(TUMOUR, 1, -1).astype(np.int16)
    np.testing.assert_array_equal(read_marks(written(tmp_path, labels), volume[1]).mask, TUMOUR)


def test_predict_says_so_too(tmp_path, volume):
    study = Study.model_validate(
        {
            "cohort": {"table": "cohort.csv", "phases": ["np"]},
            "arm": ({"name": "strong", "supervision": "mask"},),
            "image": {"box_voxels": (8, 8, 8), "box_mm": (80.0, 80.0, 80.0)},
        }
    )

    def seen(values):
        scan = Scan("np", volume[0], written(tmp_path, values.astype(np.uint8)), None, None, None)
        return see(scan, study.arm[0], study).warnings

    assert seen(TUMOUR) == ()
    assert any("of the body" in text for text in seen(BODY))
    assert any("kidneys" in text for text in seen(KIDNEYS))
    assert any("mask is air" in text for text in seen(np.roll(TUMOUR, -14, 0)))
    with pytest.raises(VolumeError):
        seen(~TUMOUR)
