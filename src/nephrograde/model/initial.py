"""Where the pre-trained weights of a network come from, and how it takes grey values; can be read without torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.described import DescribedEncoder
from nephrograde.model.encoders.store import EncoderFile
from nephrograde.model.kind import CENTRE, SPREAD

if TYPE_CHECKING:
    from nephrograde.model.encoders.known import Architecture
    from nephrograde.model.encoders.view import View
    from nephrograde.study import InitialWeights


@dataclass(frozen=True, slots=True)
class Initial:
    """Pre-trained weights that a network starts from.

    Attributes:
        file: The file of an encoder, or one that the study names.
        architecture: Of the network.
        centre: Subtracted from the grey values in [0, 1] of the pictures.
        spread: What is left is divided by it.
        view: What the pictures show, of an encoder.
    """

    file: EncoderFile | InitialWeights
    architecture: Architecture = "resnet18"
    centre: float = CENTRE
    spread: float = SPREAD
    view: View | None = None

    @property
    def described(self) -> DescribedEncoder | None:
        """The encoder, and what the pictures show; None of a file that the study names."""
        if self.view is None or not isinstance(self.file, EncoderFile):
            return None
        return DescribedEncoder(self.file.encoder, self.view)

    @property
    def source(self) -> str:
        """What to call the file in messages."""
        if isinstance(self.file, EncoderFile):
            return f"The file of the encoder {self.file.encoder.name}"
        return str(self.file.path)

    def read(self) -> bytes:
        """Return the content of the file, verified.

        Raises:
            WeightsError: It is missing, cannot be read, or has another SHA-256.
        """
        return self.file.read() if isinstance(self.file, EncoderFile) else _read_named(self.file)

    def inputs(self) -> dict[str, Any]:
        """What a fit depends on, besides the settings of the study; empty for a file that the study names."""
        if self.described is None:
            return {}
        return {"pretrained": [self.described.encoder.sha256, self.architecture, self.centre, self.spread]}


def initial_of_encoder(file: EncoderFile, view: View) -> Initial:
    """Return an encoder as the start of a network that is shown the pictures of a study.

    A network that was trained on HU gets these from the window of the study; grey values outside its range, which only
    a wider window has, are not cut off. Of different numbers for the three colours, the means are used.

    Args:
        file: The encoder with its file.
        view: What the pictures show.
    """
    given = file.encoder.input
    scale, shift = 1.0, 0.0
    if given.range_hu is not None and view.window_hu is not None:
        (low, high), (first, last) = view.window_hu, given.range_hu
        scale, shift = (high - low) / (last - first), (low - first) / (last - first)
    centre, spread = (0.0, 1.0) if given.is_standardised else ((given.centre - shift) / scale, given.spread / scale)
    return Initial(file, file.encoder.architecture, centre, spread, view)


def _read_named(named: InitialWeights) -> bytes:
    if not named.path.is_file():
        raise WeightsError(
            f"The initial weights {named.path} do not exist. Download the file, or remove the key from the study."
        )
    try:
        raw = named.path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{named.path} cannot be read ({error.strerror}). Check its permissions.") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != named.sha256:
        raise WeightsError(
            f"{named.path} has the SHA-256 {found}, the study names {named.sha256}. "
            "It is another file, or was not downloaded whole. Compare the source, then correct the study or the file."
        )
    return raw
