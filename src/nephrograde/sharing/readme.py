"""What a shared file holds and what it does not, in words: the member that a person reads before the file leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.text.language import LANGUAGES, speaking, t
from nephrograde.report.text.numbers import enumerated
from nephrograde.sharing.contents import UNKNOWN_OUTCOME, WHO_ISUP
from nephrograde.sharing.site import THRESHOLDS
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.sharing.contents import Head


def readme(head: Head, *, n: int, n_high: int) -> bytes:
    """Write ``README.txt``, in English and in Chinese.

    Args:
        head: What is shared.
        n: The patients behind it.
        n_high: Those of high grade.
    """
    parts = []
    for language in LANGUAGES:
        with speaking(language):
            parts.append("\n".join(lines_of(head, n=n, n_high=n_high)))
    return ("\n\n".join(parts) + "\n").encode()


def lines_of(head: Head, *, n: int, n_high: int) -> list[str]:
    """Say in the current language what is shared, line by line.

    Args:
        head: What is shared.
        n: The patients behind it.
        n_high: Those of high grade.
    """
    lines = [t(RESEARCH_USE_ONLY), "", t("In this file:"), *(f"- {line}" for line in _inside(head, n, n_high))]
    lines += ["", t("Not in this file:"), *(f"- {line}" for line in _not_inside(head))]
    return [*lines, "", t("What remains to be known:"), *(f"- {line}" for line in _risks(head))]


def _inside(head: Head, n: int, n_high: int) -> list[str]:
    names = enumerated([one.name for one in head.models])
    lines = [
        t(
            "{n} test patients, {n_high} of them high grade, and the models {names} with their thresholds",
            n=n,
            n_high=n_high,
            names=names,
        ),
        _outcome(head),
        t("the name of the key of the pseudonyms (not the key), by which two files of one hospital are recognised"),
    ]
    if head.synthetic:
        lines.append(t("the mark that these patients are synthetic"))
    if head.kind == "scores":
        return [
            *lines,
            t(
                "for each patient: a pseudonym, high or low grade, and the probability of each model with all its "
                "digits"
            ),
        ]
    counts = t(
        "true and false positives of each model at its threshold and at {n} fixed ones from {low} to {high}",
        n=len(THRESHOLDS),
        low=f"{THRESHOLDS[0]:g}",
        high=f"{THRESHOLDS[-1]:g}",
    )
    if head.smallest > 1:
        counts += " " + t("(left out wherever one of the four counts is 1 to {n})", n=head.smallest - 1)
    return [
        *lines,
        t("AUC of each model with DeLong's variance; covariances and differences of each two"),
        t("calibration intercept and slope with their variances, expected number of high grade, Brier score"),
        counts,
        t("no number that rests on fewer than {n} patients of a grade; with fewer, no file is written", n=head.fewest),
    ]


def _outcome(head: Head) -> str:
    if head.outcome == WHO_ISUP:
        return t("the outcome: WHO/ISUP grade 3–4 against 1–2")
    if head.outcome == UNKNOWN_OUTCOME:
        return t("that the outcome is high or low; how it was defined is not known to the run")
    return t("the SHA-256 of the outcome's name")


def _not_inside(head: Head) -> list[str]:
    lines = [
        t("images, masks, clinical values, and anything else about a patient"),
        t("ids of patients, names of files and folders, dates, the name of the hospital, free text"),
        t("the key of the pseudonyms: without it, nobody can compute which patient a pseudonym belongs to"),
    ]
    if head.kind == "statistics":
        lines[2] = t("pseudonyms, scores, or any other number of a single patient")
    return lines


def _risks(head: Head) -> list[str]:
    if head.kind == "scores":
        return [
            t(
                "Whoever has the scores of the run with the patients' ids can match them by the probabilities. Keep "
                "scores.csv of the run inside."
            ),
            t("Pseudonymised data of patients remain personal data in many countries: ask before you send them."),
        ]
    return [
        t(
            "Two files about almost the same patients tell, by their difference, about the few who are in one only. "
            "Share one file of each cohort."
        ),
        t("Counts at neighbouring thresholds tell how many patients have a probability in between, which may be one."),
    ]
