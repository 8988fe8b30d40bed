"""The ONNX graph of a fold ensemble gives what torch gives, for every kind of network and number of pictures."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.export.fold_networks import FOLDS, SCALE, Case

from nephrograde.export import onnx_nodes
from nephrograde.export.onnx_check import OPERATORS
from nephrograde.export.onnx_ensemble import ensemble_graph
from nephrograde.model.fusion import Fusion
from nephrograde.sample.channels import ABSENT

INTERMEDIATE = Fusion("intermediate", ("cmp", "np", "up"), (("cmp", "up"),))
EARLY = Fusion("early", ("cmp", "up"), (("cmp", "up"),))


def pictures_of(case: Case, rows: int) -> Any:
    shape = (rows, case.kind["channels"], *case.size)
    pictures = np.random.default_rng(rows).random(shape).astype(np.float16)
    if case.kind["has_mask"]:
        pictures[:, -1] = pictures[:, -1] > 0.5
    return pictures


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "max", "log-sum-exp", "noisy-or", "attention"])
def test_slices_are_pooled_as_in_torch(rule):
    case = Case((64, 48), pooling=rule)
    assert rule != "max" or case.graph == ensemble_graph(case.folds, SCALE, case.size)
    for rows in (1, 2, 5, 9):
        assert case.difference(pictures_of(case, rows)) < 1e-5
    maps = case.run(pictures_of(case, 3))["maps"]
    assert maps.shape == (FOLDS, 3, 512, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1e-3, 40.0, 400.0])
def test_noisy_or_holds_in_both_tails(sharpness):
    case = Case((32, 32), pooling="noisy-or", sharpness=sharpness)
    for rows in (1, 3):
        found = case.run(pictures_of(case, rows))
        assert np.isfinite(found["logits"]).all()
        assert case.difference(pictures_of(case, rows)) < 1e-5


@pytest.mark.slow
def test_neighbours_mask_and_both_shortcuts_in_3d():
    assert Case((32, 32), channels=3, shortcut="A").difference(np.full((2, 3, 32, 32), 0.3, np.float16)) < 1e-5
    box = Case((33, 20, 9), channels=2, has_mask=True, pooling="attention")
    assert max(box.difference(pictures_of(box, rows)) for rows in (1, 2)) < 1e-5
    small = Case((16, 16, 16), channels=2, has_mask=True, shortcut="A")
    assert small.difference(pictures_of(small, 1)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "attention"])
def test_phases_are_joined_as_in_torch(rule):
    case = Case((32, 32), pooling=rule, fusion=INTERMEDIATE, clinical=2)
    values = [np.array([0.5, -1.0]), np.array([0.25, 2.0, -0.5])]
    for parts in ((2, 1, 3), (1, 0, 2), (0, 2, 0)):
        assert case.difference(pictures_of(case, sum(parts)), parts, values) < 1e-5


@pytest.mark.slow
def test_phases_that_are_channels_may_be_missing():
    case = Case((32, 32), channels=3, pooling="attention", fusion=EARLY, clinical=1)
    pictures = pictures_of(case, 4)
    values = [np.array([0.5]), np.array([0.25, 2.0])]
    assert case.difference(pictures, (), values) < 1e-5
    whole = case.run(pictures, (), values)["p_high"]
    pictures[:, 1:] = ABSENT
    assert case.difference(pictures, (), values) < 1e-5
    assert abs(case.run(pictures, (), values)["p_high"] - whole) > 1e-4


def test_the_operators_that_may_be_read_are_those_that_are_written():
    rooms = sorted(Path(onnx_nodes.__file__).parent.glob("onnx_*.py"))
    sources = [one.read_text(encoding="utf-8") for one in rooms if one.stem not in {"onnx_check", "onnx_wire"}]
    written = {name for source in sources for name in re.findall(r'(?:\.add|make_node)\(\s*"(\w+)"', source)}
    assert written == OPERATORS
