"""A cohort table of a scan that did not end is named; one that a person edited or made is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.files import read_json, write_json
from nephrograde.sample.unfinished import report_unfinished_scan
from nephrograde.sources.scan.paths import ScanPaths
from nephrograde.sources.scan.tables import write_tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["cohort.csv", "zhongshan.csv"])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> ScanPaths:
    written = ScanPaths(tmp_path / request.param)
    write_tables(written, [{"patient_id": "P0001", "np_image": "cohort.series/P0001-np.series"}], [])
    return written


def test_a_finished_scan_gives_no_finding(paths: ScanPaths) -> None:
    assert report_unfinished_scan(paths.table_path) == []
    with paths.table_path.open("a", encoding="utf-8") as stream:
        stream.write("P0002,3,,,,\n")  # a person may edit the table
    assert report_unfinished_scan(paths.table_path) == []


@pytest.mark.parametrize("state", ["missing", "damaged", "replacing", "of an earlier scan"])
def test_an_unfinished_scan_gives_one_warning_about_the_table(paths: ScanPaths, state: str) -> None:
    index_path = paths.beside("scan.json")
    index = read_json(index_path)
    index_path.unlink()
    if state == "damaged":
        index_path.write_text("{", encoding="utf-8")
    elif state == "replacing":
        write_json(index_path, {**index, "replaces": {}})
    elif state == "of an earlier scan":
        write_json(index_path, {**index, paths.series_path.name: "0" * 64})
    (finding,) = report_unfinished_scan(paths.table_path)
    assert (finding.code, finding.severity, finding.is_of_table) == ("scan-unfinished", "warning", True)


def test_a_table_of_ones_own_and_a_foreign_series_table_give_no_finding(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient_id,np_image\n", encoding="utf-8")
    (tmp_path / "series.csv").write_text("series,title\n", encoding="utf-8")
    assert report_unfinished_scan(tmp_path / "cohort.csv") == []
    (tmp_path / "cohort.scan.json").write_text("{}", encoding="utf-8")
    assert report_unfinished_scan(tmp_path / "cohort.csv") == []
