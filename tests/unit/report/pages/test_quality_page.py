"""The page of the quality check, from its files alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.errors import RunError
from nephrograde.files import write_json, write_rows
from nephrograde.quality.survey import COUNT_COLUMNS, SCAN_COLUMNS
from nephrograde.report.pages.paging import LISTED, PATIENTS
from nephrograde.report.pages.quality_page import write_quality_page
from nephrograde.vocabulary import RESEARCH_USE_ONLY
from nephrograde.volume.finding import Finding, write_findings
from nephrograde.volume.thumbnail import thumbnail_png

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FINDINGS = (
    Finding("P2", "np", "np_image", "metal", "warning", "holds 1.0 ml above 3000 HU.", "See whether <b> crosses."),
    Finding("P3", "np", "np_image", "file-empty", "fatal", "is empty (0 bytes).", "Export it again."),
    Finding("P3", "", "", "patient-twice", "warning", "same as P1.", "Keep one row."),
)


def _write(quality_dir: Path, *, patients: Iterable[str], findings: Iterable[Finding] = (), **about: Any) -> None:
    rng = np.random.default_rng(0)
    scans = []
    (quality_dir / "thumbs").mkdir(parents=True)
    for number, patient in enumerate(patients):
        for phase in ("cmp", "np"):
            plane = rng.normal(40, 15, (128, 160))
            is_read = (patient, phase) != ("P3", "np")
            if is_read:
                (quality_dir / "thumbs" / f"{number}{phase}.png").write_bytes(thumbnail_png(plane, pixel_mm=(2.0, 2.0)))
            figures = (
                {"size": "160 × 128 × 40", "spacing_mm": "2.00 × 2.00 × 5.00", "kernel": "B30f"} if is_read else {}
            )
            thumb = f"thumbs/{number}{phase}.png" if is_read else ""
            row: dict[str, object] = {
                "patient_id": patient,
                "phase": phase,
                "grade": number % 4 + 1,
                "is_high": int(number % 4 > 1),
            }
            scans.append(row | figures | {"thumb": thumb})
    write_rows(quality_dir / "scans.csv", SCAN_COLUMNS, scans)
    write_findings(findings, quality_dir / "quality.csv")
    count: dict[str, object] = {"n": 3, "low": 2, "high": 1, "grade_1": 1, "grade_2": 1, "grade_3": 1, "grade_4": 0}
    kinds = [("patients", ""), ("images", "cmp"), ("readable", "cmp"), ("every phase", ""), ("usable", "weak-1-cmp")]
    write_rows(
        quality_dir / "counts.csv", COUNT_COLUMNS, [{"what": what, "name": name} | count for what, name in kinds]
    )
    write_json(quality_dir / "quality.json", {"study": "three phases", "synthetic": False, "patients": 3} | about)


@pytest.fixture
def quality_dir(tmp_path: Path) -> Path:
    _write(tmp_path / "质量", patients=("P1", "P2", "P3"), findings=FINDINGS)
    return tmp_path / "质量"


class Page(HTMLParser):
    """What a page shows, and what it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.feed(html)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []


def test_the_page_stands_alone(quality_dir: Path, tmp_path: Path) -> None:
    page_path = write_quality_page(quality_dir, tmp_path / "quality.html")
    html = page_path.read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "<script" not in html
    assert RESEARCH_USE_ONLY in html


def test_patients_come_by_what_is_wrong_with_them(quality_dir: Path, tmp_path: Path) -> None:
    html = write_quality_page(quality_dir, tmp_path / "quality.html").read_text(encoding="utf-8")
    assert re.findall(r'<article id="[^"]*" class="patient( fatal)?">\n<h3><bdi>(\w+)</bdi>', html) == [
        (" fatal", "P3"),
        ("", "P2"),
        ("", "P1"),
    ]
    assert html.index("is empty (0 bytes)") < html.index("same as P1.")
    assert html.index("same as P1.") < html.index('id="sound"')
    assert html.count("cannot be read</div>") == 1
    assert "See whether &lt;b&gt; crosses." in html


def test_counts_and_kinds_stand_in_tables(quality_dir: Path, tmp_path: Path) -> None:
    html = write_quality_page(quality_dir, tmp_path / "quality.html").read_text(encoding="utf-8")
    row = '<th scope="row">Usable by model weak-1-cmp</th>'
    cells = re.findall(r'<td class="num">([^<]*)</td>', html[html.index(row) :].split("</tr>")[0])
    assert cells == ["3", "2", "1", "1", "1", "1", "0"]
    assert "With an image: corticomedullary (cmp)" in html
    kinds = re.findall(r'<th scope="row" class="kind"><code>([\w-]+)</code>', html)
    assert kinds == ["file-empty", "metal", "patient-twice"]
    assert "one person under two ids" in html
    assert "3 patients with 6 scans were checked." in html
    assert "1 finding must be fixed, 2 warnings should be reviewed." in html


def test_a_sound_cohort(tmp_path: Path) -> None:
    _write(tmp_path / "quality", patients=("P1",))
    html = write_quality_page(tmp_path / "quality", tmp_path / "quality.html").read_text(encoding="utf-8")
    assert "No problems were found." in html
    assert 'id="findings"' not in html
    assert "There are none." in html


