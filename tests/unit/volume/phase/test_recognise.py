from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN, Evidence
from nephrograde.volume.phase.order import PRIOR
from nephrograde.volume.phase.recognise import NAMED_FROM, probabilities, recognise_phases
from nephrograde.volume.statement import Statement

NINE = datetime(2020, 1, 1, 9, 0, 0)

KIDNEYS = Statement.of("image.kidneys-only", cortex_hu=182, medulla_hu=61, inside_hu=190)


def image(phase, weight=50.0):
    return Evidence(KIDNEYS, {one: weight if one == phase else 1.0 for one in PHASES})


def phases(study, seen=None):
    return [answer.phase for answer in recognise_phases(study, seen or {}).values()]


def described(*descriptions, **more):
    return [
        SeriesHeader(series_uid=f"1.{number}", series_number=number, description=text, **more)
        for number, text in enumerate(descriptions, 1)
    ]


def test_the_series_of_a_renal_study_get_their_phases():
    study = described(
        "Topogram 0.6 T20s", "Kids w/o 5.0", "Arterial 5.0 B30f", "Nephro 5.0", "8 MIN DELAY", "Dose Report"
    )
    assert phases(study) == [UNKNOWN, "up", "cmp", "np", "ep", UNKNOWN]


def test_chinese_polish_and_german_studies_are_read_alike():
    assert phases(described("平扫", "皮髓质期", "肾实质期", "排泄期")) == list(PHASES)
    assert phases(described("bez kontrastu", "faza tętnicza", "faza żylna", "opóźniona")) == list(PHASES)
    assert phases(described("nativ", "arteriell", "portalvenös", "Spätphase")) == list(PHASES)


def test_a_series_without_evidence_is_unknown_with_the_prior():
    (answer,) = recognise_phases(described("CAP 5.0")).values()
    assert (answer.phase, answer.evidence) == (UNKNOWN, ())
    assert answer.probability == pytest.approx(max(PRIOR.values()))


def test_a_hand_computed_answer():
    (answer,) = recognise_phases(described("CAP 5.0"), {"1.1": image("ep", 20.0)}).values()
    assert answer.probability == pytest.approx(20 * 0.20 / (20 * 0.20 + 0.80))
    assert answer.phase == "ep"


@pytest.mark.parametrize("weight", [10.0, 17.0])
def test_a_phase_is_named_from_the_threshold_on(weight):
    (answer,) = recognise_phases(described("CAP 5.0"), {"1.1": image("ep", weight)}).values()
    assert (answer.phase == "ep") == (answer.probability >= NAMED_FROM)


def test_an_image_that_contradicts_the_words_leaves_the_phase_unknown():
    (answer,) = recognise_phases(described("arterial"), {"1.1": image("np", 20.0)}).values()
    assert answer.phase == UNKNOWN
    assert [one.seen.code for one in answer.evidence] == ["words.found", "image.kidneys-only", "conflict.words-image"]


@pytest.mark.parametrize(
    ("text", "phase", "seen"),
    [
        ("arterial", "np", "conflict.words-image:said=cmp;measured=np"),
        ("sin contraste", "np", "conflict.words-image:said=up;measured=np"),
        ("con contraste", "up", "conflict.words-image:said=enhanced;measured=up"),
        ("arterial", "cmp", None),
        ("con contraste", "np", None),
        ("CAP 5.0", "np", None),
    ],
)
def test_words_and_image_that_contradict_each_other_are_said_and_change_no_probability(text, phase, seen):
    study = described(text)
    (answer,) = recognise_phases(study, {"1.1": image(phase)}).values()
    said = [one for one in answer.evidence if one.seen.code == "conflict.words-image"]
    assert [one.seen.text for one in said] == ([seen] if seen else [])
    assert all(set(one.likelihood.values()) == {1.0} for one in said)


def test_an_image_without_a_clear_phase_contradicts_nothing():
    (answer,) = recognise_phases(described("arterial"), {"1.1": image("np", 2.0)}).values()
    assert not [one for one in answer.evidence if one.seen.code == "conflict.words-image"]


def test_the_image_of_one_series_helps_its_neighbours():
    study = [
        SeriesHeader(series_uid=uid, acquired_at=NINE + timedelta(seconds=after_s))
        for uid, after_s in (("a", 0), ("b", 150), ("c", 200))
    ]
    alone, helped = recognise_phases(study), recognise_phases(study, {"b": image("cmp", 1000.0)})
    assert helped["c"].phase == "np"
    assert alone["c"].probability < helped["c"].probability


def test_looks_stand_in_the_order_in_which_they_are_taken():
    study = [
        SeriesHeader(
            series_uid=uid,
            description=text,
            acquired_at=NINE + timedelta(seconds=after_s),
            bolus_started_at=NINE,
        )
        for uid, text, after_s in (("a", "arterial", 35), ("b", "venous", 80))
    ]
    answer = recognise_phases(study, {"a": image("cmp")})["a"]
    assert [one.seen.text for one in answer.evidence][:3] == [
        "timing.after-injection:seconds=35",
        "words.found:words=arterial;place=series description",
        "order.by-time:number=1;count=2",
    ]
    assert answer.evidence[3].seen.code == "image.kidneys-only"


def test_the_time_since_the_injection_decides_where_words_are_vague():
    study = described("AP Routine", acquired_at=NINE + timedelta(seconds=35), bolus_started_at=NINE)
    assert phases(study) == ["cmp"]


def test_localisers_and_other_modalities_stay_unknown_whatever_the_image_says():
    study = [*described("SCOUT"), SeriesHeader(series_uid="9", modality="MR", description="arterial")]
    assert phases(study, {"1.1": image("np", 1e6), "9": image("np", 1e6)}) == [UNKNOWN, UNKNOWN]


def test_the_parts_of_a_series_are_answered_apart():
    study = [
        SeriesHeader(series_uid="1", part=part, acquired_at=NINE + timedelta(seconds=after_s), bolus_started_at=NINE)
        for part, after_s in (("1", 35), ("2", 90))
    ]
    answers = recognise_phases(study)
    assert {key: answer.phase for key, answer in answers.items()} == {"1.1": "cmp", "1.2": "np"}


def test_an_empty_study_has_no_answers():
    assert recognise_phases([]) == {}


@given(st.permutations(range(5)))
def test_the_order_of_the_list_changes_nothing(places):
    study = described("pre", "arterial", "CAP 5.0", "delay", "COR")
    answers = recognise_phases([study[place] for place in places])
    for key, answer in recognise_phases(study).items():
        assert answers[key].phase == answer.phase
        assert answers[key].probability == pytest.approx(answer.probability)


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(max_size=20), st.none() | st.integers(-5, 999), st.none() | st.integers(0, 9999))))
def test_any_study_is_answered_with_probabilities(rows):
    study = [
        SeriesHeader(
            series_uid=str(place),
            description=text,
            series_number=number,
            acquired_at=None if after_s is None else NINE + timedelta(seconds=after_s),
        )
        for place, (text, number, after_s) in enumerate(rows)
    ]
    answers = recognise_phases(study)
    assert set(answers) == {header.key for header in study}
    for answer in answers.values():
        assert 0.25 <= answer.probability <= 1.0
        assert answer.phase in (*PHASES, UNKNOWN)


@given(st.lists(st.lists(st.floats(1e-9, 1e9), min_size=4, max_size=4), max_size=6))
def test_probabilities_add_up_to_one(rows):
    looks = [Evidence(KIDNEYS, dict(zip(PHASES, row, strict=True))) for row in rows]
    assert sum(probabilities(looks).values()) == pytest.approx(1.0)
