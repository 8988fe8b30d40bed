import csv
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from nephrograde.errors import InputError
from nephrograde.sources.public.cohorts import COHORTS, Hosts
from nephrograde.sources.public.grades import fetch_grades, find_grade, grades_url, read_public_grades
from nephrograde.volume.statement import Statement


def kits_case(number, histology="clear_cell_rcc", grade="3"):
    return {
        "case_id": f"case_{number:05d}",
        "gender": "male",
        "age_at_nephrectomy": 49,
        "radiographic_size": 2.4,
        "tumor_histologic_subtype": histology,
        "tumor_isup_grade": grade,
    }


def gdc_answer(cases):
    hits = [
        {
            "submitter_id": patient,
            "diagnoses": [
                {"tumor_grade": grade, "primary_diagnosis": text, "classification_of_tumor": kind}
                for grade, text, kind in diagnoses
            ],
        }
        for patient, diagnoses in cases.items()
    ]
    return {"data": {"hits": hits, "pagination": {"total": len(hits)}}}


def test_kits_grades_are_those_of_clear_cell_carcinoma(tmp_path):
    cases = [
        kits_case(0),
        kits_case(1, "papillary_rcc", "2"),
        kits_case(2, "clear_cell_papillary_rcc", "1"),
        kits_case(3, grade="na"),
        kits_case(4, grade=None),
        kits_case(588, grade="1"),
    ]
    (tmp_path / "kits23.json").write_text(json.dumps(cases))
    grades = read_public_grades(tmp_path / "kits23.json", COHORTS["kits23"])
    assert grades.column == "isup_grade"
    first = find_grade(grades, "KiTS-00000")
    assert (first.grade, first.why_not) == ("3", None)
    assert first.clinical == {"age_years": "49", "sex": "male", "size_cm": "2.4"}
    assert [find_grade(grades, f"KiTS-0000{n}").why_not for n in (1, 2, 3, 4, 5)] == [
        Statement.of("not-clear-cell", histology="papillary_rcc"),
        Statement.of("not-clear-cell", histology="clear_cell_papillary_rcc"),
        Statement.of("no-grade"),
        Statement.of("no-grade"),
        Statement.of("not-in-grade-table"),
    ]
    assert find_grade(grades, "KiTS-00588").grade == "1"


def test_tcga_is_fuhrman_and_the_diagnosis_of_the_tumour_counts(tmp_path):
    clear, other = "Clear cell adenocarcinoma, NOS", "Papillary renal cell carcinoma"
    cases = {
        "TCGA-1": [("G2", clear, "primary"), (None, clear, "Prior primary")],
        "TCGA-2": [("G4", "Renal cell carcinoma, NOS", None)],
        "TCGA-3": [("G3", other, "primary")],
        "TCGA-4": [("GX", clear, "primary")],
        "TCGA-5": [("G1", clear, "primary"), ("G3", clear, "primary")],
        "TCGA-6": [("G1", clear, "primary"), ("G4", "Squamous cell carcinoma, NOS", "Prior primary")],
        "TCGA-7": [],
    }
    (tmp_path / "gdc.json").write_text(json.dumps(gdc_answer(cases)))
    grades = read_public_grades(tmp_path / "gdc.json", COHORTS["tcga-kirc"])
    assert grades.column == "fuhrman_grade"
    found = {patient: find_grade(grades, patient) for patient in cases}
    assert [(one.grade, one.why_not) for one in found.values()] == [
        ("2", None),
        ("4", None),
        ("3", Statement.of("not-clear-cell", histology=other)),
        ("", Statement.of("no-grade")),
        ("", Statement.of("several-grades", grades="1, 3")),
        ("1", None),
        ("", Statement.of("no-grade")),
    ]


def test_the_genomic_data_commons_is_asked_for_the_project():
    query = parse_qs(urlsplit(grades_url(COHORTS["cptac-ccrcc"], Hosts())).query)
    wanted = {one["content"]["field"]: one["content"]["value"] for one in json.loads(query["filters"][0])["content"]}
    assert wanted == {"project.project_id": ["CPTAC-3"], "primary_site": ["Kidney"]}
    assert "diagnoses.tumor_grade" in query["fields"][0].split(",")


