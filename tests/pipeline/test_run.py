"""The study end to end on a small synthetic cohort: files, numbers that lead back to scores, resuming."""

import json

import pytest
from tests.without_report import run_alone

from nephrograde.errors import InputError, RunError
from nephrograde.files import read_rows, write_rows
from nephrograde.pipeline import evaluate_table, load_inputs, report_study, run_study
from nephrograde.study import EvaluateSettings

MODELS = {"weak-1-cmp", "weak-1-up", "strong-cmp", "strong-up"}


def files_of(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_run_folder_holds_what_is_promised(tiny_run_dir):
    lock = json.loads((tiny_run_dir / "study.lock.json").read_text(encoding="utf-8"))
    assert lock["study"]["fit"]["epochs"] == 2
    assert lock["command"] == "nephrograde run study.toml"
    assert len(lock["inputs"]) == 1 + 24 * 2 * 2  # the table, and image and mask of every scan
    assert all(len(digest) == 64 for digest in lock["inputs"].values())
    for fold in (0, 1):
        fold_dir = tiny_run_dir / "models" / "strong-cmp" / f"fold-{fold}"
        assert {path.name for path in fold_dir.iterdir()} >= {"weights.safetensors", "card.json", "history.csv"}
    assert (tiny_run_dir / "report" / "report.html").stat().st_size > 10_000
    assert "SYNTHETIC" in (tiny_run_dir / "report" / "report.html").read_text(encoding="utf-8")


def test_every_patient_is_scored_once_a_model_and_split(tiny_run_dir):
    split = {row["patient_id"]: row for row in read_rows(tiny_run_dir / "cohort" / "split.csv")}
    rows = read_rows(tiny_run_dir / "scores" / "scores.csv")
    assert {row["model"] for row in rows} == MODELS | {"size", "volume", "clinical"}
    for model in MODELS:
        scored = {row["patient_id"]: row for row in rows if row["model"] == model}
        assert scored.keys() == split.keys()
        for patient_id, row in scored.items():
            assert row["split"] == {"train": "oof", "test": "test"}[split[patient_id]["split"]]
            assert row["fold"] == split[patient_id]["fold"]
            assert 0 < float(row["p_high"]) < 1


def printed_and_counted(run_dir, model):
    """The estimates of the test set, in the table and as counted here; None if nobody counts towards one."""
    scores = read_rows(run_dir / "scores" / "scores.csv")
    rows = [row for row in scores if (row["model"], row["split"]) == (model, "test")]
    high = [float(row["p_high"]) for row in rows if row["is_high"] == "1"]
    low = [float(row["p_high"]) for row in rows if row["is_high"] == "0"]
    table = read_rows(run_dir / "statistics" / "estimates.csv")
    found = {row["measure"]: row["value"] for row in table if (row["model"], row["split"]) == (model, "test")}
    threshold = float(found["threshold"])
    tp = sum(p >= threshold for p in high)
    fp = sum(p >= threshold for p in low)
    parts = {
        "tp": (tp, 1),
        "fp": (fp, 1),
        "tn": (len(low) - fp, 1),
        "fn": (len(high) - tp, 1),
        "auc": (sum((a > b) + (a == b) / 2 for a in high for b in low), len(high) * len(low)),
        "sensitivity": (tp, len(high)),
        "specificity": (len(low) - fp, len(low)),
        "ppv": (tp, tp + fp),
        "npv": (len(low) - fp, len(rows) - tp - fp),
    }
    printed = {measure: float(found[measure]) if found[measure] else None for measure in parts}
    return printed, {measure: part / whole if whole else None for measure, (part, whole) in parts.items()}


@pytest.mark.parametrize("model", sorted(MODELS))
def test_an_estimate_leads_back_to_the_scores(tiny_run_dir, model):
    printed, counted = printed_and_counted(tiny_run_dir, model)
    assert printed == pytest.approx(counted)


def test_an_estimate_that_nobody_counts_towards_leads_back_too(tmp_path):
    rows = [f"P{i},A,oof,{i % 2},{0.3 + 0.4 * (i % 2)}" for i in range(20)]
    rows += [f"Q{i},A,test,{i % 2},{0.1 + 0.01 * i}" for i in range(9)]
    table = tmp_path / "scores.csv"
    table.write_text("\n".join(["patient_id,model,split,is_high,p_high", *rows]), encoding="utf-8")
    evaluate_table(table, tmp_path / "out", settings=EvaluateSettings())
    printed, counted = printed_and_counted(tmp_path / "out", "A")
    assert printed == pytest.approx(counted)
    assert printed["ppv"] is None
    assert printed["tp"] + printed["fp"] == 0


def test_running_again_changes_nothing(tiny_run_copy, tiny_study_path):
    before = files_of(tiny_run_copy)
    run_study(load_inputs(tiny_study_path), tiny_run_copy, command="nephrograde run study.toml")
    after = files_of(tiny_run_copy)
    kept = {path for path in before if path.parts[0] in {"models", "scores", "statistics", "report", "stages"}}
    assert kept
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}
    assert before.keys() == after.keys()


