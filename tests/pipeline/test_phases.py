"""A study with arms on several phases, from the cohort table to the grading of a patient with missing phases."""

import csv
import shutil
from collections import defaultdict

import pytest
from tests.small_study import QUICK_FIT, small_study

from nephrograde.errors import GraderError, InputError, RunError
from nephrograde.evaluation.stage import refuse_reopening
from nephrograde.export.loading import load_grader as load_packed
from nephrograde.export.pack import pack
from nephrograde.files import read_json, read_rows
from nephrograde.pipeline import load_inputs, run_study
from nephrograde.predict.loading import load_grader
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder

ARMS = """[[arm]]
name = "all"
supervision = "box"
slices = 2
phases = ["cmp", "up"]
fusion = "intermediate"
clinical = ["age_years", "sex"]
fit = { pooling = "attention" }
head = "ordinal"
[[arm]]
name = "each"
supervision = "box"
slices = 1
phases = ["cmp", "up"]
fusion = "late"
clinical = ["size_cm"]
head = "ordinal"
[[arm]]
name = "stacked"
supervision = "box"
slices = 2
phases = ["cmp", "up"]
fusion = "early"
differences = ["cmp-up"]
clinical = ["age_years"]
"""
STUDY = small_study("phases (synthetic)", phases=("cmp", "up"), arms=ARMS, image="slice_px = 32\n", fit=QUICK_FIT)
CLINICAL = {"all-cmp+up": ("age_years", "sex"), "each-cmp+up": ("size_cm",), "stacked-cmp+up": ("age_years",)}
MISSING = {2: "up", 5: "cmp", 9: "up", 12: "cmp"}


@pytest.fixture(scope="module")
def run_dir(tiny_cohort_dir, tmp_path_factory):
    """The run of a study in which some patients lack a phase."""
    folder = tmp_path_factory.mktemp("phases")
    rows = list(read_rows(tiny_cohort_dir / "cohort.csv"))
    for number, row in enumerate(rows):
        for name in [name for name in row if name.startswith(("cmp_", "up_"))]:
            is_missing = name.startswith(f"{MISSING.get(number)}_")
            row[name] = "" if is_missing or not row[name] else str(tiny_cohort_dir / row[name])
        row["age_years"] = "" if number in {1, 4} else row["age_years"]
    with (folder / "cohort.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    run_study(load_inputs(folder / "study.toml"), folder / "run", command="nephrograde run study.toml")
    yield folder / "run"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def table(run_dir):
    """The rows of the cohort table."""
    return {row["patient_id"]: row for row in read_rows(run_dir.parent / "cohort.csv")}


def given(row):
    """The scans of a patient that the table names."""
    images = {phase: row[f"{phase}_image"] for phase in ("cmp", "up") if row[f"{phase}_image"]}
    return {"image": images, "mask": {phase: row[f"{phase}_mask"] for phase in images}}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["all-cmp+up", "each-cmp+up", "stacked-cmp+up"])
def test_every_patient_with_a_phase_is_scored_and_gets_the_score_back(run_dir, table, model):
    results = Results.read(run_dir)
    rows = [row for row in results.scores.rows if row.model == model]
    assert {row.patient_id for row in rows} == set(table)
    grader = load_grader(run_dir, model)
    assert grader.phases == ("cmp", "up")
    tested = [row for row in rows if row.split == "test"]
    for row in tested:
        patient = table[row.patient_id]
        clinical = {column: patient[column] for column in CLINICAL[model] if patient[column]}
        grading = grader.grade_phases(**given(patient), clinical=clinical)
        assert any("no value of" in text for text in grading.warnings) == (len(clinical) < len(CLINICAL[model]))
        assert grading.p_high == row.p_high
        assert [one.phase for one in grading.scans] == list(given(table[row.patient_id])["image"])
    patient = next(row for row in table.values() if all(row[f"{phase}_image"] for phase in ("cmp", "up")))
    alone = grader.grade_phases(**{name: {"up": of_phase["up"]} for name, of_phase in given(patient).items()})
    assert alone.phases_missing == ("cmp",)
    assert "cmp" in alone.as_text()
    assert [text for text in alone.warnings if text.startswith(f"no value of {', '.join(CLINICAL[model])} is given")]
    assert alone.p_high != grader.grade_phases(**given(patient)).p_high


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.parametrize("model", ["all-cmp+up", "stacked-cmp+up"])
def test_a_packed_model_of_several_phases_gives_the_same(run_dir, table, tmp_path, model):
    grader = load_packed(pack(run_dir, model, tmp_path / "grader.zip"))
    own = load_grader(run_dir, model)
    assert (grader.phases, grader.texts, grader.is_joined) == (own.phases, own.texts, True)
    tested = [row for row in Results.read(run_dir).scores.rows if (row.model, row.split) == (model, "test")]
    for row in tested[:4]:
        patient = table[row.patient_id]
        clinical = {column: patient[column] for column in CLINICAL[model] if patient[column]}
        grading = grader.grade_phases(**given(patient), clinical=clinical)
        assert grading.p_high == pytest.approx(row.p_high, abs=1e-5)


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_late_fusion_is_not_packed(run_dir, tmp_path):
    with pytest.raises(GraderError, match="each-cmp"):
        pack(run_dir, "each-cmp+up", tmp_path / "grader.zip")
    assert not list(tmp_path.iterdir())
    of_one_phase = load_packed(pack(run_dir, "each-cmp", tmp_path / "grader.zip"))
    assert (of_one_phase.phase, of_one_phase.is_joined) == ("cmp", False)


