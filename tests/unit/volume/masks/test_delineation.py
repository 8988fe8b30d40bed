"""Which of several labels and tumours counts, what happens to the others, and what is warned about."""

import numpy as np
import pytest

from nephrograde.files import read_rows
from nephrograde.study import MaskSettings
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.masks.tumours import pick_tumours, tumour_rows, write_tumours
from nephrograde.volume.roi import measure_tumour
from nephrograde.volume.volume import write_image

ORIGIN = (-20.0, -30.0, 100.0)
SPACING = (0.8, 0.9, 3.0)


def write(folder, labels):
    write_image(labels, folder / "m.nii.gz", spacing_mm=SPACING, origin_mm=ORIGIN)
    return folder / "m.nii.gz"


def two_tumours(shape):
    labels = np.zeros(shape, np.uint8)
    labels[30:36, 30:36, 8:11] = 1  # 108 voxels, later in the file
    labels[5:9, 5:9, 3:5] = 1  # 32 voxels
    return labels


def test_the_largest_tumour_counts_and_the_other_is_kept_in_the_table(tmp_path, volume):
    labels = two_tumours(volume.values.shape)
    found = delineate(write(tmp_path, labels), volume, MaskSettings())
    assert found.mask is not None
    assert found.mask.sum() == 108
    assert found.mask[30:36, 30:36, 8:11].all()
    assert [fault.code for fault in found.faults] == ["tumours-several"]
    assert found.choice == "largest tumour"
    write_tumours(tumour_rows("P1", "np", found.pieces), tmp_path / "tumours.csv")
    rows = read_rows(tmp_path / "tumours.csv")
    assert [(row["tumour"], row["used"]) for row in rows] == [("1", "1"), ("2", "0")]
    assert float(rows[1]["volume_ml"]) == pytest.approx(32 * 0.8 * 0.9 * 3 / 1000)
    assert rows[1]["center_mm"] == "-14.80,-24.15,110.50"  # index 6.5, 6.5, 3.5


def test_all_tumours_count_where_the_study_says_so(tmp_path, volume):
    labels = two_tumours(volume.values.shape)
    found = delineate(write(tmp_path, labels), volume, MaskSettings(tumours="all"))
    np.testing.assert_array_equal(found.mask, labels > 0)
    assert found.choice == ""
    assert [piece.used for piece in found.pieces] == [True, True]


def test_one_tumour_is_measured_as_before_and_changes_nothing(tmp_path, volume, blob):
    found = delineate(write(tmp_path, blob.astype(np.uint8)), volume, MaskSettings())
    measured = measure_tumour(blob, volume)
    [piece] = found.pieces
    assert (piece.volume_ml, piece.diameter_mm) == (measured.volume_ml, measured.diameter_mm)
    assert piece.center_mm == pytest.approx(measured.center_mm)
    assert (found.choice, found.faults) == ("", ())


def test_voxels_that_touch_by_a_corner_are_one_tumour(volume):
    mask = np.zeros(volume.values.shape, bool)
    mask[10, 10, 5] = mask[11, 11, 6] = True
    assert len(pick_tumours(mask, volume)[1]) == 1
    mask[11, 11, 6], mask[11, 11, 7] = False, True
    assert len(pick_tumours(mask, volume)[1]) == 2


def test_of_equal_tumours_one_is_kept_and_always_the_same(volume):
    mask = np.zeros(volume.values.shape, bool)
    mask[2:4, 2:4, 2:4] = mask[20:22, 20:22, 12:14] = True
    kept = {pick_tumours(mask, volume)[0].tobytes() for _ in range(3)}
    assert len(kept) == 1


def test_several_labels_count_together_with_a_warning(tmp_path, volume):
    labels = two_tumours(volume.values.shape)
    labels[30:33, 30:36, 8:11] = 4
    path = write(tmp_path, labels)
    everything = delineate(path, volume, MaskSettings())
    assert everything.mask is not None
    assert everything.mask.sum() == 108
    assert [fault.code for fault in everything.faults] == ["labels-several", "tumours-several"]
    assert "(1, 4)" in everything.faults[0].message
    named = delineate(path, volume, MaskSettings(label="4"))
    assert named.mask is not None
    assert named.mask.sum() == 54
    assert (named.choice, named.faults) == ("labels 4", ())


def test_a_tumour_at_the_edge_is_warned_of_only_where_it_counts(tmp_path, volume):
    labels = two_tumours(volume.values.shape)
    labels[0, 0, 0] = 1
    codes = [fault.code for fault in delineate(write(tmp_path, labels), volume, MaskSettings()).faults]
    assert codes == ["tumours-several"]
    codes = [fault.code for fault in delineate(write(tmp_path, labels), volume, MaskSettings(tumours="all")).faults]
    assert codes == ["tumours-several", "mask-border"]


def test_the_first_of_several_seeds_is_taken_with_a_warning(tmp_path, volume, save_structures):
    seeds = {"a": [("POINT", [(0.0, -10.0, 130.0)])], "b": [("POINT", [(5.0, -10.0, 130.0)])]}
    path = save_structures(tmp_path / "rs.dcm", seeds)
    found = delineate(path, volume, MaskSettings())
    assert (found.mask, found.seed_mm) == (None, (0.0, -10.0, 130.0))
    assert [fault.code for fault in found.faults] == ["seeds-several"]
    named = delineate(path, volume, MaskSettings(label="b"))
    assert (named.seed_mm, named.choice, named.faults) == ((5.0, -10.0, 130.0), "labels 2", ())
