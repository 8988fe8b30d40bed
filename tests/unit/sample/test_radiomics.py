"""Radiomic features: computed by mirp on a few small tumours, cached by content, and read by the baseline."""

import importlib.metadata
import importlib.util
import logging
import math
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.stage import load_inputs, open_cohort
from nephrograde.errors import InputError, RunError, VolumeError
from nephrograde.evaluation.stage import evaluate_models
from nephrograde.files import read_rows, sha256_of, write_rows
from nephrograde.run.folder import RunFolder
from nephrograde.sample import radiomics
from nephrograde.sample.inputs import input_name
from nephrograde.sample.radiomics import choose_phase, measure_features, radiomics_features, read_features
from nephrograde.sample.stage import prepare_scans
from nephrograde.study import Window
from nephrograde.volume.finding import read_findings
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, write_image

HU = Window(low=-200.0, high=300.0)


@pytest.fixture
def mirp(absent):
    """The optional dependency "radiomics"."""
    if importlib.util.find_spec("mirp") is None:
        absent("mirp", 'mirp is not installed: pip install "nephrograde[radiomics]"')


@pytest.fixture
def counted(monkeypatch):
    """Stands in for mirp: the mean and the number of voxels, and a list with the voxels of each mask measured."""
    calls = []

    def extract_features(*, image, mask, base_feature_families, **_):
        n = int(mask.sum())
        if base_feature_families == ["morphological"]:
            return [pd.DataFrame({"morph_n": [float(n)]})]
        calls.append(n)
        if n < 10:
            raise ValueError("too small")
        return [pd.DataFrame({"stat_mean": [float(image[mask > 0].mean())], "stat_cov": [math.nan]})]

    monkeypatch.setitem(sys.modules, "mirp", SimpleNamespace(extract_features=extract_features))
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.7.0")
    return calls


def ball(radius, size=24, middle=11.5):
    return ((np.indices((size, size, size)) - middle) ** 2).sum(axis=0) < radius**2


def noise(size=24):
    return (40 + 20 * np.random.default_rng(0).standard_normal((size, size, size))).astype(np.int16)


def measured(mask, values=None, *, window=HU, spacing_mm=(1.0, 1.0, 1.0)):
    return measure_features(
        make_volume(noise() if values is None else values, spacing_mm=spacing_mm), mask, window=window
    )


def write_scans(folder, **radii):
    """One scan of 24 mm per patient, with a ball as the tumour; a radius of 0 omits the mask."""
    cases = []
    for k, (patient, radius) in enumerate(radii.items()):
        image_path, mask_path = folder / f"{patient}.nii.gz", folder / f"{patient}_mask.nii.gz"
        write_image(noise() + np.int16(k), image_path, spacing_mm=(1.0, 1.0, 1.0))
        if radius:
            write_image(ball(radius), mask_path, spacing_mm=(1.0, 1.0, 1.0))
        scan = Scan("cmp", image_path, mask_path if radius else None, None, None, None)
        cases.append(Case(patient, k % 2 == 0, None, {"cmp": scan}, {}))
    return Cohort(tuple(cases), ("cmp",), (), None)


def hashes(cohort):
    files = {}
    for case in cohort.cases:
        for scan in case.scans.values():
            files[input_name(f"{scan.phase}_image", case.patient_id)] = scan.image_path
            files[input_name(f"{scan.phase}_mask", case.patient_id)] = scan.mask_path
    return {name: sha256_of(path) for name, path in files.items() if path and path.exists()}


@pytest.fixture
def study(tiny_study_path):
    return load_inputs(tiny_study_path, ('evaluate.baselines=["radiomics"]',))


@pytest.mark.slow
def test_a_scan_of_the_synthetic_cohort_gives_all_families_and_the_same_again(mirp, tiny_cohort_dir):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    volume = read_volume(tiny_cohort_dir / row["cmp_image"])
    mask = np.asarray(read_marks(tiny_cohort_dir / row["cmp_mask"], volume).mask)
    features = measure_features(volume, mask, window=HU)
    assert {name.partition("_")[0] for name in features} == {"stat", "morph", "cm"}
    assert len(features) == 64
    assert not set(features) & set(radiomics.NOT_SHAPE)
    volume_mm3 = mask.sum() * math.prod(volume.spacing_mm)
    assert features["morph_volume"] == pytest.approx(volume_mm3, rel=0.1)
    assert features["stat_mean"] == pytest.approx(volume.values[mask].mean(), abs=10)
    assert measure_features(volume, mask, window=HU) == features


@pytest.mark.slow
def test_shape_is_in_mm_whatever_the_voxels(mirp):
    thin = measured(ball(4))
    x, y, z = np.indices((48, 24, 12))
    flat = ((x * 0.5 - 11.5) ** 2 + (y - 11.5) ** 2 + (z * 2 - 11.5) ** 2) < 16
    anisotropic = measured(flat, np.full((48, 24, 12), 40.0), spacing_mm=(0.5, 1.0, 2.0))
    assert thin["morph_volume"] == pytest.approx(4 / 3 * math.pi * 64, rel=0.1)
    assert anisotropic["morph_volume"] == pytest.approx(4 / 3 * math.pi * 64, rel=0.1)
    assert anisotropic["stat_mean"] == pytest.approx(40.0)
    assert anisotropic["cm_inv_var_d1_3d_v_mrg_fbs_w25.0"] is None  # one grey level: undefined, not a number