@pytest.mark.slow
def test_other_values_joined_by_late_fusion_are_another_evaluation(run_dir):
    run = RunFolder(run_dir)
    fits = {fold.name_in(""): read_json(fold.card_path)["inputs_sha256"] for fold in run.folds()}
    study = load_inputs(run_dir.parent / "study.toml")
    refuse_reopening(study, run, fits=fits, reason="")
    each = study.arm[1].model_copy(update={"clinical": ("size_cm", "age_years")})
    other = study.model_copy(update={"arm": (study.arm[0], each)})
    with pytest.raises(RunError):
        refuse_reopening(other, run, fits=fits, reason="")


@pytest.mark.slow
def test_what_is_given_is_checked(run_dir, table):
    grader = load_grader(run_dir, "all-cmp+up")
    row = next(iter(table.values()))
    for image, mask in (({"np": "x.nii"}, {}), ({}, {}), ({"cmp": "x.nii"}, {"up": "y.nii"})):
        with pytest.raises(InputError):
            grader.grade_phases(image, mask=mask)
    with pytest.raises(InputError):
        grader.grade(row["up_image"])
    for clinical in ({"size_cm": 3.0}, {"age_years": "old"}):
        with pytest.raises(InputError):
            grader.grade_phases(**given(row), clinical=clinical)


@pytest.mark.slow
def test_the_table_is_complete(run_dir):
    results = Results.read(run_dir)
    networks = [model.name for model in results.models if not model.is_baseline]
    assert networks == ["all-cmp+up", "each-cmp", "each-up", "each-cmp+up", "stacked-cmp+up"]
    assert {path.name for path in (run_dir / "models").iterdir()} == {*networks} - {"each-cmp+up"}
    shown = [row["phase"] for row in read_rows(run_dir / "volumes" / "regions.csv") if row["arm"] == "stacked"]
    assert [shown.count(phase) for phase in ("cmp", "up")] == [2, 2]
    assert set(shown) == {"cmp", "up", "cmp+up"}
    assert {row.model for row in results.increments} == set(networks)
    pairs = {frozenset((row.model_a, row.model_b)) for row in results.comparisons}
    assert {frozenset(("each-cmp+up", other)) for other in ("each-cmp", "each-up", "all-cmp+up")} <= pairs
    assert {row.model for row in results.fusion} == {"each-cmp+up"}
    assert any(row.model == "all-cmp+up" for row in results.attention)
    fusions = {("all-cmp+up", "intermediate"), ("each-cmp+up", "late"), ("stacked-cmp+up", "early")}
    assert {(row.model, row.fusion) for row in results.phases if row.fusion} == fusions
    assert {row.split for row in results.phases} == {"oof", "test"}
    assert {*networks, "volume"} <= {row.model for row in results.stack}
    weights = read_rows(run_dir / "models" / "all-cmp+up" / "fold-0" / "attention.csv")
    totals: dict[str, float] = defaultdict(float)
    for row in weights:
        totals[row["patient_id"]] += float(row["weight"])
    assert {round(total, 9) for total in totals.values()} == {1.0}
    ordinal = {fit.model for fit in results.fits if fit.card["settings"].get("head") == "ordinal"}
    assert ordinal == {"all-cmp+up", "each-cmp", "each-up"}
    page = (run_dir / "report" / "report.html").read_text(encoding="utf-8")
    assert "the likelihood of the grades 1–4 in a cumulative link model" in page
    assert "that of the four grades" in page
