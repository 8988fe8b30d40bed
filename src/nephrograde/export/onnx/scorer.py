"""Scores patients with the graph of a grader file, by ONNX Runtime; needs no torch.

The graph was checked when the file was read: see ``onnx_check``.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.cohort.clinical import encode
from nephrograde.errors import GraderError, RunError
from nephrograde.export.contents import GRAPH, unusable
from nephrograde.export.onnx.weights import detached
from nephrograde.export.printable import printable
from nephrograde.predict.scored import Scored
from nephrograde.predict.values import NOTHING
from nephrograde.threads import begin_beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value
    from nephrograde.export.contents import Members

_OUTPUTS = ("p_high", "p_high_of_folds")
_FATAL = 4
"""ONNX Runtime then prints nothing of its own."""
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Builds of ONNX Runtime since 1.32 otherwise prepare to report to their maker, and leave a file behind."""
_NO_SPINNING = ("session.intra_op.allow_spinning", "0")
"""Its threads otherwise keep the processors busy while they wait, which other patients need."""


class OnnxScorer:
    """The ensemble of a grader file; its graph is loaded once, in the background.

    Args:
        file: The members of the grader file.
    """

    def __init__(self, file: Members) -> None:
        self._file = file

    @property
    def file(self) -> Members:
        """What the grader file holds."""
        return self._file

    def start(self) -> None:
        """Begin to load the graph, if that has not begun."""
        _ = self._session

    def load(self) -> None:
        """Wait for nothing: several threads may score while the graph is still being loaded."""

    @cached_property
    def _session(self) -> Future[Any]:
        return begin_beside(_session, self._file)

    def score(
        self,
        pictures: npt.NDArray[np.float16],
        parts: Sequence[int] = (),
        clinical: Mapping[str, Value] = NOTHING,
    ) -> Scored:
        """Score one patient.

        Args:
            pictures: The patient's region, ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, in [0, 1].
            parts: How many of the rows are of which phase, for networks that pool phases; empty otherwise.
            clinical: Values by column, for networks that join them with the pictures.

        Returns:
            The probability of high grade of the ensemble and of each fold, on the scale of the study.

        Raises:
            GraderError: The graph cannot be run on these pictures, or gives something else.
            RunError: A probability is not finite.
        """
        found = self._outputs(_OUTPUTS, pictures, parts, clinical)
        if [np.shape(one) for one in found] != [(1,), (len(self._file.card.folds),)]:
            raise unusable(self._file.path, "its graph gives another number of probabilities")
        p_high, of_folds = float(found[0][0]), tuple(map(float, found[1]))
        if not all(0.0 <= one <= 1.0 for one in (p_high, *of_folds)):
            raise RunError(
                "The networks give no probability for this scan (a value is not finite), so it is not graded. Check "
                "the image; if other scans fail too, fit the model again."
            )
        return Scored(p_high, of_folds)

    def last_maps(self, pictures: npt.NDArray[np.floating[Any]], parts: Sequence[int] = ()) -> npt.NDArray[np.float32]:
        """Return the last feature maps of pictures, whose means are what the head of each network sees.

        Args:
            pictures: As for ``score``; they need not be of one patient.
            parts: As for ``score``.

        Returns:
            ``(fold, row, feature, y, x)`` or ``(fold, row, feature, x, y, z)``.

        Raises:
            GraderError: The graph cannot be run on these pictures.
        """
        (maps,) = self._outputs(("maps",), pictures, parts, NOTHING)
        if maps.shape[:2] != (len(self._file.card.folds), len(pictures)) or maps.ndim != pictures.ndim + 1:
            raise unusable(self._file.path, "its graph gives feature maps of another shape")
        return np.asarray(maps, np.float32)

    def _outputs(
        self,
        names: Sequence[str],
        pictures: npt.NDArray[np.floating[Any]],
        parts: Sequence[int],
        clinical: Mapping[str, Value],
    ) -> list[npt.NDArray[Any]]:
        """What the graph gives for one patient."""
        session, _ = self._session.result()
        feed: dict[str, Any] = {"pictures": np.ascontiguousarray(pictures, np.float32)}
        if parts:
            feed["parts"] = np.array(parts, np.int64)
        if terms := self._file.preprocessing.clinical:
            feed["clinical"] = np.zeros((len(terms), max(map(len, terms))))
            for row, own in zip(feed["clinical"], terms, strict=True):
                row[: len(own)] = np.array(encode(own, clinical), np.float32)
        try:
            return list(session.run(list(names), feed))
        except _errors() as error:
            raise _unusable(self._file, error) from None


def _session(file: Members) -> tuple[Any, Any]:
    """The session of ONNX Runtime, and the weights, which it uses where they lie."""
    os.environ.setdefault(_NO_TELEMETRY, "1")
    try:
        import onnxruntime
    except ImportError:
        raise GraderError(
            'A grader file needs ONNX Runtime, which is not installed. Run: pip install "nephrograde[grader]"'
        ) from None
    if os.environ[_NO_TELEMETRY] == "1":  # for one that was imported before
        onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.add_session_config_entry(*_NO_SPINNING)
    graph, weights = detached(file.graph)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
    try:
        if weights:
            options.add_external_initializers(list(weights), values)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except _errors() as error:
        raise _unusable(file, error) from None
    return session, (weights, values)


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its classes are made at run time."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    named = [one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception)]
    return (*named, ValueError, RuntimeError)


def _unusable(file: Members, error: Exception) -> GraderError:
    reason = printable((str(error).splitlines() or [type(error).__name__])[0])
    return GraderError(
        f"{file.path}: ONNX Runtime cannot use {GRAPH} ({reason}). Pack the model again with this version of "
        "nephrograde."
    )
