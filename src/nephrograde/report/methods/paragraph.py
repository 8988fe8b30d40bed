"""The methods paragraph: what a run did, in the words of a paper, from its own files and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import listed

if TYPE_CHECKING:
    from nephrograde.report.record import Record


def methods_paragraph(record: Record) -> tuple[str, ...]:
    """Write the methods of a run, sentence by sentence, in the language of the page.

    Meant to be copied into a manuscript and finished there: where the patients came from, who read what, and which
    ethics committee agreed is not in a run folder and so not in the paragraph.

    Args:
        record: What the run folder holds.

    Returns:
        The sentences in order; :func:`~nephrograde.report.methods.design_methods.as_text` joins them.

    Source:
        Contents: TRIPOD+AI items 5 to 16 and CLAIM items 7 to 33, as far as a run can answer them; our choice of words.
    """
    tellers = (
        *(design.patients, design.partition, design.outcome, design.exclusions, design.missing_scans),
        *(design.phases, design.annotation, design.field_of_view, design.windowing, design.resampling),
        *(design.split_method, design.networks, design.initial_weights, design.learning, design.stopping),
        *(design.augmentation, design.class_balance, design.ensemble),
        *(statistics.baselines, statistics.thresholds, statistics.measures, statistics.calibration),
        *(statistics.net_benefit, statistics.comparisons, statistics.equivalence, statistics.subgroups),
        *(statistics.openings, software, seeds, caution),
    )
    return tuple(sentence for tell in tellers if (sentence := tell(record)))


def software(record: Record) -> str:
    """Which versions the numbers come from."""
    versions = record.lock.get("versions") or {}
    if not versions:
        return ""
    shown = listed([f"{name} {version}" for name, version in versions.items()])
    commit = record.lock.get("git_commit")
    return as_text(
        [
            t("Software: {versions}.", versions=shown),
            t("The commit of nephrograde was {commit}.", commit=commit) if commit else "",
        ]
    )


def seeds(record: Record) -> str:
    """Which seeds were used."""
    if record.study is None:
        return ""
    return t(
        "Seeds: {split} for the split, {fit} for learning, {bootstrap} for the bootstrap.",
        split=record.study.split.seed,
        fit=record.study.fit.seed,
        bootstrap=record.study.evaluate.seed,
    )


def caution(record: Record) -> str:
    """That the work is for research, and that synthetic data are synthetic."""
    research = t("The models are for research use only; no clinical decision may rest on them.")
    made = t("All patients, images and grades are synthetic: no number says anything about real tumours.")
    return as_text([made if record.is_synthetic else "", research])
