"""Tracing an answer back to the places of the scans that it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.errors import InputError, Problem, RunError
from nephrograde.evaluation.scores.prevalence import probability
from nephrograde.explanation.activation import activation_of
from nephrograde.explanation.explanation import Explanation, PictureShare, ScanMap
from nephrograde.explanation.head import heads_of, inputs_of
from nephrograde.explanation.lattice import OF_RESNET, Cells, find_peak, on_grid
from nephrograde.explanation.occlusion import Region, falls_of, fill_of, hide, plan_patches
from nephrograde.export.onnx.scorer import OnnxScorer
from nephrograde.predict.values import NOTHING
from nephrograde.run.progress import silent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value
    from nephrograde.explanation.activation import Activation
    from nephrograde.explanation.explanation import Method
    from nephrograde.explanation.head import Heads, Inputs
    from nephrograde.explanation.occlusion import Occlusion, Patches
    from nephrograde.predict.examined import Examined
    from nephrograde.predict.grader import Grader
    from nephrograde.run.progress import Progress
    from nephrograde.sample.frames import Frame
    from nephrograde.study import Window
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.volume import Volume

_WITHIN = 1e-4
"""The probability that the maps add up to may differ from the answer by as much as a packed model from torch."""


def explain_examined(
    grader: Grader,
    examined: Examined,
    *,
    clinical: Mapping[str, Value] = NOTHING,
    occlusion: Occlusion | None = None,
    progress: Progress = silent,
) -> Explanation:
    """Explain an answer whose scans are in memory.

    Args:
        grader: What graded the patient: that of a packed model.
        examined: From :meth:`Grader.examine <nephrograde.Grader.examine>`.
        clinical: The values that were given to it.
        occlusion: How to hide patches; None for the class activation maps alone, which take as long as grading.
        progress: Shows what is left of the occlusion.

    Raises:
        InputError: The grader is not of a packed model, the scan is exported pictures, or the patches cannot be used.
        GraderError: The graph cannot be run.
        RunError: The maps do not add up to the answer.
    """
    traced = _Traced(grader, examined, scorer_of(grader), clinical)
    patches = None if occlusion is None else plan_patches(traced.frames, traced.pixels, occlusion)
    activation = traced.activation
    if not abs(probability(activation.log_odds) - examined.grading.p_high) < _WITHIN:
        raise RunError(
            f"The maps of {grader.model} add up to another probability than that of the answer. Pack the model again "
            "with this version of nephrograde."
        )
    adds = activation.rows.mean(axis=tuple(range(1, activation.rows.ndim)))
    hidden: Mapping[str, ScanMap] = {}
    if occlusion is not None and patches is not None:
        hidden = traced.of_pixels(patches, occlusion.fill_hu, progress)
    return Explanation(
        grading=examined.grading,
        log_odds=activation.log_odds,
        constant=activation.constant,
        pictures=tuple(
            PictureShare(row.phase, row.frame.k, float(weight), float(add))
            for row, weight, add in zip(traced.rows, activation.weights(), adds, strict=True)
        ),
        pooling=traced.heads.pooling,
        cam=traced.of_cells(),
        occlusion=hidden,
        patches=patches,
        fill_hu=None if occlusion is None else occlusion.fill_hu,
        folds=len(traced.heads.layers),
    )


def scorer_of(grader: Grader) -> OnnxScorer:
    """Return what scores patients with a packed model.

    Args:
        grader: From ``load_grader``.

    Raises:
        InputError: It is of a run folder, or of a frozen encoder, whose maps lie in another way.
    """
    if grader.arm.encoder is not None:
        remedy = "Explain a model whose network is a trained ResNet-18."
        raise InputError(
            [Problem("grader", f"is {grader.model}, whose encoder is frozen: it cannot be explained", remedy)]
        )
    if isinstance(grader.scorer, OnnxScorer):
        return grader.scorer
    remedy = f"Pack the model first: nephrograde pack RUN --model {grader.model} --out grader.zip"
    raise InputError([Problem("grader", f"is {grader.model} of a run folder, not a packed model", remedy)])


class _Row(NamedTuple):
    """A picture of the region: its scan, and where it lies on it."""

    phase: str
    frame: Frame


@dataclass(frozen=True)
class _Traced:
    """What a graded patient was to the networks, and the way back to the scans."""

    grader: Grader
    examined: Examined
    scorer: OnnxScorer
    clinical: Mapping[str, Value] = field(repr=False)

    @cached_property
    def rows(self) -> list[_Row]:
        """The pictures in the order of the region."""
        found = []
        for phase, seen in self.examined.seen.items():
            if seen.scanned is None or seen.scanned.volume is None:
                what = f"is exported pictures ({phase}), which have no place in the patient"
                raise InputError([Problem("image", what, "Give the scan's series or an image file.")])
            if len(seen.region):  # early fusion has one region of all phases
                found += [_Row(phase, frame) for frame in seen.frames]
        return found

    @cached_property
    def frames(self) -> list[Frame]:
        """Where the pictures lie."""
        return [row.frame for row in self.rows]

    @cached_property
    def pictures(self) -> npt.NDArray[np.float32]:
        """``(row, channel, y, x)`` or ``(row, channel, x, y, z)``."""
        return np.concatenate([one.region for one in self.examined.seen.values()]).astype(np.float32)

    @cached_property
    def pixels(self) -> tuple[int, ...]:
        """Of a picture, along the axes of the scan."""
        return _turned(self.pictures[0, 0]).shape

    @cached_property
    def parts(self) -> list[int]:
        """How many rows are of which phase; empty unless the networks pool phases."""
        if not self.grader.is_joined or self.grader.arm.fusion == "early":
            return []
        return [sum(row.phase == phase for row in self.rows) for phase in self.grader.phases]

    @cached_property
    def heads(self) -> Heads:
        """The heads of the networks."""
        return heads_of(self.scorer.file)

    @cached_property
    def inputs(self) -> Inputs:
        """What they are given besides."""
        return inputs_of(self.scorer.file, self.pictures, self.parts, self.clinical)

    @cached_property
    def activation(self) -> Activation:
        """The answer as a sum over places."""
        return activation_of(self.scorer.last_maps(self.pictures, self.parts), self.heads, self.inputs)

    def of_cells(self) -> dict[str, ScanMap]:
        """The class activation maps, by phase."""
        values, agree = self.activation.rows, self.activation.agree
        cells = [
            Cells(_turned(value), frame, self.pixels, OF_RESNET, _turned(alike))
            for value, alike, frame in zip(values, agree, self.frames, strict=True)
        ]
        return self._maps("cam", cells, None)

    def of_pixels(self, patches: Patches, fill_hu: float | None, progress: Progress) -> dict[str, ScanMap]:
        """The occlusion maps, by phase."""
        own = self.scorer.file.preprocessing.own_model(self.grader.study)
        fills = fill_of(self.pictures, own, self._windows(), fill_hu)
        region = Region(self.pictures, self.frames, fills, has_mask=self.grader.arm.has_mask)
        change = falls_of(self.activation, self.heads, self.inputs, self._maps_of)
        hidden = hide(region, patches, change, progress)
        cells = [
            Cells(_turned(value), frame, self.pixels, 1) for value, frame in zip(hidden.rows, self.frames, strict=True)
        ]
        return self._maps("occlusion", cells, patches.patch_mm)

    def _maps_of(self, copies: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The last feature maps of copies of one picture, whatever its phase is."""
        parts = [len(copies), *[0] * (len(self.parts) - 1)] if self.parts else []
        return self.scorer.last_maps(copies, parts)

    def _windows(self) -> list[Window]:
        """Of each row; in early fusion, of each phase of the model."""
        grader = self.grader
        phases = grader.phases if grader.arm.fusion == "early" else [row.phase for row in self.rows]
        return [grader.study.window_of(phase) for phase in phases]

    def _maps(self, method: Method, cells: list[Cells], patch_mm: float | None) -> dict[str, ScanMap]:
        found = {}
        for phase in dict.fromkeys(row.phase for row in self.rows):
            own = [one for one, row in zip(cells, self.rows, strict=True) if row.phase == phase]
            volume = self._volume(phase)
            has_places = sum(one.values.size for one in own) > 1
            found[phase] = ScanMap(
                method=method,
                phase=phase,
                values=on_grid(own, volume.values.shape),
                volume=volume,
                frames=tuple(one.frame for one in own),
                window=self._grey(volume, phase),
                resolution_mm=_resolution(own[0], volume, patch_mm),
                high=find_peak(own, volume, phase, sign=1) if has_places else None,
                low=find_peak(own, volume, phase, sign=-1) if has_places else None,
            )
        return found

    def _volume(self, phase: str) -> Volume:
        scanned = self.examined.seen[phase].scanned
        if scanned is None or scanned.volume is None:
            raise ValueError(phase)
        return scanned.volume

    def _grey(self, volume: Volume, phase: str) -> tuple[float, float]:
        """What is black and white where the scan is drawn: as the networks see it."""
        window = self.grader.study.window_of(phase)
        if not window.percentiles:
            return window.low, window.high
        low, high = np.percentile(volume.values[::4, ::4, ::2], [window.low, window.high])
        return float(low), max(float(high), float(low) + 1e-6)


def _turned(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A picture along the axes of the scan: a slice is ``y x``, a box ``x y z`` already."""
    return picture.T if picture.ndim == 2 else picture


def _resolution(cells: Cells, volume: Volume, patch_mm: float | None) -> Triple:
    """What cannot be told apart along x, y and z; a slice is as thick as it is."""
    in_picture = cells.resolution_mm if patch_mm is None else (patch_mm,) * len(cells.pixels)
    x, y, z = (*in_picture, volume.spacing_mm[2])[:3]
    return x, y, z
