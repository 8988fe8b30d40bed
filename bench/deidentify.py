"""What of a patient survives de-identification? This package, dicom-anonymizer and deid on the same planted files.

An identifier of its own is planted in every attribute of DICOM's dictionary, in the header and in an item of a
sequence, in one item of every sequence, in private attributes, overlays, lookup tables, offset tables, the preamble and
file names, and the patient's name, id and birth date in 22 spellings in descriptions. Each side writes its copies with
its own rules for the basic profile: dicom-anonymizer by its default, deid by a recipe with the actions of Table E.1-1,
since it has none, and with private attributes removed. Survivors are identifiers that are in any byte or name of the
output. Then the rows of Table E.1-1 of DICOM PS3.15 are counted, by what this package does with them.

The exit code is 1 if an identifier survives where this package keeps no free text, or a row of the table is not
followed.

Run: python -m bench.deidentify
"""

from __future__ import annotations

import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.reference.confidentiality import OUTCOMES, RETAINED, coverage, transcriptions
from tests.unit.sources.deidentify.planted import plant, survivors

from nephrograde.sources.deidentify.folder import DeidentifySettings, deidentify_folder
from nephrograde.sources.deidentify.profile import DESCRIPTORS, TECHNICAL_TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXTS = {"SH", "LO", "ST", "LT", "UC", "UT", "UR", "AE", "PN"}
_DATES = {"DA", "TM", "DT", "AS"}
_NUMBERS = {"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT", "US or SS"}
_DEID_ACTIONS = {"X": "REMOVE", "Z": "BLANK", "D": "REPLACE", "U": "REPLACE"}


def place_of(kind: str) -> str:
    """Group the places where identifiers were planted."""
    vr = kind.removeprefix("item, ")
    if vr in _TEXTS:
        return "texts and names"
    if vr in _NUMBERS:
        return "numbers"
    if vr in _DATES:
        return "dates, times, ages"
    named = {"CS": "code strings", "UI": "UIDs"}
    return named.get(vr, "bytes" if vr[:1] in {"O", "U"} and vr[1:2].isupper() else vr)


def ours(source_dir: Path, target_dir: Path) -> int:
    """Write the copies of this package, flagged images too; return how many files it refuses."""
    settings = DeidentifySettings(write_suspects=True)
    done = deidentify_folder(source_dir, target_dir, key_path=target_dir.with_suffix(".csv"), settings=settings)
    return sum(done.set_aside.values())


def dicom_anonymizer(source_dir: Path, target_dir: Path) -> int:
    """Write the copies of dicom-anonymizer, under the names of their files; return how many files it refuses."""
    from dicomanonymizer import anonymize_dicom_file

    return _refusals(lambda path, target: anonymize_dicom_file(str(path), str(target)), source_dir, target_dir)


def deid(source_dir: Path, target_dir: Path) -> int:
    """Write the copies of deid, with a recipe made from Table E.1-1; return how many files it refuses."""
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    recipe = target_dir.with_suffix(".recipe")
    lines = [f"{_DEID_ACTIONS[action[0]]} {tag:08X}" for tag, action in transcriptions()[1].items()]
    lines = [f"{line} ANONYMIZED" if line.startswith("REPLACE") else line for line in lines]
    recipe.write_text("FORMAT dicom\n%header\n" + "\n".join(lines) + "\n", encoding="utf-8")

    def write(path: Path, target: Path) -> None:
        (copy,) = replace_identifiers(str(path), deid=DeidRecipe(deid=str(recipe)), remove_private=True, save=False)
        copy.save_as(target)

    return _refusals(write, source_dir, target_dir)


def _refusals(write: Callable[[Path, Path], object], source_dir: Path, target_dir: Path) -> int:
    """Write all files, and count those that a peer refuses."""
    refused = 0
    for number, path in enumerate(files_of(source_dir)):
        try:
            write(path, target_dir / f"{number}.dcm")
        except Exception as error:  # noqa: BLE001 - whatever a peer raises
            print(f"refused: {type(error).__name__}: {str(error)[:100]!r}", file=sys.stderr)
            refused += 1
    return refused


def files_of(folder: Path) -> list[Path]:
    """All DICOM files, those of archives unpacked beside them: the others do not read archives."""
    for path in [one for one in folder.rglob("*") if one.is_file() and zipfile.is_zipfile(one)]:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.with_name("members"))
        path.unlink()
    return sorted(path for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Plant, run all sides, print the tables."""
    sides: dict[str, Callable[[Path, Path], int]] = {
        "this package": ours,
        "dicom-anonymizer": dicom_anonymizer,
        "deid": deid,
    }
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Counter[str]] = {}
        refused: dict[str, int] = {}
        for name, side in sides.items():
            folder = Path(temporary, name)
            planted = {token: place_of(kind) for token, kind in plant(folder / "in").items()}
            (folder / "out").mkdir(parents=True)
            try:
                refused[name] = side(folder / "in", folder / "out")
            except ImportError:
                print(f"{name} is not installed")
                continue
            found[name] = survivors(planted, folder / "out")
    totals = Counter(planted.values())
    print(f"| planted in | identifiers | {' | '.join(found)} |\n|---|---|{'---|' * len(found)}")
    for place, total in totals.items():
        print(f"| {place} | {total} | {' | '.join(str(found[name][place]) for name in found)} |")
    print(f"| all | {totals.total()} | {' | '.join(str(found[name].total()) for name in found)} |")
    print(f"| files refused | | {' | '.join(str(n) for n in refused.values())} |")
    n_kept = 2 * len(DESCRIPTORS | TECHNICAL_TEXTS)
    print(
        f"\nThis package keeps {n_kept // 2} free texts, cleaned; in the header and in the item these are {n_kept}.\n"
    )
    rows = coverage()
    print(f"| Table E.1-1 | {' | '.join(OUTCOMES)} |\n|---|{'---|' * len(OUTCOMES)}")
    for action in sorted({action for action, _ in rows}):
        print(f"| {action} | {' | '.join(str(rows[action, outcome]) for outcome in OUTCOMES)} |")
    by_outcome = {outcome: sum(n for (_, one), n in rows.items() if one == outcome) for outcome in OUTCOMES}
    print(f"| all {sum(rows.values())} | {' | '.join(str(n) for n in by_outcome.values())} |")
    return int(found["this package"].total() > n_kept or by_outcome[RETAINED] > 0)


if __name__ == "__main__":
    sys.exit(main())
