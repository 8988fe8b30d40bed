"""Where readers disagree, by which rule, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.annotations.agreement import compare_readers, one_sided
from nephrograde.cohort.annotated import Annotations
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.volume.volume import write_image

PARSERS = {"point": parse_point, "box": parse_box, "slice_place": parse_slice}


def drawn(reader, labels):
    """The labels of a reader by patient, all on one phase."""
    given = {
        (patient, "np"): {kind: PARSERS[kind](value) if kind in PARSERS else value for kind, value in own.items()}
        for patient, own in labels.items()
        if own
    }
    return Annotations(f"{reader}.csv", given, tuple(labels))


def test_disagreements_are_listed_by_rule_and_the_furthest_first():
    li = {
        "P1": {"point": "0,0,0 mm"},
        "P2": {"point": "0,0,0 mm"},
        "P3": {"box": "0,0,0;10,10,10 mm"},
        "P4": {"box": "0,0,0;10,10,10 mm"},
        "P5": {"state": "none"},
        "P6": {"slice_place": "-100 mm"},
        "P7": {"point": "0,0,0 mm"},
        "P8": {"box": "0,0,0;10,10,10 mm"},
    }
    chen = {
        "P1": {"point": "25,0,0 mm"},
        "P2": {"point": "0,80,0 mm"},
        "P3": {"box": "20,0,0;30,10,10 mm"},
        "P4": {"box": "60,0,0;70,10,10 mm"},
        "P5": {"point": "0,0,0 mm"},
        "P6": {"slice_place": "-130 mm"},
        "P7": {"point": "0,0,19.9 mm"},
        "P8": {"box": "9,0,0;19,10,10 mm"},
    }
    found = compare_readers({"li": drawn("li", li), "chen": drawn("chen", chen)}).disagreements
    assert [(one.patient_id, one.measure) for one in found] == [
        ("P5", "state"),
        ("P4", "box_iou"),
        ("P3", "box_iou"),
        ("P2", "point_distance_mm"),
        ("P1", "point_distance_mm"),
        ("P6", "slice_distance_mm"),
    ]
    assert [one.distance_mm for one in found[1:]] == [60.0, 20.0, 80.0, 25.0, 30.0]


def test_limit_of_distances_can_be_set():
    annotations = {
        "li": drawn("li", {"P1": {"point": "0,0,0 mm"}, "P2": {"slice_place": "0 mm"}}),
        "chen": drawn("chen", {"P1": {"point": "6,0,0 mm"}, "P2": {"slice_place": "6 mm"}}),
    }
    counts = [len(compare_readers(annotations, far_mm=mm).disagreements) for mm in (5, 6, 20)]
    assert counts == [2, 0, 0]


def test_masks_that_do_not_meet_are_a_disagreement(tmp_path):
    paths = {}
    for reader, where in (("li", 2), ("chen", 7)):
        mask = np.zeros((10, 8, 6), np.uint8)
        mask[where : where + 2, 3:5, 2:4] = 1
        paths[reader] = tmp_path / f"{reader}.nii.gz"
        write_image(mask, paths[reader], spacing_mm=(2.0, 2.0, 5.0))
    found = compare_readers({reader: drawn(reader, {"P1": {"mask_path": path}}) for reader, path in paths.items()})
    (one,) = found.disagreements
    assert (one.measure, one.value) == ("mask_dice", 0.0)
    assert one.distance_mm == pytest.approx(10.0)


def test_patients_whom_one_reader_left_empty():
    annotations = {
        "li": drawn("li", {"P1": {"point": "0,0,0 mm"}, "P2": {}, "P3": {}}),
        "chen": drawn("chen", {"P1": {}, "P2": {"state": "none"}, "P4": {"point": "0,0,0 mm"}}),
    }
    assert [(one.patient_id, one.phase, one.measure, one.reader) for one in one_sided(annotations)] == [
        ("P1", "np", "label", "li"),
        ("P2", "np", "label", "chen"),
    ]
