"""What is known about a model in its own study: from the grader file, and from the run where that is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.export.contents import Members
    from nephrograde.predict.grading import Performance

_IMAGE = "_image "
"""Between the phase and the patient in the names of inputs."""


@dataclass(frozen=True, slots=True)
class Development:
    """A model in its own study.

    Attributes:
        performance: Its AUC, of test patients if the study opened its test set, else out of fold; None if not known.
        n_train: The patients that it could learn from, and ``n_train_high`` of them of high grade.
        results: The run that it was packed from; None if that is not at hand.
    """

    performance: Performance | None
    n_train: int
    n_train_high: int
    results: Results | None = None

    @property
    def prevalence(self) -> float:
        """The share of high grade among the patients that it could learn from."""
        return self.n_train_high / self.n_train

    @property
    def split(self) -> SplitName:
        """The patients that its measures are about."""
        return "oof" if self.performance is None or self.performance.split == "oof" else "test"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Patients who may have taken part in the development of the model as well; only known with the run at hand.

    Attributes:
        same_image: Those of whom an image is one of the run, byte for byte: they did take part.
        same_id: Those whose id is one of the run, which may be chance.
    """

    same_image: tuple[str, ...] = ()
    same_id: tuple[str, ...] = ()


def development_of(file: Members, run_dir: Path | None) -> Development:
    """Collect what is known about a model in its own study.

    Args:
        file: The grader file.
        run_dir: The run that it was packed from, if it is at hand.

    Raises:
        RunError: The folder is not that run.
    """
    card = file.card
    performance = next(iter(card.aucs), None)
    if run_dir is None:
        return Development(performance, card.n_train, card.n_train_high)
    results = Results.read(run_dir)
    results.require_evaluated()
    is_own = results.seal is not None and results.seal.study == card.study_sha256
    if not is_own or card.model not in results.scores.models:
        raise RunError(
            f"{run_dir} is not the run that {file.path} was packed from. Name that run, or leave --development out."
        )
    return Development(performance, card.n_train, card.n_train_high, results)


def find_overlap(development: Development, inputs: Mapping[str, str], patients: tuple[str, ...]) -> Overlap:
    """Find the patients who took part in the development of the model.

    Args:
        development: With the run, or nothing is known.
        inputs: SHA-256 of the images of the cohort, by column and patient.
        patients: Of the cohort.
    """
    results = development.results
    if results is None:
        return Overlap()
    known_ids = {case["patient_id"] for case in results.cases} | set(results.truths)
    known_images = {digest for name, digest in results.lock.get("inputs", {}).items() if _IMAGE in name}
    images = {name.partition(_IMAGE)[2]: digest for name, digest in inputs.items() if _IMAGE in name}
    owners = {name for name, digest in images.items() if digest in known_images}
    return Overlap(
        same_image=tuple(one for one in patients if one in owners),
        same_id=tuple(one for one in patients if one in known_ids),
    )
