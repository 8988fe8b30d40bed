"""The samples of one model, collected from the prepared cache and keyed by patient."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import RunError
from nephrograde.vocabulary import together

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    TokenError,
    TypeError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
)
"""What numpy raises on a damaged header, which it parses as Python."""

_HEAD_BYTES = 256
_REGION_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '[<>|=][a-z]\d{1,3}', 'fortran_order': (?:False|True), "
    rb"'shape': \((?:(?:0|[1-9]\d{0,9})(?:, (?:0|[1-9]\d{0,9}))*,?)?\), \} *\n",
    re.DOTALL,
)
"""What ``numpy.save`` writes for numbers."""


@dataclass(frozen=True, slots=True)
class StoredRegion:
    """A prepared region in its file, which is read where NumPy needs it: a process may open about a thousand files.

    ``shape`` is ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``.
    """

    path: Path
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        region = open_region(self.path)
        if region.shape != self.shape:
            raise _damaged(self.path, f"its shape is {region.shape}, and was {self.shape} before")
        del copy  # what is in a file is always a copy
        return np.array(region, dtype)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model sees of one patient.

    ``images`` holds the patient's pictures by phase, float16 in [0, 1]: ``(row, channel, y, x)`` or ``(row, channel, x,
    y, z)``. The first axis counts the pictures; phases that the patient does not have are left out. In early fusion,
    there is one entry for all phases, which are channels, and those of a missing phase are below 0.
    """

    patient_id: str
    images: Mapping[str, npt.NDArray[np.float16] | StoredRegion] = field(repr=False)
    is_high: bool


@dataclass(frozen=True, slots=True)
class Bags:
    """The pictures of all patients of a set on one phase, or on several phases together.

    Attributes:
        images: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, float16 in [0, 1]; the rows of a patient lie
            together, patients in the order of the set.
        counts: ``(patient,)``, the number of rows of each patient; 0 where the phase is missing.
        parts: ``(patient, phase)``, how many of the rows of each patient are of which phase, where the pictures are
            those of several phases, which follow each other in each patient; None on a single phase.
        values: ``(patient, value)``, the standardised clinical values that are joined with the pictures; None if there
            are none.

    >>> bags = Bags(np.zeros((3, 1, 4, 4), np.float16), np.array([2, 0, 1]))
    >>> bags.present.tolist(), bags.rows_of(np.array([2, 0])).tolist()
    ([True, False, True], [2, 0, 1])
    """

    images: npt.NDArray[np.float16] = field(repr=False)
    counts: npt.NDArray[np.intp]
    parts: npt.NDArray[np.intp] | None = None
    values: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.counts.sum() != len(self.images):
            raise ValueError(f"{len(self.images)} rows cannot be divided into bags of {self.counts.tolist()}")

    @property
    def starts(self) -> npt.NDArray[np.intp]:
        """The first row of each patient."""
        return np.cumsum(self.counts) - self.counts

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Whether each patient has the phase."""
        return self.counts > 0

    def rows_of(self, patients: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the rows of some patients, in the order given.

        Args:
            patients: Their positions in the set; one may recur.
        """
        starts = self.starts
        found = [np.arange(starts[one], starts[one] + self.counts[one]) for one in patients]
        return np.concatenate(found) if found else np.zeros(0, np.intp)

    def of(self, patients: npt.NDArray[np.intp]) -> Bags:
        """Return the pictures of some patients, in the order given.

        Args:
            patients: Their positions in the set.
        """
        parts = None if self.parts is None else self.parts[patients]
        values = None if self.values is None else self.values[patients]
        return Bags(self.images[self.rows_of(patients)], self.counts[patients], parts, values)


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The patients of one set, each of them a bag of pictures for each phase.

    Attributes:
        patient_ids: One per patient.
        is_high: ``(patient,)``.
        phases: The pictures by phase.
    """

    patient_ids: tuple[str, ...]
    is_high: npt.NDArray[np.bool_]
    phases: Mapping[str, Bags]

    def bags(self, phase: str) -> Bags:
        """Return the pictures on a phase; none if no patient has it.

        Args:
            phase: Such as "cmp".
        """
        nothing = np.zeros((0, 1, 1, 1), np.float16)
        return self.phases.get(phase) or Bags(nothing, np.zeros(len(self.patient_ids), np.intp))


def places_of(counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return ``(patient, place)``, the rows of each patient of a batch, −1 where a patient has fewer than others.

    Args:
        counts: Rows of each patient, which lie together.

    >>> places_of(np.array([2, 1])).tolist()
    [[0, 1], [2, -1]]
    """
    places = np.arange(counts.max(initial=0))
    starts = np.cumsum(counts) - counts
    return np.where(places < counts[:, None], starts[:, None] + places, -1)


