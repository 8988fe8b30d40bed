"""What an encoder is shown: resampled and scaled, the mask left out, each picture by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nephrograde.errors import RunError, WeightsError
from nephrograde.model.encoders.features import LoadedEncoder
from nephrograde.model.encoders.known import Architecture, Encoder
from nephrograde.model.encoders.view import View, check_view, view_of
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study, Window
from nephrograde.vocabulary import Supervision


class Spy(nn.Module):
    """Gives the mean of each image as its first feature, and keeps what it was shown."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.shown: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.shown.append(images)
        features = torch.zeros(len(images), self.features)
        features[:, 0] = images.flatten(1).mean(1)
        return features


def spied(architecture: Architecture) -> tuple[LoadedEncoder, Spy]:
    encoder = Encoder("spy", architecture, "0" * 64, "MIT", ("none",), (), "")
    network = Spy(encoder.input.features)
    return LoadedEncoder(encoder, network), network


def test_slices_are_resized_and_shown_in_grey() -> None:
    loaded, spy = spied("efficientnet-lite0")
    pictures = np.full((2, 3, 32, 32), 0.5, np.float16)
    features = loaded.features(pictures, View((1.0, 1.0), (-200.0, 300.0), has_mask=False))
    assert [tuple(shown.shape) for shown in spy.shown] == [(1, 3, 224, 224)] * 6
    assert features[0] == pytest.approx((0.5 - 127 / 255) / (128 / 255), abs=1e-6)
    assert features.shape == (1280,)


def test_features_are_the_mean_over_slices() -> None:
    torch.manual_seed(0)
    loaded = LoadedEncoder(spied("resnet18")[0].encoder, nn.Sequential(nn.Flatten(), nn.LazyLinear(512)).eval())
    pictures = np.random.default_rng(0).random((9, 1, 16, 16)).astype(np.float16)
    view = View((1.0, 1.0), (-200.0, 300.0), has_mask=False)
    together = loaded.features(pictures, view)
    alone = np.mean([loaded.features(pictures[k : k + 1], view) for k in range(9)], axis=0)
    assert np.allclose(together, alone, atol=1e-5)


def test_every_slice_of_a_box_is_shown_without_the_mask() -> None:
    loaded, spy = spied("efficientnet-lite0")
    box = np.zeros((1, 2, 10, 12, 9), np.float16)
    box[:, 1] = 1.0
    box[0, 0, 0, :, 4] = 1.0  # on the fifth slice, the first column
    loaded.features(box, View((2.0, 2.0, 5.0), (-200.0, 300.0), has_mask=True))
    assert len(spy.shown) == 9
    bright = torch.cat(spy.shown)[4, 0]
    assert bright[:, 0].min() > bright[:, -1].max()
    assert torch.cat(spy.shown)[:4].max() == pytest.approx(-127 / 128, abs=1e-6)


def test_a_box_is_resampled_scaled_to_hu_and_turned() -> None:
    loaded, spy = spied("inflated-resnet")
    box = np.zeros((1, 1, 30, 20, 12), np.float16)
    box[0, 0, :15] = 1.0  # the right half of the patient: x increases to the left
    loaded.features(box, View((3.0, 3.0, 6.0), (-200.0, 300.0), has_mask=False))
    shown = spy.shown[0]
    assert shown.shape == (1, 3, 24, 60, 40)  # slices first, then x, y
    assert shown.max() == pytest.approx((300 + 1000) / 2000)
    assert shown.min() == pytest.approx((-200 + 1000) / 2000)
    assert shown[0, 0, 0, -1, 0] > shown[0, 0, 0, 0, 0]  # x now increases to the right


def test_a_grey_slice_has_the_scale_of_each_colour() -> None:
    loaded, spy = spied("resnet50")
    loaded.features(np.full((1, 1, 32, 32), 0.5, np.float16), View((1.0, 1.0), None, has_mask=False))
    assert spy.shown[0].shape == (1, 3, 224, 224)
    expected = [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]
    assert spy.shown[0][0, :, 100, 100].tolist() == pytest.approx(expected, abs=1e-6)


def test_what_is_above_the_window_s_lower_end_is_standardised_for_medicalnet() -> None:
    loaded, spy = spied("medicalnet-10")
    box = np.zeros((1, 2, 8, 6, 4), np.float16)
    box[0, 0, 2:6] = 0.25
    box[0, 0, 4:6] = 0.75
    loaded.features(box, View((1.0, 1.0, 2.0), (-200.0, 300.0), has_mask=True))
    shown = spy.shown[0][0, 0]
    assert shown.shape == (8, 6, 4)
    assert shown[2:4].unique().tolist() == pytest.approx([-1.0])
    assert shown[4:6].unique().tolist() == pytest.approx([1.0])
    assert shown[[0, 1, 6, 7]].unique().tolist() == [0.0]


@pytest.mark.parametrize("grey", [0.0, 0.5])
def test_a_box_without_contrast_is_zero_for_medicalnet(grey: float) -> None:
    loaded, spy = spied("medicalnet-10")
    loaded.features(np.full((1, 1, 8, 8, 8), grey, np.float16), View((1.0,) * 3, None, has_mask=False))
    assert not spy.shown[0].any()


def test_renalclip_is_shown_its_window_and_voxels() -> None:
    loaded, spy = spied("renalclip")
    box = np.ones((1, 1, 20, 30, 10), np.float16)
    loaded.features(box, View((2.0, 1.0, 2.5), (-100.0, 50.0), has_mask=False))
    assert spy.shown[0].shape == (1, 1, 40, 30, 5)
    assert spy.shown[0].unique().tolist() == pytest.approx([(50 + 200) / 500])


def test_features_that_are_not_finite_are_refused() -> None:
    loaded, _ = spied("efficientnet-lite0")
    pictures = np.full((1, 1, 8, 8), np.nan, np.float16)
    with pytest.raises(RunError, match="not finite"):
        loaded.features(pictures, View((1.0, 1.0), None, has_mask=False))


def study(arm: Arm, **given: Any) -> Study:
    return Study(cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp",)), arm=(arm,), **given)


def test_the_view_of_an_arm_is_that_of_its_regions() -> None:
    flat = Arm(name="weak", supervision=Supervision.BOX, slices=1)
    image = ImageSettings(slice_px=64, slice_mm=128.0, box_voxels=(10, 20, 40), box_mm=(20.0, 60.0, 160.0))
    assert view_of(flat, "cmp", study(flat, image=image)).spacing_mm == (2.0, 2.0)
    box = Arm(name="strong", supervision=Supervision.MASK)
    seen = view_of(box, "cmp", study(box, image=image, window={"cmp": Window(low=0.0, high=50.0)}))
    assert seen == View((2.0, 3.0, 4.0), (0.0, 50.0), has_mask=True)
    assert View.of_dict(seen.as_dict()) == seen


def test_pictures_that_an_encoder_cannot_use_are_refused() -> None:
    volumetric = spied("inflated-resnet")[0].encoder
    flat = Arm(name="weak", supervision=Supervision.BOX, slices=1)
    with pytest.raises(WeightsError, match="network for boxes"):
        check_view(volumetric, flat, "cmp", study(flat))
    box = Arm(name="strong", supervision=Supervision.MASK)
    percentiles = {"default": Window(low=1.0, high=99.0, percentiles=True)}
    with pytest.raises(WeightsError, match="percentiles"):
        check_view(volumetric, box, "cmp", study(box, window=percentiles))
    check_view(volumetric, box, "cmp", study(box))
    check_view(spied("efficientnet-lite0")[0].encoder, box, "cmp", study(box, window=percentiles))
