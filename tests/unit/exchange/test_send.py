"""Sending by C-STORE to DCMTK: what arrives, what is told of each file, and how the command ends."""

from __future__ import annotations

import re
import socket

import pydicom
import pytest
from pydicom.uid import UID, JPEGLSLossless, MRImageStorage
from tests.unit.exchange.pacs import free_port

from nephrograde.errors import ExchangeError, InputError
from nephrograde.exchange import store_scu
from nephrograde.exchange.destination import parse_destination
from nephrograde.exchange.sending import send
from nephrograde.exchange.tls import Tls

pytestmark = [
    pytest.mark.needs("pynetdicom", "highdicom", programs=["storescp", "openssl"]),
    pytest.mark.slow,
]


def arrived(folder):
    return {one.SOPInstanceUID: one for one in map(pydicom.dcmread, folder.iterdir())}


def test_series_arrives_pixel_for_pixel_with_the_answer_for_each_file(nephrograde, patient, storescp):
    to, folder = storescp()
    (patient.folder / "notes.txt").write_text("王小明", encoding="utf-8")
    code, out, err = nephrograde("send", patient.folder, "--to", to)
    assert code == 0
    assert "12 stored, 0 stored earlier, 0 failed" in out
    assert "notes.txt: skipped" in err
    assert "sends every file again" in err
    got = arrived(folder)
    for path in patient.paths:
        source = pydicom.dcmread(path)
        assert got[source.SOPInstanceUID].PixelData == source.PixelData
        assert f"{path}: stored" in out


def test_each_file_travels_in_the_transfer_syntax_in_which_it_is_stored(patient, storescp):
    compressed = pydicom.dcmread(patient.paths[0])
    compressed.compress(JPEGLSLossless)
    compressed.save_as(patient.paths[0])
    to, folder = storescp("+xa")  # accepts all
    assert send(patient.folder, to).count("stored") == 12
    got = arrived(folder)
    assert got[compressed.SOPInstanceUID].file_meta.TransferSyntaxUID == JPEGLSLossless
    assert got[compressed.SOPInstanceUID].PixelData == compressed.PixelData
    to, folder = storescp("+xi")  # Implicit VR Little Endian alone
    report = send(patient.folder, to)
    assert (report.count("stored"), report.count("failed"), report.is_complete) == (11, 1, False)
    assert [one.what for one in report.files if one.state == "failed"] == [
        f"the destination does not take its SOP class in its transfer syntax ({JPEGLSLossless})"
    ]
    assert len(arrived(folder)) == 11


def test_journal_leaves_out_what_was_acknowledged(nephrograde, patient, storescp, tmp_path):
    to, folder = storescp()
    journal = tmp_path / "sent.jsonl"
    assert nephrograde("send", *patient.paths[:5], "--to", to, "--journal", journal)[0] == 0
    for path in folder.iterdir():
        path.unlink()
    with journal.open("a") as stream:
        stream.write('{"to": "cut by a cra')
    code, out, err = nephrograde("send", patient.folder, "--to", to, "--journal", journal)
    assert (code, "7 stored, 5 stored earlier" in out, err) == (0, True, "")
    assert len(list(folder.iterdir())) == 7
    assert send(patient.folder, "OTHER" + to[5:], journal=journal).count("known") == 0
    assert not {"ZY0042", "patient"} & set(re.split(r"[^0-9A-Za-z]", journal.read_text()))


def test_one_refused_file_ends_the_command_with_one(nephrograde, patient, storescp):
    broken = pydicom.dcmread(patient.paths[3])
    broken.SOPInstanceUID = ""
    broken.save_as(patient.paths[3])
    to, _ = storescp()
    code, out, err = nephrograde("send", patient.folder, "--to", to)
    assert (code, "11 stored" in out) == (1, True)
    assert f"{patient.paths[3]}: FAILED: lacks a UID that sending needs" in err


def test_nobody_there_ends_with_two_after_the_attempts(nephrograde, patient):
    code, _, err = nephrograde("send", patient.folder, "--to", f"A@127.0.0.1:{free_port()}", "--attempts", "1")
    assert (code, "cannot be reached" in err) == (2, True)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(ExchangeError, match="cannot be reached"):
            send(patient.folder, f"A@127.0.0.1:{deaf.getsockname()[1]}", attempts=1)


def test_tls_round_trip_and_a_stranger_s_certificate(patient, storescp, certificate):
    key, shown = str(certificate / "key.pem"), str(certificate / "cert.pem")
    to, folder = storescp("+tls", key, shown, "-ic")
    report = send(patient.paths[:2], to, tls=Tls(ca_path=certificate / "cert.pem"), attempts=1)
    assert (report.count("stored"), len(list(folder.iterdir()))) == (2, 2)
    with pytest.raises(ExchangeError, match="with TLS"):
        send(patient.paths[:2], to, tls=Tls(), attempts=1)
    with pytest.raises(ExchangeError, match="cannot be reached"):
        send(patient.paths[:2], to, attempts=1)


@pytest.mark.parametrize(
    "text", ["PACS", "@10.1.2.3:104", "A\\B@h:1", "TITLE-OF-17-CHARS@h:1", "A@h:70000", "https://u:secret@h/dicom-web"]
)
def test_destinations_that_are_none(text):
    with pytest.raises(InputError) as refused:
        parse_destination(text)
    assert "secret" not in str(refused.value)


def test_more_kinds_of_objects_than_fit_into_an_association(patient, storescp, monkeypatch):
    monkeypatch.setattr(store_scu, "MOST_CONTEXTS", 4)
    for number, path in enumerate(patient.paths[:5]):  # two contexts each
        source = pydicom.dcmread(path)
        source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = UID(f"{MRImageStorage}.{number}")
        source.save_as(path)
    to, folder = storescp("-pm")
    assert send(patient.paths[:5], to).count("stored") == len(list(folder.iterdir())) == 5
