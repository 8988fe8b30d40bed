"""The phase by the image alone: synthetic scans written as DICOM, and the real scans beside the checkout.

Every scan is read from its files, its kidneys are looked for, and a phase is named where ``recognise_phases`` would
name it with nothing but the image. The synthetic HU and the expected ones have one source, so that the first table
says that kidneys are found and measured, and nothing of real scans. The exit code is 1 where more than 5 % of the named
are wrong. Run ``python bench/phase_images.py [--patients 16] [--real ../shared/data]``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from nephrograde.organs.enhancement import judge_enhancement, measure_enhancement
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN
from nephrograde.volume.phase.recognise import NAMED_FROM, probabilities
from nephrograde.volume.read import read_volume

MOST_WRONG = 0.05


def answer(image_path: Path) -> tuple[str, float, str]:
    """The phase that the image alone gives, its probability, and what was seen."""
    enhancement = measure_enhancement(read_volume(image_path))
    if enhancement is None:
        return UNKNOWN, 0.0, "no kidney found"
    evidence = judge_enhancement(enhancement)
    chances = probabilities([evidence])
    best = max(PHASES, key=lambda phase: chances[phase])
    return best if chances[best] >= NAMED_FROM else UNKNOWN, chances[best], evidence.seen.english


def main() -> int:
    """Measure, print, and compare with the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=16)
    parser.add_argument("--real", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    found: Counter[tuple[str, str]] = Counter()
    seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        settings = PhantomSettings(patients=arguments.patients, phases=PHASES, seed=20261123, dicom=True)
        write_cohort(Path(folder), settings)
        for series_dir in sorted({path.parent for path in Path(folder).rglob("*.dcm")}):
            start = time.perf_counter()
            found[series_dir.name, answer(series_dir)[0]] += 1
            seconds += time.perf_counter() - start
    total, named = found.total(), sum(count for (_, phase), count in found.items() if phase)
    right = sum(count for (truth, phase), count in found.items() if truth == phase)
    print(f"{arguments.patients} SYNTHETIC patients, {total} DICOM series: {named} named, {right} of them rightly")
    print(f"{seconds / total:.2f} s a scan, reading included\n")
    print("truth    " + "".join(f"{phase or 'unknown':>9}" for phase in (*PHASES, UNKNOWN)))
    for truth in PHASES:
        print(f"{truth:9}" + "".join(f"{found[truth, phase]:9}" for phase in (*PHASES, UNKNOWN)))
    print()
    for name, what in (("ct_dicom/CRLM-CT-1004", "portal venous"), ("ct_nifti/example_ct.nii.gz", "unenhanced")):
        if (arguments.real / name).exists():
            phase, chance, text = answer(next(iter([*(arguments.real / name).glob("*/"), arguments.real / name])))
            print(f"{name} ({what}): {phase or 'unknown'}, most probable {chance:.2f}; {text}")
    return int(named - right > MOST_WRONG * max(named, 1))


if __name__ == "__main__":
    sys.exit(main())
