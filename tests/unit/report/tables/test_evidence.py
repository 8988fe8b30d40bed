from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.evaluation.comparison.compare import Comparison
from nephrograde.evaluation.comparison.equivalence import Equivalence
from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.ledger import Opening
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.evaluation.remarks import Caution, Reason, Verdict
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.tables.evidence import evidence_sections
from nephrograde.report.text.language import phase_heading, speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.tables.evidence import EvidenceSections
    from nephrograde.study import Study

NAN = math.nan


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    """A run without the tables that each test brings along."""
    nothing: dict[str, Any] = dict.fromkeys(("equivalences", "calibration", "net_benefit", "subgroups", "openings"), ())
    return dataclasses.replace(Results.read(whole_run), **nothing)


def lay_out(run: Results, **tables: Any) -> EvidenceSections:
    return evidence_sections(dataclasses.replace(run, **tables))


def compared(a: str, b: str, difference: float = 0.1, p: float = 0.04, *, n: int = 12) -> Comparison:
    low, high = difference - 0.15, difference + 0.05
    reason = Reason.NO_COMMON_PATIENTS if math.isnan(p) else None
    return Comparison(a, b, "auc", difference, low, high, 1.0, p, min(1.0, 3 * p), n, "paired DeLong", reason=reason)


def with_many(run: Results) -> Results:
    """Ten times the patients, enough of either grade for a verdict."""
    rows = (dataclasses.replace(row, patient_id=f"{row.patient_id}-{k}") for k in range(10) for row in run.scores.rows)
    return dataclasses.replace(run, scores=Scores(tuple(rows)))


def equivalent(a: str, b: str, **changes: float | str | None) -> Equivalence:
    row = Equivalence(a, b, 0.05, -0.02, -0.08, 0.04, 0.2, 0.03, 0.2, 0.09, 1234, 12, 5, "MOVER", Verdict.UNDECIDED)
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type]


def part(model: str, group: str, *, column: str = "size_cm", split: str = "test", auc: float = 0.8) -> SubgroupEstimate:
    reason = None if math.isfinite(auc) else Reason.ONE_GRADE
    return SubgroupEstimate(
        model, split, column, group, 6, 3, auc, auc - 0.1, auc + 0.1, 0.031, "DeLong", tested_groups=2, reason=reason
    )


def opened(k: int) -> Opening:
    return Opening(f"2026-05-0{k}T09:30:00+00:00", "ab" * 32, f"reason {k}", "nephrograde run a.toml", str(k))


def estimated(record: Results, *rows: tuple[str, str, Estimate]) -> Results:
    return dataclasses.replace(record, estimates=rows)


def measured(measure: str, value: float, *, method: str = "method", note: str = "") -> Estimate:
    return Estimate(measure, value, value - 0.1, value + 0.1, 12, 5, method, note)


# ----------------------------------------------------------------- contents


def test_folder_of_an_earlier_version_has_what_its_files_allow(record: Results) -> None:
    only = dataclasses.replace(
        record, comparisons=(), estimates=tuple(row for row in record.estimates if row[2].measure == "auc")
    )
    sections = lay_out(only)
    assert (sections.gain, sections.equivalence, sections.subgroups) == (None, None, None)
    assert (sections.slices, sections.calibration, sections.opinions) == ((), (), ())


# -------------------------------------------------------- what the images add


def test_networks_stand_first_whichever_way_the_pair_is_stored(record: Results) -> None:
    pairs = (compared("weak-1-cmp", "size", 0.1), compared("volume", "weak-1-cmp", 0.2, 0.5))
    gain = lay_out(dataclasses.replace(record, comparisons=pairs)).gain
    assert gain is not None
    assert gain.baselines == ("size", "volume")
    row = next(row for row in gain.rows if row.model == "weak-1-cmp")
    as_stored, turned = row.cells
    assert (as_stored.difference, as_stored.bounds) == ("0.100", "[−0.050 to 0.150]")
    assert (turned.difference, turned.bounds) == ("−0.200", "[−0.250 to −0.050]")
    assert (turned.p, turned.p_adjusted) == ("0.50", ">0.99")
    other = next(row for row in gain.rows if row.model == "strong-up")
    assert [cell.difference for cell in other.cells] == ["–", "–"]


