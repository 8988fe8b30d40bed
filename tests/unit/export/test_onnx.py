"""The ONNX graph of a fold ensemble gives what torch gives, for every kind of network and number of pictures."""

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.unit.export.fold_networks import FOLDS, SCALE, Case

from nephrograde.export.onnx import nodes as onnx_nodes
from nephrograde.export.onnx import sizes as onnx_sizes
from nephrograde.export.onnx.ensemble import ensemble_graph
from nephrograde.export.onnx.sizes import OPERATORS
from nephrograde.export.onnx.wire import WireError, text_of
from nephrograde.model.fusion import Fusion
from nephrograde.sample.channels import ABSENT

INTERMEDIATE = Fusion("intermediate", ("cmp", "np", "up"), (("cmp", "up"),))
ALLOWED = {name: getattr(onnx_sizes, name) for name in ("_PER_VOXEL", "_PER_CHANNEL", "_PER_PICTURE")}
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
    rooms = sorted(Path(onnx_nodes.__file__).parent.glob("*.py"))
    sources = [one.read_text(encoding="utf-8") for one in rooms if one.stem not in {"sizes", "scale", "wire"}]
    written = {name for source in sources for name in re.findall(r'(?:\.add|make_node)\(\s*"(\w+)"', source)}
    assert written == OPERATORS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "own"),
    [
        ((64, 48), {"pooling": "noisy-or"}),
        ((33, 20, 9), {"pooling": "attention", "channels": 2, "has_mask": True, "shortcut": "A"}),
        ((32, 32), {"pooling": "attention", "fusion": INTERMEDIATE, "clinical": 2}),
        ((32, 32), {"channels": 3, "fusion": EARLY, "clinical": 1, "shortcut": "A"}),
    ],
)
def test_shapes_are_those_that_onnx_infers(size, own, monkeypatch) -> None:
    case = Case(size, **own)
    found = {}

    def keep(message, values, compute=onnx_sizes._computed):
        made = compute(message, values)
        found[text_of(message, "output")] = made.dims
        return made

    monkeypatch.setattr(onnx_sizes, "_computed", keep)
    monkeypatch.setattr(onnx_sizes, "_ROWS", 6)
    case.check()
    model = onnx.load_from_string(case.graph)
    for one in model.graph.input:
        for dim in one.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = 6
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    wanted = {
        one.name: tuple(dim.dim_value for dim in one.type.tensor_type.shape.dim)
        for one in inferred.graph.value_info
        if all(dim.HasField("dim_value") for dim in one.type.tensor_type.shape.dim)
    }
    assert len(wanted) > 0.9 * len(model.graph.node)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (9, 9, 9)])
def test_a_true_graph_makes_at_most_half_of_what_is_allowed(size, monkeypatch) -> None:
    case = Case(size, channels=2, pooling="attention")
    for part, is_refused in ((2, False), (200, True)):
        for name, allowed in ALLOWED.items():
            monkeypatch.setattr(onnx_sizes, name, allowed // part)
        with pytest.raises(WireError, match="too large") if is_refused else nullcontext():
            case.check()