def test_chinese(quality_dir: Path, tmp_path: Path) -> None:
    html = write_quality_page(quality_dir, tmp_path / "quality.html", "zh").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in html
    assert "共检查3例患者的6次扫描" in html
    assert "仅供研究使用" in html
    assert '<span lang="en">See whether &lt;b&gt; crosses.</span>' in html


def test_synthetic_data_is_called_so(tmp_path: Path) -> None:
    _write(tmp_path / "quality", patients=("P1",), synthetic=True)
    html = write_quality_page(tmp_path / "quality", tmp_path / "quality.html").read_text(encoding="utf-8")
    assert "<h1>SYNTHETIC DATA: three phases</h1>" in html
    assert 'class="banner"' in html


def test_a_picture_that_has_gone_is_left_blank(quality_dir: Path, tmp_path: Path) -> None:
    (quality_dir / "thumbs" / "0cmp.png").unlink()
    html = write_quality_page(quality_dir, tmp_path / "quality.html").read_text(encoding="utf-8")
    assert len(Page(html).sources) == 4


def test_a_folder_without_a_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"quality\.json is missing"):
        write_quality_page(tmp_path, tmp_path / "quality.html")


def test_three_hundred_patients_fit_on_a_page(tmp_path: Path) -> None:
    _write(tmp_path / "quality", patients=("P1",))
    noisy = tmp_path / "quality" / "thumbs" / "0cmp.png"  # noise is the worst that can be packed
    names = [f"P{number}" for number in range(300)]
    rows = [{"patient_id": n, "phase": p, "grade": 1, "thumb": "thumbs/0cmp.png"} for n in names for p in "abc"]
    write_rows(tmp_path / "quality" / "scans.csv", SCAN_COLUMNS, rows)
    found = [
        Finding(name, phase, f"{phase}_image", "metal", "warning", "x" * 200, "y" * 100)
        for name in names
        for phase in "abc"
    ]
    write_findings(found, tmp_path / "quality" / "quality.csv")
    page_path = write_quality_page(tmp_path / "quality", tmp_path / "quality.html")
    assert noisy.stat().st_size > 8000
    assert page_path.stat().st_size < 40e6


@pytest.mark.slow
def test_thousands_of_patients_come_on_several_pages(tmp_path: Path) -> None:
    quality_dir, page_path = tmp_path / "quality", tmp_path / "quality" / "quality.html"
    _write(quality_dir, patients=("P1",))
    ids = [f"P{number:04d}" for number in range(1, 1202)]
    rows = [{"patient_id": one, "phase": "cmp", "grade": 1, "thumb": "thumbs/0cmp.png"} for one in ids]
    write_rows(quality_dir / "scans.csv", SCAN_COLUMNS, rows)
    odd = ids[600:]  # these come first
    write_findings([Finding(one, "cmp", "", "metal", "warning", "x", "y") for one in odd], quality_dir / "quality.csv")
    assert write_quality_page(quality_dir, page_path) == page_path
    pages = {path.name: path.read_text(encoding="utf-8") for path in quality_dir.glob("*.html")}
    assert sorted(pages) == ["quality-2.html", "quality-3.html", "quality.html"]
    shown = [re.findall(r"<h3><bdi>(\w+)</bdi>", pages[name]) for name in sorted(pages)]
    assert shown == [(odd + ids)[500:1000], (odd + ids[:600])[1000:], odd[:PATIENTS]]
    assert max(map(len, pages.values())) < PATIENTS * 30_000
    first = Page(pages["quality.html"])
    assert sum(link.startswith("#") for link in first.links) == LISTED
    assert "and 501 more, in quality.csv" in pages["quality.html"]
    assert set(first.links) >= {"quality-2.html", "quality-3.html"}
    assert "Page 3 of 3: patients 1,001 to 1,201 of 1,201." in pages["quality-3.html"]
    assert '<b aria-current="page">3</b> <bdi>P0400</bdi> … <bdi>P0600</bdi>' in pages["quality-3.html"]
    assert 'id="counts"' not in pages["quality-3.html"]
    assert all(RESEARCH_USE_ONLY in page for page in pages.values())


def test_pages_of_a_larger_cohort_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    quality_dir = tmp_path / "quality"
    _write(quality_dir, patients=("P1",))
    small = (quality_dir / "scans.csv").read_bytes()
    rows = [{"patient_id": f"P{number}", "phase": "cmp", "grade": 1, "thumb": ""} for number in range(1001)]
    write_rows(quality_dir / "scans.csv", SCAN_COLUMNS, rows)
    write_quality_page(quality_dir, quality_dir / "quality.zh.html", "zh")
    assert "第3页，共3页" in (quality_dir / "quality-3.zh.html").read_text(encoding="utf-8")
    (quality_dir / "quality-4.zh.html").write_text("of a user", encoding="utf-8")
    (quality_dir / "scans.csv").write_bytes(small)
    write_quality_page(quality_dir, quality_dir / "quality.zh.html", "zh")
    assert sorted(path.name for path in quality_dir.glob("*.html")) == ["quality-4.zh.html", "quality.zh.html"]
