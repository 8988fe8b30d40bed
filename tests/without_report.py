"""A study without its report, which takes as long as a fit: for tests that read scores and statistics alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.cohort.stage import open_cohort
from nephrograde.evaluation.stage import evaluate_models
from nephrograde.pipeline import fit_study, prepare_study
from nephrograde.run.writer import only_writer

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study


def evaluate_alone(study: Study, run: RunFolder | Path, *, reason: str | None = "") -> None:
    """Do what ``evaluate_study`` does, up to the report."""
    with only_writer(run) as folder:
        evaluate_models(study, *open_cohort(study, folder), folder, reason=reason)


def run_alone(study: Study, run: RunFolder | Path, *, reason: str | None = "") -> None:
    """Do what ``run_study`` does, up to the report."""
    prepare_study(study, run)
    fit_study(study, run)
    evaluate_alone(study, run, reason=reason)
