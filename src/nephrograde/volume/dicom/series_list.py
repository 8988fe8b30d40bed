"""Series lists: text files that list the files of one DICOM series, wherever they are, including in archives."""

from __future__ import annotations

from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.archive import (
    BOMB,
    LARGEST_INNER_BYTES,
    MEMBER_SEPARATOR,
    TOO_LARGE_MEMBER,
    ArchiveRefused,
    open_archive,
    unpack_member,
)

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

SERIES_LIST_HEADING = "# nephrograde series 1"
DAMAGED_HEADING = "# damaged files beside them"
"""After this line come files that cannot be read: slices of the series only if slices are missing."""
_TOO_LARGE = {BOMB, TOO_LARGE_MEMBER}


def is_series_list(path: Path) -> bool:
    """Whether a path is a series list: a text file ``*.series`` that lists the files of one DICOM series."""
    return path.name.lower().endswith(".series") and path.is_file()


class SeriesList:
    r"""The files in a series list; archives among them are opened once and closed at the end of the block.

    The list is UTF-8 text. Its first line is ``SERIES_LIST_HEADING``; every further line names one file, relative to
    the list's folder or absolute, with ``/`` as separator. After the line ``DAMAGED_HEADING`` come files of which it is
    not known whether they are slices of the series. ``archive.zip//member/name`` is a file in an archive,
    ``outer.zip//inner.zip//name`` one in a nested archive. Messages give the number of a file, not its name, because
    file names often identify the patient.

    >>> import pathlib, tempfile, zipfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "export.zip", "w") as archive:
    ...     archive.writestr("CT/1", b"a slice")
    >>> _ = (folder / "np.series").write_text(f"{SERIES_LIST_HEADING}\nexport.zip//CT/1\n", encoding="utf-8")
    >>> with SeriesList(folder / "np.series") as listed, listed.open(0) as stream:
    ...     len(listed), stream.read()
    (1, b'a slice')
    """

    def __init__(self, list_path: Path) -> None:
        """Read the list, but not yet its files.

        Args:
            list_path: The list.

        Raises:
            VolumeError: With code "series-list" if it is not such a list.
        """
        try:
            heading, *lines = list_path.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError:
            heading, lines = "", []
        self._lines = [line for line in lines if line.strip()]
        self.n_sure = len(self._lines)
        if DAMAGED_HEADING in self._lines:
            self.n_sure = self._lines.index(DAMAGED_HEADING)
            del self._lines[self.n_sure]
        if heading.strip() != SERIES_LIST_HEADING or not self._lines:
            raise VolumeError(
                "series-list",
                f"is no list of the files of a series (its first line is '{SERIES_LIST_HEADING}', then "
                "one file a line, in UTF-8).",
                "Write it again with `nephrograde scan`.",
                path=list_path,
            )
        self._list_path = list_path
        self._held = ExitStack()
        self._archives: dict[tuple[str, ...], zipfile.ZipFile] = {}

    def __enter__(self) -> SeriesList:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.close()

    def __len__(self) -> int:
        return len(self._lines)

    def name(self, k: int) -> str:
        """What a message calls a file of the list, which does not say who the patient is."""
        return f"file {k + 1} of the list"

    def path(self, k: int) -> Path | None:
        """Return the path of a file in the list; None for one in an archive.

        Args:
            k: Its index, from 0.

        Raises:
            VolumeError: With code "file-missing".
        """
        path, members = self._parts(k)
        if members:
            return None
        if not path.is_file():
            raise self._missing(k)
        return path

    def open(self, k: int) -> IO[bytes]:
        """Open a file of the list for reading.

        Args:
            k: Its index, from 0.

        Raises:
            VolumeError: With code "file-missing", "file-unreadable", "archive-damaged" or "archive-too-large".
        """
        path, members = self._parts(k)
        try:
            return self._open_member(path, members) if members else path.open("rb")
        except (FileNotFoundError, KeyError):
            raise self._missing(k) from None
        except OSError as error:
            raise VolumeError(
                "file-unreadable", f"{self.name(k)} cannot be read ({error.strerror}).", "Check its permissions."
            ) from None
        except ArchiveRefused as refused:
            if str(refused) in _TOO_LARGE:
                raise VolumeError(
                    "archive-too-large",
                    f"{self.name(k)} lies in an archive and unpacks to too many bytes.",
                    "Unpack it, and scan again.",
                ) from None
            raise VolumeError(
                "archive-damaged",
                f"{self.name(k)} lies in an archive that is damaged or encrypted.",
                "Unpack it, and scan the folder again.",
            ) from None

    def outermost(self) -> list[Path]:
        """Return the files of the list, and for those in an archive the archive, each once."""
        return list(dict.fromkeys(self._parts(k)[0] for k in range(len(self))))

    def _parts(self, k: int) -> tuple[Path, list[str]]:
        start = 2 if self._lines[k].startswith("//") else 0  # a Windows share begins with two slashes
        first, *members = self._lines[k][start:].split(MEMBER_SEPARATOR)
        return self._list_path.parent / f"{self._lines[k][:start]}{first}", members

    def _missing(self, k: int) -> VolumeError:
        return VolumeError("file-missing", f"{self.name(k)} is not there.", "Put it back, or scan the folder again.")

    def _open_member(self, path: Path, members: Sequence[str]) -> IO[bytes]:
        archive = self._archive((str(path),), path)
        for depth, member in enumerate(members[:-1], start=1):
            key = (str(path), *members[:depth])
            if key not in self._archives:
                unpacked = unpack_member(archive, member, largest_bytes=LARGEST_INNER_BYTES)
                self._archive(key, self._held.enter_context(unpacked))
            archive = self._archives[key]
        return unpack_member(archive, members[-1])

    def _archive(self, key: tuple[str, ...], content: Path | IO[bytes]) -> zipfile.ZipFile:
        if key not in self._archives:
            self._archives[key] = self._held.enter_context(open_archive(content))
        return self._archives[key]
