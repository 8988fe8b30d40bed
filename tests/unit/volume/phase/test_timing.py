from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PHASES, Evidence
from nephrograde.volume.phase.timing import delay_of, judge_timing, likelihood_at

NINE = datetime(2020, 1, 1, 9, 0, 0)


def scanned(after_s, **more):
    return SeriesHeader(series_uid="1", acquired_at=NINE + timedelta(seconds=after_s), bolus_started_at=NINE, **more)


def judged(header: SeriesHeader) -> Evidence:
    evidence = judge_timing(header)
    assert evidence is not None
    return evidence


@pytest.mark.parametrize(
    ("delay_s", "phase"),
    [
        (-300, "up"),
        (20, "cmp"),
        (30, "cmp"),
        (40, "cmp"),
        (70, "np"),
        (100, "np"),
        (120, "np"),
        (240, "ep"),
        (900, "ep"),
    ],
)
def test_each_phase_has_its_delay(delay_s, phase):
    likelihood = judged(scanned(delay_s)).likelihood
    assert max(PHASES, key=likelihood.__getitem__) == phase
    assert likelihood[phase] > 0.75 * sum(likelihood.values())


@given(st.floats(1.0, 3600.0), st.floats(1.0, 3600.0))
def test_a_later_scan_is_never_in_an_earlier_phase(one_s, other_s):
    best = [max(PHASES, key=likelihood_at(delay_s).__getitem__) for delay_s in sorted((one_s, other_s))]
    assert PHASES.index(best[0]) <= PHASES.index(best[1])


@given(st.floats(-3600.0, 3600.0))
def test_no_delay_forbids_a_phase(delay_s):
    likelihood = likelihood_at(delay_s)
    assert set(likelihood) == set(PHASES)
    assert min(likelihood.values()) > 0


@pytest.mark.parametrize("after_s", [0, 4, -3, 3601, -7200])
def test_times_that_cannot_belong_together_are_not_believed(after_s):
    assert delay_of(scanned(after_s)) is None
    assert judge_timing(scanned(after_s)) is None


def test_a_time_with_a_zone_meets_one_without():
    header = SeriesHeader(
        series_uid="1", acquired_at=(NINE + timedelta(seconds=80)).replace(tzinfo=UTC), bolus_started_at=NINE
    )
    assert delay_of(header) == 80.0


def test_the_tag_for_the_agent_is_weak_where_filled_and_strong_where_it_says_none():
    filled = judged(SeriesHeader(series_uid="1", bolus_agent="ULTRAVIST 370")).likelihood
    none = judged(SeriesHeader(series_uid="1", bolus_agent=" NONE ")).likelihood
    assert filled["np"] == 2 * filled["up"]
    assert none["up"] == 9 * none["np"]
    assert judge_timing(SeriesHeader(series_uid="1")) is None
    assert judge_timing(SeriesHeader(series_uid="1", bolus_agent="ORAL CONTRAST")) is None


def test_the_delay_counts_before_the_agent_and_names_no_time_of_day():
    assert judged(scanned(90, bolus_agent="NONE")).seen.text == "timing.after-injection:seconds=90"
    assert judged(scanned(-60)).seen.text == "timing.before-injection:seconds=60"
