"""What a grader file says of its model, collected from the files of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.maps import StoredMap
from nephrograde.export.contents import Card, Decision, Fold, Sets
from nephrograde.export.description import description_of, not_for
from nephrograde.predict.learnt import performance_of
from nephrograde.predict.learnt_range import learnt_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.evaluation.scores.scores import SplitName
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
    train = list(learnt_from(results).values())
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


def _held_out(results: Results) -> list[bool]:
    """Whether each patient of the test set is high grade, also while it has not been opened."""
    if results.scores.has_test:
        return list({row.patient_id: row.is_high for row in results.scores.rows if row.split == "test"}.values())
    truths = {case["patient_id"]: case["is_high"] == "1" for case in results.cases}
    return [truths[one] for one in results.split.test_ids() if one in truths]
