"""What the pre-trained encoders of a run learnt from, and whether that may include the patients of the cohort."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.model.encoders.known import Encoder
    from nephrograde.results import Results


class Overlap(StrEnum):
    """Whether an encoder may have been trained on patients of the cohort."""

    SEEN = "seen"
    UNKNOWN = "unknown"
    NONE = "none"
    NOT_PUBLIC = "not-public"


@dataclass(frozen=True, slots=True)
class PretrainingRow:
    """One encoder: the arms that use it, its facts, and whether it may have seen the cohort.

    ``shared`` are the public sets that it learnt from and that the cohort comes from.
    """

    encoder: str
    arms: tuple[str, ...]
    licence: str
    trained_on: tuple[str, ...]
    origin: str
    sha256: str
    overlap: Overlap
    shared: tuple[str, ...]


def pretraining_rows(run: Results) -> list[PretrainingRow]:
    """List the encoders of a run, frozen and tuned, in the order of its arms.

    Args:
        run: The run.
    """
    found: dict[str, tuple[Encoder, list[str]]] = {}
    order = [arm.name for arm in run.study.arm] if run.study is not None else []
    for fit in sorted(run.fits, key=lambda one: order.index(one.card["arm"]) if one.card.get("arm") in order else 0):
        if fit.pretrained is not None:
            encoder = fit.pretrained.encoder
            arms = found.setdefault(encoder.sha256, (encoder, []))[1]
            if fit.card["arm"] not in arms:
                arms.append(fit.card["arm"])
    return [_row(encoder, arms, cohort_sets(run)) for encoder, arms in found.values()]


def cohort_sets(run: Results) -> tuple[str, ...]:
    """Return the public collections that the cohort comes from, as recorded with its table or named in the study.

    Args:
        run: The run.
    """
    named = run.study.cohort.collections if run.study is not None else ()
    return tuple(dict.fromkeys((*run.origin.collections, *named)))


def pretraining_warnings(run: Results) -> list[str]:
    """Say of which encoders the pre-training may include the cohort; empty where that is excluded or not known.

    Args:
        run: The run.
    """
    sentences = []
    for row in pretraining_rows(run):
        if row.overlap is Overlap.SEEN:
            sentences.append(
                t(
                    "Warning: the encoder {encoder} ({arms}) was pre-trained on {sets}, which patients of this cohort "
                    "come from. It may have seen them, so its results may be too good.",
                    encoder=row.encoder,
                    arms=listed(row.arms),
                    sets=listed(row.shared),
                )
            )
        elif row.overlap is Overlap.UNKNOWN:
            sentences.append(
                t(
                    "Warning: the encoder {encoder} ({arms}) may have been pre-trained on patients of this cohort "
                    "({sets}): its training data are not published completely. If it has seen them, its results are "
                    "too good.",
                    encoder=row.encoder,
                    arms=listed(row.arms),
                    sets=listed(cohort_sets(run)),
                )
            )
    return sentences


def encoder_sentences(run: Results) -> list[str]:
    """Describe each encoder: its file, its licence and what it was trained on.

    Args:
        run: The run.
    """
    return [
        t(
            "{arms}: {encoder} (SHA-256 {sha256}; {origin}; licence: {licence}; trained on {sets}).",
            arms=listed(row.arms),
            encoder=row.encoder,
            sha256=row.sha256,
            origin=row.origin or t("origin not stated"),
            licence=row.licence,
            sets=listed(row.trained_on),
        )
        for row in pretraining_rows(run)
    ]


def is_same_source(a: str, b: str) -> bool:
    """Whether two names of public data sets share patients, as far as their names tell.

    The sets of the KiTS challenges contain each other's patients.

    >>> is_same_source("KiTS23", "C4KC-KiTS"), is_same_source("TCGA", "TCGA-KIRC"), is_same_source("KiTS23", "TCGA")
    (True, True, False)
    """
    one, other = (re.sub(r"[^a-z0-9]", "", name.casefold()) for name in (a, b))
    if "kits" in one and "kits" in other:
        return True
    return bool(one and other) and (one in other or other in one)


def _row(encoder: Encoder, arms: Iterable[str], sets: tuple[str, ...]) -> PretrainingRow:
    known = encoder.public_sets
    shared = tuple(one for one in sets if any(is_same_source(one, other) for other in known or ()))
    if not sets:
        overlap = Overlap.NOT_PUBLIC
    elif shared:
        overlap = Overlap.SEEN
    else:
        overlap = Overlap.UNKNOWN if known is None else Overlap.NONE
    return PretrainingRow(
        encoder=encoder.name,
        arms=tuple(arms),
        licence=encoder.licence,
        trained_on=encoder.trained_on,
        origin=encoder.origin,
        sha256=encoder.sha256,
        overlap=overlap,
        shared=shared,
    )
