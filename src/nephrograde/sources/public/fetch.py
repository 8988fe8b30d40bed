"""File downloads over HTTP that are atomic and resumable."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from nephrograde.errors import DownloadError, InputError, Problem, about_writing
from nephrograde.replacement import make_folder, write_all
from nephrograde.sources.public.cohorts import KITS_IMAGES, KITS_REVISION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    from nephrograde.sources.public.cohorts import Hosts

_CHUNK_BYTES = 1 << 20
_MOST_BYTES = 64 << 20
"""Larger than any file list or grade table can be."""
_NAME = re.compile(r"\w[\w.-]{0,199}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_BROKEN = (OSError, http.client.HTTPException)
_BEGINS = {".gz": (0, b"\x1f\x8b"), ".dcm": (128, b"DICM")}
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class StoppedError(Exception):
    """The download was cancelled; complete files stay, and the next run resumes the rest."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as its server lists it.

    Attributes:
        url: Address of the file.
        name: Name to save it under.
        size_bytes: Size; None if the server does not list it.
        checksum: ``md5:…`` or ``sha256:…``; empty if the server gives none.
    """

    url: str
    name: str
    size_bytes: int | None
    checksum: str


def read_url(url: str, hosts: Hosts) -> bytes:
    """Read a small document, such as a grade table or a file list.

    Args:
        url: An http or https address.
        hosts: The retry policy.

    Raises:
        InputError: If the server cannot be reached, refuses, or sends more than 64 MB.
    """
    return _read_page(url, hosts)[0]


def list_series(source: str, hosts: Hosts) -> list[RemoteFile]:
    """List the files of a series in a bucket of the Imaging Data Commons.

    Args:
        source: ``bucket/uuid``.
        hosts: The hosts.

    Returns:
        The files. For a file that was uploaded in one part, the ETag is the MD5; this holds for every file that can be
        read without a key and whose ETag contains no dash.

    Raises:
        InputError: If the server cannot be reached, or its answer is not a file list.

    **Source:** ListObjectsV2 and ETag, Amazon S3 API reference.
    """
    bucket, _, prefix = source.partition("/")
    files: list[RemoteFile] = []
    token = ""
    while True:
        url = f"{hosts.idc}/{bucket}?list-type=2&prefix={quote(prefix + '/', safe='')}"
        page = read_url(url + (f"&continuation-token={quote(token, safe='')}" if token else ""), hosts)
        try:
            root = ET.fromstring(page)  # noqa: S314 — at most 64 MB, and expat refuses entities that multiply
            for entry in root.iterfind("{*}Contents"):
                key = entry.findtext("{*}Key", "")
                md5 = entry.findtext("{*}ETag", "").strip('"')
                checksum = f"md5:{md5}" if _MD5.fullmatch(md5) else ""
                size_bytes = int(entry.findtext("{*}Size", ""))
                name = key.removeprefix(f"{prefix}/")
                files.append(RemoteFile(f"{hosts.idc}/{bucket}/{quote(key)}", name, size_bytes, checksum))
        except (ET.ParseError, ValueError):
            raise _not_a_list(url) from None
        # A name with a slash or dots could be written outside the folder of the series.
        if not all(_NAME.fullmatch(file.name) for file in files):
            raise _not_a_list(url)
        token = root.findtext("{*}NextContinuationToken", "")
        if root.findtext("{*}IsTruncated", "false") != "true" or not token:
            return files


def list_kits_images(hosts: Hosts) -> dict[str, RemoteFile]:
    """List the KiTS images by path: ``images/case_00000.nii.gz``.

    Args:
        hosts: The hosts.

    Raises:
        InputError: If the server cannot be reached, or its answer is not a file list.

    **Source:** https://huggingface.co/docs/hub/api, ``GET /api/datasets/{repo}/tree/{revision}``.
    """
    url = f"{hosts.hugging_face}/api/{KITS_IMAGES}/tree/{KITS_REVISION}/images"
    files = {}
    while url:
        page, following = _read_page(url, hosts)
        try:
            for entry in json.loads(page):
                if entry["type"] == "file":
                    path, lfs = str(entry["path"]), entry.get("lfs") or {}
                    checksum = f"sha256:{lfs['oid']}" if lfs else ""
                    place = f"{hosts.hugging_face}/{KITS_IMAGES}/resolve/{KITS_REVISION}/{quote(path)}"
                    size_bytes = int(lfs.get("size", entry["size"]))
                    files[path] = RemoteFile(place, path.rpartition("/")[2], size_bytes, checksum)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _not_a_list(url) from None
        url = following if urlsplit(following).netloc == urlsplit(hosts.hugging_face).netloc else ""
    return files


def fetch_file(
    remote: RemoteFile,
    target_path: Path,
    *,
    hosts: Hosts,
    advance: Callable[[int], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Fetch a file, or the rest of it, and give it its final name when it is complete.

    Data received before an interruption is kept next to the target as ``<name>.part``, and the next attempt requests
    the rest. An existing file of the right size is left unchanged.

    Args:
        remote: The file.
        target_path: The path to save to.
        hosts: The retry policy.
        advance: Called with the number of bytes present or received; negative if some had to be discarded.
        stopped: Called between two chunks of 1 MB; return True to cancel.

    Raises:
        DownloadError: With code "download-missing" if the server does not have the file, "download-refused" if it does
            not release it, "download-damaged" if size, checksum or type remain wrong, "download-broken" if the
            connection fails in all attempts.
        StoppedError: If the download was cancelled.
    """
    if target_path.exists() and remote.size_bytes in {None, target_path.stat().st_size}:
        advance(target_path.stat().st_size)
        return
    make_folder(target_path.parent)
    part_path = target_path.with_name(f"{target_path.name}.part")
    if part_path.exists():
        advance(part_path.stat().st_size)
    last = DownloadError("download-broken", f"{remote.url}: no try.", "Ask for one try at least.")
    for count in range(hosts.tries):
        if count:
            time.sleep(hosts.wait_s * 2 ** (count - 1))
        try:
            _fetch_rest(remote, part_path, hosts=hosts, advance=advance, stopped=stopped)
            fault = _fault_of(remote, part_path)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                fault = "has another size than what came of it"
            elif error.code not in _AGAIN:
                raise _refused(remote.url, error.code) from None
            else:
                last = _broken(remote.url, f"the server answers {error.code}")
                continue
        except _BROKEN as error:
            last = _broken(remote.url, str(error) or type(error).__name__)
            continue
        if not fault:
            with about_writing(target_path, temporary_path=part_path):
                part_path.replace(target_path)
            return
        advance(-part_path.stat().st_size if part_path.exists() else 0)
        part_path.unlink(missing_ok=True)
        remedy = "Run the same command again; where it stays, the server's file differs from its list."
        last = DownloadError("download-damaged", f"{remote.url} {fault}.", remedy)
    raise last


