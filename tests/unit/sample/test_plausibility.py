"""Numbers of the table against the masks, from the prepared scans to the table of findings and the quality check."""

import numpy as np
import pytest

from nephrograde.files import write_rows
from nephrograde.pipeline import check_study
from nephrograde.run.folder import RunFolder
from nephrograde.study import Arm, CohortSettings, SplitSettings, Study
from nephrograde.terminal import print_findings
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import read_findings
from nephrograde.volume.volume import write_image


@pytest.fixture
def check(tmp_path):
    """Check a cohort of eight patients, whose tumours measure 2.8 cm, with these sizes in the table."""

    def check(*sizes):
        headings = ("patient_id", "isup_grade", "size_cm", "cmp_image", "cmp_mask")
        rows = []
        for i, size in enumerate(sizes):
            values = np.random.default_rng(i).normal(40, 10, (40, 40, 12)).astype(np.int16)
            values[10:20, 12:22, 3:9] = 120
            write_image(values, tmp_path / f"{i}.nii", spacing_mm=(2.0, 2.0, 5.0))
            mask = np.zeros(values.shape, bool)
            mask[10:20, 12:22, 3:9] = True
            write_image(mask, tmp_path / f"{i}_mask.nii", spacing_mm=(2.0, 2.0, 5.0))
            rows.append(dict(zip(headings, (f"P{i}", i % 4 + 1, size, f"{i}.nii", f"{i}_mask.nii"), strict=True)))
        write_rows(tmp_path / "cohort.csv", headings, rows)
        study = Study(
            cohort=CohortSettings(table=tmp_path / "cohort.csv", phases=("cmp",)),
            split=SplitSettings(test_fraction=0.3, folds=2),
            arm=(Arm(name="strong", supervision=Supervision.MASK),),
        )
        run = RunFolder(tmp_path / "run")
        quality, page_path = check_study(study, run)
        return run, quality, page_path.read_text(encoding="utf-8")

    return check


@pytest.mark.slow
def test_sizes_in_mm_are_said_first_and_everywhere(check, capsys):
    run, quality, page = check(28, 27, 31, 29, 26, 30, 28, 28)
    of_table = [finding for finding in quality.findings if finding.is_of_table]
    assert [(finding.column, finding.code) for finding in of_table] == [
        ("size_cm", "implausible-size"),
        ("size_cm", "size-against-mask"),
    ]
    assert list(quality.findings[:2]) == of_table == read_findings(run.findings_path)[:2]
    assert page.index('id="table-warnings"') < page.index('id="summary"')
    print_findings(run)
    assert capsys.readouterr().err.startswith("Check the table: size_cm: ")


@pytest.mark.slow
def test_sizes_in_cm_are_believed(check):
    run, quality, page = check(2.8, 2.7, 3.1, 2.9, 2.6, 3.0, 2.8, 2.8)
    assert not [finding for finding in read_findings(run.findings_path) if finding.is_of_table]
    assert not [finding for finding in quality.findings if finding.is_of_table]
    assert "table-warnings" not in page
