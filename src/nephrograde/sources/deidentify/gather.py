"""Who the patients of an export are, from all headers, before the first copy is written.

A name may be known from one file only, while the description of another contains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.sources.deidentify.found import SetAside
from nephrograde.sources.identity.gathered import WHO, Gathered, is_nobodys, original_id, original_id_of
from nephrograde.sources.identity.revealing import (
    LAST_GROUP,
    decoded,
    kinds_by_tag,
    revealed_in,
    sequences,
    text_in,
    values_of,
)
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet, text_of
from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.elements import CutShortError, DamagedError, Wanted, find_elements
from nephrograde.volume.dicom.signature import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nephrograde.sources.deidentify.found import Content
    from nephrograde.volume.dicom.elements import Item, Value

_FIRST_BYTES = 16 * 2**10
_GROWTH = 8


def gather(contents: Iterable[Content], *, progress: Callable[[int], None] = lambda _: None) -> Gathered:
    """Read the headers of all files, and as little of each file as that takes.

    Args:
        contents: The files. Those that cannot be read are passed over: they are not written either.
        progress: Called after each file with 1.
    """
    gathered = Gathered()
    for content in contents:
        progress(1)
        try:
            head = content.beginning(_FIRST_BYTES)
        except SetAside:
            continue
        if is_dicom(head):
            _add(gathered, content, head)
    return gathered


def _add(gathered: Gathered, content: Content, head: bytes) -> None:
    try:
        elements = _elements(content, head)
    except DamagedError:
        _add_damaged(gathered, content)
        return
    except (CutShortError, SetAside):
        return
    sets = text_in(elements, TAGS["SpecificCharacterSet"], "")
    patient_id, birth_date, name, study_uid = (text_in(elements, TAGS[keyword], sets) for keyword in WHO)
    gathered.add(
        original_id(patient_id, birth_date, name, study_uid),
        decoded(revealed_in(elements, sets)),
        study_uid=study_uid,
        is_incomplete=not name or is_nobodys(patient_id),
    )


def _add_damaged(gathered: Gathered, content: Content) -> None:
    """Read a header with pydicom, which understands some of those that the quick reader does not."""
    import io

    from pydicom import dcmread

    try:
        with quiet():
            source = dcmread(io.BytesIO(content.read()), force=True, stop_before_pixels=True)
            revealed, who = values_of(source), original_id_of(source)
            patient_id, name, study_uid = (
                text_of(source, one) for one in ("PatientID", "PatientName", "StudyInstanceUID")
            )
    except (SetAside, *PYDICOM_ERRORS):
        return
    gathered.add(who, revealed, study_uid=study_uid, is_incomplete=not name or is_nobodys(patient_id))


def _elements(content: Content, head: bytes) -> Mapping[int, Value | list[Item]]:
    wanted = _wanted()
    while True:
        try:
            return find_elements(head, wanted, is_whole=len(head) >= content.n_bytes).elements
        except CutShortError as error:
            longer = content.beginning(len(head) * _GROWTH) if len(head) < content.n_bytes else head
            if len(longer) <= len(head):
                return error.found.elements if error.found else {}
            head = longer


def _wanted() -> Wanted:
    tags = {*kinds_by_tag(), *(TAGS[keyword] for keyword in ("SpecificCharacterSet", "TransferSyntaxUID", *WHO))}
    return Wanted(tags, sequences(), LAST_GROUP << 16, frozenset(kinds_by_tag()))
