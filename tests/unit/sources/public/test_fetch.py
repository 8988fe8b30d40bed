import errno
import os
import socket
import threading
from dataclasses import replace

import pytest

from nephrograde.errors import DownloadError, InputError
from nephrograde.sources.public.cohorts import Hosts
from nephrograde.sources.public.fetch import (
    RemoteFile,
    StoppedError,
    fetch_file,
    list_kits_images,
    list_series,
    read_url,
)

CONTENT = bytes(range(256)) * 40_000  # 10 MB


@pytest.fixture
def remote(public):
    public.files["/bucket/uuid/a.bin"] = CONTENT
    return list_series("bucket/uuid", public.hosts)[0]


def test_a_series_is_listed_page_by_page_with_sizes_and_checksums(public):
    public.page = 2
    public.files |= {f"/bucket/uuid/{n}.dcm": bytes(n) for n in range(5)}
    public.files["/bucket/uuid2/other.dcm"] = b"not of this series"
    files = list_series("bucket/uuid", public.hosts)
    assert [(file.name, file.size_bytes) for file in files] == [(f"{n}.dcm", n) for n in range(5)]
    assert files[0].checksum == "md5:d41d8cd98f00b204e9800998ecf8427e"


def test_a_name_that_leads_out_of_the_folder_is_refused(public):
    public.files["/bucket/uuid/../../evil"] = b"x"
    with pytest.raises(InputError, match="not a file list"):
        list_series("bucket/uuid", public.hosts)


@pytest.mark.parametrize("answer", [b"<html>Sign in to the hotel's network</html>", b"not even <xml"])
def test_an_answer_that_is_no_list_is_named(public, answer):
    public.listing = lambda *_: answer
    public.tree = lambda: answer
    if not answer.startswith(b"<html>"):
        with pytest.raises(InputError, match="not a file list"):
            list_series("bucket/uuid", public.hosts)
    with pytest.raises(InputError, match="not a file list"):
        list_kits_images(public.hosts)


def test_a_file_is_fetched_whole_and_not_asked_for_twice(public, remote, tmp_path):
    came: list[int] = []
    fetch_file(remote, tmp_path / "series" / "a.bin", hosts=public.hosts, advance=came.append)
    fetch_file(remote, tmp_path / "series" / "a.bin", hosts=public.hosts)
    assert (tmp_path / "series" / "a.bin").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)
    assert sum(path == "/bucket/uuid/a.bin" for path, _ in public.asked) == 1


def test_a_cut_connection_goes_on_where_it_was(public, remote, tmp_path):
    public.broken_after["/bucket/uuid/a.bin"] = 3_000_000
    came: list[int] = []
    fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts, advance=came.append)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)
    assert public.asked[-1] == ("/bucket/uuid/a.bin", "bytes=3000000-")


def test_what_an_earlier_run_left_goes_on_too(public, remote, tmp_path):
    public.broken_after["/bucket/uuid/a.bin"] = 5_000_000
    with pytest.raises(DownloadError, match="Run the same command again"):
        fetch_file(remote, tmp_path / "a.bin", hosts=replace(public.hosts, tries=1))
    assert not (tmp_path / "a.bin").exists()
    came: list[int] = []
    fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts, advance=came.append)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_server_without_ranges_starts_anew(public, remote, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1000])
    public.ignores_range = True
    came: list[int] = []
    fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts, advance=came.append)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)


@pytest.mark.parametrize("left", [CONTENT[:-1] + b"!", CONTENT + b"more", b"!" * 100])
def test_a_damaged_rest_is_thrown_away_and_fetched_anew(public, remote, tmp_path, left):
    (tmp_path / "a.bin.part").write_bytes(left)
    came: list[int] = []
    fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts, advance=came.append)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)


@pytest.mark.parametrize(
    ("lie", "message"), [(CONTENT[:-1], "bytes instead of"), (CONTENT[:-1] + b"!", "another MD5 than listed")]
)
def test_a_file_that_stays_wrong_is_named_and_not_kept(public, remote, tmp_path, lie, message):
    public.lies["/bucket/uuid/a.bin"] = lie
    with pytest.raises(DownloadError, match=message) as caught:
        fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts)
    assert caught.value.code == "download-damaged"
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_an_error_is_no_scan(public, tmp_path):
    public.files["/x/case.nii.gz"] = b"<html>Too many requests</html>"
    remote = RemoteFile(f"{public.hosts.github}/x/case.nii.gz", "case.nii.gz", None, "")
    with pytest.raises(DownloadError, match="perhaps as a page of an error"):
        fetch_file(remote, tmp_path / "case.nii.gz", hosts=public.hosts)


def test_a_missing_file_is_asked_for_once(public, tmp_path):
    remote = RemoteFile(f"{public.hosts.idc}/bucket/none", "none", 1, "")
    with pytest.raises(DownloadError, match="does not have it") as caught:
        fetch_file(remote, tmp_path / "none", hosts=public.hosts)
    assert caught.value.code == "download-missing"
    assert len(public.asked) == 1


@pytest.mark.parametrize(("codes", "is_had"), [([503], True), ([429, 500], False), ([403], False)])
def test_a_busy_server_is_asked_again(public, remote, tmp_path, codes, is_had):
    public.answers["/bucket/uuid/a.bin"] = list(codes)
    if is_had:
        fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts)
    else:
        with pytest.raises(DownloadError, match=str(codes[-1])):
            fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts)
    assert (tmp_path / "a.bin").exists() == is_had


def test_a_call_to_stop_is_heard_and_what_came_stays(public, remote, tmp_path):
    stop = threading.Event()
    with pytest.raises(StoppedError):
        fetch_file(remote, tmp_path / "a.bin", hosts=public.hosts, advance=lambda _: stop.set(), stopped=stop.is_set)
    assert 0 < (tmp_path / "a.bin.part").stat().st_size < len(CONTENT)


def test_a_host_that_is_not_there_or_no_web_address_is_named(public):
    with pytest.raises(InputError, match="Check the connection"):
        read_url("http://127.0.0.1:9/x", public.hosts)
    with pytest.raises(InputError, match="not a web address"):
        read_url("file:///etc/passwd", public.hosts)


def test_a_server_that_does_not_answer_is_described_in_plain_words():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listened on: connections are refused
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(InputError) as caught:
            read_url(f"{address}/list", Hosts(idc=address, tries=1, wait_s=0.0, timeout_s=5.0))
    assert caught.value.problems[0].what == f"cannot be read: {os.strerror(errno.ECONNREFUSED)}"