def test_other_measures_are_not_taken_for_the_auc(record: Results) -> None:
    pair = dataclasses.replace(compared("weak-1-cmp", "size"), measure="accuracy")
    assert lay_out(dataclasses.replace(record, comparisons=(pair,))).gain is None


@pytest.mark.slow
def test_network_chosen_out_of_fold_is_marked_whatever_the_test_set_says(record: Results) -> None:
    rows = (
        ("weak-1-cmp", "oof", measured("auc", 0.7)),
        ("weak-1-cmp", "test", measured("auc", 0.99)),
        ("strong-np", "oof", measured("auc", 0.8)),
        ("weak-3-up", "oof", measured("auc", NAN)),
        ("size", "oof", measured("auc", 0.6)),
        ("size", "test", measured("auc", 0.99)),
        ("volume", "oof", measured("auc", 0.65)),
        ("volume", "test", measured("auc", 0.6)),
    )
    pairs = (compared("strong-np", "size"), compared("strong-np", "volume", 0.16, 0.01))
    gain = lay_out(dataclasses.replace(with_many(record), estimates=rows, comparisons=pairs)).gain
    assert gain is not None
    assert [row.model for row in gain.rows if row.is_chosen] == ["strong-np"]
    assert "The AUC of strong-np minus that of volume is 0.160 [0.010–0.210]" in gain.sentence
    assert gain.sentence.endswith("The interval lies above 0.")


@pytest.mark.parametrize(
    ("difference", "p", "words"),
    [
        (0.1, 0.04, "do not show that the images add"),
        (-0.2, 0.01, "lies below 0"),
        (-0.2, 0.04, "excludes 0, but this does not hold after Holm adjustment"),
        (NAN, NAN, ""),
    ],
)
def test_sentence_says_what_the_interval_shows(record: Results, difference: float, p: float, words: str) -> None:
    best = record.chosen_network
    assert best is not None
    pairs = tuple(compared(best, name, difference, p) for name in ("size", "volume"))
    gain = lay_out(dataclasses.replace(with_many(record), comparisons=pairs)).gain
    assert gain is not None
    assert words in gain.sentence
    assert bool(gain.sentence) == bool(words)
    assert len(gain.remarks) == (0 if words else 2)


@pytest.mark.parametrize("difference", [-0.2, 0.1, 0.2])
def test_few_patients_have_no_verdict_on_the_images(record: Results, difference: float) -> None:
    best = record.chosen_network
    assert best is not None
    pairs = tuple(compared(best, name, difference, 0.001) for name in ("size", "volume"))
    gain = lay_out(dataclasses.replace(record, comparisons=pairs)).gain
    assert gain is not None
    assert gain.sentence.endswith("With fewer than 30 patients of a grade there is no verdict on this.")


def test_out_of_fold_the_choice_is_said_to_flatter(record: Results) -> None:
    rows = tuple(row for row in record.scores.rows if row.split == "oof")
    out_of_fold = dataclasses.replace(record, scores=Scores(rows))
    gain = lay_out(out_of_fold).gain
    assert gain is not None
    assert gain.sentence.endswith("so the difference is optimistic.")
    with speaking("zh"):
        chinese = lay_out(out_of_fold).gain
        assert chinese is not None
        assert "。 " not in chinese.sentence
        assert chinese.sentence.count("。") == 4


def test_patients_behind_the_differences_are_counted(record: Results) -> None:
    pairs = (compared("weak-1-cmp", "size"), compared("weak-1-up", "size", n=10))
    gain = lay_out(dataclasses.replace(record, comparisons=pairs)).gain
    assert gain is not None
    assert gain.n == "10–12"


def test_one_model_alone_has_nothing_to_be_compared_with(record: Results) -> None:
    rows = tuple(row for row in record.scores.rows if row.model == "strong-cmp")
    alone = dataclasses.replace(record, scores=Scores(rows), comparisons=())
    sections = lay_out(alone)
    assert sections.gain is None
    assert alone.chosen_network == "strong-cmp"
    assert dataclasses.replace(alone, estimates=()).chosen_network is None


# -------------------------------------------------- one slice against several


