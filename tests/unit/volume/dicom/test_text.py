"""Header texts in every character set, declared or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.volume.dicom.text import decode_text

SETS = ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 101", "ISO_IR 192", "GB18030", "GBK", "\\ISO 2022 IR 58"]
ALL_SETS = [*SETS, "\\ISO 2022 IR 87", "ISO_IR 13", "ISO 2022 IR 149", "no such set", "\\\\", "undefined", "idna"]


@pytest.mark.parametrize(
    ("text", "codec", "declared"),
    [
        ("皮髓质期", "gb18030", "GB18030"),
        ("皮髓质期", "utf-8", "ISO_IR 192"),
        ("皮髓质期", "utf-8", "ISO IR-192"),
        ("żylna, tętnicza", "iso8859_2", "ISO_IR 101"),
        ("venös", "latin-1", "ISO_IR 100"),
        ("Größe 30°", "latin-1", ["ISO_IR 100"]),
        ("нефрографическая", "iso8859_5", "ISO_IR 144"),
    ],
)
def test_a_declared_set_is_believed(text: str, codec: str, declared: str | list[str]) -> None:
    assert decode_text(text.encode(codec) + b" \0", declared) == text


@pytest.mark.parametrize("declared", ["", None, "ISO_IR 6", "ISO_IR 100", "\\ISO 2022 IR 100", "nonsense"])
@pytest.mark.parametrize("codec", ["gb18030", "utf-8"])
@pytest.mark.parametrize("text", ["皮髓质期", "平扫", "动脉期 1.25mm", "王^小东", "朱镕基"])
def test_chinese_under_a_wrong_set_is_recognised(text: str, codec: str, declared: str | None) -> None:
    assert decode_text(text.encode(codec), declared) == text


@pytest.mark.parametrize(("text", "codec"), [("żylna", "utf-8"), ("größer", "utf-8"), ("venös", "latin-1")])
def test_european_letters_without_a_set(text: str, codec: str) -> None:
    assert decode_text(text.encode(codec), None) == text


def test_a_declared_set_that_does_not_fit_is_left() -> None:
    assert decode_text("平扫期".encode("gb18030"), "ISO_IR 192") == "平扫期"
    assert decode_text("平扫期".encode(), "ISO 2022 IR 87") == "平扫期"


@pytest.mark.parametrize("declared", [["", "ISO 2022 IR 58"], "", None])
def test_escape_sequences_name_their_set(declared: list[str] | str | None) -> None:
    """PS3.5 K.2: the name in the standard's own example, which must be readable with or without its declaration."""
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert decode_text(raw, declared) == "Zhang^XiaoDong=张^小东="
    korean = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
    assert decode_text(korean, ["", "ISO 2022 IR 149"]) == "Hong^Gildong=洪^吉洞=홍^길동"


@given(raw=st.binary(max_size=24), declared=st.sampled_from(ALL_SETS))
def test_any_bytes_give_a_text(raw: bytes, declared: str) -> None:
    assert isinstance(decode_text(raw, declared), str)


@given(
    raw=st.lists(st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)A", b"\x1b", b"\xc6\xbd", b"=", b"^", b"a", b"\xff"]))
)
def test_any_escape_sequences_give_a_text(raw: list[bytes]) -> None:
    assert "\x1b" not in decode_text(b"".join(raw), "\\ISO 2022 IR 87")


@given(text=st.text("abc 平扫期动脉静żółвен", min_size=1), declared=st.sampled_from(["ISO_IR 192", "GB18030"]))
def test_what_was_declared_comes_back(text: str, declared: str) -> None:
    codec = {"ISO_IR 192": "utf-8", "GB18030": "gb18030"}[declared]
    assert decode_text(text.encode(codec), declared) == text.strip(" ")
