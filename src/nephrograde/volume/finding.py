"""A fault of a scan, and the table of findings: which patient's, which phase's, which file's, what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, cast

from nephrograde.errors import RunError
from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nephrograde.errors import VolumeError

Severity: TypeAlias = Literal["fatal", "warning"]

NO_SCAN = "no-scan"
"""The code of the finding on a patient who has no image in any phase of the study."""


class Fault(NamedTuple):
    """Something wrong with one image or mask, before it is known whose it is.

    ``message`` and ``remedy`` name no file and no folder: their names often say who the patient is. ``column`` is the
    column of the cohort table that names the file, such as ``np_mask``; who reads the file adds it.
    """

    code: str
    severity: Severity
    message: str
    remedy: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one scan of one patient; a row of ``findings.csv``.

    A "fatal" finding leaves the scan (or the arms that need the mask) out, a "warning" does not; without a phase,
    "no-scan" leaves the patient out. ``column`` is the
    column of the cohort table whose file it is about, empty where it is about no single file. Without a patient, it is
    about the column itself.
    """

    patient_id: str
    phase: str
    column: str
    code: str
    severity: Severity
    message: str
    remedy: str

    @property
    def is_of_table(self) -> bool:
        """Whether it is about the cohort table, and not about a patient."""
        return not self.patient_id

    @property
    def leaves_patient_out(self) -> bool:
        """Whether the patient has no scan and is not part of the cohort."""
        return self.code == NO_SCAN

    @property
    def text(self) -> str:
        """The message with the column in front of it, as people read it."""
        return f"{self.column}: {self.message}" if self.column else self.message


def as_fault(error: VolumeError, severity: Severity = "fatal") -> Fault:
    """Make an error in reading an image or mask a fault of it; the path stays behind.

    Args:
        error: As raised.
        severity: "warning" where the scan can be used all the same.

    >>> from pathlib import Path
    >>> from nephrograde.errors import VolumeError
    >>> as_fault(VolumeError("constant", "is empty.", "Export it again.", path=Path("Zhang Wei/np.nii")))
    Fault(code='constant', severity='fatal', message='is empty.', remedy='Export it again.', column='')
    """
    return Fault(error.code, severity, error.message, error.remedy)


def in_column(faults: Iterable[Fault], column: str) -> list[Fault]:
    """Say which column of the cohort table names the file that faults are about.

    Args:
        faults: Those that name a column already keep it.
        column: Like ``np_image``.

    >>> in_column([Fault("constant", "fatal", "is empty.", "Export it again.")], "np_image")[0].column
    'np_image'
    """
    return [fault if fault.column else fault._replace(column=column) for fault in faults]


def as_finding(fault: Fault, patient_id: str, phase: str) -> Finding:
    """Say whose fault it is.

    Args:
        fault: As found.
        patient_id: The patient.
        phase: The phase of the scan.
    """
    return Finding(patient_id, phase, fault.column, fault.code, fault.severity, fault.message, fault.remedy)


def write_findings(findings: Iterable[Finding], csv_path: Path) -> None:
    """Write ``findings.csv``: patient_id, phase, column, code, severity, message, remedy.

    Args:
        findings: In the order of the rows.
        csv_path: Replaced as a whole.

    >>> import pathlib, tempfile
    >>> csv_path = pathlib.Path(tempfile.mkdtemp()) / "findings.csv"
    >>> finding = Finding("P017", "np", "np_mask", "mask-empty", "fatal", "no voxel is marked.", "Drop the mask.")
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
        RunError: If the file is missing or damaged.
    """
    rows = read_rows(csv_path, ("patient_id", "phase", "code", "severity", "message", "remedy"))
    odd = next((row["severity"] for row in rows if row["severity"] not in {"fatal", "warning"}), None)
    if odd is not None:
        raise RunError(f"{csv_path} is damaged: '{odd}' is not a severity. Delete it and run again.")
    return [
        Finding(
            row["patient_id"],
            row["phase"],
            row.get("column", ""),  # a run of an older version has none
            row["code"],
            cast("Severity", row["severity"]),
            row["message"],
            row["remedy"],
        )
        for row in rows
    ]
