"""The page in Chinese: no English sentence is left, and every number is the same."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from nephrograde.report.pages.study_page import write_report
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path


VOID = {"meta", "img", "br", "line", "path", "circle", "use", "rect", "link", "hr", "input"}
DATA = ("three-phase CT, nine models", "a processor, 2 cores, Linux", "radiologist <b>$x_1$</b>", "et al. ")
"""What people and machines have named, and publications, which stand as they are in every language."""
ENGLISH = re.compile(r"[A-Za-z][A-Za-z’'-]+(?:[ ,;:.()]+[A-Za-z][A-Za-z’'-]+){6,}")


class Page(HTMLParser):
    """Texts and alternative texts, except in styles, code and what is marked as English."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.texts: list[str] = []
        self.language = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given["lang"]
        if not self.is_left_out:
            self.texts += [given[name] for name in ("aria-label", "alt") if name in given]
        if tag not in VOID:
            self.open.append((tag, tag in {"style", "code"} or (tag != "html" and given.get("lang") == "en")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.is_left_out and data.strip():
            self.texts.append(re.sub(r"\s+", " ", data))

    @property
    def is_left_out(self) -> bool:
        return any(is_out for _, is_out in self.open)


def english(page: Page) -> list[str]:
    return [text for text in page.texts if ENGLISH.search(text) and not any(data in text for data in DATA)]


@pytest.fixture
def pages(further_pages: dict[str, str]) -> dict[str, str]:
    return {"report.html": further_pages["en"], "report.zh.html": further_pages["zh"]}


@pytest.mark.slow
def test_no_english_sentence_is_left(pages: dict[str, str]) -> None:
    page = Page(pages["report.zh.html"])
    assert page.language == "zh-Hans"
    assert page.open == []
    assert english(page) == []
    text = " ".join(page.texts)
    for words in ("仅供研究使用", "透明细胞肾细胞癌", "皮髓质期", "灵敏度", "合成数据", "折外", "3个监督组，3个期相"):
        assert words in text
    assert "正文" not in text


def test_english_would_be_seen(pages: dict[str, str]) -> None:
    page = Page(pages["report.html"])
    assert page.language == "en"
    assert len(english(page)) > 20
    assert RESEARCH_USE_ONLY in page.texts
    assert not any(re.search("[\u4e00-\u9fff]", text) and "折" in text for text in page.texts)


def test_findings_are_translated_and_what_stays_english_is_marked(pages: dict[str, str]) -> None:
    assert '<td class="wide"><code>np_image</code>: 第41层与第42层相距10.0 mm' in pages["report.zh.html"]
    assert '<span lang="en">Re-export the series or drop the phase.</span>' in pages["report.zh.html"]
    assert 'lang="en"' not in pages["report.html"].replace('<html lang="en">', "")


def test_numbers_of_the_tables_are_the_same(pages: dict[str, str]) -> None:
    cells = [re.findall(r'<td class="num.*?</td>', html, flags=re.DOTALL) for html in pages.values()]
    texts = [[unescape(re.sub(r"<[^>]*>", " ", cell)) for cell in part] for part in cells]
    numbers = [[re.findall(r"\d+(?:\.\d+)?", text) for text in part] for part in texts]
    assert len(numbers[0]) == len(numbers[1]) > 500
    differing = [(a, b) for a, b in zip(*numbers, strict=True) if sorted(a) != sorted(b)]
    assert differing == []


@pytest.mark.slow
def test_foreign_scores_are_told_in_chinese(foreign_run: Path) -> None:
    page = Page(write_report(foreign_run, "zh").read_text(encoding="utf-8"))
    text = " ".join(page.texts)
    assert english(page) == []
    assert "评分表的评价" in text
    assert "训练好的模型（models）" in text
    assert "固定值（没有折外预测）" in text


def test_tables_and_figures_are_numbered_through_all_templates(pages: dict[str, str]) -> None:
    html = pages["report.html"]
    tables = [int(n) for n in re.findall(r"<b>Table (\d+)\.</b>", html)]
    figures = [int(n) for n in re.findall(r"<b>Figure (\d+)\.</b>", html)]
    assert tables == list(range(1, len(tables) + 1))
    assert figures == list(range(1, len(figures) + 1))
