"""Patients without a scan: out of the cohort, and named in the findings, on the terminal, the pages and in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.files import read_rows, write_rows
from nephrograde.pipeline import check_study, prepare_study
from nephrograde.quality.cohort_quality import quality_lines
from nephrograde.report.pages.quality_page import write_quality_page
from nephrograde.report.text.language import speaking
from nephrograde.run.folder import RunFolder
from nephrograde.study import Arm, CohortSettings, SplitSettings, Study
from nephrograde.terminal import print_findings
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import read_findings
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADINGS = ("patient_id", "isup_grade", "cmp_image", "cmp_mask", "np_image")


@pytest.fixture
def study_of(tmp_path: Path) -> Callable[..., Study]:
    """Write a cohort of eight scanned patients and of these further ids without a scan."""

    def study_of(*absent: str) -> Study:
        rows = [dict.fromkeys(HEADINGS, "") | {"patient_id": patient} for patient in absent]
        for i in range(8):
            values = np.random.default_rng(i).normal(40, 10, (24, 24, 8)).astype(np.int16)
            values[8:14, 10:16, 2:6] = 120
            write_image(values, tmp_path / f"{i}.nii", spacing_mm=(3.0, 3.0, 5.0))
            write_image(values == 120, tmp_path / f"{i}_mask.nii", spacing_mm=(3.0, 3.0, 5.0))
            row = (f"P{i}", str(i % 4 + 1), f"{i}.nii", f"{i}_mask.nii", "")
            rows.append(dict(zip(HEADINGS, row, strict=True)))
        table_path = tmp_path / f"cohort-{len(absent)}.csv"
        write_rows(table_path, HEADINGS, rows)
        return Study(
            cohort=CohortSettings(table=table_path, phases=("cmp",)),
            split=SplitSettings(test_fraction=0.3, folds=2),
            arm=(Arm(name="strong", supervision=Supervision.MASK),),
        )

    return study_of


@pytest.mark.slow
def test_they_are_findings_and_not_part_of_the_cohort(
    tmp_path: Path, study_of: Callable[..., Study], capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path / "run")
    quality, page_path = check_study(study_of("A1", "A2"), run)
    found = read_findings(run.findings_path)[:2]
    assert [(one.patient_id, one.phase, one.column, one.code, one.severity) for one in found] == [
        ("A1", "", "", "no-scan", "fatal"),
        ("A2", "", "", "no-scan", "fatal"),
    ]
    assert all(one.remedy and str(tmp_path) not in one.message for one in found)
    assert list(quality.findings[:2]) == found == read_findings(run.quality.findings_path)[:2]
    assert quality.counts[0].n == 8
    assert not quality.obstacles
    for csv_path in (run.cases_path, run.split_path, run.regions_path):
        assert not {"A1", "A2"} & {row["patient_id"] for row in read_rows(csv_path)}
    page = page_path.read_text(encoding="utf-8")
    assert page.count("<bdi>A2</bdi></h3>") == 1
    assert "2 patients without an image in any phase were left out." in page
    print_findings(run)
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("Left out: 2 × no-scan in 2 patients, first Case A1: ")
    assert not [line for line in quality_lines(quality) if "no-scan" in line]
    with speaking("zh"):
        print_findings(run)
    assert "首例为患者A1：在本研究的任何期相（cmp）中都没有图像。" in capsys.readouterr().err
    chinese = write_quality_page(run.quality.quality_dir, run.quality.page_path("zh"), "zh")
    assert "未采用在任何期相中都没有图像的2例患者。" in chinese.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_others_are_split_and_cut_as_without_them(tmp_path: Path, study_of: Callable[..., Study]) -> None:
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    prepare_study(study_of(), one)
    prepare_study(study_of("A1"), other)
    assert not [finding for finding in read_findings(one.findings_path) if finding.leaves_patient_out]
    assert read_findings(other.findings_path)[0].patient_id == "A1"
    for name in ("cases_path", "split_path", "regions_path", "image_inputs_path"):
        assert getattr(one, name).read_bytes() == getattr(other, name).read_bytes()
