"""The models of one server: what each of them needs, as the page and the API say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem
from nephrograde.export.grader_file import read_grader_file
from nephrograde.report.text.language import phase_heading
from nephrograde.report.text.messages import told
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the server knows it; its networks are loaded by the processes that grade.

    Attributes:
        name: Its id, such as "weak-1-cmp".
        path: The grader file.
        study: The name of its study.
        phases: Those that it sees.
        supervision: What it must be given.
        needs_hu: Whether its grey values are HU.
        clinical: The columns of clinical values that it joins.
        performance: How well it did in its study, in words; empty if that is not known.
    """

    name: str
    path: Path
    study: str
    synthetic: bool
    phases: tuple[str, ...]
    supervision: Supervision
    needs_hu: bool
    clinical: tuple[str, ...]
    performance: str

    @property
    def places(self) -> tuple[str, ...]:
        """What can be given, the least effort first; one of them is needed unless there is none."""
        if self.supervision is Supervision.NONE:
            return ()
        return tuple(one.value for one in Supervision if one.cost >= self.supervision.cost)

    def content(self) -> dict[str, Any]:
        """The model for the page and the API, in the language that is spoken."""
        return {
            "model": self.name,
            "study": self.study,
            "synthetic": self.synthetic,
            "phases": [{"code": phase, "name": phase_heading(phase)} for phase in self.phases],
            "supervision": self.supervision.value,
            "places": list(self.places),
            "clinical": list(self.clinical),
            "performance": told(self.performance),
        }


def read_models(paths: Sequence[Path]) -> dict[str, Model]:
    """Read grader files.

    Args:
        paths: The files.

    Returns:
        The models by id, in this order.

    Raises:
        GraderError: A file is no grader file, of a newer version, or was changed.
        InputError: Two files hold the same model.
    """
    found: dict[str, Model] = {}
    for path in paths:
        file = read_grader_file(path)
        own = file.preprocessing.own_model(file.study)
        if own.id in found:
            what = f"holds {own.id}, as {found[own.id].path} does"
            raise InputError([Problem(str(path), what, "Serve one file for each model.")])
        columns = dict.fromkeys(term.column for terms in file.preprocessing.clinical for term in terms)
        found[own.id] = Model(
            own.id,
            path.absolute(),
            file.card.study,
            file.card.synthetic,
            own.phases,
            own.arm.supervision,
            not any(file.study.window_of(phase).percentiles for phase in own.phases),
            tuple(columns),
            next((f"in its study: {one}" for one in file.card.aucs), ""),
        )
    return found