def _fetch_rest(
    remote: RemoteFile, part_path: Path, *, hosts: Hosts, advance: Callable[[int], None], stopped: Callable[[], bool]
) -> None:
    have = part_path.stat().st_size if part_path.exists() else 0
    if have and have == remote.size_bytes:
        return
    with _open(remote.url, hosts, start=have) as response:
        goes_on = have > 0 and response.status == http.HTTPStatus.PARTIAL_CONTENT
        if have and not goes_on:
            advance(-have)
        # http.client ends a read silently when the connection is cut, so the length is compared here.
        expected = int(response.headers.get("Content-Length") or -1)
        came = 0
        with _open_part(part_path, goes_on=goes_on) as stream:
            while chunk := response.read(_CHUNK_BYTES):
                with about_writing(part_path):
                    write_all(stream, chunk)
                came += len(chunk)
                advance(len(chunk))
                if stopped():
                    raise StoppedError
    if 0 <= came < expected:
        raise http.client.IncompleteRead(b"", expected - came)


@contextmanager
def _open_part(part_path: Path, *, goes_on: bool) -> Iterator[IO[bytes]]:
    """Open the part that has come so far; a full disk is not taken for a broken connection."""
    with about_writing(part_path):
        stream = part_path.open("ab" if goes_on else "wb", buffering=0)
    with stream:
        yield stream


def _fault_of(remote: RemoteFile, path: Path) -> str:
    """Say what is wrong with a completely received file; empty if nothing is."""
    size_bytes = path.stat().st_size
    if remote.size_bytes not in {None, size_bytes}:
        return f"came with {size_bytes:,} bytes instead of {remote.size_bytes:,}"
    kind, _, digest = remote.checksum.partition(":")
    if digest:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, kind).hexdigest() != digest:
                return f"came with another {kind.upper()} than listed"
    at, signature = _BEGINS.get(f".{remote.name.rpartition('.')[2]}", (0, b""))
    with path.open("rb") as stream:
        stream.seek(at)
        return (
            "" if stream.read(len(signature)) == signature else "came as something else, perhaps as a page of an error"
        )


def _read_page(url: str, hosts: Hosts) -> tuple[bytes, str]:
    """Read one page of a server's answer and the address of the next page, which is empty for the last one."""
    reason = "no try"
    for count in range(hosts.tries):
        if count:
            time.sleep(hosts.wait_s * 2 ** (count - 1))
        try:
            with _open(url, hosts) as response:
                content = response.read(_MOST_BYTES + 1)
                following = re.search(r'<([^>]+)>; *rel="next"', response.headers.get("Link") or "")
            if len(content) > _MOST_BYTES:
                raise InputError([Problem(url, "is larger than 64 MB", "Check the address of the host.")])
            return content, urljoin(url, following[1]) if following else ""
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"the server answers {error.code}"
            if error.code not in _AGAIN:
                break
        except _BROKEN as error:
            cause = getattr(error, "reason", error)  # urllib wraps what the operating system says
            reason = str(getattr(cause, "strerror", "") or cause) or type(error).__name__
    remedy = "Check the connection and run the same command again; complete files are kept."
    raise InputError([Problem(url.partition("?")[0], f"cannot be read: {reason}", remedy)])


def _open(url: str, hosts: Hosts, *, start: int = 0) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InputError([Problem(url, "is not a web address", "Give one that begins with https://.")])
    headers = {"User-Agent": "nephrograde", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 — the scheme is checked above
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=hosts.timeout_s)  # noqa: S310
    return response


def _refused(url: str, code: int) -> DownloadError:
    if code in {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE}:
        remedy = "Update the index (pip install --upgrade idc-index-data), and run the same command again."
        return DownloadError("download-missing", f"{url}: the server does not have it (404).", remedy)
    return DownloadError(
        "download-refused", f"{url}: the server answers {code}.", "See whether access must be asked for."
    )


def _broken(url: str, reason: str) -> DownloadError:
    return DownloadError("download-broken", f"{url}: {reason}.", "Run the same command again; it goes on from there.")


def _not_a_list(url: str) -> InputError:
    what = "the answer is not a file list"
    return InputError(
        [Problem(url.partition("?")[0], what, "Check the address of the host, and any proxy on the way.")]
    )
