from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.errors import VolumeError
from nephrograde.sample.pictures import cut_pictures
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study
from nephrograde.vocabulary import Supervision

STUDY = Study(
    cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp",)),
    arm=(
        Arm(name="weak-1", supervision=Supervision.BOX, slices=1),
        Arm(name="weak-3", supervision=Supervision.POINT, slices=3),
        Arm(name="strong", supervision=Supervision.MASK),
        Arm(name="masked", supervision=Supervision.MASK, slices=1),
    ),
    image=ImageSettings(slice_px=16, slice_mm=32.0, antialias=False),
)
ARM = {arm.name: arm for arm in STUDY.arm}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Five pictures of 64 × 48, each of one grey except for a white square of 8 pixels around (40, 20)."""
    paths = []
    for k in range(5):
        values = np.full((48, 64), 20 * k, dtype=np.uint8)
        values[16:24, 36:44] = 255
        paths.append(tmp_path / f"{k}.png")
        Image.fromarray(values).save(paths[-1])
    return paths


def scan_of(paths: list[Path], *, box: str = "", point: str = "", at: str = "", pixel_mm: float | None = None) -> Scan:
    return Scan(
        "cmp",
        paths[0],
        None,
        parse_point(point) if point else None,
        parse_box(box) if box else None,
        parse_slice(at) if at else None,
        tuple(paths[1:]),
        pixel_mm,
    )


def code_of(scan: Scan, arm: str = "weak-1") -> str:
    with pytest.raises(VolumeError) as caught:
        cut_pictures(scan, arm=ARM[arm], study=STUDY)
    return caught.value.code


def test_with_a_pixel_size_the_crop_has_its_size_in_mm(pictures: list[Path]) -> None:
    views, chosen, center = cut_pictures(
        scan_of(pictures[:1], box="36,16,0;43,23,0 vox", pixel_mm=1.0), arm=ARM["weak-1"], study=STUDY
    )
    assert views.shape == (1, 1, 16, 16)
    assert views.dtype == np.float16
    assert chosen == (0,)
    assert center == (39.5, 19.5, 0.0)
    assert (views == 1).sum() == 16  # 8 of 32 mm, which is 4 of 16 pixels


def test_without_one_a_box_gives_the_crop_with_a_margin(pictures: list[Path]) -> None:
    views, _, _ = cut_pictures(scan_of(pictures[:1], box="36,16,0;43,23,0 vox"), arm=ARM["weak-1"], study=STUDY)
    assert (views == 1).mean() == pytest.approx((8 / 14) ** 2, abs=0.1)  # 14 pixels: twice the box's edge of 7


@pytest.mark.parametrize("point", ["", "40,20,0 vox"])
def test_without_either_the_whole_picture_is_the_view(pictures: list[Path], point: str) -> None:
    views, _, center = cut_pictures(scan_of(pictures[:1], point=point), arm=ARM["weak-3"], study=STUDY)
    assert (views == 1).sum() == 4  # 8 of 64 pixels, which is 2 of 16
    assert center[:2] == (31.5, 23.5)


def test_several_pictures_are_chosen_as_slices_are(pictures: list[Path]) -> None:
    views, chosen, _ = cut_pictures(scan_of(pictures), arm=ARM["weak-3"], study=STUDY)
    assert chosen == (0, 2, 4)
    assert np.median(views, axis=(1, 2, 3)) == pytest.approx([0, 40 / 255, 80 / 255], abs=1e-3)
    _, chosen, _ = cut_pictures(scan_of(pictures, at="3 vox"), arm=ARM["weak-1"], study=STUDY)
    assert chosen == (3,)
    _, chosen, _ = cut_pictures(scan_of(pictures[:2], box="1,1,1;9,9,1 vox"), arm=ARM["weak-3"], study=STUDY)
    assert chosen == (0, 1)


def test_a_folder_is_its_pictures_in_order(pictures: list[Path]) -> None:
    _, chosen, _ = cut_pictures(scan_of([pictures[0].parent]), arm=ARM["weak-1"], study=STUDY)
    assert chosen == (2,)


def test_what_a_picture_cannot_give_is_named(pictures: list[Path]) -> None:
    assert code_of(scan_of(pictures), "strong") == "picture-not-volume"
    assert code_of(scan_of(pictures), "masked") == "annotation-missing"
    assert code_of(scan_of(pictures, point="4,4,0 mm")) == "picture-place-mm"
    assert code_of(scan_of(pictures, point="4,4,5 vox")) == "annotation-outside"
    assert code_of(scan_of(pictures, point="64,4,0 vox")) == "annotation-outside"
