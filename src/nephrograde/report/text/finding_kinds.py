"""What a kind of finding of `check` means."""

from __future__ import annotations

from nephrograde.report.text.language import t


def meaning_of(code: str) -> str:
    """Name a kind of finding in the language of the page.

    Args:
        code: As of :class:`~nephrograde.volume.finding.Finding`.

    Returns:
        The words; empty for an unknown code.

    >>> meaning_of("few-slices")
    'few slices'
    """
    return (_of_scans() | _of_masks() | _of_tables()).get(code, "")


def _of_scans() -> dict[str, str]:
    """Kinds that are about one scan."""
    return {
        "affine-conflict": t("sform and qform that disagree"),
        "anisotropic": t("strongly anisotropic voxels"),
        "background-replaced": t("impossible values replaced as background"),
        "constant": t("a constant image"),
        "cropped": t("a cropped scan"),
        "data-elsewhere": t("a header that names a file elsewhere"),
        "dicom-frames": t("several coordinate systems in one series"),
        "dicom-gap": t("slices are missing or unevenly spaced"),
        "dicom-persons": t("slices of several patients in one series"),
        "dicom-rescale": t("slices without rescale slope and intercept"),
        "dicom-slice-in-tumour": t("a missing or unreadable slice within the tumour"),
        "dicom-slice-lost": t("a slice that is missing or could not be read"),
        "dicom-tilt": t("a stack sheared by gantry tilt"),
        "few-slices": t("few slices"),
        "file-empty": t("an empty file"),
        "file-missing": t("a missing file"),
        "file-too-large": t("a header that claims too large an image"),
        "file-truncated": t("a truncated file"),
        "file-unreadable": t("a damaged file"),
        "gantry-tilt": t("scanned with gantry tilt"),
        "kidney-cut": t("slices that end inside a kidney"),
        "kidney-not-found": t("no kidney found, for an arm without a place"),
        "metal": t("metal"),
        "mixed-kernel": t("several reconstruction kernels"),
        "mixed-thickness": t("phases with different slice spacing"),
        "no-orientation": t("an image without orientation"),
        "not-axial": t("a coronal or sagittal series"),
        "not-hu": t("values that are not HU"),
        "oblique": t("an oblique scan"),
        "phase-suspect": t("looks like another phase"),
        "pixel-not-square": t("non-square pixels"),
        "pixel-size": t("an unusual pixel size"),
        "short-coverage": t("a scan shorter than a kidney"),
        "slices-blank": t("empty slices inside the scan"),
        "slices-copied": t("slices stored twice"),
        "slices-offset": t("slices with another rescaling than the rest"),
        "slices-order": t("slices out of order"),
        "slices-phase": t("a second phase within one scan"),
        "slices-repeated": t("the same anatomy twice in one scan"),
        "slices-seam": t("slices that do not continue one another"),
        "spacing-negative": t("a negative voxel size"),
        "thick-slices": t("widely spaced slices"),
        "too-few-slices": t("fewer than three slices"),
        "truncated": t("a body truncated by the field of view"),
        "air-replaced": t("a background that is not air"),
        "body-size": t("a body of impossible width"),
        "voxel-size-default": t("voxels of exactly 1 mm that begin at 0"),
        "voxel-size-unit": t("an unknown unit of length"),
        "voxel-size-conflict": t("two voxel sizes in one header"),
        "voxel-size-missing": t("no voxel size in the header"),
    }


def _of_masks() -> dict[str, str]:
    """Kinds that are about a mask."""
    return {
        "kidneys-implausible": t("a mask that is not of the kidneys"),
        "mask-air": t("air inside the tumour mask"),
        "mask-body": t("a mask of the body"),
        "mask-border": t("a tumour mask that touches the edge of the image"),
        "mask-changed": t("a drawn mask that was changed with another program"),
        "mask-elsewhere": t("a tumour mask with the image’s size but another geometry"),
        "mask-empty": t("an empty tumour mask"),
        "mask-fat": t("fat inside the tumour mask"),
        "mask-full": t("a mask that marks the whole image"),
        "mask-inverted": t("a mask with background and tumour exchanged"),
        "mask-is-image": t("an image in place of a mask"),
        "mask-kidneys": t("a mask of both kidneys"),
        "mask-outside": t("a tumour mask outside the image"),
    }


def _of_tables() -> dict[str, str]:
    """Kinds that are about a patient, or about what the tables say."""
    return {
        "annotation-empty": t("a box without area"),
        "annotation-outside": t("a position in the table is outside the image"),
        "annotation-unknown-patient": t("annotations of patients who are not in the table"),
        "annotation-unknown-phase": t("annotations of phases that are not in the study"),
        "annotation-without-image": t("annotations of scans that are not in the table"),
        "duplicate-image": t("an image that another patient also has"),
        "duplicate-phase": t("the same image in two phases"),
        "implausible-age": t("ages that are hard to believe"),
        "implausible-size": t("tumour sizes that are hard to believe"),
        "implausible-volume": t("tumour volumes that are hard to believe"),
        "no-scan": t("no image in any phase of the study"),
        "no-tumour": t("no tumour on the scan, as annotated"),
        "patient-mixed": t("two people in one row"),
        "patient-twice": t("one person under two ids"),
        "places-apart": t("annotations of the phases far apart"),
        "scan-unfinished": t("the scan that wrote the table was not finished"),
        "size-against-mask": t("tumour sizes that do not agree with the masks"),
        "uid-placeholder": t("identifiers shared by many patients"),
        "unusable": t("a scan that cannot be judged, as annotated"),
        "volume-against-mask": t("tumour volumes that do not agree with the masks"),
    }
