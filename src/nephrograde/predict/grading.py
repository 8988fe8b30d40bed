"""The answer for one scan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.vocabulary import RESEARCH_USE_ONLY, TOGETHER, Supervision, phase_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.predict.cohort_range import Compared
    from nephrograde.predict.plausibility import Side
    from nephrograde.vocabulary import Triple


@dataclass(frozen=True, slots=True)
class Performance:
    """How well the model did in its study: the AUC with its interval, None if it could not be computed.

    It is that of ``n`` patients, ``n_high`` of them high grade; ``split`` is ``test``, or ``oof`` (out of fold) if the
    test set was not opened.
    """

    auc: float | None
    low: float | None
    high: float | None
    confidence: float | None
    n: int
    n_high: int
    split: str

    def __str__(self) -> str:
        who = "test patients" if self.split == "test" else "training patients, scored out of fold"
        patients = f"{self.n} {who} ({self.n_high} high grade)"
        if self.auc is None:
            return f"AUC not computed on {patients}"
        if self.low is None or self.high is None or self.confidence is None:
            return f"AUC {self.auc:.3f} on {patients}"
        return f"AUC {self.auc:.3f} ({100 * self.confidence:g} % CI {self.low:.3f}–{self.high:.3f}) on {patients}"


@dataclass(frozen=True, slots=True)
class ScanRead:
    """What was read of one phase of a patient.

    Attributes:
        phase: Such as "cmp".
        image: The file or folder.
        size: Columns, rows and slices.
        spacing_mm: Size of a voxel; None of exported pictures.
        center_mm: The middle of the region (LPS).
        slices: The slices that the network sees; empty for a box.
        region_mm: The edges of a slice or a box as the network sees it.
        phase_seen: The phase that the kidneys show; None if none was found.
        phase_probability: Of that phase.
        kidney_gap_mm: The distance from the tumour's edge to the nearest kidney.
        is_on_kidney: Whether the region lies on a kidney.
        phase_named: The phase that the words of the series name; None if they name none.
        kidney_side: "right" or "left" (of the patient); None where that is in doubt.
    """

    phase: str
    image: str
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    center_mm: Triple
    slices: tuple[int, ...]
    region_mm: tuple[float, ...]
    phase_seen: str | None = None
    phase_probability: float | None = None
    kidney_gap_mm: float | None = None
    is_on_kidney: bool | None = None
    phase_named: str | None = None
    kidney_side: Side | None = None


@dataclass(frozen=True, slots=True)
class Grading:
    """The answer for one scan: the probability of high grade, the call, what was read, and how far to trust it.

    ``p_high`` is the calibrated mean of the folds' networks, on the scale of ``scores.csv``; ``p_high_of_folds`` is
    what each of them gives on that scale (``p_high`` may lie outside their range, as averaging is made up for), and
    ``folds_high`` counts those that call the scan high by themselves. ``call`` compares the mean with the threshold
    that the run froze on out-of-fold training scores; ``performance`` is that of the model in its study. ``phase_seen``
    is the phase that the kidneys show, with its probability, and ``kidney_gap_mm`` the distance from the tumour's edge
    to the nearest kidney, None if the model is given no place; all are None if no kidney was found. ``kidney_side`` is
    "right" or "left" if both kidneys were found and the region lies on one, far from the other. ``supervision`` is
    the level of the model, ``region_mm`` the edges of a slice or a box as the network sees it, and ``picture`` the file
    on which they are drawn, if one was asked for. Of exported pictures there is no ``spacing_mm`` and no ``region_mm``,
    ``size`` ends with how many they are, and ``center_mm`` is counted from the corner of the first one shown. ``scans``
    says what was read of each phase that was given to a model of several phases; ``image`` and what follows is then
    that of the first.

    ``p_calibrated`` is the recalibrated probability, and ``grade_set`` the grades that are plausible at the error
    ``set_error``: ``high``, ``low``, ``both`` or ``none``. ``is_referred`` is whether that is not a single grade; such
    patients would be referred to biopsy. All are None if the study had too few patients to learn them.

    ``phase_named`` is the phase that the words of a DICOM series name, and ``compared`` says how unusual the scan is:
    each quantity beside that of the patients that the model learnt from.
    """

    model: str
    phase: str
    p_high: float
    p_high_of_folds: tuple[float, ...]
    call: str
    threshold: float
    threshold_rule: str
    image: str
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    center_mm: Triple
    slices: tuple[int, ...]
    warnings: tuple[str, ...]
    synthetic: bool
    folds_high: int
    performance: Performance | None
    phase_seen: str | None
    phase_probability: float | None
    kidney_gap_mm: float | None
    is_on_kidney: bool | None
    supervision: str = ""
    region_mm: tuple[float, ...] = ()
    picture: str | None = None
    p_calibrated: float | None = None
    grade_set: str | None = None
    set_error: float | None = None
    is_referred: bool | None = None
    scans: tuple[ScanRead, ...] = ()
    phase_named: str | None = None
    kidney_side: Side | None = None
    compared: tuple[Compared, ...] = ()
    research_use_only: str = RESEARCH_USE_ONLY

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """Everything, for people."""
        low, high = min(self.p_high_of_folds), max(self.p_high_of_folds)
        outside = (
            ""
            if low <= self.p_high <= high
            else ", and it may lie outside, because it is calibrated for the folds together"
        )
        trained = " (trained on SYNTHETIC data)" if self.synthetic else ""
        digits, folds = digits_apart(self.p_high, self.threshold), len(self.p_high_of_folds)
        lines = [
            f"{self.call} grade at the threshold {self.threshold:.{digits}f} ({self.threshold_rule})",
            f"p(high) = {self.p_high:.{digits}f}; the {folds} folds give {low:.3f} to {high:.3f}{outside}",
            *self.certainty(),
            f"model {self.model}{trained}, read as {phase_name(self.phase)} phase",
            *([f"phases that were not given: {', '.join(self.phases_missing)}"] if self.phases_missing else []),
            *([f"in its study: {self.performance}"] if self.performance else []),
            *self._seen(),
            *([f"picture: {self.picture}"] if self.picture else []),
            *self._kidneys(),
            *self.rare(),
            *(f"warning: {warning}" for warning in self.warnings),
            self.research_use_only,
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.as_text()

    @property
    def phases_missing(self) -> tuple[str, ...]:
        """The phases of a model of several that the patient was graded without."""
        given = {one.phase for one in self.scans}
        return tuple(phase for phase in self.phase.split(TOGETHER) if given and phase not in given)

    def rare(self) -> list[str]:
        """What is rare among the patients that the model learnt from, for people; what is outside is a warning."""
        return [one.as_text() for one in self.compared if one.verdict == "rare"]

    @property
    def unusual(self) -> tuple[Compared, ...]:
        """What is rare or outside among the patients that the model learnt from."""
        return tuple(one for one in self.compared if one.verdict != "usual")

    @property
    def folds_agree(self) -> bool:
        """Whether the networks of all folds make the same call."""
        return self.folds_high in {0, len(self.p_high_of_folds)}

    def certainty(self) -> list[str]:
        """The recalibrated probability and the plausible grades, for people; empty where the study has none."""
        lines = [] if self.p_calibrated is None else [f"recalibrated: p(high) = {self.p_calibrated:.3f}"]
        if self.grade_set is None or self.set_error is None:
            return lines
        words = {"both": "either grade is plausible", "none": "neither grade is plausible"}
        found = words.get(self.grade_set, f"only {self.grade_set} grade is plausible")
        referred = ": a patient to refer to biopsy" if self.is_referred else ""
        return [*lines, f"with an error of {self.set_error:g}, {found}{referred}"]

    def _kidneys(self) -> list[str]:
        return [line for one in self._read() for line in _kidneys_of(one, one.phase if self.scans else "")]

    def _read(self) -> tuple[ScanRead, ...]:
        """What was read, scan by scan."""
        own = ScanRead(
            phase=self.phase,
            image=self.image,
            size=self.size,
            spacing_mm=self.spacing_mm,
            center_mm=self.center_mm,
            slices=self.slices,
            region_mm=self.region_mm,
            phase_seen=self.phase_seen,
            phase_probability=self.phase_probability,
            kidney_gap_mm=self.kidney_gap_mm,
            is_on_kidney=self.is_on_kidney,
            kidney_side=self.kidney_side,
        )
        return self.scans or (own,)

    def side_of(self, phase: str) -> Side | None:
        """The side of the kidney on which the region of a phase lies, "right" or "left"; None where that is in doubt.

        Args:
            phase: The phase.
        """
        return next((one.kidney_side for one in self._read() if one.phase == phase), None)

    def _seen(self) -> list[str]:
        return [line for one in self._read() for line in _seen_of(one, self.supervision)]


def _kidneys_of(scan: ScanRead, name: str) -> list[str]:
    """What the kidneys of a scan say, with the name of the scan where there are several."""
    of_scan = f" of {name}" if name else ""
    phase = ""
    if scan.phase_seen is not None and scan.phase_probability is not None:
        phase = f"{phase_name(scan.phase_seen)} ({scan.phase_seen}, probability {scan.phase_probability:.2f})"
    if scan.kidney_gap_mm is None:
        return [f"by its kidneys, the scan{of_scan} is {phase}"] if phase else []
    place = "on a kidney" if scan.is_on_kidney else f"{scan.kidney_gap_mm:.0f} mm from the nearest kidney"
    return [f"the region{of_scan} is {place}" + (f"; by its kidneys, the scan is {phase}" if phase else "")]


def _seen_of(scan: ScanRead, supervision: str) -> list[str]:
    """What was read of one scan, and where the region is."""
    numbers = ", ".join(map(str, scan.slices))
    if scan.spacing_mm is None:
        width, height, count = scan.size
        return [f"{count} exported pictures, the first of {width} × {height} pixels; number {numbers} was shown"]
    image = f"image {scan.image}: {_times(scan.size, '{}')} voxels of {_times(scan.spacing_mm, '{:.2f}')} mm"
    region = f"slices {numbers}" if scan.slices else "a box"
    edges = f", {_times(scan.region_mm, '{:g}')} mm" if scan.region_mm else ""
    if supervision == Supervision.NONE:
        kidneys = f"slices {numbers} through the kidneys" if scan.slices else "both kidneys"
        return [image, f"region: {kidneys}{edges}"]
    if supervision == Supervision.SLICE:
        return [image, f"region: the whole of slices {numbers}{edges}"]
    around = ", ".join(f"{value:.1f}" for value in scan.center_mm)
    return [image, f"region: {region} around {around} mm (LPS){edges}"]


def _times(values: Iterable[float], form: str) -> str:
    return " × ".join(form.format(value) for value in values)


def digits_apart(p_high: float, threshold: float) -> int:
    """Return how many decimals a probability needs: three, or as many as tell it from the threshold.

    Args:
        p_high: The probability.
        threshold: The threshold.

    >>> digits_apart(0.61, 0.497), digits_apart(0.49672, 0.4971), digits_apart(0.5, 0.5)
    (3, 4, 3)
    """
    apart = (digits for digits in range(3, 10) if f"{p_high:.{digits}f}" != f"{threshold:.{digits}f}")
    return next(apart, 3)
