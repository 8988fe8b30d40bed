"""Augmentation on pictures whose result can be computed by hand."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Literal

import pytest
import torch

from nephrograde.sample.augment import AugmentParameters, apply, draw
from nephrograde.sample.channels import ABSENT, Channels
from nephrograde.study import AugmentSettings

OFF = AugmentParameters(None, None, None, None, None, None, None, 0)
SETTINGS_OFF = AugmentSettings(flip=False, rotate_deg=0, shift=0, scale=0, contrast=0, brightness=0, noise=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def boxes(n: int = 2) -> torch.Tensor:
    image = torch.rand(n, 1, 12, 10, 6, generator=generator())
    mask = torch.zeros(n, 1, 12, 10, 6)
    mask[..., 3:8, 2:6, 1:4] = 1
    return torch.cat([image, mask], dim=1)


def same(a: AugmentParameters, b: AugmentParameters) -> bool:
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(AugmentParameters)]
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in pairs)


def test_same_generator_same_parameters() -> None:
    settings = AugmentSettings()
    first, again = (draw(settings, 5, dimensions=3, generator=generator(3)) for _ in range(2))
    other = draw(settings, 5, dimensions=3, generator=generator(4))
    assert same(first, again)
    assert not same(first, other)


def test_drawn_within_the_half_widths() -> None:
    settings = AugmentSettings(rotate_deg=90, shift=0.2, scale=0.5, contrast=0.3, brightness=0.1, noise=0.05)
    drawn = draw(settings, 2000, dimensions=2, generator=generator())
    assert drawn.flips is not None
    assert 0.45 < drawn.flips.float().mean() < 0.55
    ranges = {
        "angle_rad": (-torch.pi / 2, torch.pi / 2),
        "shift": (-0.2, 0.2),
        "scale": (0.5, 1.5),
        "contrast": (0.7, 1.3),
        "brightness": (-0.1, 0.1),
        "noise": (0, 0.05),
    }
    for name, (low, high) in ranges.items():
        values = getattr(drawn, name)
        assert low <= values.min() < low + 0.1 * (high - low), name
        assert high - 0.1 * (high - low) < values.max() <= high, name


def test_all_off_is_the_very_same_tensor() -> None:
    drawn = draw(SETTINGS_OFF, 2, dimensions=3, generator=generator())
    assert same(drawn, OFF)
    images = boxes()
    assert apply(images, drawn, has_mask=True) is images


def test_given_batch_is_not_changed() -> None:
    images = boxes()
    before = images.clone()
    apply(images, draw(AugmentSettings(noise=0.1), 2, dimensions=3, generator=generator()), has_mask=True)
    assert torch.equal(images, before)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_flips_are_exact(dimensions: Literal[2, 3]) -> None:
    images = torch.rand(2, 1, *(6, 5, 4)[:dimensions], generator=generator())
    for axis in range(dimensions):
        flips = torch.zeros(2, dimensions, dtype=torch.bool)
        flips[1, axis] = True
        result = apply(images, replace(OFF, flips=flips), has_mask=False)
        assert torch.equal(result[0], images[0])
        assert torch.equal(result[1], images[1].flip(axis + 1))


def test_a_quarter_turn_of_a_slice() -> None:
    images = torch.rand(1, 1, 9, 9, generator=generator())
    turned = apply(images, replace(OFF, angle_rad=torch.tensor([torch.pi / 2])), has_mask=False)
    torch.testing.assert_close(turned, images.rot90(-1, (2, 3)), atol=1e-4, rtol=0)


def test_a_quarter_turn_of_a_box_is_about_z() -> None:
    images = torch.rand(1, 1, 9, 9, 4, generator=generator())
    turned = apply(images, replace(OFF, angle_rad=torch.tensor([torch.pi / 2])), has_mask=False)
    torch.testing.assert_close(turned, images.rot90(-1, (2, 3)), atol=1e-4, rtol=0)


def test_a_rotation_of_an_oblong_picture_does_not_shear() -> None:
    bar = torch.zeros(1, 1, 21, 41)
    bar[..., 10, 12:29] = 1
    turned = apply(bar, replace(OFF, angle_rad=torch.tensor([torch.pi / 2])), has_mask=False)[0, 0]
    assert torch.equal((turned > 0.5).nonzero(), torch.tensor([[y, 20] for y in range(2, 19)]))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shift_of_whole_voxels(axis: int) -> None:
    images = torch.rand(1, 1, 12, 10, 6, generator=generator())
    shift = torch.zeros(1, 3)
    shift[0, axis] = 2 / images.shape[axis + 2]
    result = apply(images, replace(OFF, shift=shift), has_mask=False)
    length = images.shape[axis + 2] - 2
    expected = images.narrow(axis + 2, 2, length)
    torch.testing.assert_close(result.narrow(axis + 2, 0, length), expected, atol=1e-5, rtol=0)
    edge = images.narrow(axis + 2, length + 1, 1)
    torch.testing.assert_close(result.narrow(axis + 2, length + 1, 1), edge, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 16)])
def test_scale_two_doubles_every_edge(shape: tuple[int, ...]) -> None:
    image = torch.zeros(1, 1, *shape)
    image[0, 0, 6:10, 6:10] = 1
    if len(shape) == 3:
        image[..., :6] = image[..., 10:] = 0
    doubled = apply(image, replace(OFF, scale=torch.tensor([2.0])), has_mask=False)
    assert (doubled > 0.4).sum() == 8 ** len(shape)  # a corner of a box is 0.75³ after linear sampling


def test_mask_stays_a_mask_and_stays_on_the_image() -> None:
    mask = boxes()[:, 1:]
    drawn = draw(
        AugmentSettings(rotate_deg=40, noise=0, contrast=0, brightness=0), 2, dimensions=3, generator=generator()
    )
    result = apply(torch.cat([mask, mask], dim=1), drawn, has_mask=True)
    assert set(result[:, 1].flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(result[:, 1], (result[:, 0] >= 0.5).float())
    assert not torch.equal(result[:, 1], mask[:, 0])


def test_grey_values_change_on_the_image_alone() -> None:
    images = boxes()
    grey = replace(OFF, contrast=torch.tensor([1.2, 0.8]), brightness=torch.tensor([0.1, -0.1]))
    result = apply(images, replace(grey, noise=torch.tensor([0.1, 0.0]), noise_seed=5), has_mask=True)
    assert torch.equal(result[:, 1], images[:, 1])
    expected = ((images[1, 0] - 0.5) * 0.8 + 0.5 - 0.1).clamp(0, 1)
    torch.testing.assert_close(result[1, 0], expected)
    assert result[:, 0].min() >= 0
    assert result[:, 0].max() <= 1


def test_noise_has_the_drawn_deviation_and_its_own_seed() -> None:
    grey = torch.full((2, 1, 64, 64), 0.5)
    drawn = replace(OFF, noise=torch.tensor([0.02, 0.08]), noise_seed=9)
    result = apply(grey, drawn, has_mask=False)
    assert result.std(dim=(1, 2, 3)).tolist() == pytest.approx([0.02, 0.08], rel=0.05)
    torch.rand(3)
    assert torch.equal(result, apply(grey, drawn, has_mask=False))
    assert not torch.equal(result, apply(grey, replace(drawn, noise_seed=10), has_mask=False))


@pytest.mark.parametrize("only", ["flip", "rotate_deg", "shift", "scale", "contrast", "brightness", "noise"])
def test_each_part_works_alone(only: str) -> None:
    value: Any = True if only == "flip" else 20.0 if only == "rotate_deg" else 0.2
    settings = SETTINGS_OFF.model_copy(update={only: value})
    drawn = draw(settings, 2, dimensions=3, generator=generator(1))
    assert sum(getattr(drawn, field.name) is not None for field in fields(drawn)) == 2  # this one and the noise seed
    result = apply(boxes(), drawn, has_mask=True)
    assert result.shape == boxes().shape
    assert not torch.equal(result, boxes())


def test_shares_of_two_processes_make_up_the_batch() -> None:
    drawn = draw(AugmentSettings(noise=0), 5, dimensions=2, generator=generator())
    images = torch.rand(5, 1, 8, 8, generator=generator())
    whole = apply(images, drawn, has_mask=False)
    for rank in (0, 1):
        assert torch.equal(
            apply(images[rank::2], drawn.share(torch.arange(rank, 5, 2), rank=rank), has_mask=False), whole[rank::2]
        )
    noisy = replace(drawn, noise=torch.full((5,), 0.1))
    assert noisy.share(torch.tensor([0]), rank=0).noise_seed != noisy.share(torch.tensor([0]), rank=1).noise_seed
    assert OFF.share(torch.tensor([1]), rank=1).flips is None


def test_neighbouring_slices_are_all_images() -> None:
    images = torch.rand(2, 3, 8, 8, generator=generator())
    drawn = replace(OFF, contrast=torch.tensor([1.2, 0.8]), shift=torch.tensor([[0.1, 0.0], [0.0, 0.1]]))
    together = apply(images, drawn, has_mask=False)
    for channel in range(3):
        alone = apply(images[:, channel : channel + 1], drawn, has_mask=False)
        torch.testing.assert_close(together[:, channel : channel + 1], alone)
    with_mask = apply(torch.cat([images, (images[:, :1] > 0.5).float()], dim=1), drawn, has_mask=True)
    torch.testing.assert_close(with_mask[:, :3], together)
    assert set(with_mask[:, 3].flatten().tolist()) == {0.0, 1.0}


def test_grey_values_of_missing_phases_and_masks_stay() -> None:
    shown = Channels(2, ((0, 1),))
    images = torch.rand(6, 4, 12, 10, 6, generator=generator())
    images[:, 3] = (images[:, 3] > 0.5).float()
    images[:3, 1:3] = ABSENT
    drawn = draw(AugmentSettings(contrast=0.4, brightness=0.3, noise=0.1), 6, dimensions=3, generator=generator(2))
    made = apply(images, drawn, has_mask=True, shown=shown)
    assert (made[:3, 1:3] < -0.99).all()
    assert bool((made[3:, 1:3] >= 0).all())
    assert set(made[:, 3].unique().tolist()) <= {0.0, 1.0}
    geometry = replace(drawn, contrast=None, brightness=None, noise=None)
    torch.testing.assert_close(made[:3, 1:3], apply(images, geometry, has_mask=True)[:3, 1:3], rtol=0, atol=1e-6)


def test_brightness_cancels_out_in_a_difference_and_contrast_does_not() -> None:
    shown = Channels(2, ((0, 1),), each=2)
    one, other = (torch.rand(3, 2, 8, 8, generator=generator(k)) * 0.3 + 0.3 for k in (1, 2))
    images = torch.cat([one, other, (one - other) / 2 + 0.5], dim=1)
    drawn = replace(OFF, brightness=torch.tensor([0.1, -0.1, 0.05]), contrast=torch.tensor([1.1, 0.9, 1.0]))
    made = apply(images, drawn, has_mask=False, shown=shown)
    torch.testing.assert_close(made[:, 4:], (made[:, :2] - made[:, 2:4]) / 2 + 0.5)


def test_all_channels_are_moved_alike() -> None:
    picture = torch.rand(4, 1, 16, 16, generator=generator())
    images = picture.repeat(1, 3, 1, 1)
    drawn = draw(AugmentSettings(contrast=0, brightness=0, noise=0), 4, dimensions=2, generator=generator(5))
    made = apply(images, drawn, has_mask=False, shown=Channels(2, ((0, 1),)))
    for channel in (1, 2):
        torch.testing.assert_close(made[:, channel], made[:, 0], rtol=0, atol=0)
