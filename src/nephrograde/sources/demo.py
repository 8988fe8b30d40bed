"""The demo: a synthetic cohort and the study file that goes with it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from nephrograde.replacement import replaced
from nephrograde.sources.synthetic.phantom import write_cohort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.sources.synthetic.phantom import PhantomSettings

DEMO_MATRIX_PX = 160
"""Pixels of the demo's scans, 2.0–2.5 mm: near what its networks see, and half the work of 224."""


def write_demo(target_dir: Path, settings: PhantomSettings, *, advance: Callable[[], None] = lambda: None) -> Path:
    """Write the synthetic cohort and its study file, and return the path of the study file.

    Each combination of size, seed and format has its own folder, so demos do not interfere with each other.

    Args:
        target_dir: Parent of the folder ``cohort-<patients>-<seed>``.
        settings: The synthetic cohort.
        advance: Called once per patient.
    """
    kind = "-dicom" if settings.dicom else ""
    cohort_dir = target_dir / f"cohort-{settings.patients}-{settings.seed}{kind}"
    write_cohort(cohort_dir, settings, advance=advance)
    study_path = cohort_dir / "demo.toml"
    with replaced(study_path) as temporary_path:
        temporary_path.write_bytes(resources.files("nephrograde.sources").joinpath("demo.toml").read_bytes())
    return study_path
