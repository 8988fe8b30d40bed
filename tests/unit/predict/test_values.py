"""Clinical values of a new patient mean what the same entry of the cohort table means; none is ignored unsaid."""

from __future__ import annotations

import re

import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.clinical import clinical_table, encode, learn_terms
from nephrograde.predict.values import read_values, unknown_entries
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told


@pytest.mark.parametrize("given", ["1", "1.0", " 1", 1, 1.0])
def test_a_code_is_the_one_of_the_table_however_it_is_written(given: str | float) -> None:
    cases = tuple(Case(f"P{i}", is_high=i > 3, grade=None, scans={}, clinical={"sex": float(i % 2)}) for i in range(8))
    table = clinical_table(Cohort(cases, ("cmp",), ("sex",), None), ["sex"])
    terms = learn_terms(table.names, list(table.rows.values()), texts=table.codes)
    texts = {"sex": tuple(term.entry for term in terms)}
    values = read_values({"sex": given}, ["sex"], texts)
    assert encode(terms, values) == encode(terms, {"sex": table.rows["P1"][0]})
    assert unknown_entries(values, texts) == ()


def test_an_entry_that_no_patient_had_is_a_warning() -> None:
    texts = {"sex": ("女", "男")}
    values = read_values({"sex": "M"}, ["sex"], texts)
    (warning,) = unknown_entries(values, texts)
    assert "'M'" in warning
    assert "女, 男" in warning
    with speaking("zh"):
        assert not re.search("[a-z]{2,} [a-z]{2,}", told(warning))
