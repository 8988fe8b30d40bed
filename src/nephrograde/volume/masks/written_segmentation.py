"""A mask as a DICOM segmentation (SEG) that refers to the series it was drawn on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from nephrograde.version import __version__
from nephrograde.volume.dicom.references import copying, require_uids
from nephrograde.volume.masks.marks import nothing_marked, turn_back

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.dicom.source_headers import SourceHeaders
    from nephrograde.volume.volume import Volume

_SERIES_NUMBER: Final = 9100


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a mask comes from, as its segmentation says.

    Attributes:
        creator: Who drew it; empty if unknown.
        program: Which program writes the segmentation.
        description: The description of the series.
        entropy: What the UIDs are made from. With the same texts, the same mask has the same UIDs.
        series_number: The number of the new series.
    """

    creator: str
    program: str
    description: str
    entropy: tuple[str, ...]
    series_number: int = _SERIES_NUMBER


def make_segmentation(mask: MaskArray, volume: Volume, sources: SourceHeaders, *, origin: Origin) -> Dataset:
    """Make a binary segmentation of a mask, with the study and the frame of reference of its image.

    Args:
        mask: ``"x y z"``, on the grid of the volume.
        volume: The image.
        sources: The headers of its DICOM series, from :func:`~nephrograde.volume.dicom.references.read_references`.
        origin: Where the mask comes from.

    Raises:
        VolumeError: With code "dicom-reference" if the series lacks its frame of reference, "dicom-source" if its
            headers cannot be copied, "mask-empty".

    Source: DICOM PS3.3 A.51; CID 7150 and 7159 for the codes.
    """
    if not mask.any():
        raise nothing_marked()
    for dataset in sources.datasets:
        require_uids(dataset, ("FrameOfReferenceUID",))
    frames = np.ascontiguousarray(turn_back(mask, volume.native).transpose(2, 1, 0), dtype=np.uint8)
    with copying():
        return _segmentation(sources, frames, volume, origin)


def _segmentation(sources: SourceHeaders, frames: np.ndarray, volume: Volume, origin: Origin) -> Dataset:
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
    from highdicom.seg import Segmentation, SegmentationTypeValues
    from pydicom.uid import generate_uid

    native, explicit = volume.native, not sources.is_slice_for_slice
    digest = hashlib.sha256(np.packbits(frames).tobytes()).hexdigest()
    entropy = list(origin.entropy)
    across, down = native.direction.T[:2]
    positions = [PlanePositionSequence("PATIENT", native.to_mm((0, 0, k))) for k in range(native.size[2])]
    thickness = float(sources.datasets[0].get("SliceThickness") or native.spacing_mm[2])
    made: Dataset = Segmentation(
        sources.datasets,
        frames,
        SegmentationTypeValues.BINARY,
        [_tumour(generate_uid(entropy_srcs=[*entropy, "tumour"]))],
        generate_uid(entropy_srcs=[*entropy, "series"]),
        origin.series_number,
        generate_uid(entropy_srcs=[*entropy, digest]),
        1,
        "nephrograde",
        origin.program,
        __version__,
        "none",
        content_label="TUMOUR",
        content_creator_name=f"{origin.creator}^" if origin.creator else None,  # a family name alone
        series_description=origin.description,
        pixel_measures=PixelMeasuresSequence(
            (native.spacing_mm[1], native.spacing_mm[0]), thickness, native.spacing_mm[2]
        ),
        plane_orientation=PlaneOrientationSequence("PATIENT", (*across, *down)) if explicit else None,
        plane_positions=positions if explicit else None,
    )
    dimensions = generate_uid(entropy_srcs=[*entropy, "dimensions"])
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    return made


def _tumour(tracking_uid: str) -> SegmentDescription:
    import highdicom
    from pydicom.sr.codedict import codes

    return highdicom.seg.SegmentDescription(
        1,
        "Tumour",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Neoplasm,
        highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=tracking_uid,
        tracking_id="tumour",
        anatomic_regions=[codes.SCT.Kidney],
    )
