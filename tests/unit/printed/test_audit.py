"""The audit of printed values: those of the paper, every small table by brute force, and random ones."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nephrograde.evaluation.performance.metrics import Confusion
from nephrograde.evaluation.sample_size.power import detectable_difference, difference_variance, hanley_mcneil_variance
from nephrograde.printed.auc import CORRELATIONS, PositivesSource, choose_positives
from nephrograde.printed.audit import audit_all
from nephrograde.printed.confusion_tables import find_tables
from nephrograde.printed.fits import LISTED_TABLES
from nephrograde.printed.group_audit import audit_group
from nephrograde.printed.measures import PROPORTIONS, SHARES
from nephrograde.printed.model_audit import audit_model
from nephrograde.printed.numbers import Rounding
from nephrograde.printed.reading import parse_printed
from nephrograde.printed.wording.of_groups import group_in_words
from nephrograde.printed.wording.of_models import fit_in_words, model_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.printed.values import Printed

WEAK = {"name": "weak", "accuracy": "0.859", "sensitivity": "0.857", "specificity": "0.860", "auc": "0.907"}
STRONG = {"name": "strong", "accuracy": "0.848", "sensitivity": "0.854", "specificity": "0.843", "auc": "0.922"}
BY_DECIMAL = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.TRUNCATION: ROUND_DOWN,
}


def printed(values: dict[str, str], n: int, **more: str) -> Printed:
    return parse_printed({**values, "n": str(n), **more})


def ratio(part: Fraction | int | None, whole: Fraction | int | None) -> Fraction | None:
    return None if part is None or not whole else Fraction(part) / Fraction(whole)


def measures(table: Confusion) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of every measure of a table by its textbook definition; 0 below if it has none."""
    high, low, n = table.n_high, table.n_low, table.n
    called = table.tp + table.fp
    sensitivity, specificity = ratio(table.tp, high), ratio(table.tn, low)
    both = None if sensitivity is None or specificity is None else sensitivity + specificity
    observed = Fraction(table.tp + table.tn, n)
    expected = Fraction(called * high + (n - called) * low, n * n)
    found = {
        "accuracy": observed,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ratio(table.tp, called),
        "npv": ratio(table.tn, n - called),
        "balanced_accuracy": ratio(both, 2),
        "f1": ratio(2 * table.tp, called + high),
        "kappa": ratio(observed - expected, 1 - expected),
        "youden": None if both is None else both - 1,
        "lr_plus": None if specificity is None else ratio(sensitivity, 1 - specificity),
        "lr_minus": None if sensitivity is None else ratio(1 - sensitivity, specificity),
        "dor": ratio(table.tp * table.tn, table.fp * table.fn),
    }
    return {name: (0, 0) if value is None else value.as_integer_ratio() for name, value in found.items()}


def print_share(part: int, whole: int, decimals: int, rounding: Rounding) -> str:
    """Print a proportion with the decimal module, independently of windows; 50 digits resolve every tie."""
    with localcontext(prec=50):
        text = str((Decimal(part) / whole).quantize(Decimal(1).scaleb(-decimals), rounding=BY_DECIMAL[rounding]))
    return text if text.strip("-0.") else text.removeprefix("-")  # a zero is printed without a sign


def all_tables(n: int) -> Iterator[Confusion]:
    for tp, fp, tn in product(range(n + 1), repeat=3):
        if tp + fp + tn <= n:
            yield Confusion(tp=tp, fp=fp, tn=tn, fn=n - tp - fp - tn)


def cells(table: Confusion) -> tuple[int, int, int, int]:
    return table.n_high, table.n_low, table.tp, table.tn


@pytest.mark.parametrize("values", [WEAK, STRONG])
def test_no_table_of_90_patients_prints_the_papers_values(values):
    fits = find_tables(printed(values, 90))
    assert not fits.exist
    assert fits.tables == ()
    assert fits.counts == dict.fromkeys(Rounding, 0)
    assert fits.all_positives() == ()


def test_the_tables_of_92_patients():
    weak, strong = find_tables(printed(WEAK, 92)), find_tables(printed(STRONG, 92))
    assert [cells(fit.counts) for fit in weak.tables] == [(35, 57, 30, 49), (42, 50, 36, 43), (49, 43, 42, 37)]
    assert [cells(fit.counts) for fit in strong.tables] == [(41, 51, 35, 43)]
    rounded = (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.TIES_EITHER)
    assert {fit.roundings for fit in (*weak.tables, *strong.tables)} == {rounded}
    assert weak.counts[Rounding.TRUNCATION] == strong.counts[Rounding.TRUNCATION] == 0


