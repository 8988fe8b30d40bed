"""The audit of AUCs, intervals, P values, ranges and means: what exists is found, what cannot be is refused."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

import nephrograde as ng
from nephrograde.errors import InputError
from nephrograde.evaluation.sample_size.power import hanley_mcneil_variance
from nephrograde.printed.auc import implied_correlation
from nephrograde.printed.audit import audit_all
from nephrograde.printed.bounds import PrintedP, split_interval
from nephrograde.printed.confusion_tables import find_tables
from nephrograde.printed.group_audit import audit_group
from nephrograde.printed.intervals import METHODS
from nephrograde.printed.model_audit import audit_model
from nephrograde.printed.numbers import PrintedNumber, Rounding
from nephrograde.printed.reading import parse_options, parse_printed
from nephrograde.printed.relations import contradictions
from nephrograde.printed.wording.of_models import model_in_words

WEAK = {"name": "weak", "accuracy": "0.859", "sensitivity": "0.857", "specificity": "0.860", "auc": "0.907"}
STRONG = {"name": "strong", "accuracy": "0.848", "sensitivity": "0.854", "specificity": "0.843", "auc": "0.922"}


def printed(n, **values):
    return parse_printed({"n": str(n), **{name: str(value) for name, value in values.items()}})


def codes(**values):
    return [(found.code, found.measure) for found in contradictions(printed(90, **values))]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"accuracy": "0.870", "sensitivity": "0.857", "specificity": "0.860"}, [("between", "accuracy")]),
        ({"accuracy": "0.850", "sensitivity": "0.857", "specificity": "0.860"}, [("between", "accuracy")]),
        ({"accuracy": "0.861", "sensitivity": "0.860", "specificity": "0.857"}, [("between", "accuracy")]),
        ({"accuracy": "0.860", "sensitivity": "0.860", "specificity": "0.860"}, []),
        ({"accuracy": "0.86", "sensitivity": "0.857", "specificity": "0.859"}, []),
        ({"accuracy": "0.9", "ppv": "0.7", "npv": "0.8"}, [("between", "accuracy")]),
        ({"f1": "0.9", "ppv": "0.7", "sensitivity": "0.8"}, [("between", "f1")]),
        ({"youden": "0.60", "sensitivity": "0.80", "specificity": "0.90"}, [("derived", "youden")]),
        ({"balanced_accuracy": "0.85", "sensitivity": "0.8", "specificity": "0.9"}, []),
        ({"lr_plus": "9.5", "sensitivity": "0.80", "specificity": "0.90"}, [("derived", "lr_plus")]),
        ({"lr_plus": "8.1", "sensitivity": "0.80", "specificity": "0.90"}, []),
        ({"lr_minus": "0.4", "sensitivity": "0.8", "specificity": "0.9"}, [("derived", "lr_minus")]),
        ({"dor": "50", "lr_plus": "8.0", "lr_minus": "0.22"}, [("derived", "dor")]),
        ({"lr_plus": "900", "sensitivity": "0.8", "specificity": "1.0"}, []),
        ({"auc": "0.60", "sensitivity": "0.85", "specificity": "0.86"}, [("auc-too-low", "auc")]),
        ({"auc": "0.99", "sensitivity": "0.60", "specificity": "0.60"}, [("auc-too-high", "auc")]),
    ],
)
def test_values_that_contradict_each_other_at_any_n_are_named(values, expected):
    assert codes(**values) == expected
    audit = audit_model(printed(90, **values))
    assert bool(audit.contradictions) == bool(expected)
    if expected:
        assert audit.fits is not None
        assert not audit.fits.exist
        assert any("Impossible for any number of patients" in line for line in model_in_words(audit))


def test_an_accuracy_outside_is_said_plainly():
    (_, line, *_) = model_in_words(audit_model(printed(90, accuracy="0.870", sensitivity="0.857", specificity="0.860")))
    assert "accuracy 0.870 does not lie between sensitivity 0.857 and specificity 0.860" in line


counts = st.integers(0, 25)


def rounded(value, decimals):
    return f"{float(value):.{decimals}f}"


@pytest.mark.slow
@given(st.tuples(counts, counts, counts, counts).filter(lambda c: c[0] + c[3] and c[1] + c[2]), st.integers(2, 4))
@settings(deadline=None, max_examples=100)
def test_no_real_table_contradicts_itself(table, decimals):
    tp, fp, tn, fn = table
    sensitivity, specificity = Fraction(tp, tp + fn), Fraction(tn, tn + fp)
    values = {
        "accuracy": rounded(Fraction(tp + tn, sum(table)), decimals),
        "sensitivity": rounded(sensitivity, decimals),
        "specificity": rounded(specificity, decimals),
        "youden": rounded(sensitivity + specificity - 1, decimals),
        "balanced_accuracy": rounded((sensitivity + specificity) / 2, decimals),
    }
    if tp + fp:
        values["ppv"] = rounded(Fraction(tp, tp + fp), decimals)
    if tn + fn:
        values["npv"] = rounded(Fraction(tn, tn + fn), decimals)
    if tp + fp + fn:
        values["f1"] = rounded(Fraction(2 * tp, 2 * tp + fp + fn), decimals)
    if specificity < 1:
        values["lr_plus"] = rounded(sensitivity / (1 - specificity), decimals)
    if specificity > 0:
        values["lr_minus"] = rounded((1 - sensitivity) / specificity, decimals)
    if fp * fn:
        values["dor"] = rounded(Fraction(tp * tn, fp * fn), decimals)
    audit = audit_model(printed(sum(table), **values))
    assert audit.contradictions == ()
    assert audit.fits is not None
    assert any((f.counts.tp, f.counts.fp, f.counts.tn, f.counts.fn) == table for f in audit.fits.tables)


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=12),
    st.lists(st.integers(0, 8), min_size=1, max_size=12),
    st.integers(0, 9),
    st.integers(2, 4),
)
@settings(deadline=None, max_examples=100)
def test_the_auc_of_real_scores_fits_its_table(high, low, threshold, decimals):
    """Scores with ties; the operating point is read from the same scores as the AUC."""
    auc = Fraction(sum(2 * (a > b) + (a == b) for a in high for b in low), 2 * len(high) * len(low))
    tp, tn = sum(a >= threshold for a in high), sum(b < threshold for b in low)
    model = printed(
        len(high) + len(low),
        auc=rounded(auc, decimals),
        sensitivity=rounded(Fraction(tp, len(high)), decimals),
        specificity=rounded(Fraction(tn, len(low)), decimals),
    )
    assert contradictions(model) == ()
    assert len(high) in find_tables(model).all_positives()
    alone = audit_model(printed(len(high) + len(low), auc=rounded(auc, decimals)))
    assert len(high) not in alone.auc_excluded


def test_the_steps_of_an_auc_exclude_small_classes():
    """By all values that an AUC can have: k / (2 · P · N)."""
    audit = audit_model(printed(24, auc="0.907"))
    windows = [PrintedNumber.of("0.907").window(rounding) for rounding in Rounding]
    possible = [
        p
        for p in range(1, 24)
        for steps in [2 * p * (24 - p)]
        if any(window.covers(Fraction(k, steps)) for k in range(steps + 1) for window in windows)
    ]
    assert audit.auc_excluded == tuple(p for p in range(1, 24) if p not in possible)
    assert 0 < len(possible) < 23
    assert "multiple of 1/(2 · P · N)" in "\n".join(model_in_words(audit))


def test_an_auc_that_no_table_can_give_is_named():
    values = {"sensitivity": "0.75", "specificity": "0.88", "auc": "0.907"}
    audit = audit_model(printed(12, positives=4, **values))
    assert audit.fits is not None
    assert not audit.fits.exist
    assert [value.measure for value in audit.left_out] == ["auc"]
    assert audit.auc_excluded == (4,)


def test_a_perfect_auc_warns_and_has_an_interval_with_a_width():
    audit = audit_model(printed(30, auc="1.000"))
    assert audit.has_perfect_auc
    assert audit.as_dict()["warnings"] == ["perfect-auc"]
    (interval,) = audit.auc
    assert interval.method == "newcombe"
    assert interval.high == pytest.approx(1.0, abs=1e-9)
    assert 0.8 < interval.low < 0.95
    assert any(line.strip().startswith("Warning") for line in model_in_words(audit))
    pair = audit_group([printed(30, auc="1.000"), printed(30, auc="0.9", name="b")])
    assert pair.differences == ()
    assert not audit_model(printed(30, auc="0.999")).has_perfect_auc


@pytest.mark.slow
@given(st.integers(1, 30), st.integers(1, 30), st.data(), st.sampled_from(sorted(METHODS)), st.integers(2, 3))
@settings(deadline=None, max_examples=80)
def test_the_method_of_an_interval_is_found(n_high, n_low, data, method, decimals):
    tp, tn = data.draw(st.integers(0, n_high)), data.draw(st.integers(0, n_low))
    shares = {"sensitivity": (tp, n_high), "specificity": (tn, n_low)}
    values = {}
    for measure, (part, whole) in shares.items():
        low, high = proportion_confint(part, whole, method=METHODS[method])
        values[measure] = f"{part / whole:.{decimals}f} ({low:.{decimals}f}–{high:.{decimals}f})"
    found = audit_model(printed(n_high + n_low, **values)).intervals
    assert found is not None
    assert all(n_high in match.methods[method] for match in found.proportions)
    assert n_high in found.jointly[method]


def test_an_interval_that_no_method_gives():
    values = {"accuracy": "0.859", "sensitivity": "0.857 (0.840-0.870)", "specificity": "0.860"}
    audit = audit_model(printed(92, **values))
    assert audit.intervals is not None
    (match,) = audit.intervals.proportions
    assert not match.is_reproduced
    assert "reproduced by none of Wilson" in "\n".join(model_in_words(audit))
    assert "not examined, as no table fits" in "\n".join(model_in_words(audit_model(printed(90, **values))))


def test_an_interval_narrows_the_positives():
    values = {"accuracy": "0.859", "sensitivity": "85.7% (95% CI: 72.2, 93.3)", "specificity": "0.860"}
    audit = audit_model(printed(92, **values))
    assert audit.fits is not None
    assert audit.fits.all_positives() == (35, 42, 49)
    assert audit.intervals is not None
    assert audit.intervals.proportions[0].methods == {
        "wilson": (42,),
        "clopper_pearson": (),
        "wald": (),
        "agresti_coull": (),
    }


def test_a_wald_interval_that_was_not_cut():
    share, reach = 19 / 20, 1.959963985 * (0.95 * 0.05 / 20) ** 0.5
    values = {"sensitivity": f"{share:.3f} ({share - reach:.3f}-{share + reach:.3f})"}
    audit = audit_model(printed(40, positives=20, **values))
    assert audit.intervals is not None
    assert audit.intervals.proportions[0].methods["wald"] == (20,)


@pytest.mark.parametrize("positives", [35, 42])
def test_the_interval_of_an_auc_by_hanley_and_mcneil(positives):
    steps = 2 * positives * (92 - positives)
    area = round(0.9072 * steps) / steps
    reach = 1.959963985 * hanley_mcneil_variance(area, positives, 92 - positives) ** 0.5
    audit = audit_model(printed(92, auc=f"0.907 ({area - reach:.3f}-{area + reach:.3f})"))
    assert audit.intervals is not None
    assert audit.intervals.auc is not None
    assert positives in audit.intervals.auc.methods["hanley_mcneil"]
    assert audit.intervals.auc_is_symmetric
    assert "can be neither confirmed nor refuted" in "\n".join(model_in_words(audit))
    other = audit_model(printed(92, auc="0.907 (0.82-0.95)"))
    assert other.intervals is not None
    assert other.intervals.auc is not None
    assert not other.intervals.auc.is_reproduced
    assert other.intervals.auc_is_symmetric is False


@given(
    st.floats(0.6, 0.95),
    st.floats(0.6, 0.95),
    st.floats(-0.2, 0.95),
    st.integers(10, 80),
    st.integers(10, 80),
)
@settings(deadline=None, max_examples=150)
def test_the_correlation_behind_a_p_value_is_found(first, second, correlation, n_high, n_low):
    texts = [f"{area:.3f}" for area in (first, second)]
    variances = [hanley_mcneil_variance(float(text), n_high, n_low) for text in texts]
    variance = sum(variances) - 2 * correlation * (variances[0] * variances[1]) ** 0.5
    p = 2 * norm.sf(abs(first - second) / variance**0.5)
    numbers = [PrintedNumber.of(text) for text in texts]
    printed_p = PrintedP.of(f"{p:.3f}")
    found = implied_correlation(numbers[0], numbers[1], printed_p, positives=n_high, n=n_high + n_low)
    assert found is not None
    assert found.low - 1e-6 <= correlation <= found.high + 1e-6
    assert found.is_possible


def test_a_p_value_that_no_correlation_gives():
    weak, strong = PrintedNumber.of("0.90"), PrintedNumber.of("0.60")
    found = implied_correlation(weak, strong, PrintedP.of("0.9"), positives=41, n=92)
    assert found is not None
    assert not found.is_possible
    limit = implied_correlation(weak, strong, PrintedP.of("<0.001"), positives=41, n=92)
    assert limit is not None
    assert limit.is_possible
    assert limit.high == float("inf")
    group = audit_group(parse_options({"n": "92", "auc": "0.90"}, ["name=b,auc=0.60,p=0.9"]))
    assert [row.is_possible for row in group.differences[0].implied] == [False]
    assert "no correlation of the AUCs gives it" in audit_all([model.printed for model in group.models]).as_text()


def test_a_p_of_1_leaves_one_side_open():
    group = audit_group(parse_options({"n": "92", "auc": "0.90"}, ["name=b,auc=0.89,p=1.00", "name=c,auc=0.8,p=0.000"]))
    one, nought = (pair.implied[0] for pair in group.differences[:2])
    assert one.as_dict()["low"] is None
    assert json.loads(json.dumps(group.as_dict(), allow_nan=False))
    assert nought.low < nought.high
    assert "less than" in audit_all([model.printed for model in group.models]).as_text()


@pytest.mark.slow
def test_intervals_of_means_and_ranges_are_said_not_to_be_examined():
    for more in ({"n": "80-100"}, {"n": "90", "mean_of": "2"}):
        audit = audit_model(parse_printed({"accuracy": "0.8 (0.7-0.9)", **more}))
        assert audit.intervals is None
        assert "intervals are not examined" in "\n".join(model_in_words(audit))


def test_a_p_is_for_the_comparison_with_the_first_model():
    models = parse_options({"n": "92", "auc": "0.90"}, ["name=b,auc=0.85,p=0.3", "name=c,auc=0.8,p=<0.05"])
    pairs = {(pair.first, pair.second): pair.p for pair in audit_group(models).differences}
    assert {names: None if p is None else str(p) for names, p in pairs.items()} == {
        ("model 1", "b"): "= 0.3",
        ("model 1", "c"): "< 0.05",
        ("b", "c"): None,
    }


def test_many_numbers_of_patients_are_tried():
    pair = audit_group([printed("80-100", **WEAK), printed("80-100", **STRONG)])
    weak, strong = pair.models
    assert [(fits.n, fits.all_positives()) for fits in weak.over] == [
        (85, (28, 35, 42)),
        (92, (35, 42, 49)),
        (99, (42, 49, 56)),
    ]
    assert [(fits.n, fits.all_positives()) for fits in strong.over] == [(92, (41,)), (99, (48,))]
    assert [(shared.n, shared.is_possible) for shared in pair.over] == [(92, False), (99, False)]
    assert pair.as_dict()["models"][0]["n"] == [80, 100]
    text = audit_all([printed("80-100", **WEAK), printed("80-100", **STRONG)]).as_text()
    assert "At no number of patients do all models share a number of positives." in text


@pytest.mark.parametrize("n", [50, 77, 92])
def test_a_range_agrees_with_each_of_its_numbers(n):
    over = {fits.n: fits.positives for fits in audit_model(printed("50-100", **WEAK)).over}
    assert over.get(n, dict.fromkeys(Rounding, ())) == find_tables(printed(n, **WEAK)).positives


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30-45", (35, 42)), ("≥40", (42, 49)), ("<=40", (35,)), ("36 to 41", ()), ("42", (42,))],
)
def test_limits_on_the_positives(text, expected):
    assert find_tables(printed(92, positives=text, **WEAK)).all_positives() == expected


def test_an_auc_over_limits_of_the_positives():
    audit = audit_model(printed(92, positives="20-70", auc="0.9"))
    assert [interval.positives for interval in audit.auc] == [20, 45, 70]


@given(st.integers(2, 4), st.integers(1, 6), st.integers(1, 6), st.data())
@settings(deadline=None, max_examples=60)
def test_a_mean_of_tables_is_found(repeats, n_high, n_low, data):
    tp = [data.draw(st.integers(0, n_high)) for _ in range(repeats)]
    tn = [data.draw(st.integers(0, n_low)) for _ in range(repeats)]
    n = n_high + n_low
    model = printed(
        n,
        mean_of=repeats,
        accuracy=rounded(sum(Fraction(a + b, n) for a, b in zip(tp, tn, strict=True)) / repeats, 3),
        sensitivity=rounded(sum(Fraction(a, n_high) for a in tp) / repeats, 3),
        specificity=rounded(sum(Fraction(b, n_low) for b in tn) / repeats, 3),
    )
    fits = find_tables(model)
    assert n_high in fits.all_positives()
    assert (sum(tp), sum(tn)) in {(fit.counts.tp, fit.counts.tn) for fit in fits.tables}


def test_the_papers_values_as_means():
    """Means over 5 networks do not explain both rows at 90 patients, means over 10 do."""
    five, ten = (
        audit_group([printed(90, mean_of=repeats, **WEAK), printed(90, mean_of=repeats, **STRONG)])
        for repeats in (5, 10)
    )
    assert five.shared is not None
    assert not five.shared.is_possible
    assert ten.shared is not None
    assert ten.shared.positives[Rounding.HALF_UP] == (37,)


def test_what_is_no_mean_of_counts_is_not_examined():
    audit = audit_model(printed(90, mean_of=10, ppv="0.123", **WEAK))
    assert audit.unchecked == ("ppv",)
    assert audit.fits is not None
    assert audit.fits.exist
    assert "Not examined" in "\n".join(model_in_words(audit))


@pytest.mark.parametrize(
    "values",
    [
        {**WEAK, "ppv": "0.837", "npv": "0.878"},
        {"accuracy": "0.859", "kappa": "0.716", "f1": "0.847", "ppv": "0.837", "npv": "0.878"},
    ],
)
def test_450_numbers_of_patients_take_less_than_two_seconds(values):
    model = printed("50-500", **values)
    start = time.process_time()
    over = audit_model(model).over
    assert time.process_time() - start < 2.0
    assert 92 in [fits.n for fits in over]


@pytest.mark.parametrize(
    ("text", "value", "interval"),
    [
        ("0.857 (0.715-0.946)", "0.857", "0.715 to 0.946"),
        ("0.857（0.715～0.946）", "0.857", "0.715 to 0.946"),
        ("0.857 [95% CI: 0.715, 0.946]", "0.857", "0.715 to 0.946"),
        ("85.7% (71.5%–94.6%)", "85.7%", "71.5% to 94.6%"),
        ("0.95 (-0.02 to 1.02)", "0.95", "-0.02 to 1.02"),
        ("0.857（95%置信区间0.715至0.946）", "0.857", "0.715 to 0.946"),
    ],
)
def test_intervals_are_read_as_printed(text, value, interval):
    found = split_interval(text)
    assert (found[0], str(found[1])) == (value, interval)


def test_other_levels_are_read():
    interval = split_interval("0.857 (90% CI 0.7-0.9)")[1]
    assert interval is not None
    assert interval.confidence == 90


def test_mistakes_are_listed_together():
    cells = {
        "n": "100-80",
        "positives": "many",
        "sensitivity": "0.8 (high)",
        "kappa": "0.5 (0.4-0.6)",
        "lr_plus": "-1",
        "mean_of": "0",
    }
    with pytest.raises(InputError) as caught:
        parse_options({**cells, "p": "0.1"}, [])
    places = [problem.place for problem in caught.value.problems]
    assert places == ["--sensitivity", "--kappa", "--lr-plus", "--positives", "--n", "--p"]


def test_python_takes_ranges_and_p_values():
    found = ng.audit(n=range(90, 93), accuracy="0.859", sensitivity="0.857", specificity="0.860")
    assert [fits.n for fits in found.groups[0].models[0].over] == [92]
    pair = ng.audit(n=92, auc="0.907", against={"strong": {"auc": "0.922", "p": "0.62", "positives": 41}})
    assert pair.groups[0].differences[0].implied[0].is_possible


def test_kappa_of_every_pair_of_raters():
    """Against a direct count over two lists of calls."""
    rng = np.random.default_rng(7)
    truth, calls = rng.integers(0, 2, 40), rng.integers(0, 2, 40)
    observed = np.mean(truth == calls)
    chance = np.mean(truth) * np.mean(calls) + (1 - np.mean(truth)) * (1 - np.mean(calls))
    kappa = f"{(observed - chance) / (1 - chance):.4f}"
    fits = find_tables(printed(40, kappa=kappa, accuracy=f"{observed:.4f}"))
    table = {"tp": int(np.sum(truth & calls)), "tn": int(np.sum((1 - truth) & (1 - calls)))}
    assert any((fit.counts.tp, fit.counts.tn) == (table["tp"], table["tn"]) for fit in fits.tables)
    assert all(a.counts != b.counts for a, b in combinations(fits.tables, 2))


def stratified(n_high, n_low, folds):
    """The sizes of stratified folds as scikit-learn makes them: every k-th of the sorted patients."""
    order = [True] * n_high + [False] * n_low
    return [(sum(order[k::folds]), len(order[k::folds]) - sum(order[k::folds])) for k in range(folds)]


@pytest.mark.slow
@given(st.integers(2, 5), st.data())
@settings(deadline=None, max_examples=100)
def test_a_mean_over_folds_is_found(folds, data):
    n_high, n_low = data.draw(st.integers(folds, 14)), data.draw(st.integers(folds, 14))
    sizes = stratified(n_high, n_low, folds)
    tp = [data.draw(st.integers(0, high)) for high, _ in sizes]
    tn = [data.draw(st.integers(0, low)) for _, low in sizes]
    parts = list(zip(tp, tn, sizes, strict=True))
    model = printed(
        n_high + n_low,
        folds=folds,
        accuracy=rounded(sum(Fraction(a + b, high + low) for a, b, (high, low) in parts) / folds, 3),
        sensitivity=rounded(sum(Fraction(a, high) for a, _, (high, _) in parts) / folds, 3),
        specificity=rounded(sum(Fraction(b, low) for _, b, (_, low) in parts) / folds, 3),
    )
    fits = find_tables(model)
    assert n_high in fits.all_positives()
    assert (n_high, sum(tp), sum(tn)) in {(f.counts.n_high, f.counts.tp, f.counts.tn) for f in fits.tables}


@pytest.mark.parametrize(("n_high", "n_low", "folds"), [(4, 5, 3), (5, 6, 2), (7, 4, 3), (5, 5, 3)])
def test_means_over_folds_agree_with_every_division(n_high, n_low, folds):
    """For small folds every possible mean is printed, and the sums that are found are those that print it."""
    sizes = stratified(n_high, n_low, folds)
    rows: dict[tuple[str, ...], set[tuple[int, int]]] = {}
    for calls in product(*(product(range(high + 1), range(low + 1)) for high, low in sizes)):
        means = [
            sum(Fraction(a + b, high + low) for (a, b), (high, low) in zip(calls, sizes, strict=True)) / folds,
            sum(Fraction(a, high) for (a, _), (high, _) in zip(calls, sizes, strict=True)) / folds,
            sum(Fraction(b, low) for (_, b), (_, low) in zip(calls, sizes, strict=True)) / folds,
        ]
        # Cut off at three decimals, which is exact on fractions.
        texts = tuple(f"0.{int(mean * 1000):03d}" if mean < 1 else "1.000" for mean in means)
        rows.setdefault(texts, set()).add((sum(a for a, _ in calls), sum(b for _, b in calls)))
    for texts, expected in list(rows.items())[::17]:
        values = dict(zip(("accuracy", "sensitivity", "specificity"), texts, strict=True))
        fits = find_tables(printed(n_high + n_low, folds=folds, positives=n_high, **values))
        found = {(f.counts.tp, f.counts.tn) for f in fits.tables if Rounding.TRUNCATION in f.roundings}
        assert found == expected


def test_equal_folds_are_one_table():
    values = {"accuracy": "0.850", "sensitivity": "0.850", "specificity": "0.850"}
    one, folds = (
        find_tables(printed(80, positives=40, **values)),
        find_tables(printed(80, positives=40, folds=4, **values)),
    )
    assert [fit.counts for fit in folds.tables] == [fit.counts for fit in one.tables]


def test_folds_need_both_classes_measures():
    with pytest.raises(InputError) as caught:
        parse_options({"n": "900", "folds": "5", "mean_of": "2", "accuracy": "0.8"}, [])
    assert [problem.place for problem in caught.value.problems] == ["--n", "--folds", "--folds"]
