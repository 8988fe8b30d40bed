"""Augmentation of whole batches on the device; drawing parameters is separate from applying them.

Parameters are drawn on the CPU from the fit's own generator, so that the same study gives the same parameters on every
device; applying them is plain arithmetic on whole batches. What the study switches off costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.sample.channels import Channels
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


class AugmentTables(NamedTuple):
    """What :func:`transform` reads: numbers of each picture, float32; None if the study switches it off.

    Attributes:
        affine: ``(n, axis, axis + 1)``, which place of the picture is seen at each place, as ``affine_grid`` takes it.
        flips: ``(n, axis)``, 1 where the picture is mirrored along the axis, else 0.
        contrast: ``(n,)``.
        brightness: ``(n,)``.
        noise: ``(n,)``.
    """

    affine: torch.Tensor | None
    flips: torch.Tensor | None
    contrast: torch.Tensor | None
    brightness: torch.Tensor | None
    noise: torch.Tensor | None


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


def apply(
    images: torch.Tensor, parameters: AugmentParameters, *, has_mask: bool, shown: Channels | None = None
) -> torch.Tensor:
    """Augment a batch on its own device.

    Mirroring, rotation, shift and scale act on all channels; contrast, brightness and noise on image channels only.
    Resampling is linear and extends the border; a mask is then thresholded at ½, so that its edge stays aligned with
    the image. The image is clipped to [0, 1] again. In early fusion, brightness does not act on differences, in which
    it cancels out, and nothing but the geometry on the channels of a missing phase.

    Args:
        images: ``(n, channel, y, x)`` or ``(n, channel, x, y, z)`` in [0, 1], float32. Not modified.
        parameters: Drawn for the same number of pictures.
        has_mask: Whether the last channel is a mask.
        shown: What the channels are in early fusion; None where all image channels show one phase.

    Returns:
        A batch of the same shape; the same tensor object if everything is off.

    >>> from nephrograde.study import AugmentSettings
    >>> only_flips = AugmentSettings(rotate_deg=0, shift=0, scale=0, contrast=0, brightness=0, noise=0)
    >>> drawn = draw(only_flips, 1, dimensions=2, generator=torch.Generator().manual_seed(0))
    >>> drawn.flips.tolist(), apply(torch.tensor([[[[0.0, 1.0]]]]), drawn, has_mask=False).tolist()
    ([[True, False]], [[[[0.0, 1.0]]]])
    """
    tables = tabulate(parameters, images.shape)
    moved = AugmentTables(*(None if table is None else table.to(images.device) for table in tables))
    white = None
    if tables.noise is not None:
        white = fill_noise(noise_for(images.shape, has_mask=has_mask, device=images.device), parameters.noise_seed)
    return transform(images, moved, white, has_mask=has_mask, shown=shown)


def tabulate(parameters: AugmentParameters, shape: Sequence[int]) -> AugmentTables:
    """Turn drawn parameters into what is computed with, on the CPU.

    Args:
        parameters: Of each picture.
        shape: Of the batch: pictures, channels, and pixels or voxels along each axis.

    >>> from nephrograde.study import AugmentSettings
    >>> drawn = draw(AugmentSettings(noise=0), 4, dimensions=2, generator=torch.Generator().manual_seed(1))
    >>> tables = tabulate(drawn, (4, 1, 32, 32))
    >>> tables.affine.shape, tables.noise is None
    (torch.Size([4, 2, 3]), True)
    """
    return AugmentTables(
        affine=_affine(shape, parameters),
        flips=None if parameters.flips is None else parameters.flips.float(),
        contrast=parameters.contrast,
        brightness=parameters.brightness,
        noise=parameters.noise,
    )


def noise_for(shape: Sequence[int], *, has_mask: bool, device: torch.device) -> torch.Tensor:
    """Return an empty tensor for the noise of a batch.

    Args:
        shape: Of the batch, with channels.
        has_mask: Whether the last channel is a mask, which gets no noise.
        device: Of the batch.
    """
    n, channels, *size = shape
    return torch.empty((n, channels - has_mask, *size), device=device)


def fill_noise(white: torch.Tensor, seed: int) -> torch.Tensor:
    """Fill a tensor with white noise of standard deviation 1, generated on its device, and return it.

    Args:
        white: From :func:`noise_for`; written over.
        seed: The same seed gives the same noise on the same kind of device.

    >>> bool((fill_noise(torch.empty(3), 5) == fill_noise(torch.empty(3), 5)).all())
    True
    """
    return white.normal_(generator=torch.Generator(white.device).manual_seed(seed))


def transform(
    images: torch.Tensor,
    tables: AugmentTables,
    white: torch.Tensor | None,
    *,
    has_mask: bool,
    shown: Channels | None = None,
) -> torch.Tensor:
    """Augment a batch: the arithmetic of :func:`apply`, without transfers and random numbers.

    Args:
        images: As for :func:`apply`.
        tables: On the device of the pictures.
        white: From :func:`fill_noise`; None without noise.
        has_mask: Whether the last channel is a mask.
        shown: As for :func:`apply`.
    """
    n_image = images.shape[1] - has_mask
    images = _flipped(images, tables)
    if tables.affine is not None:
        grid = torch.nn.functional.affine_grid(tables.affine, list(images.shape), align_corners=False)
        moved = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        images = torch.cat([moved[:, :n_image], (moved[:, n_image:] >= 0.5).float()], dim=1) if has_mask else moved
    if tables.contrast is not None or tables.brightness is not None or tables.noise is not None:
        n_bright = n_image if shown is None else shown.images
        image = _regrey(images[:, :n_image], tables, white, n_bright=n_bright).clamp_(0, 1)
        if shown is not None:
            image = torch.where(images[:, :n_image] < 0, images[:, :n_image], image)
        images = torch.cat([image, images[:, n_image:]], dim=1) if has_mask else image
    return images


def _per_picture(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1, *(1 for _ in images.shape[1:]))


def _flipped(images: torch.Tensor, tables: AugmentTables) -> torch.Tensor:
    if tables.flips is not None:
        flips = tables.flips > 0
        for axis in range(flips.shape[1]):
            images = torch.where(_per_picture(flips[:, axis], images), images.flip(axis + 2), images)
    return images


def _affine(shape: Sequence[int], parameters: AugmentParameters) -> torch.Tensor | None:
    """Map positions in the result to positions in the source, in ``affine_grid`` units: −1 to 1, last axis first."""
    if parameters.angle_rad is None and parameters.shift is None and parameters.scale is None:
        return None
    n, dimensions = shape[0], len(shape) - 2
    nothing = torch.zeros(n)
    angle_rad = nothing if parameters.angle_rad is None else parameters.angle_rad
    shrink = torch.ones(n) if parameters.scale is None else 1 / parameters.scale
    matrix = torch.zeros(n, dimensions, dimensions + 1)
    # The plane of the slice is spanned by the first two axes of the array (y x of a slice, x y of a box), which are
    # the last ones in affine_grid. Their lengths may differ, and a rotation must not shear.
    first, second = dimensions - 1, dimensions - 2
    aspect = shape[3] / shape[2]
    matrix[:, first, first] = matrix[:, second, second] = torch.cos(angle_rad) * shrink
    matrix[:, first, second] = -torch.sin(angle_rad) * shrink * aspect
    matrix[:, second, first] = torch.sin(angle_rad) * shrink / aspect
    if dimensions == 3:
        matrix[:, 0, 0] = shrink
    if parameters.shift is not None:
        matrix[:, :, dimensions] = 2 * parameters.shift.flip(1)
    return matrix


def _regrey(image: torch.Tensor, tables: AugmentTables, white: torch.Tensor | None, *, n_bright: int) -> torch.Tensor:
    """Change grey values; brightness is added to the first ``n_bright`` channels."""
    if tables.contrast is not None:
        image = (image - 0.5) * _per_picture(tables.contrast, image) + 0.5
    if tables.brightness is not None:
        brighter = image[:, :n_bright] + _per_picture(tables.brightness, image)
        image = torch.cat([brighter, image[:, n_bright:]], dim=1) if n_bright < image.shape[1] else brighter
    if tables.noise is not None and white is not None:
        image = image + white * _per_picture(tables.noise, image)
    return image
