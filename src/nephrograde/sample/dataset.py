"""The samples of one model, collected from the prepared cache and keyed by patient."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from tokenize import TokenError
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
class Sample:
    """What a model sees of one patient.

    ``image`` is float16 in [0, 1]: ``(slice, 1, y, x)`` for a weak arm, ``(1, channel, x, y, z)`` for a strong one,
    so that the first axis always counts the patient's pictures.
    """

    patient_id: str
    image: npt.NDArray[np.float16] = field(repr=False)
    is_high: bool


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The rows fed to a network: one per slice or box, each with its patient's id and grade.

    ``images`` is float16 in [0, 1], ``(row, 1, y, x)`` or ``(row, channel, x, y, z)``.
    """

    images: npt.NDArray[np.float16] = field(repr=False)
    patient_ids: tuple[str, ...]
    is_high: npt.NDArray[np.bool_]


def read_samples(files: Mapping[str, Path], is_high: Mapping[str, bool]) -> list[Sample]:
    """Open the prepared region of every patient without loading it into memory yet.

    Args:
        files: The ``.npy`` file of the region by patient id, for one arm and phase.
        is_high: The true grade by patient id.

    Raises:
        RunError: A file is missing or damaged, or its shape differs from those of the other patients.
    """
    samples = [
        Sample(patient_id, open_region(region_path), is_high[patient_id])
        for patient_id, region_path in sorted(files.items())
    ]
    shapes = Counter(sample.image.shape[1:] for sample in samples)
    usual = shapes.most_common(1)[0][0] if shapes else ()
    for sample in samples:
        if sample.image.shape[1:] != usual:
            raise _damaged(files[sample.patient_id], f"its shape is {sample.image.shape}, that of others {usual}")
    return samples


def open_region(region_path: Path) -> npt.NDArray[np.float16]:
    """Open a prepared region without loading it into memory.

    Args:
        region_path: The ``.npy`` file.

    Returns:
        ``(slice, 1, y, x)`` or ``(1, channel, x, y, z)``.

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


def gather(samples: Iterable[Sample], patient_ids: Iterable[str]) -> SampleSet:
    """Collect the rows of some patients; patients without a sample (a missing phase) are skipped.

    >>> a = Sample("P1", np.zeros((2, 1, 4, 4), np.float16), is_high=True)
    >>> b = Sample("P2", np.ones((2, 1, 4, 4), np.float16), is_high=False)
    >>> rows = gather([a, b], ["P2", "P3"])
    >>> rows.patient_ids, rows.images.shape, rows.is_high.tolist()
    (('P2', 'P2'), (2, 1, 4, 4), [False, False])
    """
    wanted = set(patient_ids)
    chosen = [sample for sample in samples if sample.patient_id in wanted]
    images = [sample.image for sample in chosen]
    return SampleSet(
        images=np.concatenate(images) if images else np.zeros((0, 1, 1, 1), np.float16),
        patient_ids=tuple(sample.patient_id for sample in chosen for _ in range(len(sample.image))),
        is_high=np.array([sample.is_high for sample in chosen for _ in range(len(sample.image))], dtype=bool),
    )
