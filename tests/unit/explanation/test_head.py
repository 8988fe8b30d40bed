"""The maps of every kind of network add up to its log odds, exactly, fold by fold; no torch is needed."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.unit.explanation.spot_networks import card_of, head_of, noisy_backbone, scale_of

from nephrograde.evaluation.scores.prevalence import probability
from nephrograde.explanation.activation import activation_of
from nephrograde.explanation.head import Heads, Inputs, layers_in
from nephrograde.export.onnx.ensemble import FoldNetwork, ensemble_graph
from nephrograde.model.fusion import Fusion
from nephrograde.sample.channels import ABSENT, Channels

ort = pytest.importorskip("onnxruntime")
INTERMEDIATE = Fusion("intermediate", ("cmp", "np", "up"), (("cmp", "up"),))
EARLY = Fusion("early", ("cmp", "up"), (("cmp", "up"),))
FOLDS = 2


class Case:
    """The session of a graph of untrained networks, and their heads as they are read from its constants."""

    def __init__(self, size: tuple[int, ...], channels: int = 1, *, folds: int = FOLDS, **kind: Any) -> None:
        fusion, self.pooling = kind.get("fusion"), kind.setdefault("pooling", "mean")
        inputs = 512 if fusion is None else fusion.inputs(512)
        networks = [
            FoldNetwork(
                {
                    **noisy_backbone(len(size), channels, k),
                    **head_of(inputs, k, with_attention=self.pooling == "attention"),
                },
                card_of(k, len(size), channels, **kind),
            )
            for k in range(folds)
        ]
        graph = ensemble_graph(networks, scale_of("m", folds), size)
        self.session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        layers = layers_in(memoryview(graph))
        self.heads = Heads(tuple(layers[str(k)] for k in range(folds)), self.pooling, fusion, scale_of("m", folds))

    def check(self, pictures: Any, inputs: Inputs = Inputs()) -> Any:  # noqa: B008
        feed = {"pictures": pictures.astype(np.float32)}
        if inputs.parts:
            feed["parts"] = np.array(inputs.parts, np.int64)
        names = [one.name for one in self.session.get_outputs()]
        given = dict(zip(names, self.session.run(None, feed), strict=True))
        found = activation_of(given["maps"], self.heads, inputs)
        logits = np.array([one.logit for one in found.of_folds])
        assert np.abs(logits - given["logits"]).max() < 2e-4 * max(1.0, np.abs(given["logits"]).max())
        assert abs(probability(found.log_odds) - given["p_high"].item()) < 1e-5
        for fold, one in enumerate(found.of_folds):
            cells = np.einsum("rf,rf...->r...", one.vectors, given["maps"][fold].astype(np.float64))
            added = cells.mean(axis=tuple(range(1, cells.ndim))).sum()
            assert added + one.constant + one.rest == pytest.approx(logits[fold], abs=1e-9)
            if "attention" in given:
                assert np.abs(given["attention"][fold] - one.weights).max() < 1e-5
        return found


@cache
def pictures_of(rows: int, channels: int, size: tuple[int, ...]) -> Any:
    return np.random.default_rng(rows).random((rows, channels, *size)).astype(np.float16)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "max", "attention"])
def test_weighted_means_of_slices_leave_no_rest(rule):
    case = Case((64, 48), pooling=rule)
    for rows in (1, 4):
        found = case.check(pictures_of(rows, 1, (64, 48)))
        for fold, one in enumerate(found.of_folds):
            assert one.rest == pytest.approx(0.0, abs=1e-9)
            assert one.constant == pytest.approx(case.heads.layers[fold]["fc.bias"].item(), abs=1e-9)
            assert one.weights.sum() == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["log-sum-exp", "noisy-or"])
def test_weights_of_other_pooling_are_derivatives(rule):
    case = Case((64, 48), pooling=rule)
    found = case.check(pictures_of(4, 1, (64, 48)))
    for fold, one in enumerate(found.of_folds):
        assert abs(one.rest) > 1e-6
        weight = case.heads.layers[fold]["fc.weight"][0]
        for row in range(4):
            features = found.features[fold].copy()
            features[row] += 1e-5 * weight / (weight @ weight)  # moves the logit of this picture by 1e-5
            changed = case.heads.read(features, fold, Inputs()).logit
            assert (changed - one.logit) / 1e-5 == pytest.approx(one.weights[row], rel=1e-3, abs=1e-6)


@pytest.mark.slow
def test_a_box_with_a_mask_adds_up():
    case = Case((40, 33, 9), 2, folds=1, has_mask=True)
    found = case.check(pictures_of(2, 2, (40, 33, 9)))
    assert found.rows.shape == (2, 2, 2, 1)
    assert (found.agree == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "attention"])
def test_joined_phases_add_up(rule):
    case = Case((32, 32), pooling=rule, fusion=INTERMEDIATE)
    for parts in ((2, 1, 3), (1, 0, 2), (0, 2, 0)):
        found = case.check(pictures_of(sum(parts), 1, (32, 32)), Inputs(parts))
        assert all(one.of_rows is None for one in found.of_folds)


@pytest.mark.slow
def test_phases_that_are_channels_add_up():
    case = Case((32, 32), 3, fusion=EARLY, pooling="attention")
    channels = Channels(2, ((0, 1),))
    pictures = pictures_of(3, 3, (32, 32)).copy()
    whole = case.check(pictures, Inputs(shown=channels.present(pictures).astype(float)))
    pictures[:, 1:] = ABSENT
    part = case.check(pictures, Inputs(shown=channels.present(pictures).astype(float)))
    assert abs(whole.log_odds - part.log_odds) > 1e-3


def test_noisy_or_holds_in_both_tails():
    heads = Heads(({"fc.weight": np.ones((1, 1)), "fc.bias": np.zeros(1)},), "noisy-or", None, scale_of("m", 1))
    for level in (-800.0, -40.0, -30.0, 0.0, 30.0, 800.0):
        terms = heads.read(np.array([[level], [level + 1.0]]), 0, Inputs())
        assert np.isfinite([terms.logit, *terms.weights]).all()
        assert (terms.weights >= 0).all()
    low = heads.read(np.array([[-40.0], [-39.0]]), 0, Inputs())
    assert low.logit == pytest.approx(np.log(np.exp(-40.0) + np.exp(-39.0)))
