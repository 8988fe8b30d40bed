"""Refusals and findings in Chinese: recognised by their sentences, with their values, and English where unknown."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import string
from importlib import resources
from pathlib import Path

import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.columns import Columns, name_columns
from nephrograde.cohort.plausibility import doubt_against_masks, doubt_columns
from nephrograde.errors import Problem
from nephrograde.evaluation.performance.threshold import Threshold
from nephrograde.evaluation.remarks import Caution, Rule
from nephrograde.quality.readiness import readiness_line
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import problem_in_words, told
from nephrograde.sheet import Sheet
from nephrograde.sources.scan.grades import read_grades
from nephrograde.spreadsheet.encoding import NAMES, Decoded
from nephrograde.study import CohortSettings, SplitSettings

PACKAGE = Path(str(resources.files("nephrograde")))
MESSAGES: dict[str, str] = json.loads((PACKAGE / "report/locale/messages/zh.json").read_text(encoding="utf-8"))
OF_WRITING = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO,
    errno.ESTALE,
)  # fmt: skip
"""What an operating system says when a file cannot be written."""
ELSEWHERE = (
    "annotations/entry.py",
    "api.py",
    "cohort/split.py",
    "evaluation/comparison/clustered.py",
    "evaluation/uncertainty/conformal.py",
    "evaluation/sample_size/model_size.py",
    "evaluation/performance/paired_shares.py",
    "evaluation/sample_size/power.py",
    "evaluation/calibration/recalibration.py",
    "evaluation/comparison/repeats.py",
    "evaluation/performance/resample.py",
    "evaluation/sample_size/sample_size.py",
    "evaluation/performance/stratified.py",
    "evaluation/tables.py",
    "fit/chosen.py",
    "fit/job.py",
    "fit/loop.py",
    "model/fusion.py",
    "model/weights_file.py",
    "printed/bounds.py",
    "printed/call.py",
    "printed/numbers.py",
    "printed/reading.py",
    "report/pages/pdf.py",
    "sample/dataset.py",
    "sample/pictures.py",
    "sample/prepare.py",
    "sample/target.py",
    "sources/deidentify/header.py",
    "sources/deidentify/stream.py",
    "sources/public/fetch.py",
    "sources/scan/corrections_file.py",
    "sources/synthetic/scan_files.py",
    "volume/masks/label_map.py",
    "volume/masks/marks.py",
    "volume/overlay.py",
    "volume/thumbnail.py",
    "web/assist.py",
    "web/masks.py",
    "web/requests.py",
    "web/series.py",
    "web/series_routes.py",
    "web/session.py",
)
"""Files with refusals that the catalogue does not hold as they stand: for those who call them from Python, of the
protocol between page and server, or put together from parts."""
ROOMS = [
    name for path in sorted(PACKAGE.rglob("*.py")) if (name := path.relative_to(PACKAGE).as_posix()) not in ELSEWHERE
]


def places(sentence: str) -> set[str]:
    return {name for _, name, *_ in string.Formatter().parse(sentence) if name is not None}


def refusals(source: str) -> list[str]:
    """The texts of the errors and problems of a module, with a number for each value."""
    found = []
    for node in ast.walk(ast.parse(source)):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and (name.endswith("Error") or name == "Problem"):
            found += [text for argument in node.args if (text := _text(argument)) and len(text.split()) > 2]
    return found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_values_stand_in_both_languages() -> None:
    unlike = [english for english, chinese in MESSAGES.items() if places(english) != places(chinese)]
    assert not unlike
    assert all(re.search("[\u4e00-\u9fff]|MB|_(image|mask|box)", chinese) for chinese in MESSAGES.values())


def test_every_refusal_has_its_chinese() -> None:
    texts = {room: refusals((PACKAGE / room).read_text(encoding="utf-8")) for room in ROOMS}
    assert sum(map(len, texts.values())) > 400
    with speaking("zh"):
        missing = {
            (room, text)
            for room, said in texts.items()
            for text in said
            if re.search(r"[a-z]{2,}(?: [a-z]{2,}){3}", told(text))
        }
    assert missing == set()


def test_only_files_that_exist_are_left_out() -> None:
    assert [room for room in ELSEWHERE if not (PACKAGE / room).is_file()] == []


def test_english_stays_as_it_is() -> None:
    assert told("is empty (0 bytes). Copy or export the file again.") == (
        "is empty (0 bytes). Copy or export the file again."
    )


def test_values_and_sentences_that_are_quoted() -> None:
    with speaking("zh"):
        assert told("runs/一 is being written by process 12 on host-a, started at 10:00. Nonesuch remedy.") == (
            "host-a上的进程12（始于10:00）正在写入runs/一。Nonesuch remedy."
        )
        text = "Must be fixed: missing-file, 2 ×, first P1 np: np_image: no such file or folder. Nothing known."
        assert told(text) == "必须处理：missing-file，2 ×，首例P1 np：np_image：没有此文件或文件夹。Nothing known."


def test_names_are_never_translated() -> None:
    with speaking("zh"):
        for name in ("none", "high", "first", "fixed"):
            assert told(f"The initial weights {name} do not exist.") == f"初始权重{name}不存在。"


def test_an_unknown_sentence_stays_beside_a_known_one() -> None:
    with speaking("zh"):
        assert told("Nobody wrote this. Correct the path in the cohort table.") == (
            "Nobody wrote this. 请改正队列表中的路径。"
        )
        assert told("line one\n  Correct the value.\n") == "line one\n  请改正该值。\n"


def test_a_number_is_no_sentence() -> None:
    with speaking("zh"):
        assert told("Write one row per something else.") == "Write one row per something else."
        assert told("is far beyond anything") == "is far beyond anything"


def test_a_problem_has_place_fault_and_remedy() -> None:
    problem = Problem("cohort.csv row 7, column 性别", "patient P1: 'x' is not a number", "Keep one row per patient.")
    assert problem_in_words(problem) == str(problem)
    with speaking("zh"):
        assert problem_in_words(problem) == "cohort.csv第7行，列性别：患者P1：“x”不是数字。每名患者只保留一行。"


def test_both_remarks_on_a_count_are_translated() -> None:
    count = "phase np: only 1 of 9 patients who are high (grade 3–4, or outcome 1) have an image, for 5 folds"
    with speaking("zh"):
        text = told(f"{count} (counted over the 13 patients whose row can be read) (without 2 who have no image)")
    assert text.endswith("（按行可读的13例患者统计）（不含2例没有图像的患者）")
    assert "only" not in text


def notes_on_encodings() -> list[str]:
    """What is said about the encoding of a table, with no, one and two other encodings that would fit."""
    one, *others = NAMES
    decoded = [Decoded("", one, is_guessed=True, rivals=tuple(others[:count])) for count in range(3)]
    ends = ("", " Another can be named with --encoding.")
    return [f"patients.csv {each.note}.{end}" for each in decoded for end in ends]


def notes_on_columns() -> list[str]:
    """What is said about the columns of a cohort table that were recognised: the id, the grade, or both."""
    headings = {"patient_id": "Patient ID", "isup_grade": "WHO/ISUP分级"}
    found = []
    for taken in (("patient_id",), ("isup_grade",), ("patient_id", "isup_grade")):
        named = [headings[name] if name in taken else name for name in headings]
        settings = CohortSettings(table=Path("c.csv"), phases=("np",))
        columns = name_columns(Sheet("c.csv", (*named, "np_image"), ()), settings, SplitSettings())[0]
        assert isinstance(columns, Columns)
        assert columns.recognised == taken
        found.append(f"{columns.note}.")
    return found


def notes_on_grades(folder: Path) -> list[str]:
    """What a scan says about a joined table: columns that it used, did not find or could use, dates and grades."""
    tables = (
        "病案号,ISUP,手术日期\n7,3,43895\n8,?,43896\n",
        "病案号,核分级\n7,3\n",
        "病案号,手术日期\n7,2020-03-05\n",
        "病案号\n7\n",
        "病案号,住院号,核分级,分级,手术日期,手术时间\n7,8,3,3,2020-03-05,\n",
    )
    found: list[str] = []
    for number, text in enumerate(tables):
        (folder / f"{number}.csv").write_bytes(text.encode("gb18030"))
        found += read_grades(folder / f"{number}.csv").notes
    return found


def test_every_note_on_how_a_table_was_read_has_its_chinese(tmp_path: Path) -> None:
    notes = [*notes_on_encodings(), *notes_on_columns(), *notes_on_grades(tmp_path)]
    assert len(set(notes)) > 20
    names = r"Patient ID|--columns \w+=HEADING|--encoding|isup_grade|patient_id|HEADING|Grade 3|ISUP 3|WHO/ISUP 3"
    with speaking("zh"):
        english = [
            note for note in notes if re.search(r"(?i)(?<![a-z-])[a-z]{2,} [a-z]{2,}", re.sub(names, "7", told(note)))
        ]
    assert not english, "\n".join(english)


def doubts() -> list[str]:
    """Everything that is said about numbers of the table that are hard to believe."""
    columns: list[dict[str, tuple[float, ...]]] = []
    for name, (low, common, high) in {
        "size_cm": (0.001, 4.0, 60.0),
        "volume_ml": (0.0001, 40.0, 9000.0),
        "age_years": (-2.0, 60.0, 1960.0),
    }.items():
        columns += [{name: (low, low, low)}, {name: (high, high, high)}]  # the median
        columns += [{name: (*(common,) * 9, *(high,) * count)} for count in (1, 8)]  # single values
    columns.append({"size_cm": (4.0, 5.0, 6.0), "volume_ml": (1.0, 1.0, 1.0)})
    found = []
    for each in columns:
        rows = range(len(next(iter(each.values()))))
        cases = tuple(Case(f"P{k}", False, 1, {}, {name: each[name][k] for name in each}) for k in rows)
        found += doubt_columns(Cohort(cases, (), tuple(each), None))
    for column, unit in (("size_cm", "cm"), ("volume_ml", "ml")):
        masks = {f"P{k}": 3.0 + k for k in range(60)}
        for factor, count in ((10, 60), (10, 1), (10, 8)):
            table = {patient: value * (factor if k < count else 1) for k, (patient, value) in enumerate(masks.items())}
            found += doubt_against_masks(column, table, masks, unit)
    return [f"{doubt.message} {doubt.remedy}" for doubt in found]


def test_every_doubt_about_a_column_has_its_chinese() -> None:
    texts = doubts()
    assert len(texts) == 19
    with speaking("zh"):
        english = [told(text) for text in texts if re.search(r"[a-z]{2,}(?: [a-z]{2,})+", told(text))]
    assert not english, "\n".join(english)


def test_models_are_listed_in_chinese() -> None:
    names = ("weak-1-cmp", "weak-1-np", "strong-cmp")
    reasons = ("no patient can be used", "only 2 of high and 0 of low grade are left to learn from")
    with speaking("zh"):
        for listed in (f"{names[0]}", f"{names[0]} and {names[1]}", f"{names[0]}, {names[1]} and {names[2]}"):
            obstacles = [told(f"{reason} by {listed}") for reason in reasons]
            text = told(readiness_line(obstacles))
            assert " and " not in text
            assert ", " not in text
            assert "、" in text or listed == names[0]


@pytest.mark.parametrize(
    "text",
    [
        "0123456789abcdef with uncommitted changes",
        "arm weak-1: there is no box, nor a more expensive annotation from which it could be derived.",
        (
            "the marked tumour lies wholly outside the image, which spans x -193 to 193, y -193 to 193, z 0 to 9 mm; "
            "the tumour spans x 5 to 193, y -193 to 193, z 0 to 9 mm."
        ),
        "the contours lie wholly outside the image; they span x 1 to 2, y 3 to 4, z 5 to 6 mm.",
    ],
)
def test_values_leave_no_english_behind(text: str) -> None:
    with speaking("zh"):
        said = told(text)
    assert not re.search(r"arm|\bto\b|with", said), said


def test_a_model_phase_is_named_in_chinese() -> None:
    text = (
        "looks nephrographic (np, probability 0.93), but the model was fitted on corticomedullary scans (cmp): reads 3."
    )
    with speaking("zh"):
        said = told(text)
    assert "肾实质期" in said
    assert "皮髓质期" in said
    assert "corticomedullary" not in said
    assert "cmp期" not in said


@pytest.mark.parametrize(
    "text",
    [
        "登记号, 门诊号 could be the id as well; choose with --columns patient_id=HEADING.",
        "Not carried over from t.csv, because they may identify a patient: 病案号, 姓名.",
        "t.csv has 3 rows without scans: row 2, 5, 7.",
        "1 patient without any CT, not in the cohort table: P0001, P0002.",
        "t.csv: the grade of 2 rows is not one WHO/ISUP grade: row 3, 4. Accepted are 3, III.",
    ],
)
def test_lists_of_names_have_chinese_commas(text: str) -> None:
    with speaking("zh"):
        said = told(text)
    assert ", " not in said.split("。")[0], said
    assert "、" in said


@pytest.mark.parametrize(
    "text",
    [
        "a/b.txt cannot be written: it is not a folder. Name another folder, or move it away.",
        "holds a number of more than 15 digits, of which a spreadsheet keeps 15",
        "holds the error #N/A",
        "holds a formula whose result is not in the file",
        "input should be a valid array (got 3)",
        "split.learning_curve item 2",
        "cannot be read: Name or service not known",
        "cannot be read: the server answers 404",
        "cannot be read: the read operation timed out",
        "patient P1: this image is also that of patient P2, phase cmp",
        *(f"out/a.csv cannot be written: {os.strerror(code)}." for code in OF_WRITING),
    ],
)
def test_a_fault_is_wholly_in_chinese(text: str) -> None:
    with speaking("zh"):
        said = told(text)
    assert not re.search(r"[a-z]{2,} [a-z]{2,}", said), said


def test_patients_are_counted_once_in_chinese() -> None:
    with speaking("zh"):
        said = told("0.3 of 4 patients is 1 test patient, so one class is missing from the test set")
    assert "例测试患者例" not in said
    assert "1例测试患者" in said


def test_what_a_shared_image_belongs_to_is_named() -> None:
    with speaking("zh"):
        assert told("patient P1: this image is also that of patient P2, phase cmp") == (
            "患者P1：此图像也是患者P2的cmp期图像"
        )


def test_the_grade_that_is_missing_is_named_in_chinese() -> None:
    text = (
        "All 16 graded patients are low grade, so nothing can be estimated; their probabilities are in p.csv. Add "
        "patients of high grade."
    )
    with speaking("zh"):
        assert told(text).endswith("均为低级别，无法作任何估计；其概率见p.csv。请加入高级别的患者。")


def test_each_step_that_takes_long_is_named_in_chinese() -> None:
    names = {
        call.args[0].value
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "progress"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }
    assert {"Preparing scans", "Scoring patients"} <= names
    with speaking("zh"):
        assert [name for name in names if told(name) == name] == []


@pytest.mark.parametrize("where", ["", " of the archive", " of the list"])
@pytest.mark.parametrize("which", ["", " (instance 60)", ", frame 3"])
def test_slices_are_named_in_chinese(where: str, which: str) -> None:
    with speaking("zh"):
        said = told(f"file 11{where}{which}")
    assert "11" in said
    assert not re.search("[a-z]", said), said


@pytest.mark.parametrize(
    "threshold",
    [
        Threshold(0.5, Rule.YOUDEN, 9),
        Threshold(0.5, Rule.SENSITIVITY, 9, rule_value=0.9),
        Threshold(0.5, Rule.SPECIFICITY, 9, rule_value=0.8),
        Threshold(0.5, Rule.COST, 9, rule_value=3.0),
        Threshold(0.5, Rule.FIXED, 0, caution=Caution.NO_OUT_OF_FOLD),
        Threshold(0.5, Rule.FIXED, 0, caution=Caution.OUT_OF_FOLD_ONE_GRADE),
    ],
)
def test_rules_of_thresholds_are_named_in_chinese(threshold: Threshold) -> None:
    with speaking("zh"):
        said = told(f"low grade at the threshold 0.500 ({threshold.how})")
    assert re.search("[a-z]", said) is None, said
