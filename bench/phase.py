"""Which phase by words and order alone: accuracy, coverage, confusion and calibration on public series descriptions.

Two sets with a truth. ``phase_labels.csv``: header texts of 84 TCGA series with the phase that radiologists gave them
(arterial → ``cmp``, venous → ``np``, delayed is right as ``np`` or ``ep``). C4KC-KiTS in the index of the package
``idc-index-data``: the curators wrote the phase into the series description, so there the truth *is* the text, and the
set only shows that plain words are read. Each series is read twice: by its own words (description of the series and
of its study), and with the other series of its study in the index. The exit code is 1 where more than 5 % of the
series of a set are named wrongly.

Run: python bench/phase.py ../shared/data/idc/phase_labels.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import idc_index_data
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN
from nephrograde.volume.phase.recognise import probabilities, recognise_phases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_ERRORS = 0.05
RIGHT = {
    "arterial": ("cmp",),
    "venous": ("np",),
    "delayed": ("np", "ep"),
    "noncontrast": ("up",),
    "late": ("np", "ep"),
}
BINS = ((0.0, 0.35), (0.35, 0.5), (0.5, 0.65), (0.65, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 0.99), (0.99, 1.01))


@dataclass(frozen=True, slots=True)
class Named:
    """One series: the truth, the phase it was given, the most probable phase, and how probable that is."""

    truth: str
    phase: str
    best: str
    probability: float
    text: str

    @property
    def is_right(self) -> bool:
        """The phase that was named is one of those that the truth allows."""
        return self.phase in RIGHT[self.truth]


def header_of(row: Any) -> SeriesHeader:
    """One row of the index as a header; the index has no times."""
    texts = {name: str(getattr(row, name) or "") for name in ("StudyDescription", "SeriesDescription", "Modality")}
    number = pd.to_numeric(row.SeriesNumber, errors="coerce")
    return SeriesHeader(
        series_uid=row.SeriesInstanceUID,
        study_uid=row.StudyInstanceUID,
        study_description=texts["StudyDescription"],
        series_number=None if pd.isna(number) else int(number),
        description=texts["SeriesDescription"],
        modality=texts["Modality"],
        n_images=int(row.instanceCount),
    )


def name_all(studies: Iterable[Sequence[SeriesHeader]], truth: Mapping[str, str]) -> list[Named]:
    """Name the series whose phase is known, each with all series of its study in view."""
    named = []
    for study in studies:
        for header, answer in zip(study, recognise_phases(study).values(), strict=True):
            if header.key in truth:
                by_phase = probabilities(answer.evidence)
                best = max(by_phase, key=by_phase.__getitem__)
                seen = "; ".join(one.seen.english for one in answer.evidence)
                text = f"{header.description}: {seen}"
                named.append(Named(truth[header.key], answer.phase, best, answer.probability, text))
    return named


def show(title: str, named: Sequence[Named], *, list_errors: bool) -> bool:
    """Print the tables of one set and say whether it has few enough confident errors."""
    covered = [one for one in named if one.phase != UNKNOWN]
    wrong = [one for one in covered if not one.is_right]
    print(f"\n{title}: {len(named)} series")
    for label, count, of in (
        ("named (coverage)", len(covered), len(named)),
        ("right of those named (accuracy)", len(covered) - len(wrong), len(covered)),
        ("right of all", len(covered) - len(wrong), len(named)),
        ("confident errors, of all", len(wrong), len(named)),
        ("confident errors, of those named", len(wrong), len(covered)),
    ):
        low, high = proportion_confint(count, max(of, 1), method="wilson")
        print(f"  {label:34} {count:4} / {of:4} = {count / max(of, 1):6.1%}  (Wilson 95 % {low:.1%}–{high:.1%})")
    print(f"  {'truth':12}" + "".join(f"{phase or 'unknown':>9}" for phase in (*PHASES, UNKNOWN)))
    confusion = Counter((one.truth, one.phase) for one in named)
    for truth in dict.fromkeys(one.truth for one in named):
        print(f"  {truth:12}" + "".join(f"{confusion[truth, phase]:9}" for phase in (*PHASES, UNKNOWN)))
    print("  probability of the most probable phase, and how often it is right:")
    for low, high in BINS:
        inside = [one for one in named if low <= one.probability < high]
        if inside:
            mean = sum(one.probability for one in inside) / len(inside)
            right = sum(one.best in RIGHT[one.truth] for one in inside)
            at_least, at_most = proportion_confint(right, len(inside), method="wilson")
            share = f"{right:4} / {len(inside):4} = {right / len(inside):.2f} ({at_least:.2f}–{at_most:.2f})"
            print(f"    {low:.2f}–{min(high, 1.0):.2f}  mean {mean:.3f}  right {share}")
    if list_errors:
        for one in named:
            if not one.is_right:
                print(f"    {one.truth} → {one.phase or 'unknown'} {one.probability:.2f}  {one.text}")
    return len(wrong) <= MOST_ERRORS * len(covered)


def main() -> int:
    """Read both sets, print their tables, and return 1 where too many series are named wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--errors", action="store_true", help="list what was not named rightly")
    chosen = parser.parse_args()
    with chosen.labels.open(encoding="utf-8") as file:
        truth = {row["series_uid"]: row["phase"] for row in csv.DictReader(file)}
    index = duckdb.read_parquet(str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH)).df()
    kits = index[(index.collection_id == "c4kc_kits") & (index.Modality == "CT")]
    kits_truth = dict(zip(kits.SeriesInstanceUID, kits.SeriesDescription.str.lower().str.split().str[0], strict=True))
    is_fine = True
    for title, known in (("84 TCGA series", truth), ("C4KC-KiTS", kits_truth)):
        of_set = index[index.SeriesInstanceUID.isin(list(known))]
        alone = [[header_of(row)] for row in of_set.itertuples()]
        around = index[index.StudyInstanceUID.isin(of_set.StudyInstanceUID)]
        studies = [[header_of(row) for row in group.itertuples()] for _, group in around.groupby("StudyInstanceUID")]
        is_fine &= show(f"{title}, own words", name_all(alone, known), list_errors=chosen.errors)
        is_fine &= show(f"{title}, words and order", name_all(studies, known), list_errors=chosen.errors)
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
