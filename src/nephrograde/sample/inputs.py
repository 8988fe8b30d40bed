"""What a region is cut from, and the fingerprint of it: files by content, places, and the settings of the arm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.sample.region import region_settings
from nephrograde.sample.target import places_given
from nephrograde.vocabulary import Supervision
from nephrograde.volume.image_files import sha256_of_image
from nephrograde.volume.masks.labels import find_names_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Scan
    from nephrograde.sample.human_error import HumanError
    from nephrograde.study import Arm, Study


def input_name(column: str, patient_id: str) -> str:
    """What the lock file calls an image or mask: column and patient, not its path, which may say who the patient is.

    Args:
        column: Of the cohort table, like ``np_image``.
        patient_id: Whose it is.

    >>> input_name("np_mask", "P017")
    'np_mask P017'
    """
    return f"{column} {patient_id}"


def digests_of(patient_id: str, scan: Scan) -> dict[str, str]:
    """Return the SHA-256 of a scan's files that are there, by their names in the lock file.

    Args:
        patient_id: Whose they are.
        scan: The scan; further pictures are numbered.
    """
    image = input_name(f"{scan.phase}_image", patient_id)
    files = {image if k == 0 else f"{image} {k + 1}": path for k, path in enumerate(scan.image_paths)}
    if scan.mask_path is not None:
        files[_mask_name(patient_id, scan)] = scan.mask_path
    return {name: sha256_of_image(path) for name, path in files.items() if path.exists()}


def names_path_of(scan: Scan, study: Study) -> Path | None:
    """Return the file that names the labels of a scan's mask, if the study names the tumour's label.

    Args:
        scan: The scan.
        study: The study.
    """
    return find_names_file(scan.mask_path) if scan.mask_path and study.masks.label else None


def _mask_name(patient_id: str, scan: Scan) -> str:
    return input_name(f"{scan.phase}_mask", patient_id)


def kidneys_digest_of(patient_id: str, scan: Scan, study: Study) -> dict[str, str]:
    """Return the SHA-256 of the mask of the kidneys, if an arm of the study reads it.

    Args:
        patient_id: Whose it is.
        scan: The scan.
        study: Its arms.
    """
    path = scan.kidneys_path
    if (
        path is None
        or not path.exists()
        or all(arm.supervision is not Supervision.NONE for arm in study.arms_on(scan.phase))
    ):
        return {}
    return {input_name(f"{scan.phase}_kidneys", patient_id): sha256_of_image(path)}


class Digests(NamedTuple):
    """SHA-256 of the image and the mask of a scan, and of the mask of its kidneys, by name in the lock file."""

    own: Mapping[str, str]
    kidneys: Mapping[str, str]


def divided(patient_id: str, phase: str, inputs: Mapping[str, str]) -> Digests:
    """Divide the SHA-256 of what was read of a scan into those of its own files and of the mask of its kidneys.

    Args:
        patient_id: Whose they are.
        phase: The phase of the scan.
        inputs: By name in the lock file; those of other files are left out.
    """
    image, mask, kidneys = (input_name(f"{phase}_{kind}", patient_id) for kind in ("image", "mask", "kidneys"))
    own = {name: one for name, one in inputs.items() if name in {image, mask} or name.startswith(f"{image} ")}
    return Digests(own, {name: one for name, one in inputs.items() if name == kidneys})


def identity_of(patient_id: str, scan: Scan, own: Mapping[str, str]) -> list[object]:
    """Return what a scan's regions are cut from: its files and places.

    Args:
        patient_id: Whose it is.
        scan: The scan.
        own: The SHA-256 of its files.
    """
    identity: list[object] = [
        patient_id,
        scan.phase,
        sorted(own.values()),
        repr((scan.point, scan.box, scan.slice_place)),
    ]
    if scan.further_paths or scan.pixel_mm:  # with several pictures, positions give the number of the picture
        identity.append([list(own.values()), scan.pixel_mm])
    if scan.state:
        identity.append(scan.state)
    return identity


def shape_of(
    patient_id: str, scan: Scan, arm: Arm, study: Study, *, error: HumanError, digests: Digests
) -> list[object]:
    """Return everything that shapes an arm's region, from which its name is made, except for the mask that counts.

    Args:
        patient_id: Whose it is.
        scan: The scan.
        arm: The arm.
        study: The sizes of regions and the windows.
        error: By how much derived places are off.
        digests: The SHA-256 of what the region is cut from.
    """
    settings = region_settings(arm, scan.phase, study)
    if arm.supervision is Supervision.NONE:  # no annotation has a part in it
        bare = replace(scan, mask_path=None, point=None, box=None, slice_place=None)
        image = {name: digest for name, digest in digests.own.items() if name != _mask_name(patient_id, scan)}
        kidneys = sorted(digests.kidneys.values())
        return [identity_of(patient_id, bare, image), settings, *([kidneys] if kidneys else [])]
    size_mm = error.size_mm.get(arm.supervision, 0.0)
    is_moved = size_mm > 0 and arm.supervision not in places_given(scan)
    return [identity_of(patient_id, scan, digests.own), settings, *([[size_mm, error.seed]] if is_moved else [])]
