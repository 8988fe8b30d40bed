"""Code strings: the terms of the standard are kept, and nothing else."""

import pytest

from nephrograde.sources.deidentify.terms import is_code, is_term


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("Modality", ["CT", "SEG", "RTSTRUCT", "ct "]),
        ("PatientSex", ["M", "F", "O"]),
        ("PatientPosition", ["HFS", "FFS"]),
        ("PhotometricInterpretation", ["MONOCHROME2", "RGB", "YBR_FULL_422"]),
        ("BodyPartExamined", ["ABDOMEN", "Kidney", "CHEST_TO_PELVIS", "CHEST/ABD/PEL", "UPPER ABDOMEN"]),
        (
            "ImageType",
            ["ORIGINAL", "PRIMARY", "AXIAL", "LOCALIZER", "MPR", "CT_SOM5 SPI", "VIRTUAL MONO 70KEV", "JP2K"],
        ),
        ("FrameType", ["ORIGINAL", "VOLUME", "CT_SOM7 SPI DUAL"]),
        ("ScanOptions", ["HELICAL MODE", "HELICAL_CT", "SCOUT MODE"]),
        ("ExposureModulationType", ["XYZ_EC", "NONE"]),
        ("RotationDirection", ["CW"]),
        ("PatientOrientation", ["L", "P", "AR", "FLP"]),
        ("SegmentationType", ["BINARY", "LABELMAP"]),
        ("SegmentAlgorithmType", ["AUTOMATIC"]),
        ("ContourGeometricType", ["CLOSED_PLANAR"]),
        ("RTROIInterpretedType", ["GTV", "ORGAN"]),
        ("DimensionOrganizationType", ["3D", "TILED_FULL"]),
        ("AcquisitionType", ["SPIRAL"]),
        ("RescaleType", ["HU"]),
        ("LossyImageCompression", ["00", "01"]),
        ("ContextIdentifier", ["7151"]),
    ],
)
def test_terms_of_the_standard_and_words_of_scanners_are_kept(keyword, values):
    assert [value for value in values if not is_term(keyword, value)] == []


@pytest.mark.parametrize(
    "keyword", ["Modality", "PatientSex", "BodyPartExamined", "ImageType", "ScanOptions", "ContentLabel", "NoSuchName"]
)
@pytest.mark.parametrize(
    "value", ["KOWALSKA", "AXIAL KOWALSKA", "AXIAL_19440514", "12345", "AB 1234", "44 05 14", "王小明", "P\u0130ET"]
)
def test_any_other_value_is_not(keyword, value):
    assert not is_term(keyword, value)


@pytest.mark.parametrize(
    ("keyword", "text", "scheme", "is_kept"),
    [
        ("CodeValue", "108369006", "SCT", True),
        ("CodeValue", "T-71000", "SRT", True),
        ("CodeValue", "RID1301", "RADLEX", True),
        ("CodeValue", "113100", "DCM", True),
        ("CodeValue", "{counts}/min", "UCUM", True),
        ("CodeValue", "KOWALSKA", "SCT", False),
        ("CodeValue", "1234", "99HOSPITAL", False),
        ("CodeMeaning", "Neoplasm", "SCT", True),
        ("CodeMeaning", "Neoplasm", "", False),
        ("CodingSchemeDesignator", "SCT", "SCT", True),
        ("CodingSchemeDesignator", "99KOWALSKA", "99KOWALSKA", False),
        ("CodingSchemeVersion", "20210301", "SCT", True),
        ("CodingSchemeVersion", "Kowalska", "SCT", False),
    ],
)
def test_codes_are_kept_if_the_standard_knows_their_scheme(keyword, text, scheme, is_kept):
    assert is_code(keyword, text, scheme) == is_kept
