"""Augmentation of whole batches on the device; drawing parameters is separate from applying them.

Parameters are drawn on the CPU from the fit's own generator, so that the same study gives the same parameters on every
device; applying them is plain arithmetic on whole batches. What the study switches off costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from nephrograde.study import AugmentSettings


@dataclass(frozen=True, slots=True)
class AugmentParameters:
    """What is done to each picture of a batch; None if the study switches it off.

    Axes are counted as in the array: ``y x`` of a slice, ``x y z`` of a box. All tensors are on the CPU.

    Attributes:
        flips: ``(n, axis)``, whether the picture is mirrored along the axis.
        angle_rad: ``(n,)``, rotation in the plane of the slice (about z).
        shift: ``(n, axis)``, as a fraction of the picture's extent.
        scale: ``(n,)``, by how much the content is enlarged.
        contrast: ``(n,)``, factor around mid-grey.
        brightness: ``(n,)``, added.
        noise: ``(n,)``, standard deviation of white noise.
        noise_seed: Seed of the noise, which is generated on the device.
    """

    flips: torch.Tensor | None
    angle_rad: torch.Tensor | None
    shift: torch.Tensor | None
    scale: torch.Tensor | None
    contrast: torch.Tensor | None
    brightness: torch.Tensor | None
    noise: torch.Tensor | None
    noise_seed: int

    def share(self, rows: torch.Tensor, *, rank: int) -> AugmentParameters:
        """Return the parameters of some pictures of the batch: one process's share.

        Args:
            rows: Their positions in the batch.
            rank: The number of the process.
        """

        def part(values: torch.Tensor | None) -> torch.Tensor | None:
            return None if values is None else values[rows]

        return AugmentParameters(
            flips=part(self.flips),
            angle_rad=part(self.angle_rad),
            shift=part(self.shift),
            scale=part(self.scale),
            contrast=part(self.contrast),
            brightness=part(self.brightness),
            noise=part(self.noise),
            noise_seed=self.noise_seed + rank,
        )


def draw(
    settings: AugmentSettings, n: int, *, dimensions: Literal[2, 3], generator: torch.Generator
) -> AugmentParameters:
    """Draw the parameters of a batch.

    Every picture is mirrored along each axis with probability ½; the other parameters are uniform with the half-widths
    given in the study file. Mirroring front to back and head to foot is not anatomical, but neither grade nor texture
    depends on it, and nnU-Net does the same.

    Args:
        settings: ``[augment]`` of the study file; 0 and false are off.
        n: Pictures in the batch.
        dimensions: 2 for slices, 3 for boxes.
        generator: On the CPU; advanced by the call.

    >>> from nephrograde.study import AugmentSettings
    >>> drawn = draw(AugmentSettings(noise=0), 4, dimensions=2, generator=torch.Generator().manual_seed(1))
    >>> drawn.flips.shape, drawn.noise is None
    (torch.Size([4, 2]), True)
    """

    def spread(half_width: float, *shape: int) -> torch.Tensor | None:
        return (torch.rand(*shape, generator=generator) * 2 - 1) * half_width if half_width else None

    contrast, scale = spread(settings.contrast, n), spread(settings.scale, n)
    return AugmentParameters(
        flips=torch.rand(n, dimensions, generator=generator) < 0.5 if settings.flip else None,
        angle_rad=spread(settings.rotate_deg * torch.pi / 180, n),
        shift=spread(settings.shift, n, dimensions),
        scale=None if scale is None else 1 + scale,
        contrast=None if contrast is None else 1 + contrast,
        brightness=spread(settings.brightness, n),
        noise=torch.rand(n, generator=generator) * settings.noise if settings.noise else None,
        noise_seed=int(torch.randint(2**62, (), generator=generator)) if settings.noise else 0,
    )


def apply(images: torch.Tensor, parameters: AugmentParameters, *, has_mask: bool) -> torch.Tensor:
    """Augment a batch on its own device.

    Mirroring, rotation, shift and scale act on all channels; contrast, brightness and noise on image channels only.
    Resampling is linear and extends the border; a mask is then thresholded at ½, so that its edge stays aligned with
    the image. The image is clipped to [0, 1] again.

    Args:
        images: ``(n, channel, y, x)`` or ``(n, channel, x, y, z)`` in [0, 1], float32. Not modified.
        parameters: Drawn for the same number of pictures.
        has_mask: Whether the last channel is a mask.

    Returns:
        A batch of the same shape; the same tensor object if everything is off.

    >>> from nephrograde.study import AugmentSettings
    >>> only_flips = AugmentSettings(rotate_deg=0, shift=0, scale=0, contrast=0, brightness=0, noise=0)
    >>> drawn = draw(only_flips, 1, dimensions=2, generator=torch.Generator().manual_seed(0))
    >>> drawn.flips.tolist(), apply(torch.tensor([[[[0.0, 1.0]]]]), drawn, has_mask=False).tolist()
    ([[True, False]], [[[[0.0, 1.0]]]])
    """
    n_image = images.shape[1] - has_mask
    parameters, affine = _moved(parameters, images)
    images = _flipped(images, parameters)
    if affine is not None:
        grid = torch.nn.functional.affine_grid(affine, list(images.shape), align_corners=False)
        moved = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        images = torch.cat([moved[:, :n_image], (moved[:, n_image:] >= 0.5).float()], dim=1) if has_mask else moved
    if parameters.contrast is not None or parameters.brightness is not None or parameters.noise is not None:
        image = _regrey(images[:, :n_image], parameters).clamp_(0, 1)
        images = torch.cat([image, images[:, n_image:]], dim=1) if has_mask else image
    return images


def _moved(parameters: AugmentParameters, images: torch.Tensor) -> tuple[AugmentParameters, torch.Tensor | None]:
    """Bring what is done to each picture, and the map of its positions, to the pictures' device in one transfer."""
    given = {
        "affine": _affine(images, parameters),
        "flips": None if parameters.flips is None else parameters.flips.float(),
        "contrast": parameters.contrast,
        "brightness": parameters.brightness,
        "noise": parameters.noise,
    }
    tables = {name: values for name, values in given.items() if values is not None}
    if images.device.type != "cpu" and tables:
        flat = torch.cat([values.flatten() for values in tables.values()])
        flat = (flat.pin_memory() if images.device.type == "cuda" else flat).to(images.device, non_blocking=True)
        parts = torch.split(flat, [values.numel() for values in tables.values()])
        tables = {name: part.view(tables[name].shape) for name, part in zip(tables, parts, strict=True)}
    flips = tables.get("flips")
    moved = replace(
        parameters,
        flips=None if flips is None else flips > 0,
        contrast=tables.get("contrast"),
        brightness=tables.get("brightness"),
        noise=tables.get("noise"),
    )
    return moved, tables.get("affine")


