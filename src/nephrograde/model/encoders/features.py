"""The features that an encoder gives of a patient's pictures, resampled and scaled to what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nephrograde.errors import RunError
from nephrograde.model.encoders.known import NO_CONTRAST
from nephrograde.model.encoders.layout import build_encoder
from nephrograde.model.tensors import parse_tensors

if TYPE_CHECKING:
    from nephrograde.model.encoders.known import Encoder, Input
    from nephrograde.model.encoders.store import EncoderFile
    from nephrograde.model.encoders.view import View

Features: TypeAlias = Annotated[npt.NDArray[np.float32], "feature"]


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """An encoder with its weights, ready to be used; it never learns."""

    encoder: Encoder
    network: nn.Module = field(repr=False)

    def features(self, pictures: npt.NDArray[np.float16], view: View) -> Features:
        """Return the features of a patient: the mean over pictures, slices and positions.

        A network for slices is shown every slice by itself: those of a box, and neighbouring slices, too. A mask is
        not shown.

        Args:
            pictures: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, in [0, 1].
            view: What the pictures show.

        Raises:
            RunError: A feature is not finite.
        """
        given = self.encoder.input
        images = _fitted(_without_mask(pictures, view), given, view)
        total = np.zeros(given.features)
        with torch.inference_mode():
            for image in images:  # one at a time, so that its features do not depend on the others, to the last digit
                total += self.network(image[None])[0].double().numpy()
        features = (total / len(images)).astype(np.float32)
        if not np.isfinite(features).all():
            raise RunError(f"The encoder {self.encoder.name} gives features that are not finite. Check the image.")
        return features


def load_encoder(file: EncoderFile) -> LoadedEncoder:
    """Read the weights of an encoder, and verify them.

    Args:
        file: The encoder with its file.

    Raises:
        WeightsError: The file is damaged, another one, or holds the weights of another network.
    """
    source = f"The file of the encoder {file.encoder.name}"
    weights = parse_tensors(file.read(), source)
    return LoadedEncoder(file.encoder, build_encoder(weights, file.encoder.architecture, source))


def _without_mask(pictures: npt.NDArray[np.float16], view: View) -> torch.Tensor:
    """The pictures as float32, each channel by itself: ``(n, 1, …)``."""
    image = np.asarray(pictures[:, :-1] if view.has_mask else pictures, np.float32)
    return torch.from_numpy(image.reshape(-1, 1, *image.shape[2:]))


def _fitted(images: torch.Tensor, given: Input, view: View) -> torch.Tensor:
    """Scale and resample images to what a network was trained on: ``(n, 3 or 1, …)``."""
    images = _scaled(images, given, view)
    if given.dimensions == 3:
        return _as_box(images, given, view)
    if images.ndim == 5:  # slices of a box, from the feet to the head, with rows from the front to the back
        images = images.permute(0, 4, 1, 3, 2).reshape(-1, 1, images.shape[3], images.shape[2])
    if given.size_px is not None:
        images = nn.functional.interpolate(images, [given.size_px] * 2, mode="bilinear", antialias=True)
    if given.colours is not None:
        centre, spread = (torch.tensor(one).reshape(3, 1, 1) for one in given.colours)
        images = (images - centre) / spread
    return images.expand(-1, 3, -1, -1)


def _scaled(images: torch.Tensor, given: Input, view: View) -> torch.Tensor:
    if given.range_hu is not None and view.window_hu is not None:
        (low, high), (first, last) = view.window_hu, given.range_hu
        images = ((low + images * (high - low) - first) / (last - first)).clamp(0.0, 1.0)
    if given.is_standardised:
        return torch.stack([_standardised(image) for image in images])
    return images if given.colours is not None else (images - given.centre) / given.spread


def _standardised(image: torch.Tensor) -> torch.Tensor:
    """A box whose voxels above 0 have a mean of 0 and a variance of 1; the others are 0.

    A box without contrast is 0 everywhere.
    """
    is_foreground = image > 0
    found = image[is_foreground].double()
    spread = float(found.std(correction=0)) if len(found) else 0.0
    if spread < NO_CONTRAST:
        return torch.zeros_like(image)
    return torch.where(is_foreground, (image - float(found.mean())) / spread, 0.0)


def _as_box(images: torch.Tensor, given: Input, view: View) -> torch.Tensor:
    if given.spacing_mm is not None:
        sizes = images.shape[2:]
        wanted = [
            max(1, round(size * own / other))
            for size, own, other in zip(sizes, view.spacing_mm, given.spacing_mm, strict=True)
        ]
        images = nn.functional.interpolate(images, wanted, mode="trilinear", align_corners=False)
    if given.is_ras:  # and the slices first
        images = images.flip(2, 3).permute(0, 1, 4, 2, 3).expand(-1, 3, -1, -1, -1)
    return images
