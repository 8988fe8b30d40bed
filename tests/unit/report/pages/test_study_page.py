from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.ledger import open_test_set
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.files import fingerprint
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.text.published import IMPOSSIBLE
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import FORMAT
from nephrograde.volume.finding import Finding, write_findings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.study import Study

SECTIONS = [
    "summary",
    "results",
    "curves",
    "run",
    "cohort",
    "findings",
    "accuracy",
    "evidence-images",
    "slices",
    "equivalence",
    "calibration",
    "benefit",
    "opinions",
    "ledger",
    "paper",
    "comparisons",
    "roc",
    "confusion",
    "learning",
    "examples",
    "thresholds",
    "deviations",
    "methods",
    "checklists",
    "provenance",
]
VOID = {"meta", "img", "br", "line", "path", "circle", "use", "rect", "link", "hr", "input"}


class Page(HTMLParser):
    """What a test wants to know of a page: its tags in order, their attributes, and the text outside of styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


@pytest.fixture
def html(whole_page: str) -> str:
    return whole_page


@pytest.fixture(scope="module")
def page(whole_page: str) -> Page:
    return Page(whole_page)


def test_every_tag_is_closed_where_it_was_opened(page: Page) -> None:
    assert page.open == []


def test_sections_stand_in_the_order_of_reading(page: Page) -> None:
    assert [name for name in page.values("id") if name in SECTIONS] == SECTIONS


def test_ids_are_unique_although_three_figures_are_in_the_page(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) > 100
    assert len(set(ids)) == len(ids)


def test_references_within_the_page_lead_somewhere(html: str, page: Page) -> None:
    targets = {value[1:] for name in ("href", "xlink:href") for value in page.values(name)}
    targets |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert targets <= set(page.values("id"))
    assert any(target.startswith("roc-") for target in targets)


def test_nothing_is_fetched_when_the_page_is_opened(html: str, page: Page) -> None:
    loaded = [value for name in ("src", "href", "xlink:href", "srcset", "data") for value in page.values(name)]
    assert loaded
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in loaded)
    assert not re.search(r"url\((?!#)|@import|http-equiv=\"refresh\"", html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base"}
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_headings_go_down_one_level_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_pictures_have_words_for_those_who_cannot_see_them(page: Page) -> None:
    charts = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(charts) >= 5
    assert len(pictures) >= 4
    assert all(re.search("(weak-[13]|strong)-(cmp|np|up)", attributes["aria-label"]) for attributes in charts)
    assert all("slice" in attributes["alt"] for attributes in pictures)


def test_synthetic_data_are_called_so_everywhere(whole_run: Path, html: str, page: Page) -> None:
    title = re.search(r"<title>(.*?)</title>", html)
    assert title is not None
    assert title[1].startswith("SYNTHETIC DATA")
    captions = re.findall(r"<(?:fig)?caption>(.*?)</(?:fig)?caption>", html, flags=re.DOTALL)
    assert len(captions) >= 14
    assert all("SYNTHETIC DATA" in caption for caption in captions)
    assert "All patients, images and grades are synthetic" in page.text
    for svg_path in (whole_run / "report" / "figures").glob("*.svg"):
        assert "SYNTHETIC DATA</text>" in svg_path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def real_html(
    tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path], make_study: Callable[..., Study]
) -> str:
    """The page of real data that repeat no paper, from a run folder whose inputs have paths in their names."""
    study = make_study(synthetic=False, reproduces="")
    run_dir = make_run(tmp_path_factory.mktemp("real") / "run", study)
    lock_path = run_dir / "study.lock.json"
    lock = json.loads(lock_path.read_text(encoding="utf-8"))
    lock["inputs"]["images/病人 1.nii.gz"] = "01" * 32  # as an older version wrote it
    lock_path.write_text(json.dumps(lock), encoding="utf-8")
    return write_report(run_dir).read_text(encoding="utf-8")


def test_real_data_are_not_called_synthetic(real_html: str) -> None:
    assert "synthetic" not in real_html.lower()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_suspect_about_the_table_comes_first(foreign_run: Path, language: Language) -> None:
    doubt = Finding("", "", "size_cm", "implausible-size", "warning", "the median is 48 cm.", "Write it in cm.")
    write_findings([doubt], RunFolder(foreign_run).findings_path)
    found = write_report(foreign_run, language).read_text(encoding="utf-8")
    assert found.count("the median is 48 cm.") == 1
    assert found.index('id="table-warnings"') < found.index("the median is 48 cm.") < found.index('id="summary"')


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_patients_without_a_scan_are_among_the_exclusions(foreign_run: Path, language: Language) -> None:
    absent = [Finding(name, "", "", "no-scan", "fatal", "no image.", "Fill it in.") for name in ("X1", "X2")]
    write_findings(absent, RunFolder(foreign_run).findings_path)
    found = write_report(foreign_run, language).read_text(encoding="utf-8")
    left_out = found[found.index('id="left-out"') :].partition("</p>")[0]
    assert {"en": "has 2 patients", "zh": "另有2例患者"}[language] in left_out
    assert "<bdi>X1</bdi>, <bdi>X2</bdi>" in left_out
    assert found.count("<bdi>X1</bdi>") == 1


def test_figures_are_files_of_their_own_with_text_as_text(whole_run: Path, html: str) -> None:
    figures_dir = whole_run / "report" / "figures"
    assert {path.stem for path in figures_dir.iterdir()} >= {"confusion", "learning", "roc"}
    for path in figures_dir.glob("*.svg"):
        root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 (our own file)
        texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert any(re.search("weak-[13]|strong", text) for text in texts)
    assert "sans-serif" in html


@pytest.mark.slow
def test_same_folder_gives_same_bytes(whole_run: Path, html: str) -> None:
    before = {path.name: path.read_bytes() for path in (whole_run / "report" / "figures").iterdir()}
    assert write_report(whole_run).read_text(encoding="utf-8") == html
    assert {path.name: path.read_bytes() for path in (whole_run / "report" / "figures").iterdir()} == before
    assert not list((whole_run / "report").rglob(".nephrograde-*"))


@pytest.mark.slow
def test_names_are_shown_as_text_and_never_run(
    tmp_path: Path, make_run: Callable[..., Path], make_study: Callable[..., Study]
) -> None:
    name = "<script>alert('x')</script>&李"
    run_dir = make_run(tmp_path / "run", make_study(name="<img src=x> & co"), first_id=name)
    found = Page(write_report(run_dir).read_text(encoding="utf-8"))
    assert name in found.text
    assert "<img src=x> & co" in found.text
    assert "script" not in {tag for tag, _ in found.tags}
    assert "x" not in found.values("src")


def test_chinese_ids_and_names_are_in_the_page(page: Page) -> None:
    assert "张伟-01" in page.text
    assert "第一医院" in page.text


def test_inputs_are_counted_by_column_and_no_path_is_shown(real_html: str) -> None:
    text = Page(real_html).text
    assert f"cohort table1{'ab' * 32}" in text
    assert f"cmp_image2{fingerprint(['cd' * 32, 'ef' * 32])}" in text
    assert "病人" not in real_html


@pytest.mark.slow
def test_paths_of_a_person_stay_in_the_lock_file_and_the_ledger(
    tmp_path: Path, make_run: Callable[..., Path], make_study: Callable[..., Study]
) -> None:
    run_dir = make_run(tmp_path / "run", make_study(synthetic=False))
    lock_path = run_dir / "study.lock.json"
    lock = json.loads(lock_path.read_text(encoding="utf-8"))
    lock["command"] = "nephrograde run '/data/王小明/研究.toml' --out=/data/王小明/run"
    lock["study"]["cohort"]["table"] = "/data/王小明/王小明.csv"
    lock_path.write_text(json.dumps(lock, ensure_ascii=False), encoding="utf-8")
    open_test_set(run_dir, study="s", inputs="1", reason="", command=lock["command"])
    write_report(run_dir)
    write_report(run_dir, "zh")
    holding = {path.name for path in run_dir.rglob("*") if path.is_file() and "王小明".encode() in path.read_bytes()}
    assert holding == {"study.lock.json", "ledger.csv"}
    assert "nephrograde run … --out=…" in Page((run_dir / "report" / "report.html").read_text(encoding="utf-8")).text


def test_page_says_what_the_run_was(page: Page) -> None:
    for fact in (
        RESEARCH,
        "nephrograde run … --set fit.epochs=4",
        "0123456789abcdef0123456789abcdef01234567",
        "torch 2.13.0",
        "split 20260415, fit 20260415",
        "2026-05-04 09:30 UTC",
        "a rectangle around the tumour",
        "slices 41 and 42 are 10.0 mm apart",
        "Re-export the series or drop the phase.",
        "bf16 gave a non-finite loss in epoch 2",
        IMPOSSIBLE,
        "does not mean equivalence",
    ):
        assert fact in page.text


RESEARCH = "Research use only"


def test_p_values_are_never_zero(page: Page) -> None:
    assert not re.search(r"P\s*[=<]\s*0?\.000", page.text)
    assert "0.000</td>" not in "".join(page.texts)


def test_folded_parts_are_hidden_on_screen_only(html: str) -> None:
    folds = re.findall(r"<details>.*?</details>\s*<div class=\"(\w+)\">", html, flags=re.DOTALL)
    assert len(folds) >= 3
    assert set(folds) == {"fold"}
    assert html.count("<details>") == len(folds)
    assert html.count(".fold { display: none; }") == 1
    screen = html[html.index("@media screen {\n  details:not([open]) + .fold { display: none; }") :].partition("\n}")[0]
    assert "section:target > details + .fold, #all:target .fold { display: block; }" in screen


def test_all_after_the_curves_is_folded_by_section(html: str, page: Page) -> None:
    before, _, after = html.partition('<div id="all">')
    assert before.index('id="summary"') < before.index('id="results"') < before.index('id="curves"')
    assert before.count('<p class="lead">') <= 2
    assert "<details>" not in before
    sections = re.findall(r'<section id="([\w-]+)" class="part">\n<details><summary><h2>', after)
    assert set(sections) >= {"run", "cohort", "accuracy", "comparisons", "provenance"}
    assert after.count("<section") == len(sections)
    assert {value for value in page.values("href") if value in {"#all", "#summary"}} == {"#all", "#summary"}


@pytest.mark.slow
def test_foreign_scores_give_a_page_with_fewer_sections(foreign_run: Path) -> None:
    found = Page(write_report(foreign_run).read_text(encoding="utf-8"))
    there = [name for name in found.values("id") if name in SECTIONS]
    top = ["summary", "results", "curves", "roc", "benefit"]
    missing = {"cohort", "findings", "paper", "learning", "examples", "deviations", "evidence-images", "slices", *top}
    assert there == [*top, *(name for name in SECTIONS if name not in missing)]
    assert "does not contain the cohort table" in found.text
    assert "the fitted models (models)" in found.text
    assert "radiologist <b>$x_1$</b>" in found.text
    assert "模型 B" in found.text
    assert "fixed (no out-of-fold rows)" in found.text
    assert {tag for tag, _ in found.tags if tag == "b"} == {"b"}


@pytest.mark.slow
def test_out_of_fold_scores_alone_are_reported_as_such(
    tmp_path: Path, write_evaluation: Callable[[Path, Scores], None]
) -> None:
    stream = np.random.default_rng(2)
    rows = [
        Score(f"P{k}", "weak-1-cmp", "oof", k % 2, k % 3 == 0, float(np.clip(p + 0.3 * (k % 3 == 0), 0, 1)))
        for k, p in enumerate(stream.uniform(0, 0.7, 30))
    ]
    write_evaluation(tmp_path, Scores(tuple(rows)))
    (tmp_path / "study.lock.json").write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
    found = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "Out-of-fold training predictions, n = 30" in found.text
    assert "Out of fold, weak-1-cmp has an AUC" in found.text
    assert "Test set" not in found.text


@pytest.fixture(scope="module")
def other_page(
    tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path], make_study: Callable[..., Study]
) -> Page:
    """The page of a study of another outcome without the paper's phases, whose prepared images are gone."""
    cohort = {"table": "cohort.csv", "phases": ["ct"], "outcome": "lung_metastasis"}
    run_dir = make_run(tmp_path_factory.mktemp("other") / "run", make_study(cohort=cohort))
    for path in (run_dir / "volumes").iterdir():
        path.unlink()
    return Page(write_report(run_dir).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_without_images_the_study_is_still_described(other_page: Page) -> None:
    there = [name for name in other_page.values("id") if name in SECTIONS]
    assert "findings" not in there
    assert "examples" not in there
    assert "the prepared regions (volumes/regions.csv)" in other_page.text


def test_study_without_the_papers_phase_has_nothing_beside_it(other_page: Page) -> None:
    assert "This run has no counterpart to either" in other_page.text
    assert IMPOSSIBLE not in other_page.text
    assert "This study predicts another outcome." in other_page.text


@pytest.mark.slow
def test_numbers_of_the_paper_are_printed_only_in_a_study_that_says_it_repeats_it(real_html: str) -> None:
    found = Page(real_html)
    assert "paper" not in found.values("id")
    assert IMPOSSIBLE not in found.text


@pytest.mark.parametrize("relative", ["scores/scores.csv", "statistics/estimates.csv"])
def test_missing_results_are_named_with_a_remedy(foreign_run: Path, relative: str) -> None:
    (foreign_run / relative).unlink()
    with pytest.raises(RunError, match=rf"{relative}.*nephrograde evaluate"):
        write_report(foreign_run)
    assert not (foreign_run / "report").exists()


def test_lock_of_another_version_is_refused(foreign_run: Path) -> None:
    (foreign_run / "study.lock.json").write_text(
        json.dumps({"format": FORMAT, "study": {"cohort": {}}}), encoding="utf-8"
    )
    with pytest.raises(RunError, match=r"study\.lock\.json does not hold a study of this version"):
        write_report(foreign_run)
