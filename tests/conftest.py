"""What many tests share: a small synthetic study, written by code, and the folders of real data where they are."""

import gc
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from tests.small_study import QUICK_FIT, small_study

PROBES = None
if os.environ.get("NEPHROGRADE_COVERAGE"):  # test processes inherit it
    from tests.probes import Probes

    PROBES = Probes()  # before anything of the package is imported
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
FROZEN_ARM = """[[arm]]
name = "frozen-1"
supervision = "box"
slices = 1
network = "frozen:mine"
"""
"""A regression on the features of a frozen encoder."""
SLOW_FIXTURES = {
    "english_page",
    "frozen_dir",
    "further_pages",
    "learning_dir",
    "measured",
    "one_arm_dir",
    "planned",
    "printed",
    "tiny_run_dir",
}


def end_without(name, reason):
    """End a test that needs what is absent: it skips on a user's machine and fails where CI promises it.

    Under ``CI=true`` everything counts as promised, but for the names in ``TESTS_WITHOUT``, separated by commas.
    """
    allowed = os.environ.get("TESTS_WITHOUT", "").split(",")
    if os.environ.get("CI") == "true" and name not in allowed:
        pytest.fail(f"{reason}. CI=true promises it; TESTS_WITHOUT={name} would skip the test.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def absent():
    """End a test that needs what is absent, by a name and a reason."""
    return end_without


def pytest_configure(config):
    """Two test processes on two cores: one thread each; what examples leave behind goes with the last process."""
    if PROBES:
        config.pluginmanager.register(PROBES)
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)
    else:
        keep_temporary_files_together(config)


