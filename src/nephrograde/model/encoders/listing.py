"""All encoders that are known, or in the store, and where the file of each is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.known import ENCODERS
from nephrograde.model.encoders.store import find_encoder, stored_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.model.encoders.known import Encoder
    from nephrograde.model.encoders.store import EncoderFile


class Listed(NamedTuple):
    """An encoder; ``file`` is None if its file is not there, and ``place`` says where it is or how to get it."""

    encoder: Encoder
    file: EncoderFile | None
    place: str


def list_all(folder: Path) -> list[Listed]:
    """List the encoders that are known by name, then those of the store, without verifying their files.

    Args:
        folder: The folder of the store.

    Raises:
        WeightsError: What the store says of a file is damaged.
    """
    own = [one for one in stored_files(folder) if one.encoder.name not in ENCODERS]
    return [*(_listed(encoder, folder) for encoder in ENCODERS.values()), *(_found(one) for one in own)]


def spell_sets(names: Sequence[str]) -> str:
    """Write a list of data sets.

    >>> spell_sets(["ImageNet-1k", "KiTS23"])
    'ImageNet-1k; KiTS23'
    """
    return "; ".join(names)


def _listed(encoder: Encoder, folder: Path) -> Listed:
    try:
        return _found(find_encoder(encoder.name, folder))
    except WeightsError as error:
        return Listed(encoder, None, str(error))


def _found(file: EncoderFile) -> Listed:
    return Listed(file.encoder, file, "in the store." if file.is_stored else "installed.")