def test_the_same_study_gives_the_same_scores_to_the_last_digit(tiny_run_dir, tiny_study_path, tmp_path):
    run_alone(load_inputs(tiny_study_path), tmp_path / "again")
    again = (tmp_path / "again" / "scores" / "scores.csv").read_bytes()
    assert again == (tiny_run_dir / "scores" / "scores.csv").read_bytes()


def test_one_phase_alone_gives_the_same_scores_as_among_others(tiny_run_dir, tiny_study_path, tmp_path):
    study = load_inputs(tiny_study_path, ('cohort.phases=["up"]', "evaluate.baselines=[]"))
    run_alone(study, tmp_path / "one")
    alone = read_rows(tmp_path / "one" / "scores" / "scores.csv")
    among = [row for row in read_rows(tiny_run_dir / "scores" / "scores.csv") if row["model"].endswith("-up")]
    assert alone == among


@pytest.mark.slow
def test_a_patient_without_a_phase_takes_part_in_the_other(tiny_cohort_dir, tiny_study_path, tmp_path):
    rows = read_rows(tiny_cohort_dir / "cohort.csv")
    rows[0] |= {"up_image": "", "up_mask": ""}  # was not scanned
    rows[1] |= {"up_image": "images/nowhere.nii.gz"}  # cannot be read
    write_rows(tiny_cohort_dir / "gaps.csv", list(rows[0]), rows)
    sets = ("cohort.table='gaps.csv'", "fit.epochs=1", 'arm=[{name="weak-1",supervision="box",slices=1}]')
    run_study(load_inputs(tiny_study_path, sets), tmp_path)
    scores = read_rows(tmp_path / "scores" / "scores.csv")
    scored = {model: {r["patient_id"] for r in scores if r["model"] == model} for model in ("weak-1-cmp", "weak-1-up")}
    everyone = {row["patient_id"] for row in rows}
    assert scored["weak-1-cmp"] == everyone
    assert scored["weak-1-up"] == everyone - {rows[0]["patient_id"], rows[1]["patient_id"]}
    comparison = next(
        row
        for row in read_rows(tmp_path / "statistics" / "comparisons.csv")
        if {row["model_a"], row["model_b"]} == {"weak-1-cmp", "weak-1-up"} and row["measure"] == "auc"
    )
    tested = {r["patient_id"] for r in scores if r["split"] == "test"}
    assert int(comparison["n"]) == len(tested & scored["weak-1-up"])
    report = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<code>up_image</code>: no such file or folder" in report


def test_a_folder_of_another_split_is_refused(tiny_run_copy, tiny_study_path):
    with pytest.raises(RunError, match=r"other rules.*--out"):
        run_study(load_inputs(tiny_study_path, ("split.seed=1",)), tiny_run_copy)


def test_a_folder_of_other_patients_is_refused(tiny_run_copy, tiny_cohort_dir, tiny_study_path, tmp_path):
    lines = (tiny_cohort_dir / "cohort.csv").read_text(encoding="utf-8").splitlines()
    shorter = tiny_cohort_dir / "shorter.csv"
    shorter.write_text("\n".join(lines[:-1]), encoding="utf-8")
    study = load_inputs(tiny_study_path, (f"cohort.table='{shorter.name}'",))
    with pytest.raises(RunError, match="0 are new, 1 have gone"):
        run_study(study, tiny_run_copy)


def test_mistakes_of_study_and_table_come_together(tiny_cohort_dir, tiny_study_path):
    table = tiny_cohort_dir / "faulty.csv"
    lines = (tiny_cohort_dir / "cohort.csv").read_text(encoding="utf-8").splitlines()
    fields = lines[1].split(",")
    table.write_text("\n".join([*lines, lines[1], ",".join(["SYN-9999", "5", *fields[2:]])]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_inputs(tiny_study_path, (f"cohort.table='{table.name}'", "fit.epoch=2", "split.folds='three'"))
    text = str(caught.value)
    for part in ("fit.epoch", "epochs", "split.folds", "SYN-0001", "SYN-9999"):
        assert part in text


def test_a_foreign_score_table_needs_no_images(tmp_path):
    table = tmp_path / "评分.csv"
    rows = [f"P{i},A,{i % 2},{0.3 + 0.4 * (i % 2) + 0.01 * (i % 7)}" for i in range(30)]
    table.write_text("\n".join(["patient_id,model,is_high,p_high", *rows]), encoding="gb18030")
    evaluate_table(table, tmp_path / "out", settings=EvaluateSettings())
    assert report_study(tmp_path / "out").exists()
    estimates = read_rows(tmp_path / "out" / "statistics" / "estimates.csv")
    assert [float(r["value"]) for r in estimates if r["measure"] == "auc"] == [1.0]


def test_a_foreign_table_is_kept_out_of_a_studys_run(tiny_run_copy, tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text("patient_id,model,is_high,p_high\nA,m,1,0.9\nB,m,0,0.2\n", encoding="utf-8")
    with pytest.raises(RunError, match="--out"):
        evaluate_table(table, tiny_run_copy, settings=EvaluateSettings())
