"""A place that cannot be written to: a refusal that names it, nothing half-written, the same files afterwards."""

import os
import resource
import shutil
from contextlib import contextmanager

import pytest
from tests.pipeline.renames import FrozenTime, contents_of, copy_dir
from tests.small_study import QUICK_FIT, small_study
from tests.unit.sources.deidentify.conftest import ct_slice, save

from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

STUDY = small_study("unwritable (synthetic)", fit=QUICK_FIT)
SCORES = "patient_id,model,is_high,p_high\n" + "".join(f"P{n},mine,{n % 2},0.{n}\n" for n in range(1, 10))


@pytest.fixture(scope="module")
def inputs_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_cohort(folder, PhantomSettings(patients=8, phases=("cmp",), matrix_px=48))
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "scores.csv").write_text(SCORES, encoding="utf-8")
    write_cohort(folder / "dicom", PhantomSettings(patients=2, phases=("cmp",), matrix_px=32, dicom=True))
    for number in (1, 2, 3):
        save(ct_slice(number), folder / "export" / f"{number}.dcm")
    return folder


COMMANDS = {
    "scan": lambda inputs, out: ("scan", inputs / "dicom", "--out", out / "cohort.csv", "--workers", "1"),
    "deidentify": lambda inputs, out: ("deidentify", inputs / "export", "--out", out / "d", "--key", out / "k.csv"),
    "prepare": lambda inputs, out: ("prepare", inputs / "study.toml", "--out", out),
    "check": lambda inputs, out: ("check", inputs / "study.toml", "--out", out),
    "evaluate": lambda inputs, out: ("evaluate", inputs / "scores.csv", "--out", out),
    "init": lambda _, out: ("init", out),
}


@pytest.fixture(autouse=True)
def still_clock(monkeypatch):
    for module in ("run.provenance", "evaluation.ledger"):
        monkeypatch.setattr(f"nephrograde.{module}.datetime", FrozenTime)


@contextmanager
def files_up_to(n_bytes):
    """No file can grow beyond a size, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def refusal_of(ended, out_dir):
    code, _, errors = ended
    assert code == 2, errors
    assert "Traceback" not in errors
    assert str(out_dir) in errors
    return errors


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_in_place_of_the_folder_is_named(nephrograde, inputs_dir, tmp_path, name):
    out_dir = tmp_path / "out"
    out_dir.write_text("mine")
    refusal_of(nephrograde(*COMMANDS[name](inputs_dir, out_dir)), out_dir)
    refusal_of(nephrograde(*COMMANDS[name](inputs_dir, out_dir / "below")), out_dir)
    assert out_dir.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", COMMANDS)
def test_too_long_a_name_is_named(nephrograde, inputs_dir, tmp_path, name):
    refusal_of(nephrograde(*COMMANDS[name](inputs_dir, tmp_path / ("n" * 300))), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "init"])
@pytest.mark.parametrize("refusal", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_a_folder_without_permission_is_named(nephrograde, inputs_dir, tmp_path, monkeypatch, name, refusal):
    """The tests may run as root, who may do everything: the operating system's answer is simulated."""
    out_dir = tmp_path / "out"
    out_dir.mkdir()

    def refused(call):
        def refuse(path, *further, **named):
            if str(path).startswith(str(out_dir)):
                raise type(refusal)(*refusal.args, str(path))
            return call(path, *further, **named)

        return refuse

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refused(os.mkdir))
        patch.setattr(os, "open", refused(os.open))
        ended = nephrograde(*COMMANDS[name](inputs_dir, out_dir))
    assert refusal.strerror in refusal_of(ended, out_dir)
    assert list(out_dir.iterdir()) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in {"check", "evaluate"})) for name in COMMANDS]
)
def test_a_full_disk_leaves_nothing_half_written(nephrograde, inputs_dir, tmp_path, monkeypatch, name):
    monkeypatch.setattr("secrets.token_bytes", bytes)
    monkeypatch.setattr("secrets.randbelow", lambda _: 17)
    out_dir = tmp_path / "out"
    assert nephrograde(*COMMANDS[name](inputs_dir, out_dir))[0] == 0
    undisturbed = contents_of(out_dir)
    sizes = sorted({path.stat().st_size for path in out_dir.rglob("*") if path.is_file()} - {0})
    for size in (0, sizes[0] - 1, sizes[len(sizes) // 2] - 1, sizes[-1] - 1):
        shutil.rmtree(out_dir)
        with files_up_to(size):
            ended = nephrograde(*COMMANDS[name](inputs_dir, out_dir))
        refusal_of(ended, out_dir)
        assert [path for path in out_dir.rglob(".*") if path.name != ".nephrograde.lock"] == []
        assert nephrograde(*COMMANDS[name](inputs_dir, out_dir))[0] == 0
        assert contents_of(out_dir) == undisturbed, size


@pytest.mark.slow
def test_a_full_disk_during_fit_evaluate_and_report(nephrograde, inputs_dir, tmp_path):
    out_dir, copied_dir = tmp_path / "out", tmp_path / "copy"
    assert nephrograde("prepare", inputs_dir / "study.toml", "--out", out_dir)[0] == 0
    words = (inputs_dir / "study.toml", "--out", out_dir)
    with files_up_to(1_000_000):
        assert "weights.safetensors" in refusal_of(nephrograde("fit", *words), out_dir)
    assert nephrograde("fit", *words)[0] == 0
    copy_dir(out_dir, copied_dir)
    assert nephrograde("evaluate", *words)[0] == 0
    undisturbed = contents_of(out_dir)
    for size in (0, 2_000, 20_000):
        shutil.rmtree(out_dir)
        copy_dir(copied_dir, out_dir)
        with files_up_to(size):
            refusal_of(nephrograde("evaluate", *words), out_dir)
        assert nephrograde("evaluate", *words)[0] == 0
        assert contents_of(out_dir) == undisturbed
