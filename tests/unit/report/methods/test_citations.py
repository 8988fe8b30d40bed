"""A paper cites what its run used, in the versions that the run recorded, and nothing else."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.origin import Origin, Source
from nephrograde.report.methods.citations import LISTS, cited_keys, known_entries, write_citations
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study

ALWAYS = {"nephrograde", *LISTS}


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def test_every_entry_is_whole_and_has_an_address() -> None:
    for key, entry in known_entries().items():
        assert entry.count("{") == entry.count("}"), key
        assert re.search(r"^  title = \{.+\},$", entry, re.MULTILINE), key
        assert key == "nephrograde" or re.search(r"^  (doi|url) = \{\S+\}", entry, re.MULTILINE), key


def test_run_cites_its_methods_and_software(record: Results) -> None:
    used = set(cited_keys(record))
    assert used >= ALWAYS | {"he2016", "loshchilov2019", "delong1988", "wilson1927", "mcnemar1947", "holm1979", "torch"}
    assert not used & {"zwanenburg2020", "obuchowski1997", "mirp", "pydicom", "delahunt2013"}


def test_score_table_cites_no_network(foreign_run: Path) -> None:
    used = set(cited_keys(Results.read(foreign_run)))
    assert ALWAYS | {"delong1988"} <= used
    assert not used & {"he2016", "loshchilov2019", "torch", "SimpleITK"}


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("he2016", lambda run: dataclasses.replace(run, fits=())),
        ("torch", lambda run: dataclasses.replace(run, fits=())),
        ("holm1979", lambda run: dataclasses.replace(run, comparisons=())),
        ("mcnemar1947", lambda run: dataclasses.replace(run, comparisons=())),
        ("schuirmann1987", lambda run: dataclasses.replace(run, equivalences=())),
        ("vickers2006", lambda run: dataclasses.replace(run, net_benefit=())),
        ("efron1993", lambda run: without(run, "auc_bootstrap")),
        ("brier1950", lambda run: without(run, "brier")),
        ("youden1950", lambda run: without(run, "threshold")),
    ],
)
def test_method_is_cited_only_with_its_result(record: Results, key: str, change: Callable[[Results], Results]) -> None:
    assert key in cited_keys(record)
    assert key not in cited_keys(change(record))


def without(run: Results, measure: str) -> Results:
    return dataclasses.replace(run, estimates=tuple(row for row in run.estimates if row[2].measure != measure))


def test_grades_are_cited_only_of_real_patients_graded_by_isup(
    record: Results, make_study: Callable[..., Study]
) -> None:
    real = dataclasses.replace(record, study=make_study(synthetic=False))
    assert "delahunt2013" in cited_keys(real)
    other = {"table": "cohort.csv", "phases": ["cmp"], "outcome": "fuhrman_grade"}
    assert "delahunt2013" not in cited_keys(
        dataclasses.replace(record, study=make_study(synthetic=False, cohort=other))
    )


def test_versions_are_those_of_the_run_and_data_have_their_doi(record: Results, tmp_path: Path) -> None:
    source = Source("10.7937/tcia.2019.ix49e8nx", "Heller N et al. Data from C4KC-KiTS {2019}", "CC BY 3.0")
    folder = dataclasses.replace(record.folder, run_dir=tmp_path)
    run = dataclasses.replace(record, folder=folder, origin=Origin(("C4KC-KiTS",), (source,)))
    text = write_citations(run).read_text(encoding="utf-8")
    assert re.search(r"@inproceedings\{torch,[^@]*version = \{2\.13\.0\}", text)
    assert re.search(r"@misc\{nephrograde,[^@]*version = \{0\.1\.0\}", text)
    assert "VERSION" not in text
    assert "doi = {10.7937/tcia.2019.ix49e8nx}" in text
    assert "title = {Heller N et al. Data from C4KC-KiTS 2019}" in text
    bare = write_citations(dataclasses.replace(run, lock={}, origin=Origin())).read_text(encoding="utf-8")
    assert "VERSION" not in bare
    assert "version" not in bare
    assert "data-1" not in bare