def test_what_would_explain_90_patients():
    pair = audit_group([printed(WEAK, 90), printed(STRONG, 90)])
    weak, strong = pair.models
    assert [fits.n for fits in weak.nearby] == [85, 92]
    assert [fits.n for fits in strong.nearby] == [92]
    assert weak.slips == strong.slips == ()
    assert pair.shared is not None
    assert (pair.shared.n, pair.shared.is_possible, pair.shared.nearest, pair.shared.slips) == (90, False, (), ())
    assert [(shared.n, shared.is_possible, shared.nearest) for shared in pair.nearby] == [(92, False, (42, 41))]
    assert pair.nearby[0].slips == ()


def test_92_patients_have_no_number_of_positives_in_common():
    pair = audit_group([printed(WEAK, 92), printed(STRONG, 92)])
    assert pair.shared is not None
    assert not pair.shared.is_possible
    assert pair.shared.nearest == (42, 41)
    assert "1 patient apart" in group_in_words(pair)
    assert "No other number of patients within 5 gives every model a table." in group_in_words(pair)


def test_models_of_one_test_set_share_their_positives():
    same = {"accuracy": "0.859", "sensitivity": "0.878", "specificity": "0.843"}
    pair = audit_group([printed(STRONG, 92), printed({"name": "other", **same}, 92)])
    assert pair.shared is not None
    assert pair.shared.positives[Rounding.HALF_UP] == (41,)
    assert pair.nearby == ()
    assert "92 patients: positives that fit all models: 41 (half up); 41 (half to even)" in group_in_words(pair)


def test_a_single_digit_that_mends_a_model_is_found():
    slipped = audit_model(printed({**STRONG, "accuracy": "0.849"}, 92))
    assert [(slip.measure, str(slip.instead)) for slip in slipped.slips] == [("accuracy", "0.848")]
    assert slipped.slips[0].positives[Rounding.HALF_UP] == (41,)
    text = "\n".join(model_in_words(slipped))
    assert "strong, accuracy 0.848 instead of 0.849: positives 41" in text


def test_a_single_digit_that_mends_a_pair_is_found():
    other = {"name": "other", "accuracy": "0.860", "sensitivity": "0.878", "specificity": "0.843"}
    pair = audit_group([printed(STRONG, 92), printed(other, 92)])
    assert pair.shared is not None
    assert [(slip.model, slip.measure, str(slip.instead)) for slip in pair.shared.slips] == [
        ("other", "accuracy", "0.859")
    ]
    assert "other, accuracy 0.859 instead of 0.860: positives 41" in group_in_words(pair)
    assert pair.as_dict()["shared_test_set"]["slips"][0]["positives"]["half_up"] == [41]


def test_printed_positives_bind():
    assert [fit.counts.n_high for fit in find_tables(printed(WEAK, 92, positives="42")).tables] == [42]
    assert not find_tables(printed(WEAK, 92, positives="41")).exist
    pair = audit_group([printed(WEAK, 92, positives="42"), printed(STRONG, 92, positives="41")])
    assert pair.shared is not None
    assert pair.shared.nearest == (42, 41)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 5, 7])
@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_every_small_table_and_no_other_is_found(n, decimals):
    """For complete sets of printed values, the result equals a count over every table."""
    tables = list(all_tables(n))
    wanted_sets = [
        PROPORTIONS,
        SHARES,
        ("accuracy",),
        ("ppv", "npv"),
        ("specificity", "npv"),
        ("sensitivity", "ppv"),
        ("kappa",),
        ("f1", "lr_plus"),
        ("youden", "dor"),
        ("specificity", "lr_minus", "balanced_accuracy"),
    ]
    for rounding, wanted in product(BY_DECIMAL, wanted_sets):
        rows: dict[tuple[str, ...], set[Confusion]] = {}
        for table in tables:
            shares = [measures(table)[measure] for measure in wanted]
            if all(whole for _, whole in shares):
                row = tuple(print_share(part, whole, decimals, rounding) for part, whole in shares)
                rows.setdefault(row, set()).add(table)
        for row, expected in list(rows.items())[::5]:
            fits = find_tables(printed(dict(zip(wanted, row, strict=True)), n))
            found = {fit.counts for fit in fits.tables if rounding in fit.roundings}
            assert found == expected
            assert fits.counts[rounding] == len(expected)
            assert fits.positives[rounding] == tuple(sorted({table.n_high for table in expected}))


def test_ties_may_go_either_way_as_binary_numbers_print_them():
    """1/80 = 0.0125 prints as 0.013 and 23/80 = 0.2875 as 0.287 in binary floating point."""
    values = {"sensitivity": f"{1 / 80:.3f}", "specificity": f"{23 / 80:.3f}"}
    fits = find_tables(printed(values, 160, positives="80"))
    assert [fit.roundings for fit in fits.tables] == [(Rounding.TIES_EITHER,)]
    assert fit_in_words(fits.tables[0]).endswith("(ties to either side)")