def _per_picture(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1, *(1 for _ in images.shape[1:]))


def _flipped(images: torch.Tensor, parameters: AugmentParameters) -> torch.Tensor:
    if parameters.flips is not None:
        for axis in range(parameters.flips.shape[1]):
            images = torch.where(_per_picture(parameters.flips[:, axis], images), images.flip(axis + 2), images)
    return images


def _affine(images: torch.Tensor, parameters: AugmentParameters) -> torch.Tensor | None:
    """Map positions in the result to positions in the source, in ``affine_grid`` units: −1 to 1, last axis first."""
    if parameters.angle_rad is None and parameters.shift is None and parameters.scale is None:
        return None
    n, dimensions = len(images), images.ndim - 2
    nothing = torch.zeros(n)
    angle_rad = nothing if parameters.angle_rad is None else parameters.angle_rad
    shrink = torch.ones(n) if parameters.scale is None else 1 / parameters.scale
    matrix = torch.zeros(n, dimensions, dimensions + 1)
    # The plane of the slice is spanned by the first two axes of the array (y x of a slice, x y of a box), which are
    # the last ones in affine_grid. Their lengths may differ, and a rotation must not shear.
    first, second = dimensions - 1, dimensions - 2
    aspect = images.shape[3] / images.shape[2]
    matrix[:, first, first] = matrix[:, second, second] = torch.cos(angle_rad) * shrink
    matrix[:, first, second] = -torch.sin(angle_rad) * shrink * aspect
    matrix[:, second, first] = torch.sin(angle_rad) * shrink / aspect
    if dimensions == 3:
        matrix[:, 0, 0] = shrink
    if parameters.shift is not None:
        matrix[:, :, dimensions] = 2 * parameters.shift.flip(1)
    return matrix


def _regrey(image: torch.Tensor, parameters: AugmentParameters) -> torch.Tensor:
    if parameters.contrast is not None:
        image = (image - 0.5) * _per_picture(parameters.contrast, image) + 0.5
    if parameters.brightness is not None:
        image = image + _per_picture(parameters.brightness, image)
    if parameters.noise is not None:
        generator = torch.Generator(image.device).manual_seed(parameters.noise_seed)
        white = torch.randn(image.shape, generator=generator, device=image.device)
        image = image + white * _per_picture(parameters.noise, image)
    return image