def test_grades_are_fetched_once_and_kept_as_published(public, tmp_path):
    content = json.dumps([kits_case(0)], indent=4).encode()
    public.files["/neheller/kits23/main/dataset/kits23.json"] = content
    for _ in range(2):
        assert find_grade(fetch_grades(COHORTS["c4kc-kits"], tmp_path, public.hosts), "KiTS-00000").grade == "3"
    assert (tmp_path / "grades" / "kits23.json").read_bytes() == content
    assert len(public.asked) == 1


@pytest.mark.parametrize("content", [b"<html>", b"{}", b"[1]", b'[{"case_id": "case_x"}]', b"null"])
def test_something_else_than_the_table_is_not_kept(public, tmp_path, content):
    public.files["/neheller/kits23/main/dataset/kits23.json"] = content
    with pytest.raises(InputError, match="is not the grade table of KiTS23"):
        fetch_grades(COHORTS["kits23"], tmp_path, public.hosts)
    assert not (tmp_path / "grades").exists()


def test_an_answer_that_is_not_whole_is_refused(tmp_path):
    answer = gdc_answer({"TCGA-1": [("G2", "Clear cell adenocarcinoma, NOS", "primary")]})
    answer["data"]["pagination"]["total"] = 2
    (tmp_path / "gdc.json").write_text(json.dumps(answer))
    with pytest.raises(InputError, match="is not the grade table"):
        read_public_grades(tmp_path / "gdc.json", COHORTS["tcga-kirc"])


def test_a_table_of_the_user_is_taken_as_it_is(tmp_path):
    with (tmp_path / "grades.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("patient_id", "isup_grade", "age_years"), ("tcga-1", "G3", "60"), ("b", "", "")])
    grades = read_public_grades(tmp_path / "grades.csv", COHORTS["tcga-kirc"])
    assert grades.column == "isup_grade"
    assert find_grade(grades, "TCGA-1").grade == "3"
    assert find_grade(grades, "TCGA-1").clinical == {"age_years": "60"}
    assert find_grade(grades, "B").why_not == Statement.of("no-grade")


def test_what_is_not_carried_over_from_a_table_of_the_user_is_said_and_can_be_kept(tmp_path):
    rows = [
        "patient_id,姓名,isup_grade,age,prior therapy,side",
        "tcga-1,张三,3,60,none,left",
        "b,李四,2-3,50,none,a@b.org",
    ]
    (tmp_path / "grades.csv").write_text("\n".join(rows), encoding="utf-8")
    grades = read_public_grades(tmp_path / "grades.csv", COHORTS["tcga-kirc"])
    assert find_grade(grades, "TCGA-1").clinical == {"age": "60", "side": "left"}
    assert find_grade(grades, "b").clinical == {"age": "50", "side": ""}
    notes = "\n".join(grades.notes)
    assert all(text in notes for text in ("--keep", "prior therapy", "姓名", "row 3", "cells of side"))
    kept = read_public_grades(tmp_path / "grades.csv", COHORTS["tcga-kirc"], columns={"prior therapy": "prior therapy"})
    assert find_grade(kept, "TCGA-1").clinical["prior therapy"] == "none"
    with pytest.raises(InputError):
        read_public_grades(tmp_path / "grades.csv", COHORTS["tcga-kirc"], columns={"姓名": "姓名"})


def test_columns_of_a_published_table_are_not_chosen(tmp_path):
    (tmp_path / "kits23.json").write_text(json.dumps([kits_case(0)]))
    with pytest.raises(InputError):
        read_public_grades(tmp_path / "kits23.json", COHORTS["kits23"], columns={"isup_grade": "grade"})


@pytest.mark.parametrize("text", ["3.0", "III", "Ⅲ级", "Grade 3", "ISUP 3", "３"])
def test_a_grade_of_the_user_may_be_written_as_in_a_cohort_table(tmp_path, text):
    (tmp_path / "grades.csv").write_text(f"patient_id,isup_grade\na,{text}\n", encoding="utf-8")
    grades = read_public_grades(tmp_path / "grades.csv", COHORTS["tcga-kirc"])
    assert (find_grade(grades, "a").grade, find_grade(grades, "a").why_not) == ("3", None)
