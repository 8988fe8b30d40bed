"""Stored values to HU: the bits that count, slope and intercept, and padding."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.volume.dicom.one_slice import PixelForm, Slice

AIR_HU = -1024
"""Padding in CT is replaced by this: the lowest value of most scanners, air in every window."""
_TISSUE_HU = (-1000.0, 3071.0)  # a padding value that means HU in this range may also be a measured one
_LARGEST_FACTOR = 1000.0
_LOWEST, _HIGHEST = -32768, 32767


def is_whole(one: Slice) -> bool:
    """Whether slope and intercept make whole numbers of whole numbers.

    Args:
        one: The slice.
    """
    slope, intercept = one.rescale
    fits = one.form.bits_stored <= 16 and abs(slope) <= _LARGEST_FACTOR and abs(intercept) <= 1e6
    return fits and slope.is_integer() and intercept.is_integer()


def rescaled(stored: npt.NDArray[Any], one: Slice) -> npt.NDArray[Any]:
    """Apply slope and intercept to a slice, and replace its padding.

    Args:
        stored: ``rows columns``, the bits that count.
        one: The slice.

    Returns:
        Int32, or float64 if slope or intercept has a fraction.
    """
    slope, intercept = one.rescale
    plane: npt.NDArray[Any]
    if is_whole(one):
        plane = stored.astype(np.int32) * int(slope) + int(intercept)
    else:
        plane = stored.astype(np.float64) * slope + intercept
    padding = _padding(one.form, one.rescale)
    if padding is not None:
        plane[(stored >= padding[0]) & (stored <= padding[1])] = AIR_HU
    return plane


def rescale_in_place(
    plane: npt.NDArray[np.int16], one: Slice, scratch: npt.NDArray[np.int16]
) -> tuple[int, int] | None:
    """Do what :func:`rescaled` does without leaving the plane, in which pixels of 16 bits lie as stored.

    Args:
        plane: ``rows columns``; holds the result, or anything if None is returned.
        one: The slice; its slope and intercept are whole.
        scratch: Of the same size.

    Returns:
        The lowest and highest value of the result; None if not all values fit into 16 bits.

    Arithmetic modulo 2^16 gives the right result wherever the result itself fits.
    """
    stored = significant_in_place(plane, one.form)
    low, high = int(stored.min()), int(stored.max())
    slope, intercept = map(int, one.rescale)
    ends = (low * slope + intercept, high * slope + intercept)
    if min(ends) < _LOWEST or max(ends) > _HIGHEST:  # perhaps of padding only
        wide = rescaled(stored, one)
        plane[:] = wide
        low, high = int(wide.min()), int(wide.max())
        return (low, high) if low >= _LOWEST and high <= _HIGHEST else None
    padding = _padding(one.form, one.rescale)
    first, last = padding or (high + 1, high)
    is_padded = first <= high and low <= last
    if is_padded:
        scratch[:] = stored == first if first == last else (stored >= first) & (stored <= last)
    if slope != 1:
        plane *= _modulo(slope)
    if intercept:
        plane += _modulo(intercept)
    if is_padded and first == last:  # adding the difference takes half the time of the other way
        scratch *= _modulo(AIR_HU - (first * slope + intercept))
        plane += scratch
    elif is_padded:
        np.copyto(plane, np.int16(AIR_HU), where=scratch.astype(bool))
    return (int(plane.min()), int(plane.max())) if is_padded else (min(ends), max(ends))


def _modulo(number: int) -> np.int16:
    return np.int16((number - _LOWEST) % (1 << 16) + _LOWEST)


@lru_cache(maxsize=64)
def _padding(form: PixelForm, rescale: tuple[float, float]) -> tuple[int, int] | None:
    """Return the lowest and highest stored value that are padding, as far as no tissue can have them."""
    slope, intercept = rescale
    if form.padding is None or not form.is_ct:
        return None
    low, high = (int(significant(np.array([value]), form, 0)[0]) for value in form.padding)
    if low > high or any(_TISSUE_HU[0] < value * slope + intercept < _TISSUE_HU[1] for value in (low, high)):
        return None
    return low, high


def significant_in_place(plane: npt.NDArray[np.int16], form: PixelForm) -> npt.NDArray[Any]:
    """Do what :func:`significant` does to pixels of 16 bits without leaving their memory.

    Args:
        plane: The pixels as stored; holds the result.
        form: How they are stored.

    Returns:
        The same memory, unsigned if the pixels are.
    """
    if form.high_bit < 15:
        plane <<= np.int16(15 - form.high_bit)
    stored: npt.NDArray[Any] = plane if form.is_signed else plane.view(np.uint16)
    if form.bits_stored < 16:
        stored >>= stored.dtype.type(16 - form.bits_stored)
    return stored


def significant(values: npt.NDArray[Any], form: PixelForm, shift: int) -> npt.NDArray[np.int64]:
    """Keep the stored bits, with their sign; bits above and below them (overlays) are removed.

    Args:
        values: Of any size.
        form: How the pixels are stored.
        shift: Bits below the stored ones.
    """
    bits = (values.astype(np.int64) >> shift) & ((1 << form.bits_stored) - 1)
    if not form.is_signed:
        return bits
    half = 1 << (form.bits_stored - 1)
    return (bits ^ half) - half
