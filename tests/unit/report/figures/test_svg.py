from __future__ import annotations

import ast
import json
import math
import re
import xml.etree.ElementTree as ET
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from matplotlib import font_manager

from nephrograde.files import read_rows
from nephrograde.report.figures import study_figures as figures
from nephrograde.report.figures import svg
from nephrograde.report.figures.svg import (
    CHINESE_FONTS,
    FONTS,
    Drawing,
    find_chinese_font,
    finish,
    house_style,
    new_figure,
    write_figures,
)
from nephrograde.report.pages import exports, side_by_side, side_by_side_page
from nephrograde.report.tables import joint, joint_manuscript, manuscript
from nephrograde.report.text.language import catalogue, speaking

if TYPE_CHECKING:
    from collections.abc import Callable

MINE = (svg, figures, exports, joint, joint_manuscript, manuscript, side_by_side, side_by_side_page)


def drawn(*, is_synthetic: bool = False, title: str = "肾实质期") -> Drawing:
    with house_style():
        figure = new_figure(2.0, 1.5)
        axes = figure.add_subplot()
        axes.set_title(title)
        return finish(figure, "small", "One panel.", is_synthetic=is_synthetic, data=[{"x": 0.1, "y": math.nan}])


def test_synthetic_rows_say_so() -> None:
    assert drawn().data == ({"x": 0.1, "y": pytest.approx(math.nan, nan_ok=True)},)
    marked = drawn(is_synthetic=True)
    assert marked.data[0]["data"] == "synthetic"
    assert marked.description == "SYNTHETIC DATA. One panel."
    assert ">SYNTHETIC DATA</text>" in marked.svg


@pytest.mark.slow
def test_chinese_page_has_a_chinese_mark_and_file_and_the_same_numbers(tmp_path: Path) -> None:
    english = write_figures({"small": drawn(is_synthetic=True)}, tmp_path)
    numbers = (tmp_path / "small.csv").read_bytes()
    with speaking("zh"):
        drawing = drawn(is_synthetic=True)
        chinese = write_figures({"small": drawing}, tmp_path)
    assert [path.name for path in english] == ["small.svg", "small.csv"]
    assert [path.name for path in chinese] == ["small.zh.svg", "small.csv"]
    assert (tmp_path / "small.csv").read_bytes() == numbers
    assert read_rows(tmp_path / "small.csv") == [{"x": "0.1", "y": "", "data": "synthetic"}]
    assert ">合成数据</text>" in drawing.svg
    assert drawing.description == "合成数据。One panel."


def test_figure_without_rows_has_no_table(tmp_path: Path) -> None:
    write_figures({"bare": Drawing("bare", "<svg/>", "", 1)}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bare.svg"]


def test_text_names_afind_chinese_font_to_the_reader() -> None:
    root = ET.fromstring(drawn().svg)  # noqa: S314 (our own file)
    styles = [element.get("style", "") for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert styles
    assert all(FONTS in style for style in styles)
    assert all(f"'{name}'" in FONTS for name in CHINESE_FONTS)


def width_px(text: str) -> float:
    with house_style():
        figure = new_figure(3.0, 1.5)
        figure.set_layout_engine("none")
        figure.text(0, 0.5, text, fontsize=10)
        return float(figure.texts[0].get_window_extent().width)


def test_chinese_is_measured_with_a_font_that_has_it(absent: Callable[[str, str], None]) -> None:
    if not find_chinese_font():
        absent("chinese-font", "no font of this machine has Chinese letters")
    assert width_px("肾实质期肾实质期") == pytest.approx(8 * 10 * 100 / 72, rel=0.1)


def test_looking_for_fonts_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    drawn()
    assert [record.getMessage() for record in caplog.records] == []


def test_without_afind_chinese_font_other_text_is_measured_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    before = width_px("Sensitivity")
    find_chinese_font.cache_clear()
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    try:
        assert find_chinese_font() == ()
        assert width_px("Sensitivity") == before
        assert ">肾实质期</text>" in drawn().svg
    finally:
        find_chinese_font.cache_clear()


def constants(module_path: Path) -> set[str]:
    """Every sentence that a module or a template hands to ``t``."""
    text = module_path.read_text(encoding="utf-8")
    if module_path.suffix != ".py":
        return set(re.findall(r'\bt\("([^"]+)"', text))
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    said = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "t"]
    assert all(isinstance(one, ast.Constant) for one in said)
    return {str(one.value) for one in said if isinstance(one, ast.Constant)}


def test_every_sentence_has_its_chinese_with_the_same_places() -> None:
    template = Path(str(resources.files("nephrograde.report") / "templates" / "compare.html.j2"))
    paths = [Path(str(module.__file__)) for module in MINE] + [template]
    sentences = set().union(*(constants(path) for path in paths))
    known = catalogue("zh")
    assert len(sentences) > 80
    assert sorted(sentences - known.keys()) == []
    for sentence in sentences:
        assert sorted(re.findall(r"\{(\w+)\}", sentence)) == sorted(re.findall(r"\{(\w+)\}", known[sentence]))


@pytest.mark.parametrize("part", ["figures", "exports"])
def test_no_chinese_is_left_without_its_english(part: str) -> None:
    folder = resources.files("nephrograde.report")
    known = json.loads((folder / "locale" / "zh" / f"{part}.json").read_text(encoding="utf-8"))
    paths = [Path(str(module.__file__)) for module in MINE]
    said = set().union(*(constants(path) for path in [*paths, Path(str(folder / "templates" / "compare.html.j2"))]))
    assert sorted(known.keys() - said) == []
