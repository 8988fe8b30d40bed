"""A grading as a DICOM structured report: Comprehensive 3D SR with the template of measurement reports, TID 1500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nephrograde.export.dicom.region import find_region, place_on_image
from nephrograde.export.dicom.words import (
    GRADES,
    MARKED,
    RESEARCH,
    SEGMENTED,
    certainty,
    parameters,
    remarks,
    series_title,
)
from nephrograde.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from highdicom.sr import FindingSite, ImageRegion, ImageRegion3D, Measurement, QualitativeEvaluation
    from pydicom import Dataset

    from nephrograde.export.dicom.region import Region
    from nephrograde.export.dicom.stamp import Stamp
    from nephrograde.predict.examined import Examined
    from nephrograde.predict.grader import Grader
    from nephrograde.predict.grading import Grading
    from nephrograde.volume.dicom.source_headers import SourceHeaders

SERIES_NUMBER: Final = 9201
SCHEME: Final = "99NEPHROGRADE"
"""The project's own codes: neither DICOM nor SNOMED CT has one for a grade that an image predicts. The code of the
histological grade would say that a pathologist had looked."""
MAKER: Final = "The nephrograde authors"
_CARCINOMA: Final = ("254915003", "SCT", "Clear cell carcinoma of kidney")
_SETS: Final = {
    "high": "Only high grade is plausible",
    "low": "Only low grade is plausible",
    "both": "Either grade is plausible",
    "none": "Neither grade is plausible",
}


def make_report(
    grader: Grader,
    examined: Examined,
    sources: Mapping[str, SourceHeaders],
    *,
    stamp: Stamp,
    segmentations: Mapping[str, Dataset],
) -> Dataset:
    """Make the structured report of a grading.

    The evidence is every image of every phase that was given. The library holds only those on which the regions lie:
    with hundreds of them, making the report would take longer than the grading. The report belongs to the study of the
    phase on which the region of the answer lies.

    Args:
        grader: What graded the patient.
        examined: The graded patient.
        sources: The headers of the series by phase.
        stamp: The moment and the UIDs.
        segmentations: The masks that were given, by phase: each has a group of its own, with the tumour's volume.

    Source: DICOM PS3.3 A.35.13, PS3.16 TID 1500, 1410, 1411 and 4019; SNOMED CT for the finding and its site.
    """
    from highdicom import sr
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    first = examined.first
    ordered = [one for phase in (first, *_others(examined, sources)) for one in sources[phase].datasets]
    made: Dataset = sr.Comprehensive3DSR(
        evidence=[*ordered, *segmentations.values()],
        content=_content(grader, examined, sources, stamp=stamp, segmentations=segmentations),
        series_instance_uid=stamp.uid("report", "series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=stamp.uid("report"),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name="nephrograde",
        software_versions=__version__,
        series_description=series_title("grade of renal tumour", synthetic=examined.grading.synthetic),
        is_complete=True,
        coding_schemes=[
            CodingSchemeIdentificationItem(SCHEME, name="Codes of nephrograde", responsible_organization=MAKER)
        ],
    )
    stamp.put_on(made)
    return made


def _content(
    grader: Grader,
    examined: Examined,
    sources: Mapping[str, SourceHeaders],
    *,
    stamp: Stamp,
    segmentations: Mapping[str, Dataset],
) -> Any:
    """The tree of the report: a group of the answer, of the tumour on further phases, and of each mask."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    first, regions = examined.first, _regions(examined)
    groups = [
        _graded(grader, examined, regions[first], sources[first].datasets, stamp=stamp),
        *(
            _elsewhere(examined, phase, regions[phase], sources[phase].datasets, stamp=stamp)
            for phase in _others(examined, sources)
            if phase in regions and regions[phase].is_tumour
        ),
        *(
            _segmented(examined, phase, made, sources[phase].datasets[0], stamp=stamp)
            for phase, made in segmentations.items()
        ),
    ]
    return sr.MeasurementReport(
        sr.ObservationContext(observer_device_context=_device(examined.grading)),
        codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[
            _entry(place_on_image(one, sources[phase].datasets).dataset) for phase, one in regions.items()
        ],
    )


