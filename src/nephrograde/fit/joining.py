"""What a model of several phases, or of images and clinical values, is fitted on, and what is refused beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.cohort.clinical import clinical_table, encode, learn_terms
from nephrograde.errors import RunError
from nephrograde.sample.dataset import phases_alone
from nephrograde.sheet import clean_heading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.clinical import ClinicalTable
    from nephrograde.model.fusion import Fusion
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import StudyModel


def check_phases(model: StudyModel, patients: Mapping[str, Collection[str]]) -> None:
    """Refuse a model without scans on one of its phases, or with a phase that no patient has beside another one.

    Args:
        model: The model.
        patients: Who has a region that shows it, for each of its phases.

    Raises:
        RunError: Nothing could be learnt from such phases together.
    """
    for phase in model.phases:
        if not patients[phase]:
            raise RunError(
                f"Model {model.id} has no scans: every {phase} scan is missing or was left out (volumes/findings.csv). "
                f"Fix them, or remove {phase} from cohort.phases."
            )
    if alone := phases_alone(model.phases, [patients[phase] for phase in model.phases]):
        raise RunError(
            f"Model {model.id} joins phases that no patient has together: none with a usable {alone[0]} scan has one "
            "of another phase of the arm. Fix them (volumes/findings.csv), or remove "
            f"{alone[0]} from the phases of the arm {model.arm.name}."
        )


def clinical_of(model: StudyModel, cohort: Cohort) -> ClinicalTable | None:
    """Collect the clinical values that are joined with the images.

    Args:
        model: The model.
        cohort: The patients with their values.

    Returns:
        None if there are none.

    Raises:
        RunError: The table does not have such a column.
    """
    if not model.arm.clinical or model.fusion is None:
        return None
    table = clinical_table(cohort, model.arm.clinical)
    if missing := set(map(clean_heading, model.arm.clinical)) - set(table.names):
        raise RunError(
            f"Model {model.id} joins clinical values that the cohort table does not have: "
            f"{', '.join(sorted(missing))}. Correct arm.{model.arm.name}.clinical, or add the columns to the table."
        )
    return table


def slices_of(model: StudyModel, prepared: Prepared) -> dict[str, tuple[int, ...]]:
    """Return the slice number of each picture of a patient, phase by phase.

    Args:
        model: The model.
        prepared: The prepared regions.
    """
    found: dict[str, tuple[int, ...]] = {}
    for phase in model.region_phases:
        for patient, numbers in prepared.slices(model.arm.name, phase).items():
            found[patient] = (*found.get(patient, ()), *numbers)
    return found


def learn_values(
    fusion: Fusion | None, table: ClinicalTable | None, learn: Sequence[str]
) -> tuple[Fusion | None, dict[str, list[float]] | None]:
    """Learn how clinical values are standardised.

    Args:
        fusion: How phases are joined.
        table: The clinical values of everybody; None if there are none.
        learn: The patients that the network learns from.

    Returns:
        How phases and values are joined, and the standardised values of everybody.
    """
    if fusion is None or table is None:
        return fusion, None
    terms = learn_terms(table.names, [table.rows[patient] for patient in learn], table.codes)
    values = {name: encode(terms, dict(zip(table.names, row, strict=True))) for name, row in table.rows.items()}
    return replace(fusion, values=terms), values