def keep_temporary_files_together(config):
    """Give the temporary files of the tests a folder that is removed at the end; other processes inherit it.

    Folders of ``tmp_path`` stay where pytest keeps them.
    """
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = tempfile.TemporaryDirectory(prefix="nephrograde-tests-", ignore_cleanup_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = folder.name
    config.add_cleanup(folder.cleanup)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests as slow that ask for a fixture that takes many seconds to make, and order all of them."""
    for item in items:
        if not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items[:] = slow_first_in_each_half(sorted(items, key=place_of))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect without garbage collection, from which what is imported and collected by then stays exempt."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Let every second process collect folders backwards.

    pytest compiles each file of tests once and keeps the result on disk. In a new checkout, two processes that begin at
    opposite ends compile half of the files each.
    """
    report = yield
    if isinstance(collector, pytest.Directory) and os.environ.get("PYTEST_XDIST_WORKER", "gw0")[-1] in "13579":
        report.result.reverse()
    return report


def place_of(item):
    """Where a test is: its file, doctests first. Tests of a file keep their order."""
    return item.nodeid.partition("::")[0], not isinstance(item, pytest.DoctestItem)


def slow_first_in_each_half(items):
    """Order tests so that two processes, which begin with a half each, both end with quick ones, to be shared.

    The tests of a module stay together, for the sake of its fixtures; a module with a slow test is among the slow ones.
    """
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    slow_names = {item.nodeid.partition("::")[0] for item in items if item.get_closest_marker("slow")}
    slow = [tests for name, tests in modules.items() if name in slow_names]
    quick = [test for name, tests in modules.items() if name not in slow_names for test in tests]
    halves = [[test for tests in slow[k::2] for test in tests] for k in (0, 1)]
    share = max(len(items) // 2 - len(halves[0]), 0)
    return [*halves[0], *quick[:share], *halves[1], *quick[share:]]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Look for what the mark ``needs`` names: packages, and programs of the system."""
    for mark in item.iter_markers("needs"):
        for package in mark.args:
            if importlib.util.find_spec(package) is None:
                end_without(package, f"{package} is not installed")
        for program in mark.kwargs.get("programs", ()):
            if shutil.which(program) is None:
                end_without(program, f"the program {program} is not installed")


@pytest.fixture
def nephrograde(capsys):
    """Run a command line in this process: (exit code, standard output, standard error)."""
    from nephrograde import cli

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def make_once(tmp_path_factory):
    """Make a folder of one name once for all processes of a test run; whoever comes second waits."""
    base_dir = tmp_path_factory.getbasetemp()
    shared_dir = (base_dir.parent if "PYTEST_XDIST_WORKER" in os.environ else base_dir) / "shared"
    shared_dir.mkdir(exist_ok=True)

    def make(name, write):
        folder, done = shared_dir / name, shared_dir / f"{name}.done"
        with FileLock(shared_dir / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()
                write(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_cohort_dir(make_once):
    """A synthetic cohort of 24 patients in two phases, and a study of it; read them, do not change them."""
    from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

    def write(cohort_dir):
        write_cohort(cohort_dir, PhantomSettings(patients=24, phases=("cmp", "up"), matrix_px=96))
        (cohort_dir / "study.toml").write_text(TINY_STUDY, encoding="utf-8")

    return make_once("队列", write)


@pytest.fixture(scope="session")
def tiny_study_path(tiny_cohort_dir):
    """A study of two arms and two phases on the synthetic cohort, seconds long."""
    return tiny_cohort_dir / "study.toml"


@pytest.fixture(scope="session")
def tiny_run_dir(tiny_study_path, make_once):
    """The finished run of the tiny study; read it, do not change it."""

    def write(run_dir):
        from nephrograde.pipeline import load_inputs, run_study

        run_study(load_inputs(tiny_study_path), run_dir, command="nephrograde run study.toml")

    return make_once("run", write)


@pytest.fixture(scope="session")
def one_arm_dir(tiny_cohort_dir, make_once):
    """A study of one arm and one epoch in ``cohort``, and two runs of it: ``prepared`` and ``run``; only read them."""

    def write(folder):
        from tests.without_report import evaluate_alone

        from nephrograde.pipeline import fit_study, load_inputs, prepare_study

        shutil.copytree(tiny_cohort_dir, folder / "cohort")
        study_path = folder / "cohort" / "study.toml"
        study_path.write_text(small_study("one arm (synthetic)", fit=QUICK_FIT), encoding="utf-8")
        study = load_inputs(study_path)
        prepare_study(study, folder / "prepared")
        shutil.copytree(folder / "prepared", folder / "run")
        fit_study(study, folder / "run")
        evaluate_alone(study, folder / "run")

    return make_once("one-arm", write)


@pytest.fixture(scope="session")
def put_encoder():
    """Put an EfficientNet-Lite0 with weights drawn from a seed into a store, under a name."""

    def put(store_dir, *, seed, name="mine"):
        import torch
        from safetensors.torch import save_file

        from nephrograde.model.encoders.adding import Facts, add_file
        from nephrograde.model.encoders.efficientnet import EfficientNetLite0

        store_dir.mkdir(exist_ok=True)
        weights_path = store_dir / f"{seed}.safetensors"
        torch.manual_seed(seed)
        save_file(EfficientNetLite0().state_dict(), weights_path)
        add_file(weights_path, store_dir, Facts(name, "MIT", ("nothing",), (), "drawn at random"))
        weights_path.unlink()

    return put


@pytest.fixture(scope="session")
def frozen_dir(tiny_study_path, make_once, put_encoder):
    """A finished run of a frozen encoder, in ``run``, and the store of its weights, in ``store``; only to be read."""

    def write(folder):
        from tests.without_report import run_alone

        from nephrograde.pipeline import load_inputs

        put_encoder(folder / "store", seed=1)
        study_path = tiny_study_path.parent / "frozen.toml"
        study_path.write_text(small_study("frozen (synthetic)", arms=FROZEN_ARM), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEPHROGRADE_WEIGHTS", str(folder / "store"))
            run_alone(load_inputs(study_path), folder / "run")

    return make_once("frozen", write)


@pytest.fixture
def tiny_run_copy(tiny_run_dir, tmp_path):
    """A copy of the finished run, for a test that writes into it.

    The weights, 670 MB of them, are hard links: a run replaces them and never writes into them.
    """

    def copy(source, target):
        (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)

    return shutil.copytree(tiny_run_dir, tmp_path / "copy", copy_function=copy)


def _beside_the_checkout(name, absent):
    """A folder of data that is never copied into the project."""
    folder = Path(__file__).resolve().parents[2] / "shared" / name
    if not folder.is_dir():
        absent(f"shared-{name}", f"../shared/{name} is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def shared_data(absent):
    """Real images: kits_shape, sts, ct_dicom, ct_nifti."""
    return _beside_the_checkout("data", absent)


@pytest.fixture(scope="session")
def shared_reference(absent):
    """Numbers that others have computed."""
    return _beside_the_checkout("reference", absent)
