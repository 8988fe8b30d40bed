"""A tiny synthetic study that has been fitted and evaluated: one weak arm of one phase, one epoch."""

from __future__ import annotations

import sys
from pathlib import Path

from nephrograde.pipeline import load_inputs, run_study
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

MODEL = "weak-1-cmp"
STUDY = """
name = "{name} (synthetic)"
synthetic = true
[cohort]
table = "cohort.csv"
phases = ["cmp"]
[split]
folds = {folds}
[[arm]]
name = "weak-1"
supervision = "box"
slices = 1
[image]
slice_px = {pixels}
slice_mm = 140.0
[fit]
epochs = 1
warmup_epochs = 0
batch_size = 8
patience = 0
accelerator = "cpu"
"""


def write_run(top: Path, *, folds: int, pixels: int, dicom: bool = False) -> tuple[Path, Path]:
    """Write a cohort and the finished run of a study on it; return the folders of both."""
    cohort_dir, run_dir, script = top / "cohort", top / "run", Path(sys.argv[0])
    cohort_dir.mkdir()
    write_cohort(cohort_dir, PhantomSettings(patients=24, phases=("cmp",), matrix_px=96, dicom=dicom))
    study_path = cohort_dir / "study.toml"
    study_path.write_text(STUDY.format(name=script.stem, folds=folds, pixels=pixels), encoding="utf-8")
    run_study(load_inputs(study_path), run_dir, command=f"python -m bench.{script.stem}")
    return cohort_dir, run_dir
