import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset, Sequence
from pydicom.data import get_testdata_files
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from nephrograde.sources.scan import headers
from nephrograde.sources.scan.headers import ARCHIVE, InstanceHeader, Refused, read_header

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def read(data):
    return read_header(lambda n: data[:n], len(data))


def says(data):
    return json.loads(read(data).series)


def bundled():
    paths = [path for path in get_testdata_files() if not path.endswith((".dump", ".txt", ".json", ".icc", ".gz"))]
    return sorted(path for path in paths if "DICOMDIR" not in path and Path(path).is_file())


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_gives_the_same_header(dicom_bytes, syntax):
    header = read(dicom_bytes(syntax))
    assert header == read(dicom_bytes())
    assert (header.patient_id, header.study_uid, header.series_uid) == ("PLANTED-1", "1.2.3", "1.2.3.9")
    assert (header.low_mm, header.high_mm, header.n_images, header.acquired) == (
        40,
        40,
        1,
        "2024-01-31T10:15:00.500000",
    )
    said = json.loads(header.series)
    assert (said["rows"], said["columns"], said["pixel_mm"], said["thickness_mm"]) == (4, 6, [0.7, 0.8], 1.25)
    assert (said["description"], said["kernel"], said["orientation"]) == ("皮髓质期 1mm", "B30f", "axial")


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_a_file_without_preamble_and_meta_is_dicom(dicom_bytes, syntax):
    assert read(dicom_bytes(syntax, bare=True)) == read(dicom_bytes())


def test_says_what_pydicom_says_of_its_own_test_files():
    compared = 0
    for path in bundled():
        header = read(Path(path).read_bytes())
        if isinstance(header, Refused):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            said = json.loads(header.series)
            assert header.series_uid == str(peer.SeriesInstanceUID), path
            assert header.sop_uid == str(peer.SOPInstanceUID), path
            assert header.patient_id == str(peer.get("PatientID") or "").strip(), path
            assert said["modality"] == str(peer.get("Modality") or ""), path
            assert said["description"] == str(peer.get("SeriesDescription") or "").strip(), path
            assert said["rows"] in {0, peer.get("Rows")}, path
            assert str(header.n_images) in {"1", str(peer.get("NumberOfFrames"))}, path
            if peer.get("PixelSpacing"):
                assert said["pixel_mm"] == [float(one) for one in peer.PixelSpacing], path
        compared += 1
    assert compared > 60


@pytest.mark.parametrize(
    ("declared", "encoding"), [("GB18030", "gb18030"), ("ISO_IR 192", "utf-8"), ("", "gb18030"), ("ISO_IR 100", "gbk")]
)
def test_chinese_reads_well_whatever_set_is_declared(dicom_bytes, declared, encoding):
    raw = "平扫期".encode(encoding)
    data = dicom_bytes(SpecificCharacterSet=declared, SeriesDescription="x" * (len(raw) + len(raw) % 2))
    data = data.replace(b"x" * (len(raw) + len(raw) % 2), raw.ljust(len(raw) + len(raw) % 2))
    assert says(data)["description"] == "平扫期"


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "tar", "rar", "7z"])
def test_an_archive_that_is_not_read_is_called_one(kind):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("CT/1"))
    packed = {
        "gz": gzip.compress(b"a slice"),
        "bz2": bz2.compress(b"a slice"),
        "xz": lzma.compress(b"a slice"),
        "tar": stream.getvalue(),
        "rar": b"Rar!\x1a\x07\x01\x00",
        "7z": b"7z\xbc\xaf\x27\x1c\x00\x04",
    }
    assert read(packed[kind]) == Refused(ARCHIVE)


