"""A grader file is the same bytes each time, and no byte of it can be changed without a word."""

import hashlib
import io
import json
import zipfile

import pytest

from nephrograde.errors import GraderError, NephrogradeError
from nephrograde.export.archive import FORMAT_VERSION, MANIFEST, as_json, read_archive, write_archive
from nephrograde.files import fingerprint

MEMBERS = {"card.json": as_json({"name": "µ"}), "graph.onnx": bytes(range(256)) * 40}


@pytest.fixture
def path(tmp_path):
    """A small archive."""
    write_archive(tmp_path / "grader.zip", MEMBERS)
    return tmp_path / "grader.zip"


def rewritten(path, change):
    """Write the members again with Python's own writer, after a change of the manifest and the members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        comment = archive.comment
    manifest = json.loads(members[MANIFEST])
    kinds = change(manifest, members) or {}
    if MANIFEST in members:
        del manifest["sha256"]
        members[MANIFEST] = as_json({**manifest, "sha256": fingerprint(manifest)})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, kinds.get(name, zipfile.ZIP_STORED))
        archive.comment = comment


def test_what_was_written_is_read(path):
    assert {name: bytes(content) for name, content in read_archive(path).members.items()} == MEMBERS
    assert zipfile.ZipFile(path).namelist() == [MANIFEST, *MEMBERS]
    assert zipfile.ZipFile(path).testzip() is None


def test_the_same_members_are_the_same_bytes(path, tmp_path):
    write_archive(tmp_path / "again.zip", dict(MEMBERS))
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()
    manifest = json.loads(zipfile.ZipFile(path).read(MANIFEST))
    assert manifest["members"]["card.json"]["sha256"] == hashlib.sha256(MEMBERS["card.json"]).hexdigest()


def test_no_byte_can_be_changed(path):
    raw = path.read_bytes()
    in_graph = raw.index(MEMBERS["graph.onnx"]), raw.index(MEMBERS["graph.onnx"]) + len(MEMBERS["graph.onnx"])
    for at in [*range(in_graph[0] + 20), *range(in_graph[1] - 20, len(raw))]:
        changed = bytearray(raw)
        changed[at] ^= 0x20
        path.write_bytes(bytes(changed))
        with pytest.raises(GraderError) as refused:
            read_archive(path)
        if in_graph[0] <= at < in_graph[1]:
            assert "graph.onnx was changed" in str(refused.value)


def test_no_part_of_it_is_read(path):
    raw = path.read_bytes()
    for length in [*range(0, len(raw), 97), len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(GraderError):
            read_archive(path)
    for longer in (raw + b"\0", b"\0" + raw, raw + raw):
        path.write_bytes(longer)
        with pytest.raises(GraderError):
            read_archive(path)


def test_members_are_named(path):
    whole = path.read_bytes()

    def refusal(change):
        path.write_bytes(whole)
        rewritten(path, change)
        with pytest.raises(GraderError) as refused:
            read_archive(path)
        return str(refused.value)

    assert "card.json is missing" in refusal(lambda _, members: members.pop("card.json") and None)
    assert "evil.py does not belong" in refusal(lambda _, members: members.update({"evil.py": b"1"}))
    assert "holds no manifest.json" in refusal(lambda _, members: members.pop(MANIFEST) and None)
    assert "card.json has" in refusal(lambda _, members: members.update({"card.json": b"x"}))
    assert "graph.onnx is not stored" in refusal(lambda *_: {"graph.onnx": zipfile.ZIP_DEFLATED})
    assert "list of its members" in refusal(lambda *_: None)
    newer = refusal(lambda manifest, _: manifest.update(format_version=FORMAT_VERSION + 1))
    assert "newer version" in newer
    assert "Install" in newer


def test_a_bomb_is_not_unpacked(path):
    bomb = b"\0" * 50_000_000

    def swell(manifest, members):
        manifest["members"]["graph.onnx"] = {"bytes": len(bomb), "sha256": hashlib.sha256(bomb).hexdigest()}
        members["graph.onnx"] = bomb
        return {"graph.onnx": zipfile.ZIP_DEFLATED}

    rewritten(path, swell)
    assert path.stat().st_size < 100_000
    with pytest.raises(GraderError, match=r"graph\.onnx is not stored"):
        read_archive(path)


def test_what_is_no_archive_is_refused(tmp_path):
    for content in (b"", b"PK\x03\x04", b"# text\n" * 100, b"PK\x05\x06" + b"\xff" * 18):
        (tmp_path / "grader.zip").write_bytes(content)
        with pytest.raises(GraderError, match="is not a grader file"):
            read_archive(tmp_path / "grader.zip")
    for place in (tmp_path, tmp_path / "nowhere.zip"):
        with pytest.raises(GraderError):
            read_archive(place)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(MANIFEST, "[" * 100_000)
    (tmp_path / "deep.zip").write_bytes(stream.getvalue())
    with pytest.raises(GraderError):
        read_archive(tmp_path / "deep.zip")


def test_a_directory_that_lies_elsewhere_is_refused(path):
    raw = path.read_bytes()
    at = raw.rindex(b"PK\5\6") + 16  # the field for where it begins
    path.write_bytes(raw[:at] + (2**31).to_bytes(4, "little") + raw[at + 4 :])
    with pytest.raises(GraderError, match="is not a grader file: it is no zip archive"):
        read_archive(path)


def test_what_was_there_stays_if_it_cannot_be_written(path, tmp_path, monkeypatch):
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(NephrogradeError):
        write_archive(path, {"card.json": b"other"})
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["grader.zip"]