def test_several_slices_are_set_against_one_and_adjusted_among_themselves(record: Results) -> None:
    pairs = (
        compared("weak-1-cmp", "weak-3-cmp", -0.1, 0.01),
        compared("weak-3-np", "weak-1-np", 0.02, 0.03),
        compared("weak-1-up", "weak-3-up", 0.0, NAN),
        compared("weak-1-cmp", "weak-3-np", 0.4, 0.001),
        compared("weak-1-cmp", "strong-cmp", 0.4, 0.001),
    )
    rows = lay_out(dataclasses.replace(record, comparisons=pairs)).slices
    assert [(row.phase, row.several, row.one) for row in rows] == [
        ("Corticomedullary", "weak-3-cmp", "weak-1-cmp"),
        ("Nephrographic", "weak-3-np", "weak-1-np"),
        ("Unenhanced", "weak-3-up", "weak-1-up"),
    ]
    assert [row.cell.difference for row in rows] == ["0.100", "0.020", "0.000"]
    assert holm([0.01, 0.03]) == [0.02, 0.03]
    assert [row.cell.p_adjusted for row in rows] == ["0.02", "0.03", "–"]


def test_arms_that_differ_in_more_than_slices_are_not_paired(record: Results, make_study: Callable[..., Study]) -> None:
    arms = [
        {"name": "weak-1", "supervision": "point", "slices": 1},
        {"name": "weak-3", "supervision": "box", "slices": 3},
    ]
    other = dataclasses.replace(record, study=make_study(arm=arms))
    assert lay_out(other).slices == ()
    two = [{"name": "weak-1", "supervision": "box", "slices": 1}, {"name": "weak-3", "supervision": "box", "slices": 2}]
    assert lay_out(dataclasses.replace(record, study=make_study(arm=two))).slices == ()


@pytest.mark.parametrize("other", [{}, {"network": "tuned:efficientnet-lite0"}, {"head": "ordinal"}])
def test_only_the_same_kind_of_network_shows_what_slices_change(
    record: Results, make_study: Callable[..., Study], other: dict[str, str]
) -> None:
    arms = [
        {"name": "weak-1", "supervision": "box", "slices": 1, "phases": ["cmp", "np"], "fusion": "late"},
        {"name": "weak-3", "supervision": "box", "slices": 3, "fit": {"epochs": 2}, **other},
    ]
    rows = lay_out(dataclasses.replace(record, study=make_study(arm=arms))).slices
    assert [row.one for row in rows] == ([] if other else ["weak-1-cmp", "weak-1-np"])


# ----------------------------------------------------------------- equivalence


def test_weak_stands_before_strong_and_its_question_is_asked(record: Results) -> None:
    rows = (
        equivalent("weak-1-cmp", "weak-3-cmp"),
        equivalent("strong-cmp", "weak-1-cmp"),
        equivalent("weak-1-np", "strong-np"),
        equivalent("weak-1-cmp", "weak-1-np"),
        equivalent("weak-1-cmp", "size"),
    )
    table = lay_out(record, equivalences=rows).equivalence
    assert table is not None
    assert [(row.model_a, row.model_b, row.is_key) for row in table.asked] == [
        ("weak-1-cmp", "strong-cmp", True),
        ("weak-1-np", "strong-np", True),
        ("weak-1-cmp", "weak-3-cmp", False),
    ]
    turned, stored, _ = table.asked
    assert (turned.difference, turned.bounds, turned.p_not_worse) == ("0.020", "[−0.040 to 0.080]", "0.03")
    assert (stored.difference, stored.bounds, stored.p_not_worse) == ("−0.020", "[−0.080 to 0.040]", "0.20")
    assert (turned.verdict, stored.verdict) == ("not worse", "undecided")
    assert (turned.detectable, turned.needed) == ("0.090", "1,234")
    assert len(table.others) == 2
    assert (table.margin, table.n) == ("0.05", "12")


@pytest.mark.parametrize(
    ("verdict", "word", "chinese"),
    [
        (Verdict.BETTER, "better", "更优"),
        (Verdict.EQUIVALENT, "equivalent", "等效"),
        (Verdict.NOT_WORSE, "not worse", "非劣"),
        (Verdict.UNDECIDED, "undecided", "无法判定"),
        (Verdict.WORSE, "worse", "更差"),
        (Verdict.TOO_FEW, "too few for a verdict", "例数过少，不作判定"),
        (Verdict.TOO_RARE, "too unbalanced for a verdict", "两级别例数悬殊，不作判定"),
    ],
)
def test_the_verdict_of_the_row_is_named_in_both_languages(
    record: Results, verdict: Verdict, word: str, chinese: str
) -> None:
    rows = (equivalent("weak-1-cmp", "strong-cmp", verdict=verdict),)
    table = lay_out(record, equivalences=rows).equivalence
    assert table is not None
    assert table.asked[0].verdict == word
    with speaking("zh"):
        table = lay_out(record, equivalences=rows).equivalence
        assert table is not None
        assert table.asked[0].verdict == chinese


