"""The check of a cohort: every prepared scan, the table, and whether the models can be fitted on what is sound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.quality.readiness import find_obstacles
from nephrograde.quality.survey import check_quality
from nephrograde.run.progress import silent

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.quality.cohort_quality import CohortQuality
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import Study


def check_cohort(
    study: Study, cohort: Cohort, split: Split, run: RunFolder, *, prepared: Prepared, progress: Progress = silent
) -> CohortQuality:
    """Check every scan and what the study needs of them, and write the findings into the run folder.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        run: The run folder.
        prepared: What the scans were prepared to; its findings on the table are part of the result.
        progress: How to show long steps.
    """
    of_table = [finding for finding in prepared.findings if finding.is_of_table or finding.leaves_patient_out]
    with progress("Checking scans", cohort.n_scans) as advance:
        quality = check_quality(cohort, study, run.quality.quality_dir, table_findings=of_table, advance=advance)
    return replace(quality, obstacles=find_obstacles(study, cohort, split, prepared))
