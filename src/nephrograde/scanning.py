"""From a DICOM export, or a table of its series, to a cohort table and the page that shows every choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.pages.series_page import write_series_page
from nephrograde.run.quality_folder import page_path_of
from nephrograde.sources.scan.index import plan_index
from nephrograde.sources.scan.scan import scan_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.sources.scan.scan import ScanSettings
    from nephrograde.sources.scan.tally import ScanResult


def scan_export(
    export_dir: Path,
    table_path: Path,
    *,
    settings: ScanSettings,
    language: Language = "en",
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> tuple[ScanResult, Path]:
    """Write the cohort table of a DICOM export and a page that shows every choice; returns both."""
    result = scan_folder(export_dir, table_path, settings=settings, progress=progress)
    return result, _series_page(result, language)


def plan_from_index(
    index_path: Path,
    out_dir: Path,
    *,
    grades_path: Path | None = None,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
    language: Language = "en",
) -> tuple[ScanResult, Path]:
    """Plan a cohort from a table of series and write a page that shows every choice; returns both."""
    result = plan_index(index_path, out_dir, grades_path=grades_path, encoding=encoding, columns=columns)
    return result, _series_page(result, language)


def _series_page(result: ScanResult, language: Language) -> Path:
    page_path = page_path_of(result.series_path, language)
    return write_series_page(result.series_path, result.thumbs_dir, page_path, language)
