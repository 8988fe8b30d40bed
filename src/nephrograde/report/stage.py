"""The report stage: the page of a run, rewritten if anything it shows has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.pages.study_page import write_report
from nephrograde.run.provenance import read_lock_file
from nephrograde.run.seal import read_seal
from nephrograde.run.stage import run_stage
from nephrograde.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.run.folder import RunFolder


def report_run(run: RunFolder, language: Language = "en") -> Path:
    """Write the report from the files of the run folder, and return its path.

    Args:
        run: The run folder; it has been evaluated.
        language: Language of the report.

    Raises:
        RunError: The run has not been evaluated, or its lock file holds another study than the one that was.
    """
    if (seal := read_seal(run)) is not None:
        seal.check_study(read_lock_file(run))
    results = (run.cohort_dir, run.scores_dir, run.statistics_dir, run.findings_path, run.regions_path)
    fits = [path for fold in run.folds() for path in (fold.card_path, fold.history_path, fold.predictions_path)]
    report_path = run.report.page_path(language)
    run_stage(
        report_path.stem,  # one record per language
        run,
        inputs=[*results, run.agreement_path, run.ledger_path, run.study_lock_path, run.origin_path, *fits],
        settings=__version__,
        make=lambda _: write_report(run.run_dir, language),
    )
    return report_path
