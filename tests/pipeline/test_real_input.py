"""The studies on real input come to their end, and the masks measure what the data's own page says."""

from pathlib import Path

import numpy as np
import pytest

from nephrograde.evaluation.performance.metrics import auc
from nephrograde.files import read_rows
from nephrograde.pipeline import load_inputs, run_study

STUDIES_DIR = Path(__file__).resolve().parents[2] / "studies"
QUICK = (
    "fit.epochs=1",
    "arm.weak-3.fit.epochs=1",
    "arm.strong.fit.epochs=1",
    "image.box_voxels=[16,16,16]",
    "fit.batch_size=32",
    "fit.workers=1",
)


@pytest.mark.slow
def test_kits_shape(shared_data, tmp_path):
    table = shared_data / "kits_shape" / "cohort.csv"
    sets = (f"cohort.table='{table}'", "image.slice_px=32", "split.folds=2", *QUICK)
    run_study(load_inputs(STUDIES_DIR / "kits_shape.toml", sets), tmp_path)
    regions = {row["patient_id"]: row for row in read_rows(tmp_path / "volumes" / "regions.csv")}
    cases = read_rows(tmp_path / "cohort" / "cases.csv")
    is_high = np.array([case["is_high"] == "1" for case in cases])
    assert (len(cases), is_high.sum()) == (199, 82)
    volume_ml = np.array([float(regions[case["patient_id"]]["tumour_volume_ml"]) for case in cases])
    size_cm = np.array([float(case["size_cm"]) for case in cases])
    assert auc(volume_ml / volume_ml.max(), is_high).value == pytest.approx(0.721, abs=0.002)
    assert auc(size_cm / size_cm.max(), is_high).value == pytest.approx(0.693, abs=0.001)
    stated_ml = {row["patient_id"]: float(row["volume_ml"]) for row in read_rows(table)}
    ratios = [volume / stated_ml[case["patient_id"]] for volume, case in zip(volume_ml, cases, strict=True)]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.05)
    models = {row["model"] for row in read_rows(tmp_path / "scores" / "scores.csv")}
    assert models == {"weak-1-cmp", "weak-3-cmp", "strong-cmp", "size", "volume", "clinical"}
    assert "kits_shape" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_three_real_series_on_three_grids(shared_data, tmp_path):
    table = shared_data / "sts" / "cohort.csv"
    sets = (f"cohort.table='{table}'", "split.folds=2", "image.slice_px=32", *QUICK[:1], *QUICK[3:])
    run_study(load_inputs(STUDIES_DIR / "sts.toml", sets), tmp_path)
    rows = read_rows(tmp_path / "scores" / "scores.csv")
    for series in ("ct", "pet", "mr_t1"):
        assert len([row for row in rows if row["model"] == f"weak-3-{series}"]) == 25
    findings = read_rows(tmp_path / "volumes" / "findings.csv")
    assert not [finding for finding in findings if finding["severity"] == "fatal"]
    regions = read_rows(tmp_path / "volumes" / "regions.csv")
    volumes = {(row["patient_id"], row["phase"]): float(row["tumour_volume_ml"]) for row in regions}
    ratios = [volumes[p, "pet"] / volumes[p, "ct"] for p, series in volumes if series == "ct"]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)  # one tumour, delineated once, on two grids