def test_numbers_of_a_wrong_type_are_read_as_what_they_are(dicom_bytes):
    implicit = dicom_bytes(ImplicitVRLittleEndian)
    doubles = struct.pack("<3d", 0, 0, 40)
    old = struct.pack("<HHL", 0x20, 0x32, 12) + b"0.0\\0.0\\40.0"
    assert old in implicit
    assert read(implicit.replace(old, struct.pack("<HHL", 0x20, 0x32, 24) + doubles)).low_mm == 40
    comma = dicom_bytes().replace(b"0.7\\0.8 ", b"0,7\\ 0,8")
    assert says(comma)["pixel_mm"] == [0.7, 0.8]
    text = implicit.replace(struct.pack("<HHLH", 0x28, 0x10, 2, 4), struct.pack("<HHL", 0x28, 0x10, 6) + b"  4   ")
    assert says(text)["rows"] == 4


def test_nonsense_numbers_are_left_out(dicom_bytes):
    data = dicom_bytes().replace(b"0.7\\0.8 ", b"nan\\inf ").replace(b"1.25", b"-1.0")
    assert says(data)["pixel_mm"] is None
    assert says(data)["thickness_mm"] is None
    assert says(dicom_bytes(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]))["orientation"] == ""


def test_sequences_and_long_private_elements_before_the_wanted_ones_are_passed_over(dicom_bytes):
    inner = Dataset()
    inner.PatientID, inner.SeriesInstanceUID = "SOMEONE-ELSE", "9.9"
    outer = Dataset()
    outer.ReferencedImageSequence = Sequence([inner, inner])
    outer.ReferencedImageSequence.is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    for undefined in (True, False):
        sequence = Sequence([outer])
        image = pydicom.dcmread(pydicom.filebase.DicomBytesIO(dicom_bytes(ReferencedStudySequence=sequence)))
        image.add_new(0x00091010, "OB", bytes(300_000))
        image["ReferencedStudySequence"].is_undefined_length = undefined
        stream = pydicom.filebase.DicomBytesIO()
        image.save_as(stream)
        assert read(stream.getvalue()) == read(dicom_bytes())


def test_no_more_is_asked_for_than_the_header_takes(dicom_bytes):
    data = dicom_bytes(Rows=512, Columns=512, PixelData=bytes(512 * 512 * 2))
    asked = []

    def prefix_of(n_bytes):
        asked.append(n_bytes)
        return data[:n_bytes]

    assert isinstance(read_header(prefix_of, len(data)), InstanceHeader)
    assert set(asked) == {16 * 1024}


@pytest.fixture
def enhanced(dicom_bytes):
    shared, frames = Dataset(), []
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing, shared.PixelMeasuresSequence[0].SliceThickness = [0.5, 0.6], "2"
    shared.CTReconstructionSequence = [Dataset()]
    shared.CTReconstructionSequence[0].ConvolutionKernel = "FC08"
    for height in (10, 0, 2.5, 5, 7.5):
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, height]
        frames.append(frame)
    gone = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ConvolutionKernel"))
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    return dicom_bytes(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        NumberOfFrames=5,
        PixelData=bytes(5 * 4 * 6 * 2),
        AcquisitionDateTime="20240131091500+0100",
        **groups,
        **gone,
    )


def test_an_enhanced_object_says_where_its_frames_lie(enhanced):
    header = read(enhanced)
    assert (header.n_images, header.low_mm, header.high_mm, header.step_mm) == (5, 0, 10, 2.5)
    assert header.acquired == "2024-01-31T09:15:00"
    said = json.loads(header.series)
    assert (said["pixel_mm"], said["kernel"], said["orientation"]) == ([0.5, 0.6], "FC08", "axial")


@pytest.mark.parametrize("modality", ["SEG", "SR", "RTSTRUCT", "PR", "KO"])
def test_what_is_no_image_has_no_rows(dicom_bytes, modality):
    data = dicom_bytes(Modality=modality, NumberOfFrames=3, PixelData=bytes(144))
    assert says(data)["rows"] == 0
    assert read(data).n_images == 1


