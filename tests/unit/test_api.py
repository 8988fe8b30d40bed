"""The Python API: lazy, complete, and the same numbers as the command line."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nephrograde as ng
from nephrograde.errors import InputError, RunError
from nephrograde.sample.dataset import Sample
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import make_volume, write_image


def scores(n=40, seed=3):
    stream = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    rows = [
        {"patient_id": f"P{k}", "model": model, "is_high": truth[k], "p_high": np.clip(p, 0, 1)}
        for model in ("a", "b")
        for k, p in enumerate(stream.normal(0.4 + 0.2 * truth, 0.2))
    ]
    return pd.DataFrame(rows)


def test_importing_the_package_loads_nothing_heavy():
    heavy = "numpy pandas torch scipy pydantic SimpleITK matplotlib pydicom"
    loaded = f"[name for name in {heavy.split()!r} if name in sys.modules]"
    code = f"import sys, nephrograde; from nephrograde import version; print(*{loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_every_name_on_offer_is_there_whatever_was_imported_first():
    code = (
        "import nephrograde as ng\n"
        "import nephrograde.evaluation.scores.scores, nephrograde.printed.audit, nephrograde.pipeline\n"
        "missing = [name for name in dir(ng) if not hasattr(ng, name)]\n"
        "modules = [name for name in dir(ng) if type(getattr(ng, name)).__name__ == 'module']\n"
        "print(missing, modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
    with pytest.raises(AttributeError, match="offers"):
        ng.nothing_of_the_kind  # noqa: B018


def test_scores_are_evaluated_as_a_table_and_as_a_file(tmp_path):
    table = scores()
    result = ng.evaluate(table, bootstraps=100)
    table.to_csv(tmp_path / "scores.csv", index=False)
    again = ng.evaluate(str(tmp_path / "scores.csv"), bootstraps=100)
    pd.testing.assert_frame_equal(result.estimates, again.estimates)
    assert repr(result) == "Evaluated(2 models: a, b; 4 comparisons)"
    assert list(result.summary().index) == [("a", "test"), ("b", "test")]
    assert "Research use only" in result._repr_html_()


def test_two_predictions_are_compared_as_in_the_table():
    table = scores()
    result = ng.evaluate(table, bootstraps=100)
    a, b = (table[table.model == name] for name in ("a", "b"))
    pair = ng.compare(a.p_high, b.p_high, a.is_high)
    row = result.comparisons.query("measure == 'auc'").iloc[0]
    assert (pair.difference, pair.low, pair.high, pair.p_value) == tuple(row[["difference", "low", "high", "p_value"]])
    assert ng.auc(a.p_high, a.is_high).value == result.estimates.query("model == 'a' and measure == 'auc'").value.item()


def test_an_audit_takes_values_as_they_are_printed():
    found = ng.audit(
        n=92,
        accuracy="0.859",
        sensitivity="0.857",
        specificity="0.860",
        against={"strong": {"accuracy": "0.848", "sensitivity": "0.854", "specificity": "0.843"}},
    )
    tables = [model["tables"] for model in found.as_dict()["groups"][0]["models"]]
    assert [len(one) for one in tables] == [3, 1]
    assert str(found) == found.as_text()
    printed: dict[str, Any] = {"accuracy": 0.86, "colour": "1"}
    with pytest.raises(InputError, match="trailing zeros") as caught:
        ng.audit(n=92, **printed)
    assert [problem.place for problem in caught.value.problems] == ["colour", "accuracy"]


def test_a_volume_is_read_from_text_and_shows_no_voxels(tmp_path):
    write_image(np.arange(60, dtype=np.int16).reshape(5, 4, 3), tmp_path / "np.nii.gz", spacing_mm=(0.8, 0.8, 2.0))
    volume = ng.read_volume(str(tmp_path / "np.nii.gz"))
    assert repr(volume) == "Volume(5 × 4 × 3 voxels of 0.80 × 0.80 × 2.00 mm, int16)"
    assert len(repr(Sample("P1", {"cmp": np.zeros((1, 1, 99, 99), np.float16)}, is_high=True))) < 60
    assert "values" not in repr(make_volume(np.zeros((9, 9, 9)), spacing_mm=(1.0, 1.0, 1.0)))


def test_a_study_is_built_in_code():
    sections: dict[str, Any] = {
        "cohort": {"table": "cohort.csv", "phases": ["cmp"]},
        "arm": [
            {"name": "weak-1", "supervision": "box", "slices": 1},
            ng.Arm(name="strong", supervision=Supervision.MASK),
        ],
        "fit": ng.FitSettings(epochs=2),
    }
    study = ng.Study(**sections)
    assert study.cohort.table.name == "cohort.csv"
    assert study.arm[0].supervision is Supervision.BOX
    assert [model.id for model in study.models()] == ["weak-1-cmp", "strong-cmp"]
    misspelt: dict[str, Any] = {"epoch": 2}
    with pytest.raises(ng.InputError, match="epoch"):
        ng.FitSettings(**misspelt)


def test_a_run_is_opened_and_asked(tiny_run_dir, tiny_cohort_dir):
    run = ng.open_run(str(tiny_run_dir))
    estimate, threshold = run.estimate("weak-1-cmp", "auc"), run.threshold("weak-1-cmp")
    assert estimate is not None
    assert threshold is not None
    tables = run.tables()
    row = tables.estimates.query("model == 'weak-1-cmp' and split == 'test' and measure == 'auc'").iloc[0]
    assert (estimate.value, estimate.n) == (row.value, row.n)
    assert threshold.n == 17
    assert repr(run).startswith(f"Run({tiny_run_dir}: ")
    assert len(repr(run)) < 200 + len(str(tiny_run_dir))
    assert "SYNTHETIC" in run._repr_html_()
    assert run.figure("roc").axes[0].get_xlabel() == "1 − specificity"
    with pytest.raises(RunError, match="learning, calibration"):
        run.figure("pie")


def test_a_grader_reads_its_weights_once(tiny_run_copy, tiny_cohort_dir):
    grader = ng.load_grader(tiny_run_copy, "weak-1-cmp")
    table = pd.read_csv(tiny_cohort_dir / "cohort.csv", dtype=str)
    scored = ng.open_run(tiny_run_copy).scores.of("weak-1-cmp", "test")
    rows = table.set_index("patient_id").loc[list(scored.patient_ids)]
    found = []
    for image, mask in zip(rows.cmp_image, rows.cmp_mask, strict=True):
        found.append(grader.grade(tiny_cohort_dir / image, mask=str(tiny_cohort_dir / mask)))
        for path in (tiny_run_copy / "models").rglob("weights.safetensors"):
            path.unlink()  # a second reading would fail
    assert [grading.p_high for grading in found] == list(scored.p_high)
    assert str(found[0]) == found[0].as_text()


def test_a_grader_is_loaded_of_a_run_that_is_open(tiny_run_dir):
    run = ng.open_run(tiny_run_dir)
    assert ng.load_grader(run, "weak-1-cmp").threshold == ng.load_grader(tiny_run_dir, "weak-1-cmp").threshold
    with pytest.raises(ng.InputError, match=r"load_grader\.model"):
        ng.load_grader(tiny_run_dir)
    with pytest.raises(ng.InputError, match="does not accept 1"):
        ng.load_grader(1, "weak-1-cmp")  # type: ignore[arg-type]


def test_a_study_file_may_be_named_by_a_text(tmp_path):
    study_path = tmp_path / "study.toml"
    study_path.write_text("cohort.table = 'cohort.csv'\narm = [{name = 'strong', supervision = 'mask'}]\n", "utf-8")
    assert ng.load_study(str(study_path)) == ng.load_study(study_path)
