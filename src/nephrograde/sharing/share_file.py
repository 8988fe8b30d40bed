"""The file, or folder, in which a hospital shares scores or statistics: written so that equal contents are equal bytes.

``manifest.json`` states the format, its version and the SHA-256 of all other members, and that of its own content. A
zip holds the members uncompressed under fixed times, so that its every byte follows from them and is compared. This
finds damage and mistakes, not a person who changes a number and all digests with it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from nephrograde.errors import ScoresError, ShareError
from nephrograde.export.archive import as_json, plain_entry
from nephrograde.export.printable import printable
from nephrograde.files import fingerprint
from nephrograde.replacement import make_folder, replaced
from nephrograde.sharing.contents import Head, SharedScores, is_head, read_scores
from nephrograde.sharing.possible import is_possible
from nephrograde.sharing.site import SiteStatistics, measure_site
from nephrograde.staging import staged
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY
from nephrograde.volume.dicom.archive import ArchiveRefused, damage_refused, open_archive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "nephrograde-share"
FORMAT_VERSION = 1
"""Raised whenever a version of nephrograde before would read a file wrongly."""
MANIFEST = "manifest.json"
HEAD = "share.json"
SCORES = "pseudonymised.csv"
STATISTICS = "statistics.json"
WORDS = "README.txt"
_MEMBERS = {"scores": {HEAD, SCORES, WORDS}, "statistics": {HEAD, STATISTICS, WORDS}}
_MOST_BYTES = 500_000_000
_AGAIN = "Get the file again, or share the run again."
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class SharedSite:
    """What a hospital shared, verified and reduced to statistics.

    Attributes:
        path: The file or folder.
        head: What it says about its numbers.
        statistics: Of its patients.
        pseudonyms: Of its patients; empty if it shared statistics only.
        sha256: Of its manifest, which names all that it holds.
    """

    path: Path
    head: Head
    statistics: SiteStatistics = field(repr=False)
    pseudonyms: frozenset[str] = field(repr=False)
    sha256: str


def write_share(out_path: Path, members: Mapping[str, bytes]) -> str:
    """Write a shared file, or a folder if its name does not end with ``.zip``.

    Args:
        out_path: Where to.
        members: Content by name, without the manifest.

    Returns:
        The SHA-256 of the zip; of a folder, that of its manifest.

    Raises:
        ShareError: The folder holds something else.
        WriteError: It cannot be written.
    """
    whole = {MANIFEST: _manifest(members), **members}
    if out_path.suffix.lower() == ".zip":
        raw = _zipped(whole)
        with replaced(out_path) as temporary_path:
            temporary_path.write_bytes(raw)
        return hashlib.sha256(raw).hexdigest()
    if out_path.is_dir() and {one.name for one in out_path.iterdir()} - whole.keys():
        raise ShareError(f"{out_path} holds other files. Name a new folder, so that only what is shared lies in it.")
    make_folder(out_path)
    with staged():
        for name, content in whole.items():
            with replaced(out_path / name) as temporary_path:
                temporary_path.write_bytes(content)
    return hashlib.sha256(whole[MANIFEST]).hexdigest()


def read_share(path: Path) -> SharedSite:
    """Read a shared file or folder, and verify every byte of it.

    Args:
        path: The file or folder.

    Raises:
        ShareError: It is missing, something else, of a newer version, or was changed.
    """
    members = _members_of(path)
    manifest = members.pop(MANIFEST, None)
    if manifest is None:
        raise ShareError(f"{path} was not written by `nephrograde share`: it holds no {MANIFEST}. {_AGAIN}")
    _check_manifest(path, manifest, members)
    head = _parsed(path, Head, HEAD, members)
    if members.keys() != _MEMBERS[head.kind]:
        raise _refused(path, "it holds other files than it should")
    if not is_head(head):
        raise _refused(path, f"{HEAD} holds something that `nephrograde share` does not write")
    pseudonyms: tuple[str, ...] = ()
    if head.kind == "scores":
        statistics, pseudonyms = _of_scores(path, head, members[SCORES])
    else:
        statistics = _parsed(path, SiteStatistics, STATISTICS, members)
        if not is_possible(statistics, smallest=head.smallest):
            raise _refused(path, f"{STATISTICS} holds numbers that no patients can give")
        if min(statistics.n_high, statistics.n_low) < head.fewest:
            raise _refused(path, "it is about fewer patients than it says")
    if {one.model: one.calls.threshold for one in statistics.models} != head.thresholds:
        raise _refused(path, "it names other models or thresholds than it has numbers of")
    return SharedSite(path, head, statistics, frozenset(pseudonyms), hashlib.sha256(manifest).hexdigest())


def as_member(content: Any) -> bytes:
    """Return a member as bytes.

    Args:
        content: A :class:`Head` or :class:`SiteStatistics`.
    """
    return as_json(asdict(content))


def statistics_of(head: Head, scores: SharedScores) -> SiteStatistics:
    """Reduce scores to statistics by the rules that a file states.

    Args:
        head: Of the file.
        scores: The scores.

    Raises:
        ScoresError: One grade only.
    """
    return measure_site(scores.p_high, scores.is_high, head.thresholds, smallest=head.smallest)


def _of_scores(path: Path, head: Head, content: bytes) -> tuple[SiteStatistics, tuple[str, ...]]:
    try:
        scores = read_scores(content, tuple(head.thresholds))
        return statistics_of(head, scores), scores.pseudonyms
    except (ValueError, csv.Error, ScoresError) as error:
        raise _refused(path, f"{SCORES} cannot be used ({printable(str(error))})") from None


def _manifest(members: Mapping[str, bytes]) -> bytes:
    content: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "members": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
        "research_use_only": RESEARCH_USE_ONLY,
        "written_by": f"nephrograde {__version__}",
    }
    return as_json({**content, "sha256": fingerprint(content)})


def _zipped(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            archive.writestr(plain_entry(name), members[name])
    return stream.getvalue()


def _members_of(path: Path) -> dict[str, bytes]:
    """The content of all members, by name."""
    try:
        files = [one for one in sorted(path.iterdir()) if one.is_file()] if path.is_dir() else [path]
        if not path.is_dir() and path.exists() and not path.is_file():
            raise ShareError(f"{path} is neither a file nor a folder. Give what `nephrograde share` wrote.")
        if sum(one.stat().st_size for one in files) > _MOST_BYTES:
            raise ShareError(f"{path} is larger than a shared file can be. {_AGAIN}")
        if path.is_dir():
            return {one.name: one.read_bytes() for one in files}
        raw = path.read_bytes()
        with open_archive(io.BytesIO(raw)) as archive, damage_refused():
            entries = archive.infolist()
            if any(one.compress_type != zipfile.ZIP_STORED or one.flag_bits for one in entries):
                raise ShareError(f"{path} was packed by another program. Unpack it, and give the folder.")
            if sum(one.file_size for one in entries) > len(raw):  # members that overlap
                raise _refused(path, "the archive itself was changed")
            members = {one.filename: archive.read(one) for one in entries}
    except FileNotFoundError:
        raise ShareError(f"{path} is missing. Give the file or folder that `nephrograde share` wrote.") from None
    except OSError as error:
        raise ShareError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from None
    except ArchiveRefused:
        raise ShareError(
            f"{path} was not written by `nephrograde share`: it is not a zip archive, or is damaged. {_AGAIN}"
        ) from None
    if _zipped(members) != raw:
        raise _refused(path, "the archive itself was changed")
    return members


def _check_manifest(path: Path, content: bytes, members: Mapping[str, bytes]) -> None:
    try:
        manifest = json.loads(content.decode())
        version, stated = manifest["format_version"], manifest["members"]
        known = manifest.pop("sha256")
        is_ours = manifest["format"] == FORMAT and type(version) is int and version > 0  # True is no version
        is_whole = known == fingerprint(manifest) and isinstance(stated, dict)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _refused(path, f"{MANIFEST} was changed") from None
    if not is_ours:
        raise ShareError(f"{path} was not written by `nephrograde share`. Give a file or folder that was.")
    if version > FORMAT_VERSION:
        raise ShareError(
            f"{path} was written by a newer version of nephrograde (format {version}; this version reads up to "
            f"{FORMAT_VERSION}). Install the newer version, or share the run with this one."
        )
    if not is_whole:
        raise _refused(path, f"{MANIFEST} was changed")
    if stated.keys() != members.keys():
        raise _refused(path, "a file was added or is missing")
    for name, raw in members.items():
        if hashlib.sha256(raw).hexdigest() != stated[name]:
            raise _refused(path, f"{printable(name)} was changed")


def _parsed(path: Path, kind: type[Content], name: str, members: Mapping[str, bytes]) -> Content:
    try:
        return TypeAdapter(kind).validate_json(members[name])
    except (ValueError, KeyError, RecursionError):
        raise _refused(path, f"{name} cannot be used") from None


def _refused(path: Path, why: str) -> ShareError:
    return ShareError(f"{path} is not what was shared: {why}. {_AGAIN}")
