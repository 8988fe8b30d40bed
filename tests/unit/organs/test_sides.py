"""A mask of both kidneys is divided into the right and the left one, whatever pieces it is in."""

import numpy as np
import pytest

from nephrograde.errors import VolumeError
from nephrograde.organs.kidneys import LEFT, RIGHT
from nephrograde.organs.sides import divide_kidneys
from nephrograde.volume.grid import Grid

SIZE = (60, 30, 20)
GRID = Grid(SIZE, (5.0, 5.0, 5.0), (-150.0, 0.0, 0.0), np.eye(3), source="memory")
RIGHT_ONE = (slice(10, 20), slice(10, 20), slice(2, 16))
LEFT_ONE = (slice(40, 50), slice(10, 20), slice(4, 18))


def masked(*parts):
    mask = np.zeros(SIZE, dtype=bool)
    for part in parts:
        mask[part] = True
    return mask


def test_two_pieces_are_two_kidneys_the_right_one_first():
    found = divide_kidneys(masked(LEFT_ONE, RIGHT_ONE), GRID)
    assert list(found) == [RIGHT, LEFT]
    assert np.array_equal(found[RIGHT], masked(RIGHT_ONE))
    assert np.array_equal(found[LEFT], masked(LEFT_ONE))


@pytest.mark.parametrize(("part", "side"), [(RIGHT_ONE, RIGHT), (LEFT_ONE, LEFT)])
def test_one_kidney_lies_on_its_side(part, side):
    crumb = (slice(48, 49), slice(2, 3), slice(3, 4)) if side == RIGHT else (slice(9, 10), slice(2, 3), slice(3, 4))
    assert list(divide_kidneys(masked(part), GRID)) == [side]
    assert list(divide_kidneys(masked(part, crumb), GRID)) == [side]


def test_pieces_of_one_kidney_stay_together():
    upper = (slice(11, 19), slice(11, 19), slice(18, 20))
    found = divide_kidneys(masked(RIGHT_ONE, upper, LEFT_ONE), GRID)
    assert np.array_equal(found[RIGHT], masked(RIGHT_ONE, upper))
    assert list(divide_kidneys(masked(RIGHT_ONE, upper), GRID)) == [RIGHT]


def test_a_horseshoe_kidney_is_one():
    bridge = (slice(20, 40), slice(10, 14), slice(4, 8))
    assert len(divide_kidneys(masked(RIGHT_ONE, bridge, LEFT_ONE), GRID)) == 1


def test_a_mask_of_the_whole_body_is_refused():
    coarse = Grid(SIZE, (8.0, 8.0, 8.0), (0.0, 0.0, 0.0), np.eye(3), source="memory")
    with pytest.raises(VolumeError) as caught:
        divide_kidneys(np.ones(SIZE, dtype=bool), coarse)
    assert caught.value.code == "kidneys-implausible"