def _others(examined: Examined, sources: Mapping[str, SourceHeaders]) -> list[str]:
    """The phases besides that of the answer."""
    return [phase for phase in sources if phase != examined.first]


def _regions(examined: Examined) -> dict[str, Region]:
    """Where the tumour lies, for each phase that was read; early fusion could not use the others."""
    found = {phase: find_region(seen) for phase, seen in examined.seen.items()}
    return {phase: region for phase, region in found.items() if region is not None}


def _device(grading: Grading) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=["nephrograde", __version__, grading.model]),
        name="nephrograde",
        manufacturer_name=MAKER,
        model_name=grading.model,
    )
    return sr.ObserverContext(codes.DCM.Device, device)


def _graded(grader: Grader, examined: Examined, region: Region, datasets: Sequence[Dataset], *, stamp: Stamp) -> Any:
    """The group of the answer: region, finding, probability, call and algorithm."""
    from highdicom import sr

    return _group(
        region,
        datasets,
        f"{examined.first}: {MARKED[region.kind]}",
        stamp.uid("region", examined.first),
        site=_site(examined, examined.first),
        algorithm_id=sr.AlgorithmIdentification(
            name=f"nephrograde {examined.grading.model}",
            version=__version__,
            manufacturer=MAKER,
            parameters=parameters(grader, examined),
        ),
        measurements=[*_measurements(examined.grading), *_diameter(examined, examined.first, region)],
        qualitative_evaluations=_evaluations(examined.grading),
        comments=[*remarks(examined), *certainty(examined)],
    )


def _elsewhere(examined: Examined, phase: str, region: Region, datasets: Sequence[Dataset], *, stamp: Stamp) -> Any:
    """The group of a further phase on which somebody marked the tumour: where it lies there."""
    title = f"{phase}: {MARKED[region.kind]}"
    size = _diameter(examined, phase, region)
    answer = {"measurements": size} if size else {}
    return _group(
        region,
        datasets,
        title,
        stamp.uid("region", phase),
        site=_site(examined, phase),
        comments=remarks(examined)[:1],
        **answer,
    )


def _segmented(examined: Examined, phase: str, made: Dataset, source: Dataset, *, stamp: Stamp) -> Any:
    """The group of a mask that was given: which segment it is, and how large. Source: DICOM PS3.16 TID 1411."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    scanned = examined.seen[phase].scanned
    size = None if scanned is None else scanned.size
    volume = [] if size is None else [sr.Measurement(codes.SCT.Volume, float(size[0]), codes.UCUM.CubicCentimeter)]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=stamp.uid("segment", phase), identifier=f"{phase}: {SEGMENTED}"),
        referenced_segment=sr.ReferencedSegment(
            made.SOPClassUID,
            made.SOPInstanceUID,
            1,
            source_series=sr.SourceSeriesForSegmentation(source.SeriesInstanceUID),
        ),
        finding_type=sr.CodedConcept(*_CARCINOMA),
        finding_category=codes.SCT.Neoplasm,
        finding_sites=[_site(examined, phase)],
        measurements=volume or None,
    )


def _diameter(examined: Examined, phase: str, region: Region) -> list[Measurement]:
    """The longest diameter of the tumour on the image of its outline."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    scanned = examined.seen[phase].scanned
    if region.kind != "outline" or scanned is None or scanned.size is None:
        return []
    return [sr.Measurement(codes.SCT.LongAxis, float(scanned.size[1]), codes.UCUM.Millimeter)]