def test_groups_with_few_patients_share_one_remark(record: Results) -> None:
    rows = tuple(
        dataclasses.replace(part(model, group), low=NAN, high=NAN, caution=Caution.TOO_FEW, caution_value=10)
        for model in ("weak-1-cmp", "size")
        for group in ("≤ 4 cm", "> 4 cm")
    )
    subgroups = lay_out(record, subgroups=rows).subgroups
    assert subgroups is not None
    expected = "size_cm ≤ 4 cm and size_cm > 4 cm: no interval: fewer than 10 patients of a grade"
    assert subgroups.remarks == (expected,)


def test_pair_that_was_not_computed_has_no_verdict_but_a_reason(record: Results) -> None:
    missing = equivalent(
        "weak-1-cmp",
        "strong-cmp",
        **dict.fromkeys(("difference", "low", "high", "p_a_not_worse", "p_equivalent", "detectable"), NAN),
        patients_needed=0,
        reason=Reason.ONE_GRADE,
        verdict=None,
    )
    table = lay_out(record, equivalences=(missing,)).equivalence
    assert table is not None
    (row,) = table.asked
    assert (row.difference, row.bounds, row.verdict, row.detectable, row.needed) == ("–", "", "–", "–", "–")
    assert row.remark == "not computed: patients of one grade only"


def test_without_a_study_few_pairs_are_shown_and_many_folded(record: Results) -> None:
    foreign = dataclasses.replace(record, study=None)
    few = tuple(equivalent("reader", f"model {k}", margin=0.075) for k in range(12))
    table = lay_out(foreign, equivalences=few).equivalence
    assert table is not None
    assert (len(table.asked), len(table.others), table.margin) == (12, 0, "0.075")
    table = lay_out(foreign, equivalences=(*few, equivalent("a", "b"))).equivalence
    assert table is not None
    assert (len(table.asked), len(table.others)) == (0, 13)


# ------------------------------------------------------------- rows of a model


def test_calibration_is_laid_out_with_baselines_last(record: Results) -> None:
    rows = (
        ("size", "test", measured("brier", 0.22)),
        ("weak-1-cmp", "test", measured("brier", 0.18)),
        ("weak-1-cmp", "test", measured("calibration_slope", 0.9)),
        ("weak-1-cmp", "oof", measured("ece", 0.5)),
        ("strong-cmp", "test", dataclasses.replace(measured("calibration_slope", NAN), reason=Reason.NOT_CONVERGED)),
    )
    found = lay_out(estimated(record, *rows)).calibration
    assert [row.model for row in found] == ["weak-1-cmp", "strong-cmp", "size"]
    assert [cell.text for cell in found[0].cells] == ["0.180 [0.080–0.280]", "–", "0.900 [0.800–1.000]", "–"]
    assert [row.is_baseline for row in found] == [False, False, True]
    assert [row.notes for row in found] == [(), ("not computed: the logistic model did not converge",), ()]


def test_predictive_values_stand_beside_their_counts(record: Results) -> None:
    counts = [Estimate(name, n, NAN, NAN, 12, 5, "count") for name, n in (("tp", 4), ("fp", 1), ("tn", 6), ("fn", 1))]
    rows = (
        *(("weak-1-cmp", "test", count) for count in counts),
        ("weak-1-cmp", "test", dataclasses.replace(measured("auc", 0.8), caution=Caution.PERFECT_AUC)),
        ("weak-1-cmp", "test", dataclasses.replace(measured("auc_bootstrap", 0.8), caution=Caution.PERFECT_AUC)),
        ("weak-1-cmp", "test", dataclasses.replace(measured("ppv", 0.8), part=4, whole=5)),
        ("weak-1-cmp", "test", dataclasses.replace(measured("npv", 6 / 7), part=6, whole=7)),
        ("size", "test", measured("ppv", 0.5)),
    )
    network, size = lay_out(estimated(record, *rows)).opinions
    assert network.cells[3].text == "0.800 [0.70–0.90] (4/5)"
    assert network.cells[4].counts == "6/7"
    assert network.notes == ("an AUC is exactly 0 or 1: unreliable",)
    assert size.cells[3].text == "0.500 [0.400–0.600]"


