"""The folder of a quality check: the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class QualityFolder:
    """The path of each file of a quality check of a cohort's scans."""

    quality_dir: Path

    @property
    def findings_path(self) -> Path:
        """Problems and unusual features of the scans."""
        return self.quality_dir / "quality.csv"

    @property
    def counts_path(self) -> Path:
        """The patients of each phase and model."""
        return self.quality_dir / "counts.csv"

    @property
    def scans_path(self) -> Path:
        """All scans with their pictures."""
        return self.quality_dir / "scans.csv"

    @property
    def summary_path(self) -> Path:
        """The study that was checked."""
        return self.quality_dir / "quality.json"

    @property
    def cache_dir(self) -> Path:
        """The findings on each scan, by content."""
        return self.quality_dir / "cache"

    @property
    def thumbs_dir(self) -> Path:
        """A small picture of each scan."""
        return self.quality_dir / "thumbs"

    def page_path(self, language: str = "en") -> Path:
        """The page in a language.

        Args:
            language: Like ``zh``.
        """
        return page_path_of(self.findings_path, language)


def page_path_of(table_path: Path, language: str = "en") -> Path:
    """The path of the page that shows a table.

    Args:
        table_path: The table.
        language: Language of the page, such as ``zh``.

    >>> from pathlib import Path
    >>> page_path_of(Path("export/series.csv"), "zh").name
    'series.zh.html'
    """
    return table_path.with_suffix(".html" if language == "en" else f".{language}.html")
