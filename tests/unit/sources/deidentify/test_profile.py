"""The profile by tag: samples from PS3.15 Table E.1-1, and rules that apply to every tag of the dictionary."""

import pytest
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import tag_for_keyword

from nephrograde.sources.deidentify.profile import DATES, TIMES, Treatment, treatment


@pytest.mark.parametrize(
    ("keyword", "wanted"),
    [
        ("PatientName", "PSEUDONYM"),
        ("PatientBirthDate", "EMPTY"),
        ("PatientBirthTime", "DROP"),
        ("OtherPatientIDs", "DROP"),
        ("AccessionNumber", "EMPTY"),
        ("ReferringPhysicianName", "EMPTY"),
        ("InstitutionAddress", "DROP"),
        ("StudyDate", "SHIFT"),
        ("ContrastBolusStartTime", "TIME"),
        ("PerformedProcedureStepStartDate", "DROP"),
        ("FrameOfReferenceUID", "UID"),
        ("ReferencedSOPInstanceUID", "UID"),
        ("SourceImageSequence", "ITEMS"),
        ("ReferencedSeriesSequence", "ITEMS"),
        ("RequestAttributesSequence", "DROP"),
        ("IconImageSequence", "DROP"),
        ("OriginalAttributesSequence", "DROP"),
        ("DigitalSignaturesSequence", "DROP"),
        ("ImageComments", "DROP"),
        ("SeriesDescription", "CLEAN"),
        ("ROIName", "CLEAN"),
        ("Manufacturer", "CLEAN"),
        ("DeviceSerialNumber", "EMPTY"),
        ("PatientAge", "AGE"),
        ("PixelSpacing", "NUMBER"),
        ("ContourData", "NUMBER"),
        ("PixelData", "PIXELS"),
        ("EncapsulatedDocument", "DROP"),
        ("DataSetTrailingPadding", "DROP"),
    ],
)
def test_what_becomes_of_an_attribute(keyword, wanted):
    assert treatment(tag_for_keyword(keyword)).name == wanted


def test_options_that_are_not_wanted_leave_the_table_to_decide():
    series, age = tag_for_keyword("SeriesDescription"), tag_for_keyword("PatientAge")
    assert treatment(series, keep_descriptions=False) is Treatment.DROP
    assert treatment(age, keep_characteristics=False) is Treatment.DROP


def test_of_the_whole_dictionary_no_name_free_text_or_other_date_is_kept():
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        way = treatment(tag)
        if vr == "PN":
            assert way in {Treatment.EMPTY, Treatment.DROP, Treatment.DUMMY, Treatment.PSEUDONYM}, keyword
        if vr in {"DA", "TM", "DT"}:
            assert (way in {Treatment.SHIFT, Treatment.TIME}) == (keyword in DATES | TIMES), keyword
        if vr in {"LT", "UT", "UR", "UC", "AE"}:
            assert way in {Treatment.EMPTY, Treatment.DROP, Treatment.DUMMY}, keyword
        if vr == "UI":
            assert way in {Treatment.UID, Treatment.DROP}, keyword
        if vr == "UN":
            assert way is Treatment.DROP, keyword


def test_overlays_curves_private_and_unknown_attributes_go():
    tags = [0x60003000, 0x60FE4000, 0x50003000, 0x00091001, 0x00190010, 0x0008FFFE, 0x00080000, 0x00020003, 0xFFFCFFFC]
    assert {treatment(tag) for tag in tags} == {Treatment.DROP}
    masks = [mask for mask in RepeatersDictionary if mask[:2] in {"50", "60"}]
    assert masks
    assert all(treatment(int(mask.replace("x", "0"), 16)) is Treatment.DROP for mask in masks)
