"""The strong arm's view: a box of fixed size in mm around the tumour, with the delineation as a second channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.roi import apply_window, cut_box

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.sample.target import Target
    from nephrograde.study import ImageSettings, Window
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume


def cut_tumour(
    volume: Volume, mask: MaskArray | None, target: Target, *, image: ImageSettings, window: Window
) -> npt.NDArray[np.float16]:
    """Cut a 3D arm's box out of a scan.

    Args:
        volume: The scan.
        mask: The delineated tumour on the scan's grid; None for supervision levels cheaper than ``mask``.
        target: Where the tumour is.
        image: Size of the box in mm and voxels.
        window: The values mapped to 0 and 1.

    Returns:
        Float16, ``(1, channel, x, y, z)``: the windowed image in [0, 1] and, with a mask, the mask as 0 or 1.
    """
    values, mask_box = cut_box(
        volume,
        mask,
        center_mm=target.center_mm,
        size_mm=image.box_mm,
        voxels=image.box_voxels,
        antialias=image.antialias,
    )
    channels = [apply_window(values, window)]
    if mask_box is not None:
        channels.append(mask_box.astype(np.float32))
    return np.stack(channels)[None].astype(np.float16)
