"""What many tests share: a small synthetic study, written by code, and the folders of real data where they are."""

import os
from pathlib import Path

import pytest

from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

TINY_STUDY = """
name = "tiny (synthetic)"
synthetic = true
[cohort]
table = "cohort.csv"
phases = ["cmp", "up"]
[split]
folds = 2
[[arm]]
name = "weak-1"
supervision = "box"
slices = 1
[[arm]]
name = "strong"
supervision = "mask"
[image]
slice_px = 32
slice_mm = 140.0
box_voxels = [16, 16, 16]
box_mm = [140.0, 140.0, 160.0]
[fit]
epochs = 2
warmup_epochs = 1
batch_size = 8
patience = 0
accelerator = "cpu"
"""


@pytest.fixture(scope="session")
def tiny_cohort_dir(tmp_path_factory):
    """A synthetic cohort of 24 patients in two phases; read it, do not change it."""
    cohort_dir = tmp_path_factory.mktemp("队列")
    write_cohort(cohort_dir, PhantomSettings(patients=24, phases=("cmp", "up"), matrix_px=96))
    return cohort_dir


@pytest.fixture(scope="session")
def tiny_study_path(tiny_cohort_dir):
    """A study of two arms and two phases on the synthetic cohort, seconds long."""
    study_path = tiny_cohort_dir / "study.toml"
    study_path.write_text(TINY_STUDY, encoding="utf-8")
    return study_path


@pytest.fixture(scope="session")
def tiny_run_dir(tiny_study_path, tmp_path_factory):
    """The finished run of the tiny study; read it, do not change it."""
    from nephrograde.pipeline import load_inputs, run_study

    run_dir = tmp_path_factory.mktemp("run")
    run_study(load_inputs(tiny_study_path), run_dir, command="nephrograde run study.toml")
    return run_dir


@pytest.fixture(scope="session")
def absent():
    """Ends a test that needs what is not here: it skips on a user's machine, and fails where CI promises it."""
    return pytest.fail if os.environ.get("CI") == "true" else pytest.skip


def _beside_the_checkout(name, absent):
    """A folder of data that is never copied into the project."""
    folder = Path(__file__).resolve().parents[2] / "shared" / name
    if not folder.is_dir():
        absent(f"../shared/{name} is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def shared_data(absent):
    """Real images: kits_shape, sts, ct_dicom, ct_nifti."""
    return _beside_the_checkout("data", absent)


@pytest.fixture(scope="session")
def shared_reference(absent):
    """Numbers that others have computed."""
    return _beside_the_checkout("reference", absent)


def pytest_configure(config):
    """Two test processes on two cores: one thread each."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)
