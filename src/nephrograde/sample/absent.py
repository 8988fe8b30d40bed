"""Patients who have no scan in the phases of the study, and labels without a scan, as findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.volume.finding import NO_SCAN, Finding

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort


def report_unused_annotations(cohort: Cohort) -> list[Finding]:
    """Report labels of the annotations that the cohort has no scan for.

    Args:
        cohort: As read from the table and the annotations.

    Returns:
        Warnings without a patient and a phase, in the column "annotations".

    >>> from nephrograde.cohort.case import AnnotationRemark, Cohort
    >>> remark = AnnotationRemark("annotation-unknown-patient", "annotated patients …", "Correct the ids.")
    >>> report_unused_annotations(Cohort((), (), (), None, annotation_remarks=(remark,)))[0].code
    'annotation-unknown-patient'
    """
    return [
        Finding("", "", "annotations", one.code, "warning", one.message, one.remedy)
        for one in cohort.annotation_remarks
    ]


def report_absent(cohort: Cohort) -> list[Finding]:
    """Report each patient who was left out of the cohort because of a missing scan.

    Args:
        cohort: As read from the table.

    Returns:
        Fatal findings with code "no-scan", without phase and column, in the order of the table.

    >>> from nephrograde.cohort.case import Cohort
    >>> (finding,) = report_absent(Cohort((), ("cmp", "np"), (), None, without_scan=("P08",)))
    >>> finding.patient_id, finding.code, finding.message
    ('P08', 'no-scan', 'no image in any phase of the study (cmp, np).')
    """
    message = f"no image in any phase of the study ({', '.join(cohort.phases)})."
    remedy = "Fill in an image, or remove the row."
    return [Finding(patient, "", "", NO_SCAN, "fatal", message, remedy) for patient in cohort.without_scan]
