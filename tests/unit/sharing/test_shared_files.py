"""Shared files that were damaged, edited, saved by other programs or made to harm: each is refused."""

import copy
import os
import zipfile

import pytest

import nephrograde as ng
from nephrograde.errors import ShareError
from nephrograde.sharing import share_file
from nephrograde.sharing.share_file import MANIFEST, read_share, write_share


def test_every_changed_byte_is_found(share, tmp_path):
    path = share(0, "scores")
    raw = path.read_bytes()
    for k in range(0, len(raw), 211):
        path.write_bytes(raw[:k] + bytes([raw[k] ^ 1]) + raw[k + 1 :])
        with pytest.raises(ShareError):
            read_share(path)
    for changed in (raw[:-1], raw + b"x", raw[: len(raw) // 2], b""):
        path.write_bytes(changed)
        with pytest.raises(ShareError):
            read_share(path)


@pytest.mark.parametrize("member", ["pseudonymised.csv", "share.json", "README.txt", "manifest.json", "more.txt"])
def test_a_changed_folder_is_refused(write_run, tmp_path, member):
    folder = ng.share(write_run(0), tmp_path / "site", what="scores").path
    assert read_share(folder).statistics.n == 60
    path = folder / member
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + "1", encoding="utf-8")
    with pytest.raises(ShareError, match="is not what was shared"):
        read_share(folder)


@pytest.mark.parametrize("name", ["site.zip", "site"])
def test_what_is_too_large_is_not_read(write_run, tmp_path, monkeypatch, name):
    path = ng.share(write_run(0), tmp_path / name, what="scores").path
    monkeypatch.setattr("nephrograde.sharing.share_file._MOST_BYTES", 1000)
    with pytest.raises(ShareError, match="is larger than a shared file can be"):
        read_share(path)


def test_a_newer_format_is_refused(share, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(share_file, "FORMAT_VERSION", 2)
        path = share(0)
    with pytest.raises(ShareError, match=r"newer version of nephrograde \(format 2; this version reads up to 1\)"):
        read_share(path)


def test_members_that_overlap_are_not_unpacked(share, monkeypatch):
    """One member listed forty times would unpack to forty times its size."""
    path = share(0)
    with zipfile.ZipFile(path, "a") as archive:
        for k in range(40):
            again = copy.copy(archive.infolist()[0])
            again.filename = again.orig_filename = f"{k}.txt"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive.comment = b""  # the list of members is written again
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("a member is unpacked"))
    with pytest.raises(ShareError, match="the archive itself was changed"):
        read_share(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "site.zip")
    with pytest.raises(ShareError, match="is neither a file nor a folder"):
        read_share(tmp_path / "site.zip")


def test_names_of_files_steer_no_terminal_and_no_page(share, tmp_path):
    paths = [share(0, name="\x1b[2J<img src=x onerror=alert(1)>"), share(1)]
    found = ng.combine(paths, tmp_path / "out")
    assert list(found.shared) == ["\N{REPLACEMENT CHARACTER}[2J<img src=x onerror=alert(1)>", "site-1"]
    page = (tmp_path / "out" / "combined.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "\x1b" not in page


CSV = {
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "GB18030": lambda raw: raw.replace(b"pseudonym", "假名".encode("gb18030")),
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
    "semicolons": lambda raw: raw.replace(b",", b";"),
    "nothing": lambda _: b"",
    "no patient": lambda raw: raw[: raw.index(b"\n") + 1],
    "one patient": lambda raw: b"\n".join(raw.split(b"\n")[:2]) + b"\n",
    "one grade": lambda raw: b"\n".join(line for line in raw.split(b"\n") if b",1," not in line),
    "a patient twice": lambda raw: raw + raw.split(b"\n")[5] + b"\n",
    "a blank line": lambda raw: raw + b"\n",
    "a probability above 1": lambda raw: raw.replace(b",0.", b",7.", 1),
    "no number": lambda raw: raw.replace(b",0.", b",nan0.", 1),
    "an id": lambda raw: raw.replace(raw.split(b"\n")[1][:32], b"P001"),
}


@pytest.mark.parametrize("case", CSV)
def test_scores_that_were_saved_by_another_program_are_refused(share, case):
    """With digests that agree; without, it is refused because it was changed."""
    path = share(0, "scores")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
    write_share(path, {**members, "pseudonymised.csv": CSV[case](members["pseudonymised.csv"])})
    with pytest.raises(ShareError, match=r"pseudonymised\.csv cannot be used"):
        read_share(path)