def _site(examined: Examined, phase: str) -> FindingSite:
    """The kidney, with its side if that was found without doubt."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    sides = {"right": codes.SCT.Right, "left": codes.SCT.Left}
    side = examined.grading.side_of(phase)
    return sr.FindingSite(codes.SCT.Kidney, laterality=None if side is None else sides[side])


def _group(
    region: Region,
    datasets: Sequence[Dataset],
    title: str,
    uid: str,
    *,
    site: FindingSite,
    comments: Sequence[str],
    **answer: Any,
) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    purposes = {
        "outline": codes.DCM.Outline,
        "box": codes.SCT.BoundedBy,
        "point": codes.DCM.RepresentativePoint,
        "region": None,
    }
    made = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uid, identifier=title),
        referenced_region=_region_item(region, datasets),
        finding_type=sr.CodedConcept(*_CARCINOMA),
        finding_category=codes.SCT.Neoplasm,
        finding_sites=[site],
        geometric_purpose=purposes[region.kind],
        **answer,
    )
    for text in comments:
        relation = sr.RelationshipTypeValues.CONTAINS
        made[0].ContentSequence.append(sr.TextContentItem(codes.DCM.Comment, text, relation))
    return made


def _region_item(region: Region, datasets: Sequence[Dataset]) -> ImageRegion | ImageRegion3D:
    """The region in the patient; on an image where the series does not say in which frame of reference it lies."""
    from highdicom import sr

    is_point = len(region.corners_mm) == 1
    frames = {str(one.get("FrameOfReferenceUID") or "") for one in datasets}
    if len(frames) == 1 and "" not in frames:
        kind = sr.GraphicTypeValues3D.POINT if is_point else sr.GraphicTypeValues3D.POLYGON
        return sr.ImageRegion3D(kind, region.corners_mm, frames.pop())
    placed = place_on_image(region, datasets)
    numbers = None if placed.frame is None else [placed.frame]
    source = sr.SourceImageForRegion(placed.dataset.SOPClassUID, placed.dataset.SOPInstanceUID, numbers)
    flat = sr.GraphicTypeValues.POINT if is_point else sr.GraphicTypeValues.POLYLINE
    return sr.ImageRegion(flat, np.maximum(placed.corners, 0.0), source)


def _own(value: str, meaning: str) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value, SCHEME, meaning)


def _measurements(grading: Grading) -> list[Measurement]:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    given = {
        ("P_HIGH", "Probability of high WHO/ISUP grade (3-4)"): grading.p_high,
        ("THRESHOLD", "Threshold of the call, probability"): grading.threshold,
        ("P_LOWEST", "Lowest probability of a fold's network"): min(grading.p_high_of_folds),
        ("P_HIGHEST", "Highest probability of a fold's network"): max(grading.p_high_of_folds),
        ("P_RECALIBRATED", "Recalibrated probability of high grade"): grading.p_calibrated,
        ("SET_ERROR", "Error of the set of plausible grades"): grading.set_error,
    }
    return [
        sr.Measurement(_own(*name), float(value), codes.UCUM.NoUnits)
        for name, value in given.items()
        if value is not None
    ]


def _evaluations(grading: Grading) -> list[QualitativeEvaluation]:
    from highdicom import sr

    call = _own(grading.call.upper(), GRADES[grading.call])
    found = [
        sr.QualitativeEvaluation(_own("CALL", "Predicted WHO/ISUP grade"), call),
        sr.QualitativeEvaluation(_own("USE", "Intended use"), _own("RESEARCH", RESEARCH)),
    ]
    if grading.synthetic:
        value = _own("SYNTHETIC", "SYNTHETIC data: no answer for a patient")
        found.append(sr.QualitativeEvaluation(_own("TRAINED", "Trained on"), value))
    if grading.grade_set is not None:
        value = _own(f"SET_{grading.grade_set.upper()}", _SETS[grading.grade_set])
        found.append(sr.QualitativeEvaluation(_own("SET", "Set of plausible grades"), value))
    return found


def _entry(dataset: Dataset) -> Dataset:
    """What the report's library of images says of one: the images themselves hold the rest."""
    from pydicom.dataset import Dataset as Item

    entry = Item()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "FrameOfReferenceUID", "Rows", "Columns"):
        if dataset.get(keyword):
            setattr(entry, keyword, dataset[keyword].value)
    entry.Modality = "OT"  # highdicom would ask for geometry that an enhanced object has elsewhere
    return entry
