"""Which mask belongs to which chosen series."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from nephrograde.sources.scan.choose import Choice
from nephrograde.sources.scan.masks import choose_masks
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PhaseAnswer
from nephrograde.volume.statement import Statement

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"


def scan(uid: str, phase: str = "", **known: Any) -> Choice:
    header = SeriesHeader(series_uid=uid, modality="CT", **known)
    return Choice(header, PhaseAnswer(phase, 0.9, ()), chosen=bool(phase), reason=Statement.of("only-series"))


def mask(uid: str, *refers_to: str, **known: Any) -> Choice:
    header = SeriesHeader(**({"series_uid": uid, "sop_class": SEG, "refers_to": refers_to} | known))
    return Choice(header, PhaseAnswer("", 0.25, ()), chosen=False, reason=Statement.of("not-ct", modality="SEG"))


SCANS = [scan("7", "np", frame_uid="f"), scan("6", "cmp", frame_uid="f"), scan("5")]


def told(*masks: Choice, **known: Any) -> list[tuple[bool, str, str]]:
    found = choose_masks([*SCANS, *masks], **known)
    assert found[: len(SCANS)] == SCANS
    assert all(choice.reason.is_listed for choice in found[len(SCANS) :])
    return [(choice.chosen, choice.answer.phase, choice.text) for choice in found[len(SCANS) :]]


def test_a_mask_has_the_phase_of_the_chosen_series_on_which_it_was_drawn() -> None:
    assert told(mask("8", "7"), mask("9", "5", "6"), mask("10", "5"), mask("11", "404")) == [
        (True, "np", "mask-taken:series=7"),
        (True, "cmp", "mask-taken:series=6"),
        (False, "", "mask-of-unchosen:series=5"),
        (False, "", "mask-of-unknown"),
    ]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"acquired_at": datetime(2024, 1, 1), "series_number": 9}, {"acquired_at": datetime(2024, 1, 2)}),
        ({"series_number": 8}, {"series_number": 9}),
        ({}, {"part": "2"}),
        ({"description": "Seed_point", "series_number": 9}, {"description": "Tumor", "series_number": 8}),
    ],
)
def test_of_several_masks_the_newest_counts_and_areas_before_points(
    older: dict[str, Any], newer: dict[str, Any]
) -> None:
    first, second = mask("8", "7", **older), mask("8" if "part" in newer else "9", "7", **newer)
    for pair in ([first, second], [second, first]):
        found = dict(zip([one.header.key for one in pair], told(*pair), strict=True))
        assert found[second.header.key] == (True, "np", "mask-taken:series=7 | not-taken:series=8")
        assert found["8"] == (False, "", f"mask-outdone:series={second.header.key}")


def test_frame_of_reference_stands_in_where_it_leaves_no_choice() -> None:
    found = [choose_masks([*scans, mask("8", frame_uid="f")])[-1].text for scans in (SCANS, SCANS[:1], SCANS[2:])]
    unknown = "mask-of-unknown"
    assert found == [unknown, "mask-taken:series=7", unknown]
    assert choose_masks([scan("7", "np"), mask("8")])[-1].text == unknown


@pytest.mark.parametrize("name", ["LIVER - 1", "Pre-Dose, LEFT ADRENAL - 1", "右肾上腺"])
def test_masks_of_other_organs_are_left(name: str) -> None:
    assert told(mask("8", "7", sop_class=STRUCTURES, description=name))[0][2] == "mask-of-other-organ"


@pytest.mark.parametrize("name", ["RIGHT KIDNEY - 1", "Segmentation", "左肾肿瘤", "kidney tumor and liver"])
def test_masks_of_the_kidney_or_of_no_organ_are_taken(name: str) -> None:
    assert told(mask("8", "7", description=name))[0][0]


def test_a_mask_that_cannot_be_used_gives_way() -> None:
    found = told(mask("8", "7"), mask("9", "7"), unreadable={"9": "path-encoding"})
    assert [reason for _, _, reason in found] == ["mask-taken:series=7", "unreadable:fault=path-encoding"]


def test_other_segmentations_stay_what_they_are() -> None:
    surface = "1.2.840.10008.5.1.4.1.1.66.5"
    assert choose_masks([*SCANS, mask("8", "7", sop_class=surface)])[-1].text == "not-ct:modality=SEG"
