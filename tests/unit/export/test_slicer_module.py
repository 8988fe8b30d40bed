"""The module for 3D Slicer grades the place that was marked, on any grid; Slicer's own modules are stubs."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.one_file import INTEGRATIONS, imported
from tests.unit.export.small_grader import small_members

import nephrograde as ng
from nephrograde.cohort.place import parse_box, parse_point
from nephrograde.export.archive import write_archive
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import resolve_box, resolve_point, write_image

pytestmark = pytest.mark.needs("onnx", "onnxruntime")
FILE = INTEGRATIONS / "slicer" / "NephrogradeGrader.py"
LPS = np.diag([-1.0, -1.0, 1.0])


class Matrix:
    """A stub of ``vtkMatrix4x4``."""

    def __init__(self, values=None):
        self.values = np.eye(4) if values is None else np.array(values, float)

    def DeepCopy(self, other):  # noqa: N802
        self.values = other.values.copy()


class Node:
    """A stub of the nodes of a scene."""

    def __init__(self, kind, *, matrix=None, array=None, points=(), size=None, transform=None):
        self.kind, self.matrix, self.array, self.points, self.size = kind, matrix, array, points, size
        self.transform = transform

    def __getattr__(self, name):
        given = {
            "IsA": lambda kind: kind == self.kind,
            "GetName": lambda: "Node",
            "GetParentTransformNode": lambda: self.transform,
            "GetIJKToRASMatrix": lambda matrix: matrix.DeepCopy(Matrix(self.matrix)),
            "GetNumberOfControlPoints": lambda: len(self.points),
            "GetNthControlPointPositionWorld": lambda k, out: out.__setitem__(slice(None), self.points[k]),
            "GetObjectToWorldMatrix": lambda: Matrix(self.matrix),
            "GetSize": lambda: self.size,
        }
        if name not in given:
            raise AttributeError(name)
        return given[name]


@pytest.fixture
def module(monkeypatch):
    """The module's file, imported beside stubs of what Slicer brings."""
    slicer: Any = ModuleType("slicer")
    removed: list[Any] = []

    def export(segmentation, labels, scan):
        labels.matrix, labels.array = scan.matrix, segmentation.array

    slicer.util = SimpleNamespace(
        arrayFromVolume=lambda node: node.array, arrayFromVTKMatrix=lambda matrix: matrix.values
    )
    slicer.mrmlScene = SimpleNamespace(AddNewNodeByClass=Node, RemoveNode=removed.append)
    logic = SimpleNamespace(ExportVisibleSegmentsToLabelmapNode=export)
    slicer.modules = SimpleNamespace(segmentations=SimpleNamespace(logic=lambda: logic))
    base = ModuleType("slicer.ScriptedLoadableModule")
    for name in ("", "Widget", "Logic"):
        setattr(base, f"ScriptedLoadableModule{name}", type(name or "Module", (), {}))
    stubs: dict[str, Any] = {"slicer": slicer, "slicer.ScriptedLoadableModule": base, "vtk": ModuleType("vtk")}
    stubs["vtk"].vtkMatrix4x4 = Matrix
    for name, one in {**stubs, "qt": ModuleType("qt"), "ctk": ModuleType("ctk")}.items():
        monkeypatch.setitem(sys.modules, name, one)
    found = imported(FILE)
    found.removed = removed
    return found


def ijk_to_ras(*, is_left_handed=False):
    """An oblique, anisotropic grid far from the origin, with axes in an order of its own."""
    a, b = np.deg2rad((17.0, -23.0))
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    axes = turn[:, [2, 0, 1]] * ((-1, 1, -1) if is_left_handed else (1, 1, 1))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes * (3.1, 0.7, 0.9), (-40.0, 55.0, -310.0)
    return matrix


