"""Add a file of weights to the store: recognise its network, and note its licence and what it was trained on."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import InputError, Problem, WeightsError
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.model.encoders.known import Encoder
from nephrograde.model.encoders.layout import build_encoder, recognise
from nephrograde.model.encoders.store import keep_file
from nephrograde.model.tensors import parse_tensors
from nephrograde.vocabulary import ENCODER_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.model.encoders.known import Architecture
    from nephrograde.model.encoders.store import EncoderFile


class Facts(NamedTuple):
    """What only the person knows who adds a file.

    Attributes:
        name: What studies will call it.
        licence: Of the weights.
        trained_on: The data sets that it learnt from.
        public_sets: The public cohorts of kidney tumours among them; None if that is not known.
        origin: Where the file comes from, and what to cite.
        architecture: Its network, where its names and shapes fit several; empty for the most probable.
    """

    name: str = ""
    licence: str = ""
    trained_on: tuple[str, ...] = ()
    public_sets: tuple[str, ...] | None = None
    origin: str = ""
    architecture: str = ""


NO_FACTS = Facts()


def add_file(file_path: Path, folder: Path, facts: Facts = NO_FACTS) -> EncoderFile:
    """Add a file of weights to the store.

    Args:
        file_path: A ``.safetensors`` or ``.pth`` file with the weights of a network that is known.
        folder: The folder of the store.
        facts: What is not known of the file; a file that is known by its SHA-256 needs none.

    Raises:
        InputError: The file is not known, and a fact is missing.
        WeightsError: The file cannot be read, or holds other weights.
        WriteError: The store cannot be written to.
    """
    try:
        raw = file_path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file_path} cannot be read ({error.strerror}). Check the path.") from None
    digest = hashlib.sha256(raw).hexdigest()
    weights = parse_tensors(raw, str(file_path))
    fitting = recognise(weights, str(file_path))
    known = next((one for one in ENCODERS.values() if one.sha256 == digest), None)
    architecture = known.architecture if known is not None else _chosen(facts.architecture, fitting, file_path)
    build_encoder(weights, architecture, str(file_path))  # only to see that it fits
    if known is not None:
        return keep_file(raw, known, folder)
    _require(facts)
    encoder = Encoder(
        facts.name, architecture, digest, facts.licence, facts.trained_on, facts.public_sets, facts.origin
    )
    return keep_file(raw, encoder, folder)


def _chosen(named: str, fitting: tuple[Architecture, ...], file_path: Path) -> Architecture:
    for one in fitting:
        if named in {"", one}:
            return one
    raise WeightsError(f"{file_path} does not hold the weights of {named}. By names and shapes: {', '.join(fitting)}.")


def _require(facts: Facts) -> None:
    problems = []
    if not re.fullmatch(ENCODER_NAME, facts.name):
        what = "is missing" if not facts.name else f"is {facts.name!r}"
        problems.append(Problem("--name", what, "Use lower-case letters, digits, -, _ and dots."))
    if not facts.licence:
        problems.append(Problem("--licence", "is missing", "Write the licence of the weights, such as MIT."))
    if not facts.trained_on:
        remedy = "Name each data set that the network learnt from, or write unknown."
        problems.append(Problem("--trained-on", "is missing", remedy))
    if problems:
        raise InputError(problems)
