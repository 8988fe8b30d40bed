"""A grader file of two untrained networks, and copies of it that were changed and hashed again."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

from tests.unit.export.fold_networks import SCALE, Case
from tests.unit.export.grader_members import members_of

from nephrograde.evaluation.calibration.maps import PlattMap, StoredMap
from nephrograde.export.archive import write_archive
from nephrograde.export.contents import Sets
from nephrograde.export.facts import preprocessing_of
from nephrograde.export.grader_file import read_grader_file
from nephrograde.model.fusion import Fusion
from nephrograde.predict.cohort_range import CohortRange, Spread
from nephrograde.predict.grading import Performance
from nephrograde.study.study import restore_study
from nephrograde.vocabulary import together

MODEL = "weak-1-cmp"
STUDY: dict[str, Any] = {
    "name": "small (synthetic)",
    "synthetic": True,
    "cohort": {"table": "cohort.csv", "phases": ["cmp", "up"], "outcome": "isup_grade"},
    "arm": [{"name": "weak-1", "supervision": "point", "slices": 1}],
    "image": {"slice_px": 32},
}


JOINT_PHASES = ("cmp", "up")
JOINT_VALUES = ("column 0", "column 1")


@cache
def _case():
    return Case((32, 32))


def joint_members():
    """The members of a grader file of a model that joins two phases and two clinical values."""
    case = Case((32, 32), clinical=1, fusion=Fusion("intermediate", JOINT_PHASES))
    return small_members(case, phases=JOINT_PHASES, fusion="intermediate", clinical=JOINT_VALUES)


def small_members(case=None, **arm):
    """The members of a grader file, as they are packed.

    Args:
        case: Its networks; those of one phase when None.
        arm: Settings of the arm that differ.
    """
    case, study = case or _case(), restore_study({**STUDY, "arm": [{**STUDY["arm"][0], **arm}]})
    ending = "-" + together(arm.get("phases", ("cmp",)))
    own = next(one for one in study.models() if one.id.endswith(ending))
    rows = [replace(row, model=own.id) for row in SCALE.rows]
    return members_of(
        study,
        preprocessing_of(study, own, [one.card for one in case.folds]),
        replace(SCALE, networks=tuple(rows[:-1]), ensemble=rows[-1]),
        case.graph,
        aucs=[Performance(0.7, 0.5, 0.9, 0.95, 6, 3, "test")],
        recalibration=StoredMap.of(PlattMap(0.1, 0.9)),
        sets=Sets(0.3, 0.6, 0.1),
        cohort_range=CohortRange({"cmp": {"tumour_diameter_mm": Spread(20, 10.0, 12.0, 30.0, 60.0, 70.0)}}),
    )


class Forger:
    """Writes copies of a grader file that were changed, with every SHA-256 computed again.

    Args:
        members: Of the file.
        folder: Where the copies go.
    """

    def __init__(self, members, folder):
        self.members, self._path = members, folder / "forged.zip"

    def write(self, **changes):
        """Write a copy; a change is a function that is given the content of a member, or its new bytes."""
        members = dict(self.members)
        for stem, change in changes.items():
            name = next(one for one in members if one.startswith(stem))
            members[name] = _changed(members[name], change) if callable(change) else change
        self._path.unlink(missing_ok=True)
        write_archive(self._path, members)
        return self._path

    def read(self, **changes):
        """Read a changed copy."""
        return read_grader_file(self.write(**changes))


def _changed(raw, change):
    content = json.loads(raw)
    change(content)
    return json.dumps(content).encode()
