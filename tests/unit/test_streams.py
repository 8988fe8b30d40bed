"""Any text can be printed, whatever the encoding of the output, and a value keeps its sign."""

import io
import sys

import pytest

from nephrograde.streams import make_writable


def written(monkeypatch: pytest.MonkeyPatch, encoding: str, text: str) -> bytes:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    make_writable()
    sys.stdout.write(text)
    sys.stdout.flush()
    return raw.getvalue()


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "−0.1–0.6 ≥ 患者".encode()),
        ("gbk", "-0.1–0.6 ≥ 患者".encode("gbk")),
        ("cp1252", "-0.1–0.6 >= \\u60a3\\u8005".encode("cp1252")),
        ("cp437", "-0.1-0.6 ≥ \\u60a3\\u8005".encode("cp437")),
        ("ascii", "−0.1–0.6 ≥ 患者".encode()),
    ],
)
def test_signs_that_an_encoding_lacks_are_written_plainly(monkeypatch, encoding, expected):
    assert written(monkeypatch, encoding, "−0.1–0.6 ≥ 患者") == expected


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "gbk"])
def test_a_file_name_that_is_not_text_can_be_printed(monkeypatch, encoding):
    assert written(monkeypatch, encoding, b"caf\xe9".decode("utf-8", "surrogateescape")) == rb"caf\udce9"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_an_output_without_an_encoding_is_left_alone(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    make_writable()
    assert sys.stdout is stream


def test_a_closed_output_is_left_alone(monkeypatch):
    closed = io.TextIOWrapper(io.BytesIO(), encoding="gbk")
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    make_writable()
    assert closed.closed
