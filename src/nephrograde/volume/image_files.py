"""The files that an image or a mask lies in, and what identifies their content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.files import fingerprint, sha256_of, sha256_of_stream
from nephrograde.volume.dicom.series_list import SeriesList, is_series_list
from nephrograde.volume.text_header import TEXT_HEADED, lies_beside, read_text_header

if TYPE_CHECKING:
    from pathlib import Path


def further_files(path: Path) -> list[Path]:
    r"""Return the files that an image needs beside itself: those that a text header or a series list names.

    Args:
        path: Anything that :func:`~nephrograde.volume.read.read_volume` accepts, or a mask.

    Returns:
        The files, whether they are there or not; of those in an archive, the archive. None where the image is one file
        or folder, or cannot be read.

    >>> import pathlib, tempfile
    >>> header_path = pathlib.Path(tempfile.mkdtemp()) / "ct.mhd"
    >>> _ = header_path.write_text("ObjectType = Image\nElementDataFile = ct.raw\n", encoding="utf-8")
    >>> [file.name for file in further_files(header_path)]
    ['ct.raw']
    """
    try:
        if is_series_list(path):
            with SeriesList(path) as listed:
                return listed.outermost()
        if path.name.lower().endswith(TEXT_HEADED) and path.is_file():
            return [file for name in read_text_header(path).data_names for file in _named(path, name)]
    except (OSError, VolumeError):
        pass  # reading it says what is wrong
    return []


def sha256_of_image(path: Path) -> str:
    """SHA-256 of an image: of a file, of a folder's file names and contents, or of all files of an image in several.

    A missing or damaged file is hashed as such, so that a list or a header can be hashed before it is read.

    Args:
        path: Anything that :func:`~nephrograde.volume.read.read_volume` accepts, or a mask.
    """
    if is_series_list(path):
        try:
            with SeriesList(path) as listed:
                return fingerprint([_sha256_listed(listed, k) for k in range(len(listed))])
        except VolumeError:
            return sha256_of(path)  # not a valid list; reading it reports what is wrong
    further = further_files(path)
    if not further:
        return sha256_of(path)
    return fingerprint([sha256_of(path), *(sha256_of(file) if file.is_file() else "" for file in further)])


def _sha256_listed(listed: SeriesList, k: int) -> str:
    try:
        with listed.open(k) as stream:
            return sha256_of_stream(stream)
    except VolumeError as error:
        return error.code


def _named(header_path: Path, name: str) -> list[Path]:
    """The file of a name beside a header, or the files of a pattern such as ``slice%03d.raw``; none elsewhere."""
    if not lies_beside(name):
        return []
    if "%" not in name:
        return [header_path.with_name(name)]
    pattern = re.compile(r"\d+".join(re.escape(part) for part in re.split(r"%\d*d", name)))
    return sorted(file for file in header_path.parent.iterdir() if pattern.fullmatch(file.name))
