"""The demo: a synthetic cohort and the study file that goes with it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from nephrograde.files import replaced
from nephrograde.sources.phantom import PhantomSettings, write_cohort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_demo(target_dir: Path, *, patients: int, seed: int, advance: Callable[[], None] = lambda: None) -> Path:
    """Write the synthetic cohort and its study file, and return the path of the study file.

    Each size and seed has a folder of its own, so that a demo of another size does not disturb the first.

    Args:
        target_dir: Where ``cohort-<patients>-<seed>`` goes.
        patients: How many synthetic patients.
        seed: Seed of the cohort.
        advance: Called once a patient.
    """
    cohort_dir = target_dir / f"cohort-{patients}-{seed}"
    write_cohort(cohort_dir, PhantomSettings(patients=patients, seed=seed), advance=advance)
    study_path = cohort_dir / "demo.toml"
    with replaced(study_path) as temporary_path:
        temporary_path.write_bytes(resources.files("nephrograde.sources").joinpath("demo.toml").read_bytes())
    return study_path
