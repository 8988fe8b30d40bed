"""What is wrong with a scan: checks of images and masks, and the table of findings.

Every check looks at the numbers in their stored type and makes no copy of the image, so that checking costs a few
milliseconds beside the second that reading takes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, cast

import numpy as np

from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nephrograde.cohort.table import Scan
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

Severity: TypeAlias = Literal["fatal", "warning"]

FEWEST_SLICES = 3
"""The paper's weak arm reads three slices and more."""


class Fault(NamedTuple):
    """Something wrong with one image or mask, before it is known whose it is."""

    code: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one scan of one patient; a row of ``findings.csv``.

    A "fatal" finding leaves the scan (or the arms that need the mask) out, a "warning" does not.
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
    >>> from nephrograde.cohort.table import Scan
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


def check_volume(volume: Volume) -> list[Fault]:
    """Look for what makes an image useless (fatal) or suspect (warning).

    :func:`~nephrograde.volume.volume.read_volume` raises the fatal ones itself, so that after it only warnings are
    left to collect.

    Args:
        volume: An image as read.

    Returns:
        What was noticed in reading, and faults with code "too-few-slices", "not-finite", "constant" (fatal), "not-hu"
        or "no-orientation" (warning).

    Source: Our choice. HU are negative in fat and air, so an image without a negative value is no CT in HU.

    >>> from nephrograde.volume.volume import make_volume
    >>> [fault.code for fault in check_volume(make_volume(np.zeros((8, 8, 2)), spacing_mm=(1, 1, 5)))]
    ['too-few-slices', 'constant']
    """
    name = volume.image_path or "image"
    faults = list(volume.faults)
    if volume.values.shape[2] < FEWEST_SLICES:
        faults.append(
            Fault(
                "too-few-slices",
                "fatal",
                f"{name}: has {volume.values.shape[2]} axial slices, at least {FEWEST_SLICES} are needed.",
                "Export the whole series.",
            )
        )
    planes = np.moveaxis(volume.values, 2, 0)  # a plane stays in the processor's cache while it is read twice
    low, high = np.array([(plane.min(), plane.max()) for plane in planes]).T
    low, high = low.min(), high.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        faults.append(_not_finite(volume, str(name)))
    elif low == high:
        faults.append(
            Fault(
                "constant",
                "fatal",
                f"{name}: every voxel has the same value ({low:g}).",
                "Export the scan again; the image is empty.",
            )
        )
    elif low >= 0:
        faults.append(
            Fault(
                "not-hu",
                "warning",
                f"{name}: values run from {low:g} to {high:g}; HU would be negative in fat and air.",
                "For CT, restore the rescale intercept; for PET or MR, give the phase its own [window].",
            )
        )
    if not volume.native.is_oriented:
        faults.append(
            Fault(
                "no-orientation",
                "warning",
                f"{name}: does not say how it lies in the patient (sform_code and qform_code are 0); its axes are "
                "taken to run to the left, the back and the head.",
                "Convert the scan from its DICOM series again.",
            )
        )
    return faults


def _not_finite(volume: Volume, name: str) -> Fault:
    count = int(volume.values.size - np.isfinite(volume.values).sum())
    return Fault(
        "not-finite",
        "fatal",
        f"{name}: {count} of {volume.values.size} voxels are not numbers (NaN or infinite).",
        "Convert the scan from its DICOM series again, or fill the voxels outside the field of view.",
    )


def check_mask(mask: MaskArray, *, mask_path: Path | None = None) -> list[Fault]:
    """Look for what makes a tumour mask useless (fatal) or suspect (warning).

    Args:
        mask: On the grid of its image.
        mask_path: The file it came from, for the message.

    Returns:
        Faults with code "mask-empty" (fatal) or "mask-border" (warning: the tumour may be cut off).

    Source: Our choice.

    >>> mask = np.zeros((8, 8, 4), dtype=bool)
    >>> check_mask(mask)[0].code
    'mask-empty'
    >>> mask[3:5, 3:5, 0:2] = True
    >>> print(check_mask(mask)[0].message)
    mask: the tumour touches the first slice of the image.
    """
    name = mask_path or "mask"
    if not mask.any():
        return [Fault("mask-empty", "fatal", f"{name}: no voxel is marked.", "Delineate the tumour, or drop the mask.")]
    sides = {
        "right side": mask[0],
        "left side": mask[-1],
        "front": mask[:, 0],
        "back": mask[:, -1],
        "first slice": mask[:, :, 0],
        "last slice": mask[:, :, -1],
    }
    touched = [side for side, face in sides.items() if face.any()]
    if not touched:
        return []
    return [
        Fault(
            "mask-border",
            "warning",
            f"{name}: the tumour touches the {' and the '.join(touched)} of the image.",
            "See that the scan holds the whole tumour.",
        )
    ]


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
        RunError: Where the file is missing.
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
