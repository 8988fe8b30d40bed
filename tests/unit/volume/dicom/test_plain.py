"""Pixels read straight into their place are those that pydicom reads: same volume, same warnings, same refusals."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from nephrograde.errors import VolumeError
from nephrograde.volume.check import check_volume
from nephrograde.volume.dicom import pixels
from nephrograde.volume.dicom.plain import Planes, read_plain
from nephrograde.volume.dicom.series import read_series
from nephrograde.volume.read import read_volume

Writer = Callable[..., list[Path]]
ROWS, COLUMNS = 6, 8


class Ways:
    """Reads a series straight and through pydicom, and counts how often pixels came straight."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.straight = 0
        self.with_extremes = 0

    def agree(self, series_dir: Path) -> str:
        """What both ways give, in a word: the code of the refusal, or "read"."""

        def counted(slices: Any, dtype: Any) -> Planes:
            planes = read_plain(slices, dtype)
            self.straight += len(slices) - len(planes.unread)
            return planes

        def none(slices: Any, dtype: Any) -> Planes:
            return Planes(np.empty((0, 0, 0), dtype), list(range(len(slices))))

        with self.patch.context() as patch:
            patch.setattr(pixels, "read_plain", counted)
            straight = _outcome(series_dir)
            patch.setattr(pixels, "read_plain", none)
            slow = _outcome(series_dir)
        if isinstance(straight, VolumeError) or isinstance(slow, VolumeError):
            assert (straight.code, straight.message, straight.remedy) == (slow.code, slow.message, slow.remedy)
            return str(straight.code)
        assert straight.values.dtype == slow.values.dtype
        np.testing.assert_array_equal(straight.values, slow.values)
        assert (straight.faults, straight.bridged) == (slow.faults, slow.bridged)
        assert straight.extremes in {None, (slow.values.min(), slow.values.max())}
        self.with_extremes += straight.extremes is not None
        assert (straight.grid.size, straight.grid.spacing_mm, straight.grid.origin_mm) == (
            (slow.grid.size, slow.grid.spacing_mm, slow.grid.origin_mm)
        )
        np.testing.assert_array_equal(straight.grid.direction, slow.grid.direction)
        return "read"


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


def _outcome(series_dir: Path) -> Any:
    try:
        return read_series(series_dir)
    except VolumeError as error:
        return error


def _turned(chance: random.Random) -> list[float]:
    """Two directions at right angles."""
    first, second = np.array([chance.gauss(0, 1) for _ in range(6)]).reshape(2, 3)
    first /= np.linalg.norm(first)
    second -= first * (first @ second)
    return [*first, *(second / np.linalg.norm(second))]


