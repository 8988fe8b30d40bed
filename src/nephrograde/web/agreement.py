"""What the page shows of other readers: their labels of a patient, the agreement, and where they disagree."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from nephrograde.annotations.readings import Readings
from nephrograde.cohort.reader_error import FAR_MM
from nephrograde.files import without_nan
from nephrograde.report.tables.reader_agreement import measure_words, rule_words
from nephrograde.report.text.language import HTML_LANGUAGES, Language, phase_heading, speaking, t
from nephrograde.vocabulary import RESEARCH_USE_ONLY
from nephrograde.web.requests import language_of, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from nephrograde.annotations.agreement import Disagreement
    from nephrograde.annotations.state import PatientLabels
    from nephrograde.web.session import Session


def agreement_routes(session: Session, first: Language) -> list[Route]:
    """Make the addresses that say something about other readers.

    Args:
        session: What the page works on. If its journal is one of decisions, all labels of all readers are shown.
        first: The language in which the page opens.
    """
    readings = Readings(session.journal)

    def of_patient(request: Request) -> Response:
        patient_id = session.patient(number_of(request, "number")).patient_id
        readers = {reader: _labels(labels, session.phases) for reader, labels in readings.of(patient_id).items()}
        return JSONResponse({"decides": readings.sees_all, "readers": readers})

    def agreement(request: Request) -> Response:
        language = language_of(request, first)
        with speaking(language):
            return JSONResponse(_agreement(session, readings, language))

    return [
        Route("/api/patients/{number}/readers", of_patient),
        Route("/api/agreement", agreement),
    ]


def reader_texts() -> dict[str, str]:
    """The sentences about other readers on the page where patients are shown, by name."""
    return {
        "agreement": t("Agreement"),
        "reader_labels": t("Labels of {reader}", reader="{reader}"),
        "take_over": t("Take over"),
        "nothing_marked": t("nothing marked"),
    }


def _labels(labels: PatientLabels, phases: Iterable[str]) -> dict[str, object]:
    return {
        "phases": {
            phase: {kind.value: entry.value for kind, entry in given.items() if kind.value not in {"none", "unusable"}}
            for phase, given in labels.phases.items()
        },
        "states": {phase: labels.state(phase) for phase in phases},
        "comment": labels.comment,
        "is_done": labels.is_done,
    }


def _agreement(session: Session, readings: Readings, language: Language) -> dict[str, object]:
    numbers = {patient.patient_id: number for number, patient in enumerate(session.patients)}
    found, n_patients = readings.agreement(numbers)
    decided = session.journal.labels() if readings.sees_all else {}

    def is_decided(one: Disagreement) -> bool:
        own = decided.get(one.patient_id)
        return own is not None and (own.is_done or bool(own.phases.get(one.phase)))

    return {
        "name": session.name,
        "reader": session.journal.reader,
        "decides": readings.sees_all,
        "readers": list(found.readers),
        "n_patients": n_patients,
        "far_mm": FAR_MM,
        "rows": [
            {**without_nan(asdict(row)), "phase_name": phase_heading(row.phase), "name": measure_words(row.measure)}
            for row in found.rows
        ],
        "disagreements": [
            {
                **without_nan(asdict(one)),
                "number": numbers[one.patient_id],
                "phase_name": phase_heading(one.phase),
                "name": rule_words(one),
                "is_decided": is_decided(one),
            }
            for one in found.disagreements
        ],
        "texts": {"lang": HTML_LANGUAGES[language], **_texts(n_patients)},
    }


def _texts(n_patients: int) -> dict[str, str]:
    return {
        "research_use_only": t(RESEARCH_USE_ONLY),
        "title": t("Agreement of readers"),
        "back": t("Back to the patients"),
        "rests_on": t("Patients with whom both readers of a pair are done: {n}.", n=n_patients),
        "blind": t("You see other readers only where you and they are done with a patient."),
        "none": t("There is nothing to compare yet."),
        "all_agree": t("No disagreements."),
        "disagreements": t("To be looked at together"),
        "rule": t(
            "Listed are scans with different states, marked by one reader only, boxes or masks that do not overlap, "
            "and points or slices more than {mm} mm apart.",
            mm=f"{FAR_MM:g}",
        ),
        "phase": t("Phase"),
        "measure": t("Measure"),
        "readers": t("Readers"),
        "value": t("Value"),
        "spread": t("Quartiles or 95% interval"),
        "patient": t("Patient"),
        "why": t("Why"),
        "decided": t("decided"),
        "pair": t("{a} and {b}", a="{a}", b="{b}"),
    }
