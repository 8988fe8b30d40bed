"""From the files of several hospitals to the page and its tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.evaluation.tables import write_table
from nephrograde.export.printable import printable
from nephrograde.lock import only_writer_of
from nephrograde.replacement import remove_leftovers
from nephrograde.report.pages.page import write_page
from nephrograde.report.text.language import speaking
from nephrograde.sharing.combine import combine_shared
from nephrograde.sharing.combined import BenefitRow, PooledRow, SiteRow, WithoutRow
from nephrograde.sharing.page import rendered
from nephrograde.sharing.share_file import read_share
from nephrograde.staging import staged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.sharing.combined import Combined

TABLES = {
    "sites.csv": SiteRow,
    "pooled.csv": PooledRow,
    "leave_one_out.csv": WithoutRow,
    "pooled_benefit.csv": BenefitRow,
}


def combine_files(
    paths: Sequence[Path], out_dir: Path | None, *, confidence: float = 0.95, language: Language = "en"
) -> Combined:
    """Evaluate models over several hospitals, and write the page and its tables.

    Args:
        paths: What each hospital shared.
        out_dir: The folder; nothing is written if None.
        confidence: Coverage probability of all intervals.
        language: Of the page.

    Raises:
        InputError: They may not be combined.
        ShareError: One of them is missing, was changed, or is something else.
    """
    shared = dict(zip(_named(paths), map(read_share, paths), strict=True))
    found = combine_shared(shared, confidence=confidence)
    if out_dir is None:
        return found
    found = replace(found, folder=out_dir)
    page = page_path(out_dir, language)
    with only_writer_of(out_dir / "pooled.csv"):
        remove_leftovers(out_dir, is_ours={page.name, *TABLES}.__contains__)
        with staged():
            for name, rows in zip(TABLES, (found.sites, found.pooled, found.without, found.benefit), strict=True):
                write_table(rows, TABLES[name], out_dir / name)
            with speaking(language):
                write_page(rendered(found), page)
    return found


def page_path(out_dir: Path, language: Language = "en") -> Path:
    """Return the path of the page.

    Args:
        out_dir: The folder.
        language: Of the page.
    """
    return out_dir / ("combined.html" if language == "en" else f"combined.{language}.html")


def _named(paths: Sequence[Path]) -> list[str]:
    """The names of the hospitals: those of the files, numbered where two are alike."""
    resolved = [(path, path.resolve()) for path in paths]
    stems = [printable(full.stem if path.suffix.lower() == ".zip" else full.name) for path, full in resolved]
    count, seen = Counter(stems), Counter[str]()
    names = []
    for stem in stems:
        seen[stem] += 1
        names.append(f"{stem} ({seen[stem]})" if count[stem] > 1 else stem)
    return names
