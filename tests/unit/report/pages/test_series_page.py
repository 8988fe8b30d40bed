"""The page for reviewing a choice of series."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import RunError
from nephrograde.files import write_rows
from nephrograde.report.pages.series_page import write_series_page
from nephrograde.vocabulary import RESEARCH_USE_ONLY
from nephrograde.volume.series_table import FORMAT, SERIES_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.text.language import Language

PNG = b"\x89PNG"


def row(
    patient: str, description: str, *, phase: str = "", reason: str = "localiser", probability: str = "0.97"
) -> dict[str, str]:
    known = {
        "patient_id": patient,
        "description": description,
        "phase": phase,
        "probability": probability,
        "reason": reason,
        "chosen": "yes" if reason.startswith(("best-of", "only")) else "no",
        "evidence": (
            "words.found:words=art <b>;place=series description | order.by-time:number=1;count=3" if phase else ""
        ),
        "format": str(FORMAT),
    }
    return dict.fromkeys(SERIES_COLUMNS, "") | known


ROWS = [
    row("P0001", "arterial <script>", phase="cmp", reason="best-of:n=2 | by.kernel:kernel=soft"),
    row("P0001", "平扫", phase="up", reason="only-series", probability="0.999"),
    row("P0001", "arterial B60f", phase="cmp", reason="better-series | by.kernel:kernel=soft"),
    row("P0001", "Topogram"),
    row("P0002", "venous?", phase="np", reason="only-series", probability="0.62"),
    row("P0003", "abdomen", reason="phase-unknown", probability="0.30"),
    row("P0000", "np", phase="np", reason="only-series"),
]


def page_of(folder: Path, rows: list[dict[str, str]], language: Language = "en") -> str:
    write_rows(folder / "series.csv", SERIES_COLUMNS, rows)
    thumbs_dir = folder / "cohort.thumbs"
    thumbs_dir.mkdir(exist_ok=True)
    for name in ("P0001-cmp-axial", "P0001-cmp-coronal", "P0002-np-axial"):
        (thumbs_dir / f"{name}.png").write_bytes(PNG + name.encode())
    (folder / "P0009-np-axial.png").write_bytes(PNG)
    return write_series_page(folder / "series.csv", thumbs_dir, folder / "series.html", language).read_text(
        encoding="utf-8"
    )


def blocks(html: str) -> dict[str, str]:
    parts = html.split('<div class="patient"')[1:]
    return {match[1]: part for part in parts if (match := re.search(r"<h3>(\w+)", part))}


def test_words_and_image_that_contradict_each_other_are_marked_and_come_first(tmp_path: Path) -> None:
    conflict = {"evidence": "conflict.words-image:said=up;measured=np"}
    rows = [
        *ROWS,
        row("P0008", "plain", phase="np", reason="only-series") | conflict,
        row("P0009", "plain", reason="phase-contradicted") | conflict,
        row("P0007", "plain", phase="np", reason="chosen-by-person") | conflict | {"chosen": "yes"},
    ]
    html = page_of(tmp_path, rows)
    assert list(blocks(html))[:2] == ["P0008", "P0009"]
    assert "Words and image contradict each other" in blocks(html)["P0008"]
    assert "the words say unenhanced, the image shows nephrographic" in blocks(html)["P0008"]
    assert "Words and image contradict each other" not in blocks(html)["P0007"]
    chinese = page_of(tmp_path, rows, "zh")
    assert "描述文字与图像矛盾" in blocks(chinese)["P0009"]


def test_choice_stands_with_picture_phase_probability_evidence_and_reason(tmp_path: Path) -> None:
    html = page_of(tmp_path, ROWS)
    block = blocks(html)["P0001"]
    uri = base64.b64encode(PNG + b"P0001-cmp-axial").decode()
    assert f"data:image/png;base64,{uri}" in block
    assert block.count("<img ") == 2
    assert block.index("<b>UP</b> &gt;99%") < block.index("<b>CMP</b> 97%")
    assert "best of 2: <span>soft kernel</span>" in block
    assert "<li>order: acquisition 1 of 3 by time</li>" in block
    assert "Series not chosen: 2" in block
    assert "without NP" in block
    assert "3 patients" not in html
    assert "4 patients, 7 series." in html
    assert RESEARCH_USE_ONLY in html


def test_uncertain_choices_stand_first(tmp_path: Path) -> None:
    html = page_of(tmp_path, ROWS)
    assert list(blocks(html)) == ["P0002", "P0003", "P0000", "P0001"]
    assert '<a href="#p1">P0002</a>, <a href="#p2">P0003</a>' in html
    assert 'class="unsure"' in blocks(html)["P0002"]
    assert "No series could be chosen." in blocks(html)["P0003"]
    assert "Look at these first" not in page_of(tmp_path, [*ROWS[:2], row("P4", "slide", reason="not-ct:modality=SM")])


def test_page_is_whole_and_foreign_text_is_escaped(tmp_path: Path) -> None:
    html = page_of(tmp_path, ROWS)
    assert "<script" not in html
    assert "arterial &lt;script&gt;" in html
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", html)
    assert "default-src 'none'" in html


def test_counts_by_phase_and_reason(tmp_path: Path) -> None:
    html = page_of(tmp_path, ROWS)
    cells = re.findall(r'<tr><th scope="row">([^<]+)</th><td class="num">(\d+)</td></tr>', html)
    assert dict(cells) == {
        "unenhanced (up)": "1",
        "corticomedullary (cmp)": "1",
        "nephrographic (np)": "2",
        "excretory (ep)": "0",
        "a better series": "1",
        "localiser": "1",
        "phase unknown": "1",
    }


def test_only_pictures_of_the_folder_are_shown(tmp_path: Path) -> None:
    html = page_of(tmp_path, [row("../P0009", "x", phase="np", reason="only-series")])
    assert "<img " not in html


def test_chinese_page_says_the_kinds_in_chinese(tmp_path: Path) -> None:
    html = page_of(tmp_path, ROWS, "zh")
    assert '<html lang="zh-Hans">' in html
    for words in ("4例患者，7个序列", "2个序列中最优", "定位像", "期相未知", "缺NP", "仅供研究使用"):
        assert words in html
    assert "<span>软组织卷积核</span>" in html
    assert "<li>文字：序列描述中有“art &lt;b&gt;”</li>" in html
    assert "in the series description" not in html


def test_synthetic_series_are_marked(tmp_path: Path) -> None:
    assert "SYNTHETIC DATA" not in page_of(tmp_path, ROWS)
    assert "SYNTHETIC DATA" in page_of(tmp_path, [row("P1", "SYNTHETIC Unenhanced 5mm")])


def test_empty_and_damaged_tables(tmp_path: Path) -> None:
    assert "0 patients, 0 series." in page_of(tmp_path, [])
    (tmp_path / "series.csv").write_text("patient_id,format\nP1,2\n", encoding="utf-8")
    with pytest.raises(RunError, match="lacks the columns chosen, description"):
        write_series_page(tmp_path / "series.csv", tmp_path, tmp_path / "x.html")
    (tmp_path / "series.csv").write_text("patient_id,reason\nP1,phase unknown\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"format 1.*nephrograde scan"):
        write_series_page(tmp_path / "series.csv", tmp_path, tmp_path / "x.html")
    with pytest.raises(RunError, match="missing"):
        write_series_page(tmp_path / "none.csv", tmp_path, tmp_path / "x.html")


def test_mask_stands_with_its_scan_and_is_not_counted_as_one(tmp_path: Path) -> None:
    mask = row("P0001", "Tumor <1>", phase="cmp", reason="mask-taken:series=1.2 | not-taken:series=1.9")
    other = row("P0001", "Liver", reason="mask-of-other-organ")
    html = page_of(tmp_path, [*ROWS[:2], mask | {"chosen": "yes"}, other])
    block = blocks(html)["P0001"]
    assert block.count("Tumor") == 1
    assert "<b>Mask</b> <span>Tumor &lt;1&gt;</span>" in block
    assert block.index("<b>CMP</b>") < block.index("<b>Mask</b>")
    assert "mask of a chosen series: <span>1.2, not taken: 1.9</span>" in block
    assert block.count("<img ") == 2
    assert "Series not chosen: 1" in block
    assert 'corticomedullary (cmp)</th><td class="num">1<' in html
    assert "掩膜" in page_of(tmp_path, [ROWS[0], mask | {"chosen": "yes"}], "zh")
    alone = row("P0005", "Tumor", reason="mask-of-unknown")
    assert "Look at these first" not in page_of(tmp_path, [*ROWS[:2], alone])


def test_a_reason_that_a_person_wrote_stays_as_it_is(tmp_path: Path) -> None:
    html = page_of(tmp_path, [row("P1", "x", phase="np", reason="looks <fine> to me: yes")], "zh")
    assert "looks &lt;fine&gt; to me: yes" in html


def test_thousands_of_patients_come_on_several_pages(tmp_path: Path) -> None:
    sure = [row(f"P{number:04d}", "np", phase="np", reason="only-series") for number in range(700)]
    unsure = [row(f"Q{number:04d}", "np", phase="np", reason="only-series", probability="0.6") for number in range(150)]
    html = page_of(tmp_path, [*sure, *unsure])
    second = (tmp_path / "series-2.html").read_text(encoding="utf-8")
    assert "850 patients, 850 series." in html
    assert list(blocks(html)) == [f"Q{number:04d}" for number in range(150)] + [
        f"P{number:04d}" for number in range(350)
    ]
    assert list(blocks(second)) == [f"P{number:04d}" for number in range(350, 700)]
    assert '<div class="patient" id="p501">' in second
    assert '<a href="#p100">Q0099</a> and 50 more, in series.csv' in html
    assert '<a href="series-2.html">2</a> <bdi>P0350</bdi> … <bdi>P0699</bdi>' in html
    assert "Page 2 of 2: patients 501 to 850 of 850." in second
    assert "Review these first" not in second
    assert RESEARCH_USE_ONLY in second
