"""Faults of scans, and the table of findings: patient, phase, what is wrong and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, cast

from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nephrograde.cohort.case import Scan

Severity: TypeAlias = Literal["fatal", "warning"]


class Fault(NamedTuple):
    """Something wrong with one image or mask, before it is assigned to a patient."""

    code: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one scan of one patient; a row of ``findings.csv``.

    A "fatal" finding excludes the scan (or the arms that need the mask), a "warning" does not.
    """

    patient_id: str
    phase: str
    code: str
    severity: Severity
    message: str
    remedy: str


def as_finding(fault: Fault, patient_id: str, scan: Scan, lender: Scan | None = None) -> Finding:
    """Make a fault of a scan a finding, in which files are named by their column: a path may say who the patient is.

    Args:
        fault: As found.
        patient_id: Whose scan it is.
        scan: The scan.
        lender: The scan whose mask it takes over.

    >>> from pathlib import Path
    >>> from nephrograde.cohort.case import Scan
    >>> scan = Scan("np", Path("Zhang Wei/np.nii"), None, None, None, None)
    >>> as_finding(Fault("constant", "fatal", "Zhang Wei/np.nii: is empty.", "Export it again."), "P1", scan).message
    'np_image: is empty.'
    """
    message = fault.message
    for one in (scan, lender) if lender else (scan,):
        files = [(path, f"{one.phase}_image") for path in one.image_paths]
        for path, column in [*files, (one.mask_path, f"{one.phase}_mask")]:
            message = message.replace(str(path), column) if path else message
    return Finding(patient_id, scan.phase, fault.code, fault.severity, message, fault.remedy)


def write_findings(findings: Iterable[Finding], csv_path: Path) -> None:
    """Write ``findings.csv``: patient_id, phase, code, severity, message, remedy.

    Args:
        findings: In the order of the rows.
        csv_path: Replaced as a whole.

    >>> import pathlib, tempfile
    >>> csv_path = pathlib.Path(tempfile.mkdtemp()) / "findings.csv"
    >>> finding = Finding("P017", "np", "mask-empty", "fatal", "np.nii.gz: no voxel is marked.", "Drop the mask.")
    >>> write_findings([finding], csv_path)
    >>> read_findings(csv_path) == [finding]
    True
    """
    write_rows(csv_path, [field.name for field in fields(Finding)], (asdict(finding) for finding in findings))


def read_findings(csv_path: Path) -> list[Finding]:
    """Read ``findings.csv`` back.

    Args:
        csv_path: As written by :func:`write_findings`.

    Raises:
        RunError: If the file is missing.
    """
    return [
        Finding(
            row["patient_id"],
            row["phase"],
            row["code"],
            cast("Severity", row["severity"]),
            row["message"],
            row["remedy"],
        )
        for row in read_rows(csv_path)
    ]
