"""What is taken from headers before is what reading each header alone gives."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.elements import (
    PIXEL_DATA,
    CutShortError,
    DamagedError,
    Found,
    find_elements,
    find_further,
)
from nephrograde.volume.dicom.entries import want
from nephrograde.volume.dicom.layout import Layouts
from nephrograde.volume.dicom.one_slice import SourceFile
from nephrograde.volume.dicom.slices import find_slices

Writer = Callable[..., list[Path]]
VARYING = [TAGS[keyword] for keyword in ("SOPInstanceUID", "InstanceNumber", "ImagePositionPatient")]
WANTED = want(
    ("SOPInstanceUID", "Modality", "PatientID", "InstanceNumber", "ImagePositionPatient", "Rows", "PixelSpacing")
)


@pytest.fixture(params=[ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def series(request: pytest.FixtureRequest, tmp_path: Path, write_series: Writer) -> list[Path]:
    """Slices whose numbers and places differ in length, with sequences of both kinds."""
    paths = write_series(
        tmp_path / "s", values=np.full((4, 3, 12), 1024), positions_mm=[(0, -7.5, 30.0 * k - 100) for k in range(12)]
    )
    for k, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        item = pydicom.Dataset()
        item.ReferencedSOPInstanceUID, item.PatientID = "1.2.3", "inner"
        dataset.ReferencedImageSequence, dataset.ReferencedStudySequence = [item], [item, item]
        dataset["ReferencedImageSequence"].is_undefined_length = k < 9
        dataset.PatientID = "P1"
        dataset.file_meta.TransferSyntaxUID = request.param
        again = pydicom.Dataset(dataset)
        again.file_meta = dataset.file_meta
        again.save_as(path, implicit_vr=request.param.is_implicit_VR, little_endian=True)
    return paths


def _mutated(content: bytes, chance: random.Random) -> bytes:
    """Mostly values; heads and lengths, too."""
    damaged = bytearray(content)
    for _ in range(chance.randrange(3)):
        damaged[chance.randrange(120, len(content))] = chance.randrange(256)
    if chance.random() < 0.1:
        del damaged[chance.randrange(len(damaged)) :]
    if chance.random() < 0.1:
        at = chance.randrange(len(damaged) + 1)
        damaged[at:at] = bytes(2)
    return bytes(damaged)


def _found(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (CutShortError, DamagedError) as error:
        return type(error), getattr(error, "found", None)


@pytest.mark.slow
def test_elements_are_those_of_reading_each_header_alone(series: list[Path]) -> None:
    chance = random.Random(9)  # noqa: S311 - the same headers every time
    contents = [path.read_bytes() for path in series]
    layouts = Layouts(WANTED, varying=VARYING)
    equal: dict[int, list[Any]] = {}
    n_placed = 0
    for _ in range(1500):
        data = _mutated(chance.choice(contents), chance)
        size, is_whole = chance.choice([len(contents[0]), len(data)]), chance.random() < 0.5
        alone = _found(partial(find_elements, data, WANTED, is_whole=is_whole))
        again = _found(partial(layouts.find, data, n_bytes=size, is_whole=is_whole))
        if not isinstance(again, Found):
            assert again == alone
            continue
        assert again._replace(pixels=None, alike=None) == alone
        if again.pixels is not None:
            assert again.pixels == find_further(BytesIO(data), PIXEL_DATA, alone.end)
            assert again.pixels.start + again.pixels.n_bytes == size
            n_placed += 1
        if again.alike is not None:
            others = {tag: value for tag, value in alone.elements.items() if tag not in VARYING}
            equal.setdefault(id(again.alike), [again.alike]).append((others, alone.syntax, alone.elements.keys()))
    assert layouts.n_recognised > 400
    assert n_placed > 200
    assert all(one == first for _, first, *rest in equal.values() for one in rest)
    assert max(map(len, equal.values())) > 40


def test_each_slice_is_described_as_if_it_were_the_only_one(series: list[Path]) -> None:
    for k, path in enumerate(series):
        content = path.read_bytes()
        if k % 3 == 2:
            content = content.replace(b"P1", b"Q1")
        if k % 4 == 3:
            content = content.replace(b"0.9\\0.7", b"0.8\\0.7")
        path.write_bytes(content)
    files = [SourceFile(path, path.name) for path in series]
    together = find_slices(files).slices
    assert {(one.patient_id, one.pixel_mm[0]) for one in together} == {
        ("P1", 0.9),
        ("Q1", 0.9),
        ("P1", 0.8),
        ("Q1", 0.8),
    }
    for one, file in zip(together, files, strict=True):
        (alone,) = find_slices([file]).slices
        for field in dataclasses.fields(alone):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(alone, field.name))
