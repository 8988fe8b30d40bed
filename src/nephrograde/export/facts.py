"""What a grader file says of its model, collected from the files of the run."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.export.contents import Card, CohortRange, Decision, Fold, Sets, Spread, StoredMap
from nephrograde.export.description import description_of, not_for
from nephrograde.files import read_rows
from nephrograde.predict.learnt import performance_of
from nephrograde.run.stage import verify_written
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nephrograde.evaluation.scale import ModelScale
    from nephrograde.evaluation.scores import SplitName
    from nephrograde.export.contents import Preprocessing
    from nephrograde.model.card import ModelCard
    from nephrograde.predict.grader import Grader
    from nephrograde.results import Results
    from nephrograde.run.seal import Seal
    from nephrograde.study import Study, StudyModel

_SPLITS: tuple[SplitName, ...] = ("test", "oof")


def preprocessing_of(study: Study, own: StudyModel, cards: Sequence[ModelCard]) -> Preprocessing:
    """Describe how scans become the inputs of the graph.

    Args:
        study: The study of the run.
        own: The model.
        cards: Of its networks, by fold.
    """
    terms = tuple(one.fusion.values if one.fusion else () for one in cards)
    return description_of(study, own, cards[0].pooling, terms if any(terms) else ())


def decision_of(grader: Grader, scale: ModelScale) -> Decision:
    """Describe how the output of the graph becomes a call.

    Args:
        grader: Of the run.
        scale: How log odds are rescaled.
    """
    learnt, cutoffs = grader.judge.recalibration, grader.judge.cutoffs
    error = grader.study.evaluate.conformal_error
    return Decision(
        scale,
        grader.threshold,
        error,
        None if learnt is None else StoredMap.of(learnt),
        None if cutoffs is None else Sets(cutoffs.high_from, cutoffs.low_to, error),
    )


def card_of(results: Results, seal: Seal, study: Study, model: str, *, cards: Sequence[ModelCard]) -> Card:
    """Describe what a model is, and what it is worth.

    Args:
        results: Of the run.
        seal: Of the run.
        study: Its study.
        model: The model id.
        cards: Of its networks, by fold.
    """
    train = list(_learnt_from(results).values())
    test = _held_out(results)
    encoder = cards[0].pretrained or cards[0].encoder
    return Card(
        model=model,
        study=study.name,
        synthetic=study.synthetic,
        n_train=len(train),
        n_train_high=sum(train),
        n_test=len(test),
        n_test_high=sum(test),
        collections=tuple(results.origin.collections) or study.cohort.collections,
        aucs=tuple(one for split in _SPLITS if (one := performance_of(results, model, split))),
        pooling=cards[0].pooling,
        folds=tuple(
            Fold(
                card.fold,
                card.n_learn,
                card.n_learn_high,
                card.is_balanced,
                card.best_epoch,
                card.seed,
                seal.digest(fold.weights_path),
            )
            for card, fold in zip(cards, seal.folds(model), strict=True)
        ),
        pretrained={} if encoder is None else encoder.as_dict(),
        not_for=not_for(synthetic=study.synthetic),
        created=str(results.lock.get("created", "")),
        versions={name: str(version) for name, version in results.lock.get("versions", {}).items()},
        study_sha256=seal.study,
    )


def _learnt_from(results: Results) -> dict[str, bool]:
    """Whether each patient that was scored out of fold is high grade: by the scores, which are sealed."""
    return {row.patient_id: row.is_high for row in results.scores.rows if row.split == "oof"}


def _held_out(results: Results) -> list[bool]:
    """Whether each patient of the test set is high grade, also while it has not been opened."""
    if results.scores.has_test:
        return list({row.patient_id: row.is_high for row in results.scores.rows if row.split == "test"}.values())
    truths = {case["patient_id"]: case["is_high"] == "1" for case in results.cases}
    return [truths[one] for one in results.split.test_ids() if one in truths]


def missing_regions(results: Results, study: Study, own: StudyModel) -> Path | None:
    """Find what is no longer there of the prepared regions of a model's patients; None if all of it is there.

    Args:
        results: Of the run.
        study: Its study.
        own: The model.
    """
    folder = results.folder
    if not folder.regions_path.is_file():
        return folder.regions_path
    shown = [row for row in _regions(results, own) if _is_in_hu(study, own, row["phase"])]
    return next((path for row in shown if not (path := folder.volumes_dir / row["file"]).is_file()), None)


def _regions(results: Results, own: StudyModel) -> list[dict[str, str]]:
    """The rows of the prepared regions of the patients that a model could learn from."""
    learnt = _learnt_from(results)
    return [row for row in results.regions if row["arm"] == own.arm.name and row["patient_id"] in learnt]


def _is_in_hu(study: Study, own: StudyModel, phase: str) -> bool:
    """Whether the grey values of a region stand for HU, and the region for the tumour."""
    is_fixed = phase in own.phases and not study.window_of(phase).percentiles
    return is_fixed and own.arm.supervision is not Supervision.SLICE


def range_of(results: Results, study: Study, own: StudyModel) -> CohortRange:
    """Describe the patients that a model could learn from, as far as the run knows them.

    Tumours and regions are those of the prepared samples, as far as they are still there, and grey values are given if
    all are. Sizes of voxels and scans are known if ``nephrograde check`` has looked at the scans of this run.

    Args:
        results: Of the run.
        study: Its study.
        own: The model.

    Raises:
        RunError: The table of the regions was altered since they were prepared.
    """
    if results.folder.regions_path.is_file():
        verify_written("prepare", results.folder, results.folder.regions_path)
    regions, learnt = _regions(results, own), set(_learnt_from(results))
    is_whole = missing_regions(results, study, own) is None
    found: dict[str, dict[str, Spread]] = {}
    for phase in dict.fromkeys((*own.region_phases, *own.phases)):
        rows = [row for row in regions if row["phase"] == phase]
        quantities: dict[str, Iterable[float]] = {
            "tumour_diameter_mm": [_number(row["tumour_diameter_mm"]) for row in rows],
            "tumour_volume_ml": [_number(row["tumour_volume_ml"]) for row in rows],
        }
        window = study.window_of(phase)
        if is_whole and _is_in_hu(study, own, phase):
            quantities["region_mean_hu"] = [
                window.low + (window.high - window.low) * _mean(results, row["file"], own) for row in rows
            ]
        if phase in own.phases:
            quantities.update(_scans(results, phase, learnt))
        found[phase] = {name: spread for name, values in quantities.items() if (spread := _spread(values))}
    return CohortRange({phase: spreads for phase, spreads in found.items() if spreads})


def _mean(results: Results, name: str, own: StudyModel) -> float:
    """The mean grey value of a region in [0, 1], without its mask."""
    region = np.load(results.folder.volumes_dir / name, mmap_mode="r", allow_pickle=False)
    shown = region[:, : region.shape[1] - own.arm.has_mask]
    return float(shown.mean(dtype=np.float64))


def _scans(results: Results, phase: str, learnt: set[str]) -> dict[str, list[float]]:
    """Sizes of voxels and scans, if the scans were checked."""
    path = results.folder.quality.scans_path
    if not path.is_file():
        return {}
    rows = [row for row in read_rows(path) if row["phase"] == phase and row["patient_id"] in learnt]
    sizes = [_numbers(row["size"]) for row in rows]
    spacings = [_numbers(row["spacing_mm"]) for row in rows]
    return {
        "pixel_mm": [one[0] for one in spacings if len(one) == 3],
        "slice_distance_mm": [one[2] for one in spacings if len(one) == 3],
        "slices": [one[2] for one in sizes if len(one) == 3],
    }


def _numbers(text: str) -> list[float]:
    return [number for part in text.split(" × ") if isfinite(number := _number(part))]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _spread(values: Iterable[float]) -> Spread | None:
    known = np.array([one for one in values if isfinite(one)])
    if not known.size:
        return None
    low, median, high = np.percentile(known, [5, 50, 95])
    numbers = (known.min(), low, median, high, known.max())
    return Spread(known.size, *(float(f"{float(one):.6g}") for one in numbers))
