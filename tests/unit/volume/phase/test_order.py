from datetime import UTC, datetime, timedelta

import pytest

from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.phase.order import FIRST, NEXT_BY_NUMBER, PRIOR, TRUST_IN_NUMBERS, judge_order

NINE = datetime(2020, 1, 1, 9, 0, 0)


def only(phase):
    return {one: 1.0 if one == phase else 0.001 for one in PHASES}


def timed(**started_s):
    return [
        SeriesHeader(series_uid=uid, acquired_at=NINE + timedelta(seconds=after_s))
        for uid, after_s in started_s.items()
    ]


def numbered(*uids):
    return [SeriesHeader(series_uid=uid, series_number=number) for number, uid in enumerate(uids, 1)]


def best(evidence):
    return max(PHASES, key=evidence.likelihood.__getitem__)


@pytest.mark.parametrize(
    ("known", "gap_s", "phase"),
    [("cmp", 45, "np"), ("cmp", 300, "ep"), ("np", 240, "ep"), ("ep", 300, "ep")],
)
def test_the_gap_after_a_known_phase_tells_the_next(known, gap_s, phase):
    assert best(judge_order(timed(a=0, b=gap_s), {"a": only(known)})["b"]) == phase


def test_before_a_known_arterial_scan_comes_the_unenhanced_one():
    assert best(judge_order(timed(a=0, b=150), {"b": only("cmp")})["a"]) == "up"


def test_four_scans_spaced_as_usual_are_told_by_their_times_alone():
    evidence = judge_order(timed(a=0, b=150, c=200, d=440), {})
    assert [best(evidence[uid]) for uid in "abcd"] == ["up", "cmp", "np", "ep"]
    assert evidence["c"].seen.text == "order.by-time-after:number=3;count=4;gap_s=50"


def test_two_series_by_number_give_what_a_hand_computes():
    seen = only("up")
    start = [FIRST[phase] * seen[one] for phase, one in enumerate(PHASES)]
    expected = [sum(start[row] * NEXT_BY_NUMBER[row][column] for row in range(4)) for column in range(4)]
    likely = [share / PRIOR[phase] for phase, share in zip(PHASES, expected, strict=True)]
    says = [TRUST_IN_NUMBERS * one / sum(likely) + (1 - TRUST_IN_NUMBERS) / 4 for one in likely]
    assert list(judge_order(numbered("a", "b"), {"a": seen})["b"].likelihood.values()) == pytest.approx(says)


def test_what_is_known_of_a_series_is_no_part_of_its_own_evidence():
    study = numbered("a", "b", "c")
    one = judge_order(study, {"a": only("up"), "b": only("cmp")})["b"]
    other = judge_order(study, {"a": only("up"), "b": only("ep")})["b"]
    assert one.likelihood == other.likelihood


def test_a_reconstruction_without_words_takes_those_of_its_acquisition():
    evidence = judge_order(timed(a=0, thin=60, thick=61, c=300), {"thick": only("np")})
    assert best(evidence["thin"]) == "np"
    assert evidence["thin"].seen.text.startswith("order.by-time-after:number=2;count=3;")


def test_many_reconstructions_weigh_no_more_than_one():
    one = judge_order(timed(a=0, b=150), {"b": only("cmp")})
    many = judge_order(timed(a=0, b=150, c=150, d=150), dict.fromkeys("bcd", only("cmp")))
    assert many["a"].likelihood == pytest.approx(one["a"].likelihood)
    same = judge_order(numbered("a", "b", "c", "d"), dict.fromkeys("bcd", only("cmp")))
    assert same["a"].seen.text == "order.by-number:number=1;count=2"


def test_a_reformat_made_later_starts_no_acquisition():
    study = [
        *timed(a=0, b=60),
        SeriesHeader(series_uid="c", description="COR 3.0", acquired_at=NINE + timedelta(seconds=600)),
        SeriesHeader(series_uid="d", image_type=r"DERIVED\SECONDARY", acquired_at=NINE + timedelta(seconds=61)),
    ]
    evidence = judge_order(study, {"b": only("np")})
    assert "c" not in evidence
    assert best(evidence["d"]) == "np"


def test_after_a_long_pause_another_examination_begins():
    far = judge_order(timed(a=0, b=7200), {"a": only("ep")})["b"]
    assert best(far) == "up"


def test_nothing_is_said_without_neighbours_numbers_or_anything_known():
    assert judge_order([], {}) == {}
    assert judge_order(timed(a=0), {"a": only("up")}) == {}
    assert judge_order(numbered("a", "b"), {}) == {}
    assert judge_order([SeriesHeader(series_uid="a"), SeriesHeader(series_uid="b")], {"a": only("up")}) == {}
    scout = SeriesHeader(series_uid="s", description="SCOUT", acquired_at=NINE)
    assert judge_order([scout, *timed(a=30)], {"a": only("up")}) == {}


def test_numbers_count_where_a_time_is_missing_and_zones_may_differ():
    mixed = [
        SeriesHeader(series_uid="a", series_number=1, acquired_at=NINE),
        SeriesHeader(series_uid="b", series_number=2),
    ]
    assert judge_order(mixed, {"a": only("up")})["b"].seen.code == "order.by-number"
    zoned = [*timed(a=0), SeriesHeader(series_uid="b", acquired_at=(NINE + timedelta(seconds=50)).replace(tzinfo=UTC))]
    assert best(judge_order(zoned, {"a": only("cmp")})["b"]) == "np"
