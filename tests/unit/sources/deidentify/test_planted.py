"""Of an identifier planted in every attribute and place of a file, none survives where no free text is kept."""

import warnings

import pytest
from pydicom._dicom_dict import DicomDictionary
from tests.unit.sources.deidentify.planted import plant, survivors, token_of

from nephrograde.sources.deidentify.folder import DeidentifySettings, deidentify_folder
from nephrograde.sources.deidentify.profile import DESCRIPTORS, TECHNICAL_TEXTS


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What was planted, and the folder of the copies."""
    folder = tmp_path_factory.mktemp("planted")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom about the planted values
        identifiers = plant(folder / "export")
    settings = DeidentifySettings(write_suspects=True)
    done = deidentify_folder(folder / "export", folder / "out", key_path=folder / "key.csv", settings=settings)
    assert not done.set_aside
    return identifiers, folder / "out"


@pytest.mark.slow
def test_only_texts_that_are_kept_hold_what_nobody_knows_to_be_a_name(planted):
    identifiers, out_dir = planted
    kept = {tag for tag, (_, _, _, _, keyword) in DicomDictionary.items() if keyword in DESCRIPTORS | TECHNICAL_TEXTS}
    free_text = {token_of(tag, place).encode() for tag in kept for place in ("top", "item")}
    assert not survivors({token: place for token, place in identifiers.items() if token not in free_text}, out_dir)
    assert len(identifiers) > 8000
    assert sum(survivors(identifiers, out_dir).values()) == 2 * len(kept)