def places_of_phases(parts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return ``(patient, phase, place)``, the rows of each patient on each phase, −1 where there are fewer.

    Args:
        parts: ``(patient, phase)``, the rows of each patient on each phase, which follow each other.

    >>> places_of_phases(np.array([[2, 0], [1, 1]])).tolist()
    [[[0, 1], [-1, -1]], [[2, -1], [3, -1]]]
    """
    return places_of(parts.reshape(-1)).reshape(*parts.shape, -1)


def read_samples(files: Mapping[str, Mapping[str, Path]], is_high: Mapping[str, bool]) -> list[Sample]:
    """Find the prepared regions of every patient without loading them into memory yet, or keeping the files open.

    Args:
        files: For each phase, the ``.npy`` file of the region by patient id, for one arm.
        is_high: The true grade by patient id.

    Returns:
        The patients that have at least one of the phases, by id.

    Raises:
        RunError: A file is missing or damaged, or its shape differs from those of the other patients.
    """
    images: dict[str, dict[str, StoredRegion]] = {}
    for phase, region_paths in files.items():
        regions = {
            patient_id: StoredRegion(path, open_region(path).shape) for patient_id, path in sorted(region_paths.items())
        }
        shapes = Counter(region.shape[1:] for region in regions.values())
        usual = shapes.most_common(1)[0][0] if shapes else ()
        for patient_id, region in regions.items():
            if region.shape[1:] != usual:
                reason = f"its shape is {region.shape}, that of others {usual}"
                raise _damaged(region_paths[patient_id], reason)
            images.setdefault(patient_id, {})[phase] = region
    return [Sample(patient_id, of_phase, is_high[patient_id]) for patient_id, of_phase in sorted(images.items())]


def open_region(region_path: Path) -> npt.NDArray[np.float16]:
    """Open a prepared region without loading it into memory.

    Args:
        region_path: The ``.npy`` file.

    Returns:
        ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``.

    Raises:
        RunError: The file is missing, cut short, or not a region.
    """
    try:
        with region_path.open("rb") as stream:
            is_ours = _REGION_HEAD.match(stream.read(_HEAD_BYTES)) is not None
        if not is_ours:  # NumPy would parse any other, with warnings
            raise _damaged(region_path, "it does not begin like a region")
        region = np.load(region_path, mmap_mode="r")
    except _DAMAGE as error:
        raise _damaged(region_path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    if not isinstance(region, np.ndarray) or region.dtype != np.float16 or region.ndim not in {4, 5} or not region.size:
        raise _damaged(region_path, "it does not hold a region in float16")
    return region


def _damaged(region_path: Path, reason: str) -> RunError:
    return RunError(f"{region_path} is damaged ({reason}). Delete it and run `nephrograde prepare` again.")


def phases_alone(phases: Sequence[str], patients: Sequence[Collection[str]]) -> list[str]:
    """List the phases that no patient has together with another one; none if there is only one phase.

    Args:
        phases: Such as those of an arm.
        patients: Who has each of them.

    >>> phases_alone(["cmp", "np", "up"], [{"P1", "P2"}, {"P2"}, {"P3"}])
    ['up']
    """
    found = []
    for phase, own in zip(phases, patients, strict=True):
        others = [other for name, other in zip(phases, patients, strict=True) if name != phase]
        if others and set(own).isdisjoint(set().union(*others)):
            found.append(phase)
    return found


def gather_together(
    samples: Iterable[Sample],
    patient_ids: Iterable[str],
    phases: Sequence[str],
    values: Mapping[str, Sequence[float]] | None = None,
) -> SampleSet:
    """Collect the pictures of some patients on several phases as one bag per patient.

    Args:
        samples: All patients.
        patient_ids: Whose pictures; patients without a sample are skipped.
        phases: In the order in which the pictures of a patient follow each other.
        values: The standardised clinical values of every patient, where they are joined with the pictures.

    Returns:
        The patients; their pictures are those of the phase ``cmp+np``, named as the phases together.

    >>> picture = np.zeros((2, 1, 4, 4), np.float16)
    >>> both, one = Sample("P1", {"cmp": picture, "np": picture[:1]}, True), Sample("P2", {"np": picture}, False)
    >>> bags = gather_together([both, one], ["P1", "P2"], ["cmp", "np"]).bags("cmp+np")
    >>> bags.counts.tolist(), bags.parts.tolist()
    ([3, 2], [[2, 1], [0, 2]])
    """
    wanted = set(patient_ids)
    chosen = [sample for sample in samples if sample.patient_id in wanted]
    regions = [sample.images[phase] for sample in chosen for phase in phases if phase in sample.images]
    parts = np.array([[len(sample.images.get(phase, ())) for phase in phases] for sample in chosen], np.intp)
    given = None if values is None else np.array([values[sample.patient_id] for sample in chosen], np.float32)
    bags = {together(phases): Bags(_joined(regions), parts.sum(axis=1), parts, given)} if chosen else {}
    return SampleSet(
        patient_ids=tuple(sample.patient_id for sample in chosen),
        is_high=np.array([sample.is_high for sample in chosen], dtype=bool),
        phases=bags,
    )


def gather(
    samples: Iterable[Sample], patient_ids: Iterable[str], values: Mapping[str, Sequence[float]] | None = None
) -> SampleSet:
    """Collect the pictures of some patients; patients without a sample are skipped.

    Args:
        samples: All patients.
        patient_ids: Whose pictures.
        values: The standardised clinical values of every patient, where they are joined with the pictures.

    >>> a = Sample("P1", {"cmp": np.zeros((2, 1, 4, 4), np.float16)}, is_high=True)
    >>> b = Sample("P2", {"cmp": np.ones((3, 1, 4, 4), np.float16)}, is_high=False)
    >>> samples = gather([a, b], ["P2", "P3"])
    >>> samples.patient_ids, samples.bags("cmp").images.shape, samples.is_high.tolist()
    (('P2',), (3, 1, 4, 4), [False])
    """
    wanted = set(patient_ids)
    chosen = [sample for sample in samples if sample.patient_id in wanted]
    phases = dict.fromkeys(phase for sample in chosen for phase in sample.images)
    return SampleSet(
        patient_ids=tuple(sample.patient_id for sample in chosen),
        is_high=np.array([sample.is_high for sample in chosen], dtype=bool),
        phases={phase: _bags_of(chosen, phase, values) for phase in phases},
    )


def _bags_of(samples: Sequence[Sample], phase: str, values: Mapping[str, Sequence[float]] | None) -> Bags:
    regions = [sample.images.get(phase) for sample in samples]
    counts = np.array([0 if region is None else len(region) for region in regions], np.intp)
    given = None if values is None else np.array([values[sample.patient_id] for sample in samples], np.float32)
    return Bags(_joined([region for region in regions if region is not None]), counts, values=given)


def _joined(regions: Sequence[npt.NDArray[np.float16] | StoredRegion]) -> npt.NDArray[np.float16]:
    """The pictures of regions of one shape, read one region at a time."""
    if len(shapes := {region.shape[1:] for region in regions}) > 1:
        raise ValueError(f"pictures of the shapes {sorted(shapes)} cannot be joined")
    images = np.empty((sum(map(len, regions)), *regions[0].shape[1:]), np.float16)
    start = 0
    for region in regions:
        images[start : start + len(region)] = region
        start += len(region)
    return images
