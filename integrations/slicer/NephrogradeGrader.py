"""3D Slicer module: grade the tumour of a loaded CT with a packed model of nephrograde. Research use only.

Put this file into a folder, and add the folder under Edit > Application Settings > Modules > Additional module paths.
It needs a Slicer with Python 3.11 or newer, and nephrograde in it; in Slicer's Python console:

    slicer.util.pip_install("nephrograde[grader]")
"""

import tempfile
from itertools import product
from pathlib import Path

import ctk
import numpy as np
import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)

RESEARCH_USE_ONLY = "Research use only: not a medical device, no clinical decision may rest on it."
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Slicer's scene runs to the right, the front and the head; files, DICOM and nephrograde to the left and the back."""


class NephrogradeGrader(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Nephrograde grader"
        parent.categories = ["Quantification"]
        parent.contributors = ["The nephrograde authors"]
        parent.helpText = f"Probability of high grade of a clear cell renal cell carcinoma. {RESEARCH_USE_ONLY}"


class NephrogradeGraderWidget(ScriptedLoadableModuleWidget):
    """The panel: a packed model, a scan, what marks the tumour, and the answer."""

    def setup(self):
        """Build the panel."""
        super().setup()
        self.logic = NephrogradeGraderLogic()
        form = qt.QFormLayout()
        self.layout.addLayout(form)
        self.file = ctk.ctkPathLineEdit()
        self.file.nameFilters = ["Packed model (*.zip)"]
        form.addRow("Packed model:", self.file)
        self.scan = self._selector(["vtkMRMLScalarVolumeNode"])
        form.addRow("CT:", self.scan)
        kinds = ["vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsROINode", "vtkMRMLSegmentationNode"]
        self.mark = self._selector(kinds)
        form.addRow("Tumour (point, ROI or segmentation):", self.mark)
        self.button = qt.QPushButton("Grade")
        self.button.connect("clicked(bool)", self.on_grade)
        form.addRow(self.button)
        self.answer = qt.QTextEdit()
        self.answer.readOnly = True
        self.answer.plainText = RESEARCH_USE_ONLY
        form.addRow(self.answer)
        self.layout.addStretch(1)

    def on_grade(self, *_):
        """Grade, and show the answer or why there is none."""
        self.answer.plainText = ""
        with slicer.util.tryWithErrorDisplay("Not graded.", waitCursor=True):
            self.answer.plainText = self.logic.grade(
                self.file.currentPath, self.scan.currentNode(), self.mark.currentNode()
            )

    @staticmethod
    def _selector(kinds):
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = kinds
        selector.noneEnabled = True
        selector.addEnabled = selector.removeEnabled = False
        selector.setMRMLScene(slicer.mrmlScene)
        return selector


class NephrogradeGraderLogic(ScriptedLoadableModuleLogic):
    """From nodes of the scene to an answer; the scan is written with its own geometry and removed afterwards."""

    def grade(self, grader_path, scan, mark=None):
        """Grade a scan.

        Args:
            grader_path: The file that ``nephrograde pack`` wrote.
            scan: The node of the CT.
            mark: The node that marks the tumour: points (the first one counts), an ROI, or a segmentation.

        Returns:
            The answer, in words.

        Raises:
            ValueError: Something is missing, under a transform, or refused by nephrograde.
        """
        ng = _nephrograde()
        if not grader_path or scan is None:
            raise ValueError("Choose a packed model and a CT.")
        try:
            grader = ng.load_grader(grader_path)
            if grader.is_joined:
                raise ValueError(
                    f"{grader.model} joins {', '.join(grader.phases)} or clinical values. Grade with it on the command "
                    "line."
                )
            with tempfile.TemporaryDirectory(prefix="nephrograde-") as folder:
                place = self.place_of(scan, mark, Path(folder))
                image_path = write_volume(scan, Path(folder) / "scan.nrrd")
                grading = grader.grade(image_path, **place)
        except ng.NephrogradeError as error:
            raise ValueError(str(error)) from None
        return answer_of(grading, str(image_path), scan.GetName())

    def place_of(self, scan, mark, folder):
        """Return the argument of ``grade`` that says where the tumour is.

        Args:
            scan: The node of the CT.
            mark: The node that marks the tumour; None for models that search for the kidneys.
            folder: Where a mask is written.
        """
        if mark is None:
            return {}
        if mark.IsA("vtkMRMLMarkupsFiducialNode"):
            return {"point": point_of(mark)}
        if mark.IsA("vtkMRMLMarkupsROINode"):
            return {"box": box_of(mark, scan)}
        return {"mask": self._write_mask(mark, scan, folder / "mask.nrrd")}

    @staticmethod
    def _write_mask(segmentation, scan, path):
        """The visible segments on the grid of the scan."""
        _require_untransformed(segmentation)
        labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        try:
            slicer.modules.segmentations.logic().ExportVisibleSegmentsToLabelmapNode(segmentation, labels, scan)
            if not slicer.util.arrayFromVolume(labels).any():
                raise ValueError(f"No visible segment of {segmentation.GetName()} marks anything on the CT.")
            return write_volume(labels, path, is_mask=True)
        finally:
            slicer.mrmlScene.RemoveNode(labels)


def _nephrograde():
    try:
        import nephrograde as ng
    except (ImportError, SyntaxError) as error:
        raise ValueError(
            f"nephrograde cannot be imported ({error}). With Python 3.11 or newer in Slicer, run in its Python "
            'console: slicer.util.pip_install("nephrograde[grader]")'
        ) from None
    return ng


def ijk_to_lps(node):
    """Return the matrix from voxels (i, j, k) to the patient (LPS, mm), 4 × 4.

    Args:
        node: A volume.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return RAS_TO_LPS @ slicer.util.arrayFromVTKMatrix(matrix)


def write_volume(node, path, *, is_mask=False):
    """Write a volume with its own geometry, and return the path.

    Args:
        node: A volume that is under no transform.
        path: The file.
        is_mask: Whether all that is not 0 is written as 1.
    """
    import SimpleITK

    _require_untransformed(node)
    values = slicer.util.arrayFromVolume(node)  # k, j, i
    matrix = ijk_to_lps(node)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray((values != 0).astype(np.uint8) if is_mask else np.asarray(values))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    return path


def point_of(markup):
    """Return the first point of a markup as nephrograde writes places: LPS, mm.

    Args:
        markup: A list of points.
    """
    if not markup.GetNumberOfControlPoints():
        raise ValueError(f"{markup.GetName()} has no point. Place one in the tumour.")
    ras = [0.0, 0.0, 0.0]
    markup.GetNthControlPointPositionWorld(0, ras)
    x, y, z = (RAS_TO_LPS[:3, :3] @ ras).tolist()
    return f"{x:.4f},{y:.4f},{z:.4f} mm"


def box_of(roi, scan):
    """Return the smallest box along the axes of a scan that holds an ROI, in voxels of the scan.

    Args:
        roi: An ROI, which may be turned against the scan.
        scan: The node of the CT.
    """
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(roi.GetObjectToWorldMatrix())
    half = np.array(roi.GetSize()) / 2
    corners = np.array([[*np.multiply(half, signs), 1.0] for signs in product((-1, 1), repeat=3)])
    ras = slicer.util.arrayFromVTKMatrix(matrix) @ corners.T
    ijk = (np.linalg.inv(ijk_to_lps(scan)) @ RAS_TO_LPS @ ras)[:3]
    low, high = (",".join(f"{one:.4f}" for one in ends) for ends in (ijk.min(axis=1), ijk.max(axis=1)))
    return f"{low};{high} vox"


def answer_of(grading, image, name):
    """Return an answer in words: call, probability, spread of the folds, warnings.

    Args:
        grading: What ``grade`` gave.
        image: The file that was graded, which is gone.
        name: Of the node, named in its place.
    """
    return grading.as_text().replace(image, name)


def _require_untransformed(node):
    if node.GetParentTransformNode() is not None:
        raise ValueError(f"{node.GetName()} is under a transform. Harden it in the module Transforms first.")
