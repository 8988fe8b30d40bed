"""Whether the members of a grader file agree with one another, and hold numbers that a model can have.

A SHA-256 shows that a file is whole, not that its writer was this program. So what follows from other members is made
again, by the functions that wrote it, and compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.uncertainty.conformal import SetKind
from nephrograde.export.archive import SHA256
from nephrograde.export.contents import CARD, COHORT_RANGE, DECISION, GRAPH, PREPROCESSING, unusable
from nephrograde.export.description import description_of, not_for
from nephrograde.export.onnx.check import compare_graph, read_graph
from nephrograde.export.onnx.scale import check_scale
from nephrograde.export.onnx.wire import DOUBLE, FLOAT, INT64, WireError
from nephrograde.export.printable import printable
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nephrograde.errors import GraderError
    from nephrograde.export.contents import Card, Members, Preprocessing
    from nephrograde.predict.grading import Performance
    from nephrograde.study import StudyModel

MOST_SLICES = 512
"""Pictures of one patient, far more than an abdomen has slices through one tumour."""
MOST_PIXELS = 2048
"""Along an edge of a slice or a box."""
MOST_VOXELS = 2**24
"""Of a picture: a box of 256 voxels along each edge."""
MOST_MM = 2000.0
"""No scanner sees more."""
MOST_NAMES = 64
"""Phases, differences and clinical columns of an arm."""
FROZEN = {"efficientnet-lite0"}
"""The frozen encoders that have a graph."""
MOST_FOLDS = 100
"""Networks of one model."""
_HIGHEST = math.nextafter(1.0, 2.0)
"""A threshold that calls no one high may lie just above 1."""


def check_size(preprocessing: Preprocessing, path: Path) -> None:
    """Refuse lists that no study has, before the study is restored from them.

    Args:
        preprocessing: Of the file.
        path: The file, for messages.

    Raises:
        GraderError: A list is longer than that of any study.
    """
    lists = {"cohort_phases": preprocessing.cohort_phases, "phases": preprocessing.phases, **preprocessing.arm}
    for name, one in lists.items():
        if isinstance(one, list | tuple | dict) and len(one) > MOST_NAMES:
            raise _beyond(path, name)


def check_agreement(file: Members) -> None:
    """Refuse a file whose members contradict one another, or hold numbers that no model has.

    Args:
        file: Its members, as they were read.

    Raises:
        GraderError: They do; or the graph is none that this project writes.
    """
    for name in _beyond_limits(file):
        raise _beyond(file.path, name)
    for member, faults in (
        (PREPROCESSING, _of_preprocessing(file)),
        (CARD, _of_card(file.card, file.preprocessing.model)),
        (DECISION, _of_decision(file)),
        (COHORT_RANGE, _of_range(file)),
    ):
        for name in faults:
            raise unusable(file.path, f"{member} does not agree with the rest of the file ({name})")
    _check_graph(file)


def _beyond_limits(file: Members) -> Iterator[str]:
    image, arm = file.study.image, file.preprocessing.own_model(file.study).arm
    if (arm.slices or 0) > MOST_SLICES:
        yield "slices"
    edges = (image.slice_px, *image.box_voxels)
    if max(edges) > MOST_PIXELS or math.prod(image.box_voxels) > MOST_VOXELS:
        yield "image"
    if max(image.slice_mm, image.whole_mm, image.assumed_tumour_mm, *image.box_mm) > MOST_MM:
        yield "image"


def _of_preprocessing(file: Members) -> Iterator[str]:
    given, card = file.preprocessing, file.card
    own = given.own_model(file.study)
    wanted = description_of(file.study, own, card.pooling, given.clinical)
    for name in ("phases", "axes", "channels", "size"):
        if getattr(given, name) != getattr(wanted, name):
            yield name
    if given.window.keys() != wanted.window.keys():
        yield "window"
    if given.arm.get("fit") != wanted.arm["fit"]:
        yield "arm.fit"
    if own.fusion == "late":
        yield "arm"
    if own.arm.encoder is not None and card.pretrained.get("architecture") not in FROZEN:
        yield "arm"
    yield from _of_clinical(given, own, folds=len(card.folds))


def _of_clinical(given: Preprocessing, own: StudyModel, *, folds: int) -> Iterator[str]:
    terms = [one for by_fold in given.clinical for one in by_fold]
    if given.clinical and (len(given.clinical) != folds or not terms):
        yield "clinical"
    if any(one.column not in own.arm.clinical or not one.spread > 0 for one in terms):
        yield "clinical"


def _of_card(card: Card, model: str) -> Iterator[str]:
    if card.model != model:
        yield "model"
    if card.research_use_only != RESEARCH_USE_ONLY:
        yield "research_use_only"
    if card.not_for != not_for(synthetic=card.synthetic):
        yield "not_for"
    if not 0 <= card.n_train_high <= card.n_train:
        yield "n_train"
    if not 0 <= card.n_test_high <= card.n_test:
        yield "n_test"
    yield from _of_folds(card)
    if not all(map(_is_performance, card.aucs)) or len({one.split for one in card.aucs}) < len(card.aucs):
        yield "aucs"


def _of_folds(card: Card) -> Iterator[str]:
    numbers = [one.fold for one in card.folds]
    if len(numbers) > MOST_FOLDS:
        yield "folds"
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < 0:
        yield "folds"
    for one in card.folds:
        if not 0 <= one.n_learn_high <= one.n_learn <= card.n_train or one.best_epoch < 0:
            yield "folds"
        if not SHA256.fullmatch(one.weights_sha256):
            yield "folds"


def _is_performance(one: Performance) -> bool:
    known = [number for number in (one.low, one.auc, one.high) if number is not None]
    return (
        one.split in {"test", "oof"}
        and 0 <= one.n_high <= one.n
        and known == sorted(known)
        and all(0.0 <= number <= 1.0 for number in known)
        and (one.confidence is None or 0.0 < one.confidence < 1.0)
    )


def _of_decision(file: Members) -> Iterator[str]:
    decision, card = file.decision, file.card
    scale, threshold, sets = decision.scale, decision.threshold, decision.sets
    if [one.fold for one in scale.networks] != [one.fold for one in card.folds] or scale.ensemble.fold is not None:
        yield "scale"
    if {one.model for one in scale.rows} != {file.preprocessing.model}:
        yield "scale"
    if any(not 0.0 <= one.prevalence <= 1.0 or not one.slope > 0 or one.n < 0 for one in scale.rows):
        yield "scale"
    has_value = threshold.rule in {Rule.SENSITIVITY, Rule.SPECIFICITY, Rule.COST}
    if not 0.0 <= threshold.value <= _HIGHEST or threshold.n < 0 or has_value == (threshold.rule_value is None):
        yield "threshold"
    if not 0.0 < decision.set_error < 1.0:
        yield "set_error"
    if sets is not None and (
        not 0.0 <= min(sets.high_from, sets.low_to) <= max(sets.high_from, sets.low_to) <= 1.0
        or sets.error != decision.set_error
        or sets.kind != SetKind.BY_CLASS
    ):
        yield "sets"
    try:
        decision.judge()
    except ValueError:
        yield "recalibration"


def _of_range(file: Members) -> Iterator[str]:
    own = file.preprocessing.own_model(file.study)
    if not file.cohort_range.phases.keys() <= {*own.region_phases, *own.phases}:
        yield "phases"
    for spreads in file.cohort_range.phases.values():
        for name, one in spreads.items():
            numbers = [one.least, one.low, one.median, one.high, one.most]
            if one.n < 1 or numbers != sorted(numbers):
                yield name


def _check_graph(file: Members) -> None:
    """Compare the graph with the members that describe it."""
    given, own = file.preprocessing, file.preprocessing.own_model(file.study)
    folds = len(file.card.folds)
    inputs = {"pictures": (FLOAT, [-1, len(given.channels), *given.size])}
    if own.fusion == "intermediate":
        inputs["parts"] = (INT64, [len(own.phases)])
    if given.clinical:
        inputs["clinical"] = (DOUBLE, [folds, max(map(len, given.clinical))])
    outputs = ["p_high", "p_high_of_folds", "logits", "maps"]
    try:
        found = read_graph(file.graph)
        outputs += ["attention"] if file.card.pooling == "attention" else []
        images = 0 if own.arm.encoder is None else len(given.channels) * math.prod(given.size[2:])
        compare_graph(found, inputs, outputs, folds=folds, images=images)
        check_scale(found.content, file.decision.scale)
    except WireError as error:
        why = f"{GRAPH} is not a graph that nephrograde writes: {printable(str(error))}"
        raise unusable(file.path, why) from None


def _beyond(path: Path, name: str) -> GraderError:
    return unusable(path, f"{PREPROCESSING} holds more than any study has ({printable(name)})")