def test_what_cannot_be_used_is_refused_with_its_reason(dicom_bytes):
    data = dicom_bytes()
    assert read(b"") == Refused(headers.EMPTY)
    assert read(b"patient_id,isup_grade\n") == Refused(headers.NOT_DICOM)
    assert read(bytes(128) + b"DICM" + b"\x08\0\x05\0SQ\0\0" + b"\xff" * 40) == Refused(headers.DAMAGED)
    cut_short = Refused(headers.CUT_SHORT, ("PLANTED-1", "1.2.3", "1.2.3.9"), "1.2.3.4")
    assert read(dicom_bytes(Rows=64, Columns=64, PixelData=bytes(8192))[:8190]) == cut_short
    assert read(data[:300]) == Refused(headers.CUT_SHORT)
    assert read(dicom_bytes(SeriesInstanceUID=None)) == Refused(headers.NO_SERIES)
    assert read(dicom_bytes(SOPClassUID="1.2.840.10008.1.3.10")) == Refused(headers.DICOMDIR)


def test_a_reason_never_holds_what_the_header_says(dicom_bytes):
    data = dicom_bytes(SeriesInstanceUID=None)
    assert "PLANTED" not in repr(read(data)) + repr(read(data[:300]))


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([1, 0, 0, 0, 0.866025, 0.5], "axial"),
        ([1, 0, 0, 0, 0.7, 0.714], "oblique"),
    ],
)
def test_a_plane_is_named_within_the_tilt_of_a_gantry(dicom_bytes, orientation, plane):
    assert says(dicom_bytes(ImageOrientationPatient=orientation))["orientation"] == plane


@pytest.mark.filterwarnings("ignore:Invalid value for VR TM")
def test_the_time_is_the_best_that_is_there(dicom_bytes):
    gone = {"AcquisitionDate": None, "AcquisitionTime": None}
    assert read(dicom_bytes(**gone)).acquired == ""
    assert read(dicom_bytes(**gone, SeriesTime="08")).acquired == "2024-01-31T08:00:00"
    assert read(dicom_bytes(**gone, SeriesTime="08", ContentTime="0930")).acquired == "2024-01-31T09:30:00"
    assert read(dicom_bytes(**gone, SeriesTime="246060")).acquired == ""
    assert read(dicom_bytes(**gone, SeriesTime="91500")).acquired == "2024-01-31T09:15:00"
    assert read(dicom_bytes(**gone, SeriesTime="1015")).acquired == "2024-01-31T10:15:00"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("structures", [False, True])
def test_a_mask_says_to_which_series_it_refers(mask_bytes, syntax, structures):
    said = says(mask_bytes(["1.2.3.11", "1.2.3.12", "1.2.3.11"], structures=structures, syntax=syntax))
    assert (said["refers_to"], said["frame_uid"], said["rows"]) == (["1.2.3.11", "1.2.3.12"], "7.7", 0)
    assert says(mask_bytes(structures=structures, syntax=syntax))["refers_to"] == []


def test_a_mask_of_unknown_lengths_is_read_too(mask_bytes):
    data = mask_bytes(["1.2.3.11"], structures=True)
    for tag in (b"\x06\x30\x10\x00", b"\x06\x30\x12\x00", b"\x06\x30\x14\x00"):
        at = data.index(tag + b"SQ")
        end = at + 12 + struct.unpack("<L", data[at + 8 : at + 12])[0]
        whole, closed = data[at + 12 : end], b"\xfe\xff\xdd\xe0" + bytes(4)
        whole = whole[:4] + b"\xff" * 4 + whole[8:] + b"\xfe\xff\x0d\xe0" + bytes(4)
        data = data[: at + 8] + b"\xff" * 4 + whole + closed + data[end:]
    assert says(data)["refers_to"] == ["1.2.3.11"]


def test_the_time_of_a_mask_is_when_it_was_drawn(mask_bytes):
    drawn = {"StructureSetDate": "20250203", "StructureSetTime": "1200", "SeriesDate": "20240131", "SeriesTime": "09"}
    assert read(mask_bytes(structures=True, **drawn)).acquired == "2025-02-03T12:00:00"
    assert read(mask_bytes(ContentDate="20250204", ContentTime="13")).acquired == "2025-02-04T13:00:00"
