"""The listed attributes are those of the standard, with its tags."""

import tomllib
from importlib import resources

from pydicom.datadict import dictionary_VR, tag_for_keyword

from nephrograde.sources.identity.revealing import LAST_GROUP, kinds_by_tag, sequences, usual_sequences


def test_tags_are_those_of_their_names() -> None:
    text = resources.files("nephrograde.sources.identity").joinpath("attributes.toml").read_text(encoding="utf-8")
    for section in tomllib.loads(text).values():
        assert {keyword: tag_for_keyword(keyword) for keyword in section} == section


def test_every_attribute_that_holds_a_name_is_listed() -> None:
    from pydicom._dicom_dict import DicomDictionary

    names = {tag for tag, (vr, *_) in DicomDictionary.items() if vr == "PN" and tag >> 16 < LAST_GROUP}
    assert names == {tag for tag, kind in kinds_by_tag().items() if kind == "names"}


def test_what_a_scan_opens_are_sequences() -> None:
    assert usual_sequences() <= sequences()
    assert {dictionary_VR(tag) for tag in usual_sequences()} == {"SQ"}