@pytest.mark.parametrize("is_left_handed", [False, True])
def test_a_place_is_where_it_was_marked(module, tmp_path, is_left_handed):
    matrix, spot = ijk_to_ras(is_left_handed=is_left_handed), (4, 21, 9)
    array = np.full((20, 30, 10), -50, np.int16)  # k, j, i
    array[spot[::-1]] = 900
    scan = Node("vtkMRMLScalarVolumeNode", matrix=matrix, array=array)
    volume = read_volume(module.write_volume(scan, tmp_path / "scan.nrrd"))
    ras = (matrix @ [*spot, 1])[:3]
    point = parse_point(module.point_of(Node("vtkMRMLMarkupsFiducialNode", points=[ras])))
    assert resolve_point(point, volume) == pytest.approx(LPS @ ras, abs=1e-3)
    index = tuple(round(one) for one in volume.to_index(resolve_point(point, volume)))
    assert volume.values[index] == 900
    assert volume.values.sum() == array.sum()
    assert sorted(volume.spacing_mm) == pytest.approx([0.7, 0.9, 3.1])
    scaled = matrix[:3, :3] / (3.1, 0.7, 0.9)
    own = np.eye(4)
    own[:3, :3], own[:3, 3] = scaled, ras
    box = parse_box(module.box_of(Node("vtkMRMLMarkupsROINode", matrix=own, size=(6.2, 2.8, 5.4)), scan))
    assert np.subtract(box.corner_b, box.corner_a) == pytest.approx([2.0, 4.0, 6.0], abs=1e-3)
    low, high = np.array([volume.to_index(one) for one in resolve_box(box, volume)])
    assert (low + high) / 2 == pytest.approx(index, abs=1e-3)


@pytest.mark.slow
def test_the_answer_is_that_of_the_same_scan_as_a_file(module, tmp_path):
    write_archive(tmp_path / "grader.zip", small_members())
    matrix = ijk_to_ras()
    drawn = np.random.default_rng(0)
    array = drawn.normal(40, 60, (40, 40, 12)).astype(np.int16)
    scan = Node("vtkMRMLScalarVolumeNode", matrix=matrix, array=array)
    mask = np.zeros_like(array)
    mask[15:25, 18:28, 5:8] = 3
    ras = (matrix @ [6, 22, 19, 1])[:3]
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix
    kind = {"spacing_mm": (3.1, 0.7, 0.9), "origin_mm": tuple(lps[:3, 3]), "direction": lps[:3, :3] / (3.1, 0.7, 0.9)}
    write_image(array.T, tmp_path / "scan.nii.gz", **kind)
    write_image(mask.T > 0, tmp_path / "mask.nii.gz", **kind)
    grader, logic = ng.load_grader(tmp_path / "grader.zip"), module.NephrogradeGraderLogic()
    x, y, z = LPS @ ras
    marks = {
        "point": (Node("vtkMRMLMarkupsFiducialNode", points=[ras]), f"{x},{y},{z} mm"),
        "mask": (Node("vtkMRMLSegmentationNode", array=mask), tmp_path / "mask.nii.gz"),
    }
    for name, (mark, given) in marks.items():
        text = logic.grade(str(tmp_path / "grader.zip"), scan, mark)
        wanted = grader.grade(tmp_path / "scan.nii.gz", **{name: given})
        assert f"p(high) = {wanted.p_high:.3f}" in text
        assert f"{wanted.call} grade" in text
        assert "Research use only" in text
        assert "nephrograde-" not in text
    assert [one.kind for one in module.removed] == ["vtkMRMLLabelMapVolumeNode"]


def test_what_cannot_be_graded_is_said(module, tmp_path):
    logic = module.NephrogradeGraderLogic()
    (tmp_path / "no.zip").write_text("nothing")
    array = np.zeros((4, 4, 4), np.int16)
    scan = Node("vtkMRMLScalarVolumeNode", matrix=np.eye(4), array=array)
    with pytest.raises(ValueError, match="Choose"):
        logic.grade("", None)
    with pytest.raises(ValueError, match="not a grader file"):
        logic.grade(str(tmp_path / "no.zip"), scan)
    with pytest.raises(ValueError, match="transform"):
        moved = Node("vtkMRMLScalarVolumeNode", matrix=np.eye(4), array=array, transform=object())
        module.write_volume(moved, tmp_path / "scan.nrrd")
    with pytest.raises(ValueError, match="no point"):
        logic.place_of(scan, Node("vtkMRMLMarkupsFiducialNode"), tmp_path)
    with pytest.raises(ValueError, match="No visible segment"):
        logic.place_of(scan, Node("vtkMRMLSegmentationNode", array=array), tmp_path)