few = st.integers(0, 20)
many = st.integers(0, 600)
some_shares = st.sets(st.sampled_from(SHARES), min_size=1)
paper_shares = st.sampled_from(
    [{"accuracy", "sensitivity", "specificity"}, {"accuracy", "kappa", "f1"}, {"specificity", "lr_plus", "dor"}]
)


@pytest.mark.slow
@given(
    st.tuples(few, few, few, few).filter(any),
    st.sampled_from(sorted(BY_DECIMAL)),
    st.integers(2, 4),
    some_shares,
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_every_table_is_found_from_what_it_prints(counted, rounding, decimals, wanted, as_percent):
    assert_found(Confusion(*counted), rounding, decimals, wanted, as_percent)


@pytest.mark.slow
@given(
    st.tuples(many, many, many, many).filter(any),
    st.sampled_from(sorted(BY_DECIMAL)),
    st.integers(3, 4),
    paper_shares,
    st.booleans(),
)
@example((0, 0, 400, 500), sorted(BY_DECIMAL)[0], 3, {"specificity", "lr_plus", "dor"}, False)
@settings(deadline=None, max_examples=60)
def test_every_large_table_is_found_from_what_it_prints(counted, rounding, decimals, wanted, as_percent):
    assert_found(Confusion(*counted), rounding, decimals, wanted, as_percent)


def assert_found(table, rounding, decimals, wanted, as_percent):
    values = {}
    for measure in wanted:
        part, whole = measures(table)[measure]
        if whole and as_percent and measure in PROPORTIONS:
            values[measure] = f"{print_share(100 * part, whole, decimals - 2, rounding)}%"
        elif whole:
            values[measure] = print_share(part, whole, decimals, rounding)
    if values:
        fits = find_tables(printed(values, table.n))
        if max(fits.counts.values()) > LISTED_TABLES:  # values that say little: only the first tables are listed
            assert fits.counts[rounding] > 0
            assert table.n_high in fits.positives[rounding]
            return
        found = {fit.counts: fit.roundings for fit in fits.tables}
        assert rounding in found[table]
        assert sum(rounding in roundings for roundings in found.values()) == fits.counts[rounding]


def test_many_patients_are_searched():
    audit = audit_model(printed(WEAK, 5000))  # trying every table of 5,000 patients would take hours
    assert audit.fits is not None
    assert len(audit.fits.tables) > 8000


def test_a_row_that_says_little_is_counted_whole_and_listed_in_part():
    row = printed({"accuracy": "0.5"}, 60)
    few, many = find_tables(row, listed=50), find_tables(row, listed=10**7)
    assert few.counts == many.counts
    assert few.counts[Rounding.HALF_UP] > 50
    assert few.tables == many.tables[:50]
    assert "… and more; --json lists them." in "\n".join(model_in_words(audit_model(row)))


def test_a_search_in_parts_gives_the_whole():
    row = printed({"ppv": "0.6", "npv": "0.7"}, 40)
    assert find_tables(row, pairs_at_once=7) == find_tables(row)


def test_the_auc_is_looked_at_with_the_positives_that_fit_are_given_or_half():
    fitting, given_, half = (
        audit_model(printed(WEAK, n, **more)) for n, more in ((92, {}), (90, {"positives": "40"}), (90, {}))
    )
    assert [interval.positives for interval in fitting.auc] == [35, 42, 49]
    assert [interval.positives for interval in given_.auc] == [40]
    assert [interval.positives for interval in half.auc] == [45]
    assert [audit.as_dict()["auc_positives_from"] for audit in (fitting, given_, half)] == ["tables", "given", "half"]
    reach = 1.959963985 * hanley_mcneil_variance(0.907, 45, 45) ** 0.5
    assert half.auc[0].low == pytest.approx(0.907 - reach)
    assert half.auc[0].high == pytest.approx(0.907 + reach)


def test_an_interval_is_cut_to_what_an_area_can_be():
    (interval,) = audit_model(printed({"auc": "0.98"}, 20)).auc
    assert interval.high == 1.0


def test_many_fitting_positives_are_thinned():
    chosen = choose_positives(None, range(10, 51), 90)
    assert chosen.counts == (10, 30, 50)
    assert (chosen.source, chosen.n_fitting) == (PositivesSource.THINNED, 41)


def test_the_difference_over_a_range_of_correlations():
    (pair,) = audit_group([printed(WEAK, 92), printed(STRONG, 92)]).differences
    assert [row.correlation for row in pair.differences] == list(CORRELATIONS)
    variances = [hanley_mcneil_variance(area, 46, 46) for area in (0.907, 0.922)]
    for row in pair.differences:
        variance = difference_variance(*variances, correlation=row.correlation)
        assert row.difference == -0.015
        assert (row.low + row.high) / 2 == pytest.approx(-0.015)
        assert row.high - row.low == pytest.approx(2 * 1.959963985 * variance**0.5)
        assert row.detectable == detectable_difference(variance)
    half = pair.differences[2]
    assert half.high - half.difference == pytest.approx(0.06, abs=0.003)
    assert half.detectable == pytest.approx(0.09, abs=0.004)


def test_a_handful_of_patients_detects_no_difference_and_its_bounds_stay_within_minus_1_and_1():
    models = [printed({"auc": auc}, 4, positives="1") for auc in ("0.60", "0.10")]
    (pair,) = audit_group(models).differences
    first = pair.differences[0]
    assert math.isnan(first.detectable)
    assert first.as_dict()["detectable"] is None
    assert all(-1.0 <= row.low <= row.difference <= row.high <= 1.0 for row in pair.differences)


def test_the_difference_uses_positives_that_are_given_or_shared():
    given_ = audit_group([printed(WEAK, 92, positives="41"), printed(STRONG, 92)])
    assert {row.positives for row in given_.differences[0].differences} == {41}
    assert given_.differences[0].positives.source is PositivesSource.GIVEN
    shared = audit_group([printed(STRONG, 92), printed({**STRONG, "name": "twin"}, 92)])
    assert {row.positives for row in shared.differences[0].differences} == {41}
    assert shared.differences[0].positives.source is PositivesSource.TABLES


def test_a_difference_far_from_0_claims_no_hiding():
    text = group_in_words(audit_group([printed({"auc": "0.95"}, 400), printed({"auc": "0.6"}, 400)]))
    assert "correlation 0.7" in text
    assert "P > 0.05" not in text


def test_an_auc_alone_binds_no_table_but_its_positives_may():
    alone = audit_model(printed({"auc": "0.907"}, 90))
    assert alone.fits is None
    assert alone.as_dict()["tables"] is None
    assert "Only an AUC is printed" in "\n".join(model_in_words(alone))
    both = audit_group([alone.printed, printed({"auc": "0.9"}, 90)])
    assert both.shared is None
    assert "different numbers" not in group_in_words(both)
    free = audit_group([printed({"auc": "0.8"}, 92), printed(STRONG, 92)])
    assert free.shared is not None
    assert free.shared.positives[Rounding.HALF_UP] == (41,)
    bound = audit_group([printed({"auc": "0.8"}, 92, positives="40"), printed(STRONG, 92)])
    assert bound.shared is not None
    assert bound.shared.nearest == (40, 41)


def test_different_numbers_of_patients_share_no_test_set():
    group = audit_group([printed(WEAK, 90), printed(STRONG, 92)])
    assert group.shared is None
    assert group.differences == ()
    assert "different numbers of patients (90, 92)" in group_in_words(group)


def test_an_auc_needs_both_classes():
    assert find_tables(printed({"accuracy": "1.0"}, 3)).all_positives() == (0, 1, 2, 3)
    assert find_tables(printed({"accuracy": "1.0", "auc": "1.0"}, 3)).all_positives() == (1, 2)


def test_dropped_zeros_are_suspected():
    text = "\n".join(model_in_words(audit_model(printed({**WEAK, "specificity": "0.86"}, 92))))
    assert "Note: the values have 2 and 3 decimals" in text
    assert "Note" not in "\n".join(model_in_words(audit_model(printed(WEAK, 92))))


def test_no_explanation_near_by_is_said():
    text = group_in_words(audit_group([printed({"accuracy": "0.123456789"}, 90), printed(STRONG, 90)]))
    assert "Numbers of patients within 5 at which one does: none." in text
    assert "No other number of patients within 5 gives every model a table." in text


def test_groups_are_audited_apart():
    models = [
        printed(WEAK, 92, group="cmp"),
        printed(STRONG, 90, group="np"),
        printed({**STRONG, "name": "twin"}, 92, group="cmp"),
    ]
    audits = audit_all(models)
    assert [(audit.name, len(audit.models)) for audit in audits.groups] == [("cmp", 2), ("np", 1)]
    data = audits.as_dict()
    assert data["note"].startswith("Research use only")
    assert [group["group"] for group in data["groups"]] == ["cmp", "np"]
    assert data["groups"][0]["models"][0]["tables"][1] == {
        "positives": 42,
        "negatives": 50,
        "tp": 36,
        "fp": 7,
        "tn": 43,
        "fn": 6,
        "roundings": ["half_up", "half_even", "ties_either"],
    }
    text = audits.as_text()
    assert "Group cmp\nweak: 92 patients" in text
    assert "One test set for all models" not in text[text.index("Group np") :]
    assert text.endswith("no clinical decision may rest on it.")


def test_fewer_patients_than_a_neighbourhood_are_no_fault():
    audit = audit_model(printed({"accuracy": "0.123456"}, 2))
    assert audit.nearby == ()