# ------------------------------------------------------------------- subgroups


def test_groups_that_are_ours_have_their_chinese(record: Results) -> None:
    groups = ("≤ 65 years", "> 4 cm", "unknown", "A")
    with speaking("zh"):
        found = lay_out(record, subgroups=tuple(part("size", group) for group in groups)).subgroups
    assert found is not None
    assert [row.group for row in found.shown[0].rows] == ["≤ 65岁", "> 4 cm", "未知", "A"]


def test_chosen_network_and_baselines_are_shown_by_column(record: Results) -> None:
    best = record.chosen_network
    assert best is not None
    other = "strong-up"
    rows = tuple(
        part(model, group, column=column)
        for model in ("size", other, best)
        for column, groups in (("size_cm", ("≤ 4 cm", "> 4 cm")), ("sex", ("female", "male")))
        for group in groups
    )
    found = lay_out(record, subgroups=(*rows, part(best, "all", split="oof"))).subgroups
    assert found is not None
    assert [(block.column, block.model) for block in found.shown] == [
        ("size_cm", best),
        ("size_cm", "size"),
        ("sex", best),
        ("sex", "size"),
    ]
    assert [(block.column, block.model) for block in found.others] == [("size_cm", other), ("sex", other)]
    first = found.shown[0]
    assert first.p_interaction == "0.03"
    row = first.rows[0]
    assert (row.group, row.n, row.n_high, row.auc.text) == ("≤ 4 cm", 6, 3, "0.800 [0.700–0.900]")
    assert found.remarks == ()


def test_without_a_choice_every_model_is_shown_and_gaps_are_explained_once(record: Results) -> None:
    rows = tuple(part(model, "> 4 cm", auc=NAN) for model in ("weak-1-cmp", "strong-up"))
    found = lay_out(dataclasses.replace(record, estimates=()), subgroups=rows).subgroups
    assert found is not None
    assert len(found.shown) == 2
    assert found.others == ()
    assert found.remarks == ("size_cm > 4 cm: not computed: patients of one grade only",)
    assert found.shown[0].rows[0].auc.text == "–"


def test_numbers_not_to_be_trusted_are_explained(record: Results) -> None:
    certain = dataclasses.replace(
        part("size", "≤ 4 cm"),
        caution=Caution.ZERO_VARIANCE,
        tested_groups=1,
        p_interaction=NAN,
    )
    found = lay_out(record, subgroups=(certain, part("size", "> 4 cm"))).subgroups
    assert found is not None
    assert found.shown[0].p_interaction == "–"
    assert found.remarks == (
        "size, size_cm ≤ 4 cm: variance 0: interval unreliable",
        "size_cm: interaction not computed: fewer than two groups whose AUC has an interval",
    )


# ---------------------------------------------------------------------- ledger


@pytest.mark.parametrize(
    ("times", "split", "is_clean", "words"),
    [
        (0, "test", False, "not known"),
        (1, "test", True, "opened once"),
        (3, "test", False, "opened 3 times"),
        (0, "oof", True, "was not opened"),
        (2, "oof", False, "lists 2 openings"),
    ],
)
def test_ledger_says_how_often_the_test_set_was_opened(
    record: Results, times: int, split: str, *, is_clean: bool, words: str
) -> None:
    rows = tuple(row for row in record.scores.rows if split == "test" or row.split == "oof")
    read = dataclasses.replace(record, scores=Scores(rows))
    ledger = lay_out(read, openings=tuple(opened(k + 1) for k in range(times))).ledger
    assert words in ledger.sentence
    assert ledger.is_clean is is_clean
    assert [(row.opened, row.reason) for row in ledger.rows] == [
        (f"2026-05-0{k + 1} 09:30:00 UTC", f"reason {k + 1}") for k in range(times)
    ]


def test_phases_are_spelt_out_where_they_are_known() -> None:
    with speaking("zh"):
        assert [phase_heading(phase) for phase in ("cmp", "np", "up", "pet")] == [
            "皮髓质期",
            "肾实质期",
            "平扫期",
            "pet",
        ]
