"""The page for reviewing a cohort: counts, findings, and a small picture of every scan."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.files import read_json, read_rows
from nephrograde.report.pages.page import picture_uri, write_rendered
from nephrograde.report.pages.paging import LISTED, divide, remove_further
from nephrograde.report.text.finding_kinds import meaning_of
from nephrograde.report.text.language import phase_in_words, speaking, t
from nephrograde.report.text.numbers import NOTHING, counted
from nephrograde.run.quality_folder import QualityFolder
from nephrograde.staging import staged
from nephrograde.volume.finding import read_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.volume.finding import Finding

    Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Picture:
    """One scan of a patient; ``path`` is None if the image cannot be read.

    ``regions`` are what the arms are shown of it: how each is drawn ("-" if it is not on this slice), and in words.
    """

    phase: str
    path: Path | None
    figures: str
    regions: tuple[tuple[str, str], ...] = ()

    @property
    def data_uri(self) -> str:
        """The picture, read where the page needs it; empty if there is none."""
        return "" if self.path is None else picture_uri(self.path.read_bytes())


@dataclass(frozen=True, slots=True)
class PatientEntry:
    """One patient: the anchor on the page, the rows of the scans, and the findings, fatal ones first."""

    anchor: str
    patient_id: str
    scans: tuple[Row, ...]
    findings: tuple[Finding, ...]
    quality_dir: Path

    @property
    def grade(self) -> str:
        """In words; empty without a scan."""
        return _grade(self.scans[0]) if self.scans else ""

    @property
    def pictures(self) -> Iterator[Picture]:
        """The scan of each phase, put into words where the page needs it."""
        return (_picture(row, self.quality_dir) for row in self.scans)

    @property
    def is_fatal(self) -> bool:
        """Whether something must be fixed."""
        return any(finding.severity == "fatal" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Kind:
    """Findings of one kind: their meaning, their number, and the patients who have them, the first ones with a link."""

    code: str
    meaning: str
    is_fatal: bool
    count: int
    patients: tuple[tuple[str, str], ...]
    further: int


def write_quality_page(quality_dir: Path, page_path: Path, language: Language = "en") -> Path:
    """Write a self-contained page from the files of a quality check, or several for many patients.

    Patients with problems that must be fixed come first, then those with warnings, then all others, each with a picture
    of every scan and the outline of its tumour mask. Further pages of 500 patients each are called ``quality-2.html``
    and so on. The pages load nothing from elsewhere.

    Args:
        quality_dir: Contains ``quality.csv``, ``counts.csv``, ``scans.csv``, ``quality.json`` and ``thumbs/``.
        page_path: The file.
        language: Language of the page.

    Returns:
        ``page_path``, the first page.

    Raises:
        RunError: One of the files is missing or damaged.
    """
    folder = QualityFolder(quality_dir)
    about = read_json(folder.summary_path)
    findings = read_findings(folder.findings_path)
    scans = read_rows(folder.scans_path)
    counts = read_rows(folder.counts_path)
    with speaking(language), staged():
        patients = _patients(scans, findings, quality_dir)
        leaves = divide(page_path, [patient.patient_id for patient in patients])
        page_of = {patients[k].anchor: leaf.link for leaf in leaves[1:] for k in range(leaf.start, leaf.stop)}
        for leaf in leaves:
            shown = patients[leaf.start : leaf.stop]
            write_rendered(
                "quality.html.j2",
                leaf.path,
                is_synthetic=bool(about.get("synthetic")),
                about=about,
                summary=_summary(about, scans, findings),
                of_table=[finding for finding in findings if finding.is_of_table],
                counts=[_count_row(row) for row in counts],
                has_grades=any(row["grade_1"] for row in counts),
                kinds=_kinds(findings, patients, page_of) if leaf.number == 1 else [],
                odd=[patient for patient in shown if patient.findings],
                sound=[patient for patient in shown if not patient.findings],
                leaf=leaf,
                leaves=leaves,
            )
    remove_further(page_path, len(leaves))
    return page_path


def _summary(about: Mapping[str, Any], scans: Sequence[Row], findings: Sequence[Finding]) -> list[str]:
    fatal = sum(finding.severity == "fatal" for finding in findings)
    seen = t(
        "{patients} with {scans} were checked.",
        patients=counted(int(about["patients"]), "patient"),
        scans=counted(len(scans), "scan"),
    )
    if not findings:
        return [seen, t("No problems were found.")]
    absent = sum(finding.leaves_patient_out for finding in findings)
    left_out = t("{patients} without an image in any phase were left out.", patients=counted(absent, "patient"))
    return [
        seen,
        *([left_out] if absent else []),
        t(
            "{findings} must be fixed, {warnings} should be reviewed.",
            findings=counted(fatal, "finding"),
            warnings=counted(len(findings) - fatal, "warning"),
        ),
    ]


def _patients(scans: Sequence[Row], findings: Sequence[Finding], quality_dir: Path) -> list[PatientEntry]:
    """All patients, those with fatal findings first, then those with warnings; otherwise in the order of the table.

    Patients without a scan come before the others of their kind.
    """
    rows: dict[str, list[Row]] = {finding.patient_id: [] for finding in findings if finding.leaves_patient_out}
    for row in scans:
        rows.setdefault(row["patient_id"], []).append(row)
    of_patient: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        of_patient[finding.patient_id].append(finding)
    entries = [
        PatientEntry(
            anchor=f"patient-{number}",
            patient_id=patient_id,
            scans=tuple(own),
            findings=tuple(sorted(of_patient.get(patient_id, ()), key=lambda one: one.severity)),
            quality_dir=quality_dir,
        )
        for number, (patient_id, own) in enumerate(rows.items(), start=1)
    ]
    return sorted(entries, key=lambda entry: (not entry.is_fatal, not entry.findings))


def _grade(row: Row) -> str:
    if row["grade"]:
        return t("grade {grade}", grade=row["grade"])
    return t("high grade") if row["is_high"] == "1" else t("low grade")


def _picture(row: Row, quality_dir: Path) -> Picture:
    thumb_path = quality_dir / row["thumb"]
    is_there = row["thumb"] and thumb_path.is_file()
    figures = [row["size"], t("{spacing} mm", spacing=row["spacing_mm"]) if row["spacing_mm"] else "", row["kernel"]]
    regions = tuple(map(_region, filter(None, row.get("regions", "").split(";"))))
    return Picture(row["phase"], thumb_path if is_there else None, " · ".join(filter(None, figures)), regions)


def _region(text: str) -> tuple[str, str]:
    """The style and the words of a region, from its cell ``arm,arm:96x96:0``."""
    arms, edges, style = text.split(":")
    words = {"arms": arms.replace(",", t(", ")), "size": edges.replace("x", " × ")}
    if style == "-":
        return style, t("{arms}: {size} mm, on other slices", **words)
    return style, t("{arms}: {size} mm", **words)


def _count_row(row: Row) -> dict[str, object]:
    phase = t("{name} ({code})", name=phase_in_words(row["name"]), code=row["name"])
    words = {
        "patients": t("Patients with a scan"),
        "images": t("With an image: {phase}", phase=phase),
        "readable": t("With a readable image: {phase}", phase=phase),
        "every phase": t("With every phase"),
        "usable": t("Usable by model {model}", model=row["name"]),
    }
    return {
        "label": words.get(row["what"], row["what"]),
        "is_part": row["what"] == "readable",
        "cells": [row["n"], row["low"], row["high"]],
        "grades": [row[f"grade_{grade}"] or NOTHING for grade in range(1, 5)],
    }


def _kinds(findings: Sequence[Finding], patients: Iterable[PatientEntry], page_of: Mapping[str, str]) -> list[Kind]:
    """The kinds of findings; ``page_of`` names the pages of the patients who are not on the first, by anchor."""
    links: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in patients:
        for code in dict.fromkeys(finding.code for finding in entry.findings):
            links[code].append((f"{page_of.get(entry.anchor, '')}#{entry.anchor}", entry.patient_id))
    number = Counter((finding.severity != "fatal", finding.code) for finding in findings)
    return [
        Kind(
            code,
            meaning_of(code),
            not is_warning,
            found,
            tuple(links[code][:LISTED]),
            max(len(links[code]) - LISTED, 0),
        )
        for (is_warning, code), found in sorted(number.items(), key=lambda item: (item[0][0], -item[1]))
    ]