@pytest.mark.slow
def test_a_few_voxels_that_stand_out_are_measured(mirp):
    spots = np.where(np.random.default_rng(0).random((24, 24, 24)) > 0.99, 100.0, 0.0)
    features = measured(ball(7), spots)
    assert features["stat_max"] == pytest.approx(100.0)
    assert not [name for name in features if "moran" in name or "geary" in name]  # they would take minutes here


@pytest.mark.slow
def test_what_lies_outside_the_window_does_not_count(mirp):
    values = noise()
    values[11, 11, 11] = 3000  # a clip
    assert measured(ball(4), values)["stat_max"] < 300
    assert measured(ball(4), values, window=Window(low=1, high=99, percentiles=True))["stat_max"] == 3000


def test_a_tumour_outside_the_window_is_refused_in_words():
    with pytest.raises(VolumeError, match="no voxel of the tumour lies between 500 and 600") as caught:
        measured(ball(4), window=Window(low=500.0, high=600.0))
    assert caught.value.code == "radiomics"


@pytest.mark.parametrize("reason", ["one two", ""])
def test_what_mirp_cannot_do_is_an_error_of_the_scan(mirp, monkeypatch, reason):
    import mirp as package

    def fail(**_):
        raise ValueError(reason.replace(" ", "\n"))

    monkeypatch.setattr(package, "extract_features", fail)
    with pytest.raises(VolumeError, match=rf"could not be computed \({reason or 'ValueError'}\)"):
        measured(ball(4))


def test_mirp_is_silent_and_leaves_the_loggers_alone(mirp, capfd):
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    measured(ball(3))
    assert (logging.root.handlers, logging.root.manager.disable) == (handlers, disabled)
    assert capfd.readouterr() == ("", "")


def test_a_scan_is_read_once_and_a_changed_one_again(counted, study, tmp_path):
    cohort = write_scans(tmp_path, A=4, B=5, C=0)
    run = RunFolder(tmp_path)
    ticks = []
    for _ in range(2):
        found = radiomics_features(cohort, study, inputs=hashes(cohort), run=run, advance=lambda: ticks.append(1))
        assert found == ()
    assert len(counted) == 2
    assert len(ticks) == 4
    before = read_features(run.features_path)
    assert set(before) == {"A", "B"}
    assert before["A"]["morph_n"] == ball(4).sum()
    assert math.isnan(before["A"]["stat_cov"])
    write_image(ball(6), tmp_path / "A_mask.nii.gz", spacing_mm=(1.0, 1.0, 1.0))
    (run.radiomics_dir / "notes.txt").write_text("mine")
    radiomics_features(cohort, study, inputs=hashes(cohort), run=run)
    after = read_features(run.features_path)
    assert len(counted) == 3
    assert after["A"]["morph_n"] == ball(6).sum()
    assert after["B"] == before["B"]
    records = [path for path in run.radiomics_dir.iterdir() if path.suffix == ".json"]
    assert len(records) == 2  # the old one is gone
    assert (run.radiomics_dir / "notes.txt").exists()


def test_a_killed_run_goes_on_with_the_next_scan(counted, study, tmp_path):
    cohort, run = write_scans(tmp_path, A=4, B=5), RunFolder(tmp_path)

    def kill():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        radiomics_features(cohort, study, inputs=hashes(cohort), run=run, advance=kill)
    assert counted == [ball(4).sum()]
    with pytest.raises(RunError, match=r"features\.csv is missing"):
        read_features(run.features_path)
    radiomics_features(cohort, study, inputs=hashes(cohort), run=run)
    assert counted == [ball(4).sum(), ball(5).sum()]
    assert set(read_features(run.features_path)) == {"A", "B"}


def test_another_window_or_mirp_gives_other_features(counted, study, tmp_path, monkeypatch):
    cohort = write_scans(tmp_path, A=4)
    window = study.model_copy(update={"window": {"cmp": Window(low=0.0, high=100.0)}})
    radiomics_features(cohort, study, inputs=hashes(cohort), run=RunFolder(tmp_path))
    radiomics_features(cohort, window, inputs=hashes(cohort), run=RunFolder(tmp_path))
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "3.0")
    radiomics_features(cohort, window, inputs=hashes(cohort), run=RunFolder(tmp_path))
    assert len(counted) == 3


