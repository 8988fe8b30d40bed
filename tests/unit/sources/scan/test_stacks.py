from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.sources.scan.stacks import Instance, describe_stack, separate_stacks

SAYS = {"rows": 512, "columns": 512, "orientation": "axial", "sop_class": "CT"}


def slices(heights, acquisition="1", *, acquired="2024-01-31T10:00:00", first=1, says=SAYS, uid="u"):
    return [
        Instance((number, ""), f"{uid}.{number}", acquisition, number, 1, height, height, None, acquired, says)
        for number, height in enumerate(heights, start=first)
    ]


def heights(stacks):
    return [[one.low_mm for one in stack] for stack in stacks]


@given(st.permutations(range(12)))
def test_slices_are_ordered_along_their_normal_however_they_come(order):
    shuffled = [slices([2.5 * k for k in range(12)])[k] for k in order]
    assert heights(separate_stacks(shuffled)) == [[2.5 * k for k in range(12)]]


def test_copies_count_once_but_one_uid_for_all_images_does_not_make_copies():
    assert heights(separate_stacks(slices([0, 1, 2]) * 2)) == [[0, 1, 2]]
    same = [one._replace(sop_uid="1.2") for one in slices([0, 1, 2])]
    assert heights(separate_stacks(same)) == [[0, 1, 2]]
    none = [one._replace(sop_uid="") for one in slices([0, 0, 1])]
    assert heights(separate_stacks(none)) == [[0, 0, 1]]


def test_two_acquisitions_of_the_same_place_are_two_stacks_in_the_order_of_time():
    late = slices([0, 5, 10, 15], "1", acquired="2024-01-31T10:01:00")
    early = slices([0.4, 5.4, 10.4, 15.4], "2", first=5)
    assert heights(separate_stacks(late + early)) == [[0.4, 5.4, 10.4, 15.4], [0, 5, 10, 15]]


@pytest.mark.parametrize("shift", [0, 0.4])
def test_two_phases_of_one_acquisition_number_are_two_stacks_by_time(shift):
    early = [s for k in range(5) for s in slices([5 * k], acquired=f"2024-01-31T10:00:0{k}", first=k, uid="a")]
    late = [s for k in range(5) for s in slices([5 * k + shift], acquired=f"2024-01-31T10:01:0{k}", first=k, uid="b")]
    assert heights(separate_stacks(late + early)) == [
        [5 * k for k in range(5)],
        [5 * k + shift for k in range(5)],
    ]


def test_slices_that_no_time_divides_stay_together():
    same_time = slices([0, 5, 10, 15], uid="a") + slices([0, 5, 10, 15], uid="b")
    assert len(separate_stacks(same_time)) == 1
    gapped = [s for k in (0, 1, 2, 5, 6, 7) for s in slices([5 * k], acquired=f"2024-01-31T10:00:0{k}", first=k)]
    assert len(separate_stacks(gapped)) == 1


def test_slabs_that_follow_each_other_are_one_stack():
    slabs = slices([0, 5, 10], "1") + slices([15, 20, 25], "2", first=4) + slices([30, 35, 40], "3", first=7)
    assert heights(separate_stacks(slabs)) == [[*range(0, 45, 5)]]
    every_second = slices([0, 10, 20, 30], "1") + slices([5, 15, 25, 35], "2", first=5)
    assert heights(separate_stacks(every_second)) == [[*range(0, 40, 5)]]


def test_chest_and_abdomen_stay_together_where_the_abdomen_is_scanned_twice():
    chest = slices([100, 105, 110, 115], "1")
    first = slices([60, 65, 70, 75], "2", first=5, acquired="2024-01-31T10:00:10")
    second = slices([60, 65, 70, 75], "3", first=9, acquired="2024-01-31T10:00:40")
    assert heights(separate_stacks(chest + first + second)) == [[60, 65, 70, 75, 100, 105, 110, 115], [60, 65, 70, 75]]


def test_a_bolus_tracker_and_a_pair_of_scouts_are_not_parted():
    tracker = [one for k in range(8) for one in slices([40.0], str(k), first=k)]
    assert len(separate_stacks(tracker)) == 1
    scouts = slices([0], says=SAYS | {"orientation": "coronal"}) + slices([0], says=SAYS | {"orientation": "sagittal"})
    assert len(separate_stacks(scouts)) == 1


def test_a_scout_kept_in_the_series_makes_a_stack_of_its_own():
    scout = slices([0], first=9, says=SAYS | {"orientation": "coronal", "rows": 888})
    assert heights(separate_stacks(scout + slices([0, 1, 2, 3]))) == [[0, 1, 2, 3], [0]]


def test_multiframe_objects_of_one_place_are_parted_and_those_of_one_volume_are_not():
    frames = [Instance((k, ""), f"u.{k}", "1", k, 50, 0, 98, 2, "", SAYS) for k in (1, 2)]
    assert len(separate_stacks(frames)) == 2
    joined = [frames[0], frames[1]._replace(low_mm=100, high_mm=198)]
    assert len(separate_stacks(joined)) == 1


def test_a_stack_is_described_by_most_of_its_slices_and_the_earliest_time():
    said = SAYS | {"description": "np", "bolus_time": "095830", "pixel_mm": [0.7, 0.8], "is_deidentified": True}
    odd = said | {"description": "odd", "burnt_in": True, "is_deidentified": False}
    stack = slices([0, 2.5, 5.0], says=said) + slices([10], says=odd, acquired="2024-01-31T09:59:40", first=4)
    header = describe_stack(("P", "1", "1.2"), stack, "2")
    assert (header.key, header.description, header.n_images, header.rows) == ("1.2.2", "np", 4, 512)
    assert (header.step_mm, header.extent_mm, header.pixel_mm) == (2.5, (0, 10), (0.7, 0.8))
    assert header.acquired_at == datetime(2024, 1, 31, 9, 59, 40)
    assert header.bolus_started_at == datetime(2024, 1, 31, 9, 58, 30)
    assert header.burnt_in
    assert not header.is_deidentified


@pytest.mark.parametrize("n", [1, 3])
def test_objects_without_a_place_have_no_extent(n):
    stack = [one._replace(low_mm=None, high_mm=None) for one in slices(range(n))]
    header = describe_stack(("P", "1", "1.2"), separate_stacks(stack)[0], "")
    assert (header.n_images, header.step_mm, header.extent_mm, header.key) == (n, None, None, "1.2")


def test_every_segmentation_of_a_series_stands_alone():
    says = {"sop_class": "1.2.840.10008.5.1.4.1.1.66.4", "refers_to": ["1.7"], "frame_uid": "7"}
    masks = [one._replace(low_mm=None, high_mm=None) for one in slices(range(3), says=says)]
    stacks = separate_stacks([*masks, masks[0]])
    assert [len(stack) for stack in stacks] == [1, 1, 1]
    assert describe_stack(("P", "1", "1.8"), stacks[1], "2").refers_to == ("1.7",)
