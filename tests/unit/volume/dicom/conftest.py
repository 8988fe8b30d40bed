"""Changes to DICOM files written by others, for the tests of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Read each file, let a function change its dataset, and save it in place."""

    def change(paths: Iterable[Path], how: Callable[[pydicom.Dataset, int], None]) -> None:
        for k, path in enumerate(paths):
            dataset = pydicom.dcmread(path)
            how(dataset, k)
            dataset.save_as(path)

    return change
