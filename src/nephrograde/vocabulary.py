"""The terms of the field, used consistently in every room.

``low`` is WHO/ISUP grade 1–2 and ``high`` is 3–4, the positive class. A *phase* is one CT acquisition, and a *scan* is
one phase of one patient. An *arm* is a kind of supervision with its network; arm × phase is a *model*.

Array shapes are written ``"x y z"`` (columns, rows, slices; LPS, so x increases to the patient's left, y to the back
and z to the head) or ``"channel y x"`` for a slice; the axis order is converted only where files are read.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    import numpy.typing as npt

    VolumeArray: TypeAlias = Annotated[npt.NDArray[Any], "x y z"]
    MaskArray: TypeAlias = Annotated[npt.NDArray[np.bool_], "x y z"]
    FloatVector: TypeAlias = Annotated[npt.NDArray[np.float64], "patient"]
    BoolVector: TypeAlias = Annotated[npt.NDArray[np.bool_], "patient"]

RESEARCH_USE_ONLY = "Research use only: not a medical device, no clinical decision may rest on it."

Triple: TypeAlias = tuple[float, float, float]

KNOWN_PHASES = {
    "up": "unenhanced",
    "cmp": "corticomedullary",
    "np": "nephrographic",
    "ep": "excretory",
}
"""Phase codes that the reports spell out; a study may also use other names."""


BaselineName: TypeAlias = Literal["size", "volume", "clinical", "clinical-no-size", "radiomics"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)
"""Model ids of the logistic regressions that no image model is shown without."""
Pooling: TypeAlias = Literal["mean", "max", "log-sum-exp", "noisy-or", "attention"]
"""How a network gives one value for a patient with several pictures; see :mod:`nephrograde.model.pooling`."""
ENCODER_NAME = r"[a-z0-9][a-z0-9_.-]*"
"""The pattern of an encoder's name, as in ``network = "frozen:<name>"``."""


class Supervision(StrEnum):
    """The annotation that a patient needs besides the grade, by increasing cost.

    >>> Supervision("box").cost, Supervision.MASK.value
    (3, 'mask')
    """

    NONE = "none"
    SLICE = "slice"
    POINT = "point"
    BOX = "box"
    MASK = "mask"

    @property
    def cost(self) -> int:
        """Rank by annotation effort, 0 (nothing) to 4 (the tumour delineated in 3D)."""
        return list(Supervision).index(self)

    def choose(self, given: Collection[Supervision]) -> Supervision | None:
        """Choose the annotation that a model of this level is given: its own kind, else the next more expensive one.

        A cheaper annotation is derived from a more expensive one, never the reverse. A model of level none is given
        nothing.

        Args:
            given: The kinds of annotation that a scan has.

        Returns:
            None where nothing that was given is of this level or above it.

        >>> given = {Supervision.SLICE, Supervision.BOX, Supervision.MASK}
        >>> Supervision.POINT.choose(given), Supervision.MASK.choose({Supervision.BOX}), Supervision.NONE.choose(given)
        (<Supervision.BOX: 'box'>, None, <Supervision.NONE: 'none'>)
        """
        if self is Supervision.NONE:
            return self
        return next((level for level in Supervision if level.cost >= self.cost and level in given), None)


def model_id(arm: str, phase: str) -> str:
    """Name the model of one arm on one phase.

    >>> model_id("weak-1", "cmp")
    'weak-1-cmp'
    """
    return f"{arm}-{phase}"


TOGETHER = "+"
"""Joins the codes of phases that one model sees together."""


def together(phases: Sequence[str]) -> str:
    """Name phases that one model sees together.

    >>> together(["cmp", "np"]), together(["cmp"])
    ('cmp+np', 'cmp')
    """
    return TOGETHER.join(phases)


def phase_name(phase: str) -> str:
    """Return the full name of a phase code, or of several phases that one model sees together.

    >>> phase_name("cmp"), phase_name("pet"), phase_name("cmp+up")
    ('corticomedullary', 'pet', 'corticomedullary + unenhanced')
    """
    return f" {TOGETHER} ".join(KNOWN_PHASES.get(one, one) for one in phase.split(TOGETHER))
