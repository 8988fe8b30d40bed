"""Masks that were drawn on the page: the runs of marked voxels, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.annotations.voxels import parse_voxels
from nephrograde.errors import PlaceError
from nephrograde.volume.volume import write_image
from nephrograde.web.grading.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MOST_TEXTS = 64
LARGEST_BYTES = 2 * 2**20
"""Of a request with a drawn mask."""


def read_drawn(given: object, geometry: Mapping[str, Any]) -> list[str]:
    """Check the texts of a drawn mask.

    Args:
        given: As the request has them.
        geometry: Of the series that it was drawn on.

    Raises:
        Refusal: They are no mask on this series.
    """
    if (
        not isinstance(given, list)
        or not 0 < len(given) <= MOST_TEXTS
        or not all(isinstance(one, str) for one in given)
    ):
        raise Refusal("place", "A drawn mask is a list of texts such as the page writes them.", 400)
    for text in given:
        try:
            grid = parse_voxels(text).grid
        except PlaceError as error:
            raise Refusal("place", str(error)) from None
        is_same = list(grid.size) == geometry["size"] and np.allclose(grid.origin_mm, geometry["origin_mm"], atol=0.01)
        if not is_same:
            raise Refusal("place", "The mask was drawn on another series. Draw it again.")
    return given


def write_drawn(texts: Sequence[str], mask_path: Path) -> None:
    """Write a drawn mask as NIfTI.

    Args:
        texts: As :func:`read_drawn` returns them.
        mask_path: The file.
    """
    voxels = [parse_voxels(text) for text in texts]
    grid = voxels[0].grid
    stack = np.logical_or.reduce([one.stack() for one in voxels])
    write_image(
        stack.T.astype(np.uint8),
        mask_path,
        spacing_mm=grid.spacing_mm,
        origin_mm=grid.origin_mm,
        direction=grid.direction,
    )
