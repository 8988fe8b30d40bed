"""The numbers of the cohort table, by themselves and against the masks, as findings about the whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.cohort.plausibility import clinical_values, doubt_against_masks, doubt_columns
from nephrograde.volume.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.cohort.case import Cohort
    from nephrograde.sample.prepared_scan import Region


def check_plausibility(cohort: Cohort, regions: Iterable[Region]) -> list[Finding]:
    """Check whether sizes, volumes and ages can be what the table says.

    Args:
        cohort: As read from the table.
        regions: The prepared regions, with the size and volume of each tumour that was drawn.

    Returns:
        Warnings without a patient, each with its column: "implausible-size", "implausible-volume", "implausible-age",
        "size-against-mask" and "volume-against-mask".

    >>> from nephrograde.cohort.case import Case, Cohort
    >>> cases = tuple(Case(f"P{i}", False, 1, {}, {"age_years": 1950.0 + i}) for i in range(5))
    >>> check_plausibility(Cohort(cases, (), ("age_years",), None), [])[0].code
    'implausible-age'
    """
    doubts = doubt_columns(cohort)
    diameters_cm: dict[str, float] = {}
    volumes_ml: dict[str, float] = {}
    for region in regions:
        if region.tumour_diameter_mm is not None and region.tumour_volume_ml is not None:
            patient = region.patient_id
            diameters_cm[patient] = max(diameters_cm.get(patient, 0.0), region.tumour_diameter_mm / 10)
            volumes_ml[patient] = max(volumes_ml.get(patient, 0.0), region.tumour_volume_ml)
    for column, measured, unit in (("size_cm", diameters_cm, "cm"), ("volume_ml", volumes_ml, "ml")):
        doubts += doubt_against_masks(column, clinical_values(cohort, column), measured, unit)
    return [Finding("", "", doubt.column, doubt.code, "warning", doubt.message, doubt.remedy) for doubt in doubts]
