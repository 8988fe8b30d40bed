"""What scores patients by a finished run: the networks of its folds, or late fusion of those of single phases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.scores.prevalence import log_odds
from nephrograde.predict.scored import Scored
from nephrograde.predict.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value
    from nephrograde.evaluation.baselines.late import FusionRow
    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.model.weights_file import Weights
    from nephrograde.predict.ensemble import Ensemble, FrozenEnsemble
    from nephrograde.predict.scored import Scorer
    from nephrograde.run.seal import ReadAhead, Seal


@dataclass(frozen=True)
class SealedNetworks:
    """The networks of a model of a run; they are read with the first score and kept for all others.

    Attributes:
        model: Like ``weak-1-cmp``.
        seal: Of the run.
        scale: How it corrects the networks and their mean.
    """

    model: str
    seal: Seal
    scale: ModelScale

    def start(self) -> None:
        """Begin to read and verify the weights."""
        _ = self._weights

    def load(self) -> None:
        """Load the networks.

        Raises:
            RunError: They cannot be read.
        """
        _ = self._ensemble

    def score(
        self,
        pictures: npt.NDArray[np.float16],
        parts: Sequence[int] = (),
        clinical: Mapping[str, Value] = NOTHING,
    ) -> Scored:
        """Score one patient; arguments as of :class:`~nephrograde.predict.scored.Scorer`.

        Raises:
            RunError: The networks cannot be read, or one gives a value that is not finite.
        """
        given = self._ensemble.p_high_of_folds(pictures, parts, clinical)
        return Scored(self.scale.of_ensemble(given), self.scale.of_networks(given))

    @cached_property
    def _ensemble(self) -> Ensemble | FrozenEnsemble:
        from nephrograde.predict.ensemble import load_ensemble  # torch is needed from here on

        return load_ensemble(self.seal, self.model, weights=self._weights.get)

    @cached_property
    def _weights(self) -> ReadAhead[Weights]:
        from nephrograde.model.weights_file import parse_weights
        from nephrograde.run.seal import ReadAhead

        seal = self.seal
        return ReadAhead(
            lambda path: parse_weights(seal.read(path), path), [fold.weights_path for fold in seal.folds(self.model)]
        )


@dataclass(frozen=True)
class Stack:
    """How a model of late fusion joins the scores of single phases.

    Attributes:
        rows: The regressions.
        phases: Those of the model, in order.
        parts: What scores each phase.
    """

    rows: tuple[FusionRow, ...]
    phases: tuple[str, ...]
    parts: Mapping[str, Scorer]

    def start(self) -> None:
        """Leave the weights to be read with the score, by when it is known which phases a patient has."""

    def load(self) -> None:
        """Load the networks of all phases.

        Raises:
            RunError: They cannot be read.
        """
        for part in self.parts.values():
            part.start()
            part.load()

    def score(
        self, pictures: npt.NDArray[np.float16], parts: Sequence[int], clinical: Mapping[str, Value] = NOTHING
    ) -> Scored:
        """Join what the models of the phases give; the networks of each fold are joined with each other.

        Args:
            pictures: The patient's regions, one after the other, as of :class:`~nephrograde.predict.scored.Scorer`.
            parts: How many of the rows are of which phase; none of a phase that the patient does not have.
            clinical: Values by column.

        Raises:
            RunError: The networks of a phase cannot be read, or one gives a value that is not finite.
        """
        from nephrograde.evaluation.baselines.late import join

        regions = dict(zip(self.phases, np.split(pictures, np.cumsum(parts)[:-1]), strict=True))
        scored = {
            phase: self.parts[phase].score(region, (), NOTHING) for phase, region in regions.items() if len(region)
        }

        def joined(p_high: Iterable[float]) -> float:
            return join(self.rows, {**clinical, **dict(zip(scored, map(log_odds, p_high), strict=True))})

        folds = zip(*(one.of_folds for one in scored.values()), strict=True)
        return Scored(joined(one.p_high for one in scored.values()), tuple(map(joined, folds)))
