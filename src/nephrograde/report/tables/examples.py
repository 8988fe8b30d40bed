"""Slices that a weak model called correctly and wrongly with the highest confidence."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.report.tables.wording import level_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import decimal
from nephrograde.sample.dataset import open_region
from nephrograde.sample.prepare import is_region_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.evaluation.scores.scores import Score
    from nephrograde.results import Model, Results, Row
    from nephrograde.run.folder import RunFolder

PER_GROUP = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One test patient's slice as a PNG data URI, with the model's call and the truth."""

    patient_id: str
    data_uri: str
    p_high: str
    truth: str
    slice_text: str


@dataclass(frozen=True, slots=True)
class ExampleGroup:
    """The most confident calls of one kind; ``count`` is the total number of such calls."""

    heading: str
    is_right: bool
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """The four kinds of calls of one weak model on the test set."""

    model: str
    threshold: str
    width_mm: float
    groups: tuple[ExampleGroup, ...]


def pick_examples(run: Results) -> Examples | None:
    """Select the most confident correct and wrong calls of a weak model, and draw the network's input.

    The model is the weak one with the highest out-of-fold AUC, so the test set does not affect the choice.

    Returns:
        The slices, or None if no weak model has prepared slices, a threshold and test scores.
    """
    model = _chosen(run)
    if model is None or run.study is None:
        return None
    threshold = run.threshold(model.name)
    files = {row["patient_id"]: row for row in run.regions if (row["arm"], row["phase"]) == (model.arm, model.phase)}
    rows = [row for row in run.scores.rows if row.model == model.name and row.split == run.reported]
    if threshold is None or not rows:
        return None
    low, high = level_words(run)
    groups = []
    for is_high, called_high in ((True, True), (False, False), (False, True), (True, False)):
        members = [row for row in rows if row.is_high == is_high and (row.p_high >= threshold.value) == called_high]
        ordered = sorted(members, key=lambda row: (-row.p_high if called_high else row.p_high, row.patient_id))
        said, true = (high if called_high else low), (high if is_high else low)
        is_right = is_high == called_high
        heading = (
            t("correctly called {said}", said=said) if is_right else t("called {said} but {true}", said=said, true=true)
        )
        shown = _draw(run, ordered, files)
        groups.append(ExampleGroup(heading, is_right, len(members), shown))
    if not any(group.examples for group in groups):
        return None
    arm = next(arm for arm in run.study.arm if arm.name == model.arm)
    return Examples(model.name, decimal(threshold.value), run.study.width_mm(arm), tuple(groups))


def _chosen(run: Results) -> Model | None:
    weak_arms = {arm.name for arm in run.study.arm if arm.slices} if run.study else set()
    prepared = {(row["arm"], row["phase"]) for row in run.regions}
    weak = [model for model in run.models if model.arm in weak_arms and (model.arm, model.phase) in prepared]

    def out_of_fold_auc(model: Model) -> float:
        found = run.estimate(model.name, "auc", "oof")
        return found.value if found is not None else 0.0

    return max(weak, key=out_of_fold_auc, default=None)


def _draw(run: Results, rows: Sequence[Score], files: dict[str, Row]) -> tuple[Example, ...]:
    grades = {case["patient_id"]: case.get("grade", "") for case in run.cases}
    low, high = level_words(run)
    drawn = []
    for row in rows:
        region = files.get(row.patient_id)
        picture = _middle_slice(run.folder, region["file"]) if region else None
        if region is None or picture is None:
            continue
        numbers = region["slices"].split(";")
        grade = grades.get(row.patient_id)
        drawn.append(
            Example(
                row.patient_id,
                png_data_uri(picture),
                decimal(row.p_high, 2),
                t("grade {grade}", grade=grade) if grade else (high if row.is_high else low),
                numbers[len(numbers) // 2],
            )
        )
        if len(drawn) == PER_GROUP:
            break
    return tuple(drawn)


def _middle_slice(folder: RunFolder, name: str) -> npt.NDArray[np.float32] | None:
    """The middle one of a network's input slices, or None if the file is missing or has no slices."""
    if not is_region_file(folder, name):
        return None
    slices = open_region(folder.volumes_dir / name)
    if slices.ndim != 4:
        return None
    channels = slices[len(slices) // 2]
    middle = len(channels) // 2
    order = [*range(middle, len(channels)), *range(middle)]  # in early fusion, a channel may lack its phase
    shown = next((channel for channel in order if channels[channel].min() >= 0), middle)
    return np.asarray(channels[shown], np.float32)


def png_data_uri(picture: npt.NDArray[np.float32]) -> str:
    """Encode a grey image with values in [0, 1] as a PNG data URI.

    >>> png_data_uri(np.zeros((2, 2), dtype=np.float32))[:26]
    'data:image/png;base64,iVBO'
    """
    from PIL import Image

    grey = np.clip(np.nan_to_num(picture) * 255, 0, 255).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
