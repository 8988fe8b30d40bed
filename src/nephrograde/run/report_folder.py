"""The folder of a report: the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """The path of each file of the report on a run."""

    report_dir: Path

    def page_path(self, language: str = "en") -> Path:
        """The page in a language.

        Args:
            language: Such as ``zh``.
        """
        return self.report_dir / ("report.html" if language == "en" else f"report.{language}.html")

    def validation_path(self, language: str = "en") -> Path:
        """The page that shows development and validation side by side.

        Args:
            language: Such as ``zh``.
        """
        return self.report_dir / ("validation.html" if language == "en" else f"validation.{language}.html")

    @property
    def figures_dir(self) -> Path:
        """The figures as SVG, with their data."""
        return self.report_dir / "figures"

    @property
    def tables_dir(self) -> Path:
        """The tables as LaTeX and for Word."""
        return self.report_dir / "tables"

    @property
    def citations_path(self) -> Path:
        """What a paper on the run has to cite, as BibTeX."""
        return self.report_dir / "citations.bib"

    @property
    def manifest_path(self) -> Path:
        """Every image and mask that was read."""
        return self.report_dir / "manifest.csv"

    @property
    def checklists_dir(self) -> Path:
        """The reporting checklists as tables, and all of them in one file."""
        return self.report_dir / "reporting-checklists"

    @property
    def model_cards_dir(self) -> Path:
        """A card for each model."""
        return self.report_dir / "model-cards"

    @property
    def dirs(self) -> tuple[Path, ...]:
        """All folders of the report."""
        return self.report_dir, self.figures_dir, self.tables_dir, self.checklists_dir, self.model_cards_dir
