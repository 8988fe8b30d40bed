"""What comes of one patient of many: an answer, or the reason why there is none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, NephrogradeError, VolumeError
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.predict.grading import Grading

GRADED, FAILED = "graded", "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a patient was not graded.

    Attributes:
        code: Names the kind, such as "file-missing".
        reason: What is wrong.
        remedy: What to do; may be empty.
    """

    code: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}".strip()


@dataclass(frozen=True, slots=True)
class PatientGrading:
    """The answer for one patient of many, or the reason why there is none.

    Attributes:
        patient_id: The patient.
        image: The path of the first image, or of the folder without one.
        grading: The answer; None if the patient was not graded.
        failure: Why not; None if the patient was graded.
        inputs_sha256: Identifies what the answer depends on besides the grader.
    """

    patient_id: str
    image: str
    grading: Grading | None = None
    failure: Failure | None = None
    inputs_sha256: str = field(default="", repr=False)

    @property
    def status(self) -> str:
        """``graded`` or ``failed``."""
        return FAILED if self.grading is None else GRADED

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        own: dict[str, Any] = {"patient_id": self.patient_id, "status": self.status}
        if self.grading is not None:
            return {**own, **self.grading.as_dict()}
        told = {} if self.failure is None else asdict(self.failure)
        failure = {f"failure_{name}": value for name, value in told.items()}
        return {**own, "image": self.image, **failure, "research_use_only": RESEARCH_USE_ONLY}

    def __repr__(self) -> str:
        said = str(self.failure) if self.grading is None else f"{self.grading.call}, p_high {self.grading.p_high:.3f}"
        return f"PatientGrading({self.patient_id}: {said})"


def failure_of(error: Exception, image: str) -> Failure:
    """Describe an error as the failure of a patient.

    Args:
        error: As raised.
        image: The path of the patient's first image, which a reason need not repeat.

    >>> failure_of(VolumeError("file-empty", "is empty (0 bytes).", "Copy it again."), "P1.nii.gz")
    Failure(code='file-empty', reason='is empty (0 bytes).', remedy='Copy it again.')
    >>> failure_of(KeyError("x"), "P1.nii.gz").reason
    "grading ended with an unexpected error: KeyError('x')."
    """
    if isinstance(error, VolumeError):
        place = "" if error.path is None or str(error.path) == image else f"{error.path}: "
        return Failure(error.code, f"{place}{error.message}", error.remedy)
    if isinstance(error, InputError):
        told = [f"{one.place}: {one.what}." for one in error.problems]
        return Failure("input", " ".join(told), error.problems[0].remedy if error.problems else "")
    if isinstance(error, NephrogradeError):
        return Failure("input", str(error))
    if isinstance(error, MemoryError):
        return Failure("memory", "the scan does not fit into the memory.", "Lower --workers, or close other programs.")
    if isinstance(error, OSError):
        reason = f"cannot be read ({error.strerror or type(error).__name__})."
        return Failure("file-unreadable", reason, "Check its permissions.")
    reason = f"grading ended with an unexpected error: {error!r}."
    return Failure("unexpected", reason, "Grade this patient alone with --debug, and report what it prints.")