def _positions(chance: random.Random, orientation: list[float], count: int) -> list[tuple[float, ...]]:
    """Even, mostly; else with a gap, a slice at another's place, or sheared as by a tilted gantry."""
    rows, columns = np.array(orientation).reshape(2, 3)
    normal, step = np.cross(rows, columns), chance.choice([0.7, 2.5, 5.0])
    heights = [step * k for k in range(count)]
    kind = chance.choice(["even", "even", "even", "gap", "double", "tilt"])
    if kind == "gap":
        heights = [height + (step if k > count // 2 else 0) for k, height in enumerate(heights)]
    if kind == "double":
        heights[2] = heights[1]
    shear = 0.3 if kind == "tilt" else 0.0
    origin = np.array([chance.uniform(-300, 300) for _ in range(3)])
    return [tuple(origin + height * (normal + shear * columns)) for height in heights]


def _rescale(chance: random.Random) -> tuple[float, float]:
    slope = chance.choice([1, 1, 1, 1, 2, -1, 0, 0.5, 1.25, 37, 900])
    return slope, chance.choice([-1024, -1024, -1024, 0, 0, -8192, 1000, 0.25, 70_000, -32768])


def _form(chance: random.Random) -> dict[str, int]:
    stored = chance.choice([16, 16, 16, 12, 12, 15, 10, 1])
    high = chance.randrange(stored - 1, 16) if chance.random() < 0.3 else stored - 1
    return {"BitsStored": stored, "HighBit": high, "PixelRepresentation": chance.randrange(2)}


def _padding(chance: random.Random, dataset: pydicom.Dataset) -> None:
    value = chance.choice([-2000, -32768, 63536, 0, 1, 4095, 65535, 24])
    vr = "SS" if value < 0 else "US"
    dataset.add_new("PixelPaddingValue", vr, value)
    if chance.random() < 0.4:
        limit = min(max(value + chance.choice([-3, 0, 5]), -32768), 65535)
        dataset.add_new("PixelPaddingRangeLimit", "SS" if limit < 0 else "US", limit)


def _vary(chance: random.Random, dataset: pydicom.Dataset, values: npt.NDArray[np.uint16]) -> None:
    """What other slices of the same series have as well, and what scanners write beside it."""
    if chance.random() < 0.5:
        _padding(chance, dataset)
        if "PixelPaddingValue" in dataset and chance.random() < 0.8:
            values[:2] = np.array(int(dataset["PixelPaddingValue"].value) % 65536, np.uint16)
    if chance.random() < 0.2:
        dataset.PhotometricInterpretation = "MONOCHROME1"
    if chance.random() < 0.3:
        item = pydicom.Dataset()
        item.ReferencedSOPInstanceUID = "1.2.3"
        dataset.ReferencedImageSequence = [item, item]
        dataset["ReferencedImageSequence"].is_undefined_length = chance.random() < 0.5
    if chance.random() < 0.2:  # an overlay lies between the header and the pixels
        dataset.add_new(0x60000010, "US", ROWS)
        dataset.add_new(0x60003000, "OW", bytes(20_000 if chance.random() < 0.5 else 8))
    if chance.random() < 0.2:
        dataset.SpecificCharacterSet = chance.choice(["GB18030", "ISO_IR 100", "ISO_IR 192", "ISO_IR 148"])
        dataset.PatientID = "P1"
    if chance.random() < 0.2:
        dataset.Modality = chance.choice(["MR", "PT"])
    if chance.random() < 0.2:
        dataset.add_new(0xFFFCFFFC, "OB", bytes(12))


def _saved(chance: random.Random, path: Path, dataset: pydicom.Dataset, *, syntax: pydicom.uid.UID) -> None:
    dataset.file_meta.TransferSyntaxUID = syntax
    again = pydicom.Dataset(dataset)
    again.file_meta = dataset.file_meta
    again.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    content = path.read_bytes().replace(b"ISO_IR 148", b"?nonsense?")
    match chance.choice(["as is"] * 9 + ["short", "longer", "behind", "bare"]):
        case "short":
            content = content[: -chance.randrange(1, 40)]
        case "longer":
            content += bytes(2 * chance.randrange(1, 9))
        case "behind":
            content += struct.pack("<HHI", 0x7FE0, 0x0010, 4) + b"\1\2\3\4"
        case "bare":  # without preamble
            content = content[132:]
    path.write_bytes(content)


def _write_random(chance: random.Random, series_dir: Path, write_series: Writer) -> None:
    count, orientation = chance.choice([3, 5, 9, 19]), _turned(chance)
    highest = chance.choice([4096, 4096, 65536])
    values = np.array([chance.randrange(highest) for _ in range(COLUMNS * ROWS * count)], np.uint16)
    values = values.reshape(COLUMNS, ROWS, count)
    rescale, form = _rescale(chance), _form(chance)
    names = [f"IM{k:03d}" for k in range(count)]
    chance.shuffle(names)
    paths = write_series(
        series_dir,
        values=values,
        positions_mm=_positions(chance, orientation, count),
        names=names,
        orientation=orientation,
        rescale=rescale,
    )
    alike, is_odd = chance.random() < 0.7, chance.random() < 0.3
    seed = chance.random()
    syntax = chance.choice([ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    for k, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        for keyword, value in form.items():
            setattr(dataset, keyword, value)
        plane = np.ascontiguousarray(values[:, :, k].T)
        _vary(random.Random(seed) if alike else chance, dataset, plane)  # noqa: S311
        dataset.PixelData = plane.tobytes()
        if k == 1 and is_odd and chance.random() < 0.5:
            del dataset.RescaleSlope, dataset.RescaleIntercept
        own = chance.choice([ExplicitVRBigEndian, syntax]) if k == 2 and is_odd else syntax
        if own == ExplicitVRBigEndian:
            dataset.PixelData = plane.astype(">u2").tobytes()
        _saved(chance if is_odd and k == 0 else random.Random(1), path, dataset, syntax=own)  # noqa: S311
    if is_odd and chance.random() < 0.3:
        (series_dir / "copy").write_bytes(paths[0].read_bytes())


@pytest.mark.slow
def test_random_series_are_the_same_both_ways(tmp_path: Path, write_series: Writer, ways: Ways) -> None:
    seen: Counter[str] = Counter()
    for k in range(60):
        series_dir = tmp_path / str(k)
        _write_random(random.Random(k), series_dir, write_series)  # noqa: S311 - the same series every time
        seen[ways.agree(series_dir)] += 1
    assert seen["read"] > 25
    assert len(seen) > 3
    assert ways.straight > 200
    assert ways.with_extremes > 5


def _mutated(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    where = range(128, len(content))
    match chance.randrange(5):
        case 0:
            return bytes(damaged[: chance.choice(where)])
        case 1:
            for _ in range(chance.randrange(1, 4)):
                damaged[chance.choice(where)] = chance.randrange(256)
        case 2:
            at = chance.choice(where)
            damaged[at : at + chance.randrange(1, 30)] = chance.randbytes(chance.randrange(30))
        case 3:  # at the end of the header, where the pixels begin
            at = len(content) - 2 * ROWS * COLUMNS - chance.randrange(1, 60)
            damaged[at] ^= 1 << chance.randrange(8)
        case _:
            at, source = chance.choice(where), chance.choice(where)
            damaged[at : at + 20] = damaged[source : source + 20]
    return bytes(damaged)


@pytest.mark.slow
def test_damaged_files_are_the_same_both_ways(tmp_path: Path, write_series: Writer, ways: Ways) -> None:
    chance = random.Random(20261128)  # noqa: S311 - the same damage every time
    values = np.array([chance.randrange(4096) for _ in range(COLUMNS * ROWS * 3)]).reshape(COLUMNS, ROWS, 3)
    seen: Counter[str] = Counter()
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        series_dir = tmp_path / syntax
        paths = write_series(series_dir, values=values, positions_mm=[(0, 0, 2.0 * k) for k in range(3)])
        for path in paths:
            dataset = pydicom.dcmread(path)
            item = pydicom.Dataset()
            item.ReferencedSOPInstanceUID = "1.2.3"
            dataset.ReferencedImageSequence, dataset.SpecificCharacterSet = [item], "ISO_IR 100"
            dataset["ReferencedImageSequence"].is_undefined_length = True
            dataset.add_new(0x60000010, "US", ROWS)
            _saved(random.Random(1), path, dataset, syntax=syntax)  # noqa: S311
        whole = paths[1].read_bytes()
        for _ in range(200):
            paths[1].write_bytes(_mutated(whole, chance))
            seen[ways.agree(series_dir)] += 1
    assert seen["read"] > 75
    assert len(seen) > 4
    assert ways.straight > 150


def test_files_between_compressed_ones_are_read(tmp_path: Path, write_series: Writer, ways: Ways) -> None:
    values = np.random.default_rng(3).integers(0, 4096, (COLUMNS, ROWS, 20)).astype(np.uint16)
    paths = write_series(tmp_path / "s", values=values, positions_mm=[(0, 0, 2.0 * k) for k in range(20)])
    for path in paths[::3]:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    assert ways.agree(tmp_path / "s") == "read"
    assert ways.straight == 13
    np.testing.assert_array_equal(read_series(tmp_path / "s").values, values.astype(int) - 1024)


def test_a_value_beyond_16_bits_on_a_later_slice_widens_all(tmp_path: Path, write_series: Writer, ways: Ways) -> None:
    values = np.full((COLUMNS, ROWS, 12), 20_000, np.uint16)
    values[3, 2, 11] = 65_535
    write_series(tmp_path / "s", values=values, positions_mm=[(0, 0, 2.0 * k) for k in range(12)])
    assert ways.agree(tmp_path / "s") == "read"
    assert ways.straight == 11
    series = read_series(tmp_path / "s")
    assert series.values.dtype == np.int32
    np.testing.assert_array_equal(series.values, values.astype(int) - 1024)


def test_a_usual_series_is_read_without_pydicom(tmp_path: Path, write_series: Writer) -> None:
    values = np.random.default_rng(3).integers(0, 4096, (COLUMNS, ROWS, 9)).astype(np.uint16)
    write_series(tmp_path / "s", values=values, positions_mm=[(0, 0, 2.0 * k) for k in range(9)])
    code = (
        "import sys; from nephrograde.volume.read import read_volume; volume = read_volume(sys.argv[1]);"
        "print(int(volume.values.sum()), sorted({'pydicom', 'SimpleITK', 'requests'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert answer.split() == [str(int((values.astype(int) - 1024).sum())), "[]"]


def test_the_real_series_is_the_same_both_ways(shared_data: Path, ways: Ways) -> None:
    series_dir = shared_data / "ct_dicom" / "CRLM-CT-1004" / "image"
    assert ways.agree(series_dir) == "read"
    assert (ways.straight, ways.with_extremes) == (41, 1)
    assert check_volume(read_volume(series_dir)) == []