def test_a_scan_that_fails_is_a_warning_and_the_others_go_on(counted, study, tmp_path):
    cohort = write_scans(tmp_path, A=1, B=5, C=5, D=5)
    (tmp_path / "C.nii.gz").write_bytes(b"nothing")  # cannot be read: the prepare stage reports it
    (tmp_path / "D_mask.nii.gz").unlink()
    for _ in range(2):  # the second time from the records
        findings = radiomics_features(cohort, study, inputs=hashes(cohort), run=RunFolder(tmp_path))
        assert [(f.patient_id, f.phase, f.code, f.severity) for f in findings] == [("A", "cmp", "radiomics", "warning")]
        assert set(read_features(RunFolder(tmp_path).features_path)) == {"B"}


def test_one_phase_is_read_for_all_and_it_is_that_with_most_masks(counted, tmp_path):
    def scan(phase, has_mask):
        return Scan(phase, tmp_path / f"{phase}.nii", tmp_path / "mask.nii" if has_mask else None, None, None, None)

    def cohort(*patients):
        cases = [
            Case(str(k), True, None, {phase: scan(phase, has_mask) for phase, has_mask in phases.items()}, {})
            for k, phases in enumerate(patients)
        ]
        return Cohort(tuple(cases), ("cmp", "np"), (), None)

    assert choose_phase(cohort({"cmp": True, "np": True}, {"np": False})) == "cmp"
    assert choose_phase(cohort({"cmp": True, "np": True}, {"cmp": False, "np": True})) == "np"
    with pytest.raises(InputError, match=r"no scan of the cohort table has one\. Fill in <phase>_mask"):
        choose_phase(cohort({"cmp": False}))


@pytest.fixture
def no_mirp(monkeypatch):
    """A machine without mirp."""
    version = importlib.metadata.version

    def version_of_others(name):
        if name == "mirp":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", version_of_others)
    monkeypatch.setitem(sys.modules, "mirp", None)


def test_without_mirp_the_study_stops_before_anything_is_computed(no_mirp, study, tmp_path):
    cohort, _ = open_cohort(study, RunFolder(tmp_path))
    with pytest.raises(InputError, match=r'pip install "nephrograde\[radiomics\]"'):
        prepare_scans(study, cohort, RunFolder(tmp_path))
    assert not (tmp_path / "volumes").exists()


@pytest.mark.slow
def test_every_patient_with_features_has_a_row_in_the_scores(counted, study, tiny_cohort_dir, tmp_path):
    cohort, split = open_cohort(study, RunFolder(tmp_path))
    first, *others = cohort.cases
    image_path = first.scans["cmp"].image_path
    volume = read_volume(image_path)
    dot = np.zeros(volume.values.shape, dtype=bool)
    dot[48, 48, 30] = True
    write_image(dot, tmp_path / "dot.nii.gz", spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)
    scan = Scan("cmp", image_path, tmp_path / "dot.nii.gz", None, None, None)
    cases = (Case(first.patient_id, first.is_high, first.grade, {"cmp": scan}, first.clinical), *others)
    cohort = Cohort(cases, cohort.phases, cohort.clinical_columns, None)
    prepared = prepare_scans(study, cohort, RunFolder(tmp_path))
    assert len(counted) == 24  # one of two phases
    told = [f for f in read_findings(tmp_path / "volumes" / "findings.csv") if f.code == "radiomics"]
    assert [f.patient_id for f in told] == [first.patient_id]
    assert told[0] in prepared.findings
    evaluate_models(study, cohort, split, RunFolder(tmp_path))
    scored = read_rows(tmp_path / "scores" / "scores.csv")
    assert {row["model"] for row in scored} == {"radiomics"}
    assert {row["patient_id"] for row in scored} == {case.patient_id for case in others}


@pytest.mark.slow
def test_other_features_are_evaluated_again(counted, tiny_study_path, tmp_path):
    study = load_inputs(tiny_study_path, ('evaluate.baselines=["radiomics"]', 'cohort.phases=["cmp"]'))
    cohort, split = open_cohort(study, RunFolder(tmp_path))
    prepare_scans(study, cohort, RunFolder(tmp_path))
    evaluate_models(study, cohort, split, RunFolder(tmp_path))
    scores_path = tmp_path / "scores" / "scores.csv"
    before = scores_path.read_bytes()
    rows = read_rows(tmp_path / "radiomics" / "features.csv")
    for k, row in enumerate(rows):
        row["stat_mean"] = str(k)
    write_rows(tmp_path / "radiomics" / "features.csv", list(rows[0]), rows)
    evaluate_models(study, cohort, split, RunFolder(tmp_path), reason="other features")
    assert scores_path.read_bytes() != before


@pytest.mark.slow
def test_nobody_who_does_not_ask_for_radiomics_needs_mirp(no_mirp, tiny_study_path, tmp_path):
    study = load_inputs(tiny_study_path, ('cohort.phases=["cmp"]',))
    cohort, split = open_cohort(study, RunFolder(tmp_path))
    prepare_scans(study, cohort, RunFolder(tmp_path))
    evaluate_models(study, cohort, split, RunFolder(tmp_path))
    assert {row["model"] for row in read_rows(tmp_path / "scores" / "scores.csv")} == {"size", "volume", "clinical"}
