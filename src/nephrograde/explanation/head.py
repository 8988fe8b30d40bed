"""The linear head and the pooling of each network in a grader file, in numpy, so that an answer can be taken apart.

A network averages its last feature maps over a picture and ends in one linear layer, so its log odds are a sum over the
places of the pictures. :meth:`Heads.read` gives the terms of this sum.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.cohort.clinical import encode
from nephrograde.evaluation.scores.prevalence import EDGE
from nephrograde.export.contents import GRAPH, unusable
from nephrograde.export.onnx.wire import read_model
from nephrograde.model.fusion import Fusion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value
    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.export.contents import Members
    from nephrograde.vocabulary import FloatVector, Pooling

    Matrix = npt.NDArray[np.float64]

FEATURES = 512
"""Of a picture, before the head of a ResNet-18."""
UNITS = 128
"""Width of the hidden layer of the attention."""
_NAME = re.compile(r"fold-(\d+)\.((?:fc|attention\.\w+)\.(?:weight|bias))")
_TYPES: dict[Any, np.dtype[Any]] = {1: np.dtype("<f4"), 11: np.dtype("<f8")}
_MOST = math.log((1.0 - EDGE) / EDGE)
"""The graph limits the log odds of a network to this before it rescales them."""
_LOWEST = -36.0
"""Below this logit, softplus(z) equals exp(z) to the last digit."""


class Terms(NamedTuple):
    """The log odds of one network as a sum.

    Attributes:
        logit: The log odds, before any correction.
        vectors: ``(row, feature)``; the sum over the rows of vector times mean feature is what the places give.
        constant: What no place gives: the bias, and what is joined besides the pictures.
        rest: ``logit`` less both; 0 but for rounding, unless the pooling is no weighted mean.
        weights: ``(row,)``, by how much the pooled log odds follow those of each picture.
        of_rows: ``(row,)``, the log odds of each picture alone; None in intermediate fusion, which has none.
    """

    logit: float
    vectors: Matrix
    constant: float
    rest: float
    weights: FloatVector
    of_rows: FloatVector | None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a head is given besides the features of the pictures.

    Attributes:
        parts: How many rows are of which phase, in intermediate fusion.
        shown: ``(row, phase)``, which phases each picture shows, in early fusion.
        clinical: ``(value,)`` by fold.
    """

    parts: tuple[int, ...] = ()
    shown: Matrix | None = None
    clinical: tuple[FloatVector, ...] = ()


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of all networks of a grader file.

    Attributes:
        layers: By fold and name: ``fc.weight``, ``fc.bias`` and those of the attention, double precision.
        pooling: How the pictures of a patient are pooled.
        fusion: How phases are joined; None for a single phase.
        scale: From the log odds of the networks to those of the answer.
    """

    layers: tuple[Mapping[str, Matrix], ...]
    pooling: Pooling
    fusion: Fusion | None
    scale: ModelScale

    def read(self, features: Matrix, fold: int, inputs: Inputs) -> Terms:
        """Take the log odds of one network apart.

        Args:
            features: ``(row, feature)``, the means of the feature maps over each picture.
            fold: The position of the network.
            inputs: What else it is given.
        """
        layers = self.layers[fold]
        weight, bias = layers["fc.weight"].reshape(-1), float(layers["fc.bias"].item())
        clinical = inputs.clinical[fold] if inputs.clinical else np.zeros(0)
        count = features.shape[1]
        if self.fusion is not None and self.fusion.kind == "intermediate":
            return self._joined(features, layers, self.fusion, parts=inputs.parts, clinical=clinical)
        offsets = np.full(len(features), bias)
        if self.fusion is not None:
            shown = np.zeros((len(features), 0)) if inputs.shown is None else inputs.shown
            others = weight[count:]
            offsets = offsets + shown @ others[: shown.shape[1]] + float(clinical @ others[shown.shape[1] :])
        rows = features @ weight[:count] + offsets
        logit, shares = self._pooled(rows, features, layers)
        vectors = shares[:, None] * weight[None, :count]
        constant = float(shares @ offsets)
        rest = logit - constant - float((vectors * features).sum())
        return Terms(logit, vectors, constant, rest, shares, rows)

    def odds_of(self, logits: Sequence[float]) -> float:
        """Return the log odds of the answer, ``p_high``.

        Args:
            logits: Those of the networks, before any correction.
        """
        inside = [min(max(one, -_MOST), _MOST) for one in logits]
        return self.scale.ensemble.apply(
            fmean(row.apply(one) for row, one in zip(self.scale.networks, inside, strict=True))
        )

    def factors(self) -> tuple[float, ...]:
        """Return by how much the log odds of the answer change with those of each network."""
        rows = self.scale.networks
        return tuple(self.scale.ensemble.slope * row.slope / len(rows) for row in rows)

    def _pooled(self, rows: FloatVector, features: Matrix, layers: Mapping[str, Matrix]) -> tuple[float, FloatVector]:
        """The logit of the patient, and by how much it follows each picture."""
        count = len(rows)
        if self.pooling == "attention":
            shares = _softmax(_scores(features, layers))
            return float(shares @ rows), shares
        if self.pooling == "mean":
            return float(rows.mean()), np.full(count, 1.0 / count)
        if self.pooling == "max":
            return float(rows.max()), (np.arange(count) == rows.argmax()).astype(np.float64)
        if self.pooling == "log-sum-exp":
            most = float(rows.max())
            return most + math.log(float(np.exp(rows - most).mean())), _softmax(rows)
        return _noisy_or(rows)

    def _joined(
        self,
        features: Matrix,
        layers: Mapping[str, Matrix],
        fusion: Fusion,
        *,
        parts: Sequence[int],
        clinical: FloatVector,
    ) -> Terms:
        """Intermediate fusion: the features are pooled over each phase before the head."""
        phases = len(fusion.phases)
        weight, count = layers["fc.weight"].reshape(-1), features.shape[1]
        inner = phases + len(fusion.pairs)
        of_phase = weight[: phases * count].reshape(phases, count).copy()
        has = np.array([part > 0 for part in parts], np.float64)
        for number, (one, other) in enumerate(fusion.pairs, start=phases):
            difference = weight[number * count : (number + 1) * count] * has[one] * has[other]
            of_phase[one] += difference
            of_phase[other] -= difference
        numbers = np.repeat(np.arange(phases), parts)
        scores = _scores(features, layers) if self.pooling == "attention" else np.zeros(len(features))
        shares = np.zeros(len(features))
        for phase in np.unique(numbers):
            shares[numbers == phase] = _softmax(scores[numbers == phase])
        others = weight[inner * count :]
        constant = float(layers["fc.bias"].item()) + float(has @ others[:phases]) + float(clinical @ others[phases:])
        vectors = shares[:, None] * of_phase[numbers]
        logit = constant + float((vectors * features).sum())
        return Terms(logit, vectors, constant, 0.0, shares / max(has.sum(), 1.0), None)


def heads_of(file: Members) -> Heads:
    """Read the heads of a grader file from the constants of its graph.

    Args:
        file: The members of the file.
    """
    own = file.preprocessing.own_model(file.study)
    found = layers_in(file.graph)
    fusion = None
    if own.fusion is not None:
        fusion = Fusion("early" if own.fusion == "early" else "intermediate", own.phases, own.arm.difference_pairs)
    layers = tuple(found.get(str(one.fold), {}) for one in file.card.folds)
    for number, own_layers in enumerate(layers):
        _check_layers(file, own_layers, fusion, number)
    return Heads(layers, file.card.pooling, fusion, file.decision.scale)


def layers_in(graph: memoryview) -> dict[str, dict[str, Matrix]]:
    """Read the last layers of the networks in a graph, by the number of the fold and by name.

    Args:
        graph: The bytes of the ONNX file.
    """
    found: dict[str, dict[str, Matrix]] = {}
    for tensor in read_model(graph)["graph"][0].get("initializer", []):
        match = _NAME.fullmatch(bytes(tensor["name"][0]).decode("utf-8", "replace"))
        if match is not None:
            values = np.frombuffer(tensor["raw_data"][0], _TYPES[tensor["data_type"][0]])
            found.setdefault(match[1], {})[match[2]] = values.reshape(tensor.get("dims", [])).astype(np.float64)
    return found


def _check_layers(file: Members, layers: Mapping[str, Matrix], fusion: Fusion | None, number: int) -> None:
    """Refuse a graph whose head is not that of the networks that the other members describe."""
    given = file.preprocessing.clinical
    values = len(given[number]) if given else 0
    inputs = FEATURES if fusion is None else fusion.inputs(FEATURES) + values
    wanted = {"fc.weight": (1, inputs), "fc.bias": (1,)}
    if file.card.pooling == "attention":
        for name, outputs, width in (("value", UNITS, FEATURES), ("gate", UNITS, FEATURES), ("score", 1, UNITS)):
            wanted |= {f"attention.{name}.weight": (outputs, width), f"attention.{name}.bias": (outputs,)}
    if any(name not in layers or layers[name].shape != shape for name, shape in wanted.items()):
        raise unusable(file.path, f"{GRAPH} holds another last layer than that of its networks")


def inputs_of(
    file: Members, pictures: npt.NDArray[np.float32], parts: Sequence[int], clinical: Mapping[str, Value]
) -> Inputs:
    """Return what the heads of a grader file are given besides the features of a patient's pictures.

    Args:
        file: The members of the file.
        pictures: The region of the patient.
        parts: How many rows are of which phase, in intermediate fusion.
        clinical: Values by column.
    """
    own = file.preprocessing.own_model(file.study)
    shown = None
    if own.fusion == "early":
        channels = Fusion("early", own.phases, own.arm.difference_pairs).channels(pictures.shape[1] - own.arm.has_mask)
        shown = None if channels is None else channels.present(pictures).astype(np.float64)
    values = tuple(
        np.array(encode(terms, clinical), np.float32).astype(np.float64) for terms in file.preprocessing.clinical
    )
    return Inputs(tuple(parts), shown, values)


def _scores(features: Matrix, layers: Mapping[str, Matrix]) -> FloatVector:
    """The score of each picture in gated attention, as in ``model/pooling.py``."""
    from scipy.special import expit

    def linear(values: Matrix, name: str) -> Matrix:
        return values @ layers[f"attention.{name}.weight"].T + layers[f"attention.{name}.bias"]

    hidden = np.tanh(linear(features, "value")) * expit(linear(features, "gate"))
    return linear(hidden, "score")[:, 0]


def _softmax(scores: FloatVector) -> FloatVector:
    odds = np.exp(scores - scores.max())
    return np.asarray(odds / odds.sum())


def _noisy_or(rows: FloatVector) -> tuple[float, FloatVector]:
    """The logit of 1 − ∏(1 − p) and its derivatives: with t the sum of softplus(z), log(exp(t) − 1)."""
    from scipy.special import expit

    if len(rows) == 1:
        return float(rows[0]), np.ones(1)
    if rows.max() < _LOWEST:  # the logarithm of the sum of the odds
        most = float(rows.max())
        return most + math.log(float(np.exp(rows - most).sum())), _softmax(rows)
    total = float(np.logaddexp(0.0, rows).sum())
    share = -math.expm1(-total)
    return total + math.log(share), np.asarray(expit(rows) / share)
