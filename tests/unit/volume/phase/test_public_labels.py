"""Real header texts: what ``bench/phase.py`` measures in full is asserted here as a lower bound."""

import csv

import pytest

from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import UNKNOWN
from nephrograde.volume.phase.recognise import recognise_phases
from nephrograde.volume.statement import write_statements

RIGHT = {"arterial": {"cmp"}, "venous": {"np"}, "delayed": {"np", "ep"}}


@pytest.fixture(scope="module")
def labelled(shared_data):
    """Truth and answer of the 84 labelled series; the labelled series of a patient are treated as one study."""
    with (shared_data / "idc" / "phase_labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = []
    for patient in dict.fromkeys(row["patient_id"] for row in rows):
        own = [row for row in rows if row["patient_id"] == patient]
        study = [
            SeriesHeader(
                series_uid=row["series_uid"],
                series_number=int(row["series_number"]),
                study_description=row["study_description"],
                description=row["series_description"],
                modality="CT",
            )
            for row in own
        ]
        answers = recognise_phases(study)
        pairs += [(row["phase"], answers[row["series_uid"]]) for row in own]
    return pairs


def _quoted(answer):
    return write_statements(one.seen for one in answer.evidence)


def test_at_most_one_in_twenty_is_named_wrongly(labelled):
    named = [(truth, answer) for truth, answer in labelled if answer.phase != UNKNOWN]
    wrong = [(truth, answer.phase, _quoted(answer)) for truth, answer in named if answer.phase not in RIGHT[truth]]
    assert len(wrong) <= 0.05 * len(named), wrong


def test_half_of_the_series_say_their_phase_in_words(labelled):
    assert sum(answer.phase != UNKNOWN for _, answer in labelled) >= 0.5 * len(labelled)


def test_no_header_text_is_quoted_beyond_the_words_for_phases(labelled):
    assert all(len(_quoted(answer)) < 250 for _, answer in labelled)
