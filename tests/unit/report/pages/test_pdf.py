from __future__ import annotations

import builtins
import logging
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from nephrograde.errors import NephrogradeError, RunError, VolumeError
from nephrograde.report.pages.pdf import holds_chinese, require_cjk_font, write_pdf
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.examples import png_data_uri
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import renew_seal
from nephrograde.volume.pictures import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.study import Study

PAGE = '<!DOCTYPE html><html lang="en"><head><title>report</title></head><body>{}</body></html>'
LONG = "weak_with_a_very_long_name_that_no_column_was_made_for"


@pytest.fixture(scope="module")
def weasyprint(absent: Callable[[str, str], None], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """WeasyPrint with its libraries and a Chinese font."""
    try:
        write_pdf(page_at(tmp_path_factory.mktemp("pdf") / "page.html", "<p>张伟</p>"))
    except NephrogradeError as error:
        absent("pdf", f"no PDF can be made here: {error}")
    import weasyprint

    return weasyprint


@pytest.fixture(scope="module")
def printed(
    weasyprint: Any,
    tmp_path_factory: pytest.TempPathFactory,
    make_run: Callable[..., Path],
    make_study: Callable[..., Study],
) -> tuple[Path, Any]:
    """The Chinese page of a whole run with a long model name, as a PDF, and the layout it was printed from."""
    study = make_study(name=f"长名 {LONG} {LONG}")
    run_dir = make_run(tmp_path_factory.mktemp("pdf") / "run", study)
    for name in ("scores/scores.csv", "statistics/estimates.csv", "statistics/comparisons.csv"):
        path = run_dir / name
        path.write_text(path.read_text(encoding="utf-8").replace("volume,", f"{LONG},"), encoding="utf-8")
    renew_seal(RunFolder(run_dir), RunFolder(run_dir).folds())
    layouts = []
    render = weasyprint.HTML.render

    def noted(*arguments: Any, **options: Any) -> Any:
        layouts.append(render(*arguments, **options))
        return layouts[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weasyprint.HTML, "render", noted)
        pdf_path = write_pdf(write_report(run_dir, "zh"))
    return pdf_path, layouts[0]


def unpacked(stream: bytes) -> bytes:
    """A stream of the PDF, which is packed unless it is a picture."""
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def page_at(path: Path, body: str) -> Path:
    path.write_text(PAGE.format(body), encoding="utf-8")
    return path


def test_pdf_stands_beside_its_page(printed: tuple[Path, Any]) -> None:
    pdf_path, document = printed
    assert pdf_path.name == "report.zh.pdf"
    assert pdf_path.read_bytes().startswith(b"%PDF-")
    assert len(document.pages) > 5
    sizes = {(round(page.width * 25.4 / 96), round(page.height * 25.4 / 96)) for page in document.pages}
    assert sizes == {(210, 297)}


def test_chinese_font_is_embedded_and_no_glyph_is_missing(printed: tuple[Path, Any]) -> None:
    pdf_path, document = printed
    letters = {letter for font in document.fonts.values() for text in font.to_unicode.values() for letter in text}
    assert set("仅供研究使用灵敏度张伟透明") <= letters
    assert not any(font.missing for font in document.fonts.values())
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf_path.read_bytes(), flags=re.DOTALL)
    assert any(b"/FontFile" in unpacked(stream) for stream in streams)


@pytest.mark.needs(programs=["pdftotext"])
def test_text_comes_out_and_pages_are_numbered(printed: tuple[Path, Any]) -> None:
    text = subprocess.run(["pdftotext", printed[0], "-"], capture_output=True, check=True).stdout.decode("utf-8")
    n = len(printed[1].pages)
    for words in ("仅供研究使用", "合成数据", "灵敏度", "张伟-01", "皮髓质期", f"1 / {n}", f"{n} / {n}"):
        assert words in text
    # the tables of a folded part, a head that is repeated on the next page, and the text of a figure
    assert "所有模型两两比较" in text
    assert text.count("模型A") > 2
    assert "1 − 特异度" in text


def test_summary_has_at_most_two_pages_before_the_appendix(printed: tuple[Path, Any]) -> None:
    texts = [
        "".join(getattr(box, "text", "") for box in page._page_box.children[0].descendants())
        for page in printed[1].pages
    ]
    starts = [number for number, text in enumerate(texts, 1) if text.startswith("附录")]
    assert starts
    assert starts[0] <= 3
    assert "灵敏度" in texts[0]


def test_nothing_lies_beyond_the_margins(printed: tuple[Path, Any]) -> None:
    beyond = []
    for number, page in enumerate(printed[1].pages, 1):
        root = page._page_box
        left, right = root.content_box_x(), root.content_box_x() + root.width
        for box in root.children[0].descendants():
            text = getattr(box, "text", "")
            is_drawn = text.strip() or type(box).__name__.endswith("ReplacedBox")
            if is_drawn and (box.position_x < left - 1 or box.position_x + box.width > right + 1):
                beyond.append((number, text, round(box.position_x + box.width - right)))
    assert beyond == []


def test_figures_are_not_larger_than_the_page(printed: tuple[Path, Any]) -> None:
    drawn = [
        (box.width, box.height, page._page_box.width, page._page_box.height)
        for page in printed[1].pages
        for box in page._page_box.children[0].descendants()
        if type(box).__name__.endswith("ReplacedBox")
    ]
    assert sum(width > 300 for width, *_ in drawn) >= 3
    assert all(width <= page_width + 1 and height <= page_height for width, height, page_width, page_height in drawn)


def test_same_page_gives_same_bytes_and_no_remark(
    weasyprint: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    body = '<style>p { no-such: 1 }</style><p>P001</p><p>患者</p><img src="data:image/png;base64,iVBO">'
    html_path = page_at(tmp_path / "report.html", body)
    level = logging.getLogger("weasyprint").level
    with caplog.at_level(logging.WARNING):
        first = write_pdf(html_path).read_bytes()
        assert write_pdf(html_path).read_bytes() == first
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("weasyprint").level == level
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.pdf"]


def test_nothing_is_fetched(weasyprint: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\n")
    asked: list[str] = []
    fetch = weasyprint.urls.URLFetcher.fetch

    def noted(self: Any, url: str, headers: Any = None) -> Any:
        response = fetch(self, url, headers)
        asked.append(url)
        return response

    pixel = png_data_uri(np.zeros((1, 1), dtype=np.float32))
    body = f'<img src="{secret.as_uri()}"><img src="http://127.0.0.1:9/x.png"><img src="x.png"><img src="{pixel}">'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weasyprint.urls.URLFetcher, "fetch", noted)
        write_pdf(page_at(tmp_path / "page.html", body))
    assert asked == [pixel]


@pytest.fixture
def one_font(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fonts but the one that comes with matplotlib, whatever is installed on this machine."""
    import matplotlib

    config_dir = tmp_path_factory.mktemp("fontconfig")
    (config_dir / "fonts").mkdir()
    shutil.copy(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", config_dir / "fonts")
    config = f"<fontconfig><dir>{config_dir / 'fonts'}</dir><cachedir>{config_dir / 'cache'}</cachedir></fontconfig>"
    (config_dir / "fonts.conf").write_text(f'<?xml version="1.0"?>{config}', encoding="utf-8")
    monkeypatch.setenv("FONTCONFIG_FILE", str(config_dir / "fonts.conf"))


def test_letter_that_no_font_has_is_named(weasyprint: Any, one_font: None, tmp_path: Path) -> None:
    html_path = page_at(tmp_path / "report.html", "<p>P\ue123\ue124</p>")
    with pytest.raises(NephrogradeError, match=r"U\+E123.*U\+E124.*fonts-noto-cjk"):
        write_pdf(html_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_missing_page_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"report\.html is missing.*nephrograde report"):
        write_pdf(tmp_path / "report.html")


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        (ModuleNotFoundError("No module named 'weasyprint'"), r'pip install "nephrograde\[pdf\]"'),
        (OSError("cannot load library 'libpango-1.0-0'\nsecond line"), r"\(cannot load .*0'\).*apt.*brew.*MSYS2"),
        (OSError(), r"\(OSError\)"),
    ],
)
def test_missing_library_is_named_with_its_remedy(tmp_path: Path, failure: Exception, remedy: str) -> None:
    load = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "weasyprint":
            raise failure
        return load(name, *arguments, **options)

    html_path = page_at(tmp_path / "report.html", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "__import__", without)
        with pytest.raises(NephrogradeError, match=remedy) as caught:
            write_pdf(html_path)
    assert "second line" not in str(caught.value)


@pytest.mark.parametrize(("listed", "is_there"), [("WenQuanYi Micro Hei\n", True), ("", False)])
def test_fontconfig_is_asked_for_a_chinese_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, is_there: bool
) -> None:
    def run(command: list[str], **_: Any) -> Any:
        assert command == ["/x/fc-list", ":lang=zh", "family"]
        return subprocess.CompletedProcess(command, 0, stdout=listed.encode())

    monkeypatch.setattr(shutil, "which", lambda name: f"/x/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    if is_there:
        require_cjk_font()
    else:
        with pytest.raises(NephrogradeError, match=r"fonts-noto-cjk.*Microsoft YaHei"):
            require_cjk_font()


@pytest.mark.parametrize(("family", "is_there"), [("Microsoft YaHei", True), ("Arial", False)])
def test_without_fontconfig_the_fonts_of_the_system_are_searched(
    monkeypatch: pytest.MonkeyPatch, family: str, is_there: bool
) -> None:
    from matplotlib.font_manager import FontEntry, fontManager

    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(fontManager, "ttflist", [FontEntry(name=family)])
    if is_there:
        require_cjk_font()
    else:
        with pytest.raises(NephrogradeError, match="would show boxes"):
            require_cjk_font()


@pytest.mark.slow
def test_a_machine_without_any_font_is_told_so_by_a_process_that_goes_on(weasyprint: Any, tmp_path: Path) -> None:
    config = f'<?xml version="1.0"?><fontconfig><dir>{tmp_path}</dir><cachedir>{tmp_path}</cachedir></fontconfig>'
    (tmp_path / "fonts.conf").write_text(config, encoding="utf-8")
    html_path = page_at(tmp_path / "report.html", "<p>P001</p>")
    code = "import sys; from pathlib import Path; from nephrograde.report.pages.pdf import write_pdf\n"
    code += "try: write_pdf(Path(sys.argv[1]))\nexcept Exception as error: print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code, html_path],
        env={**os.environ, "FONTCONFIG_FILE": str(tmp_path / "fonts.conf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"This machine has no font at all.*fonts-noto-cjk", done.stdout)
    with speaking("zh"):
        assert re.search("没有任何字体.*请安装字体", told(done.stdout.strip()))


def test_page_without_chinese_asks_for_no_chinese_font(weasyprint: Any, one_font: None, tmp_path: Path) -> None:
    write_pdf(page_at(tmp_path / "plain.html", "<p>P001</p>"))
    with pytest.raises(NephrogradeError, match="has no font for it"):
        write_pdf(page_at(tmp_path / "ids.html", "<p>P001, 张伟</p>"))


def test_pictures_that_are_cut_short_are_still_refused_afterwards(weasyprint: Any, tmp_path: Path) -> None:
    picture_path = tmp_path / "slice.png"
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1))).save(picture_path)
    picture_path.write_bytes(picture_path.read_bytes()[:-20])
    with pytest.raises(VolumeError) as caught:
        read_picture(picture_path)
    assert caught.value.code == "file-unreadable"


def test_chinese_is_found_in_text_and_not_in_styles() -> None:
    assert holds_chinese("<p>&#x5f20;</p>")
    assert holds_chinese("<p>\U00020000</p>")
    assert not holds_chinese("<style>p { font-family: '黑体' }</style><p title='张'>α − β “x”</p>")


@pytest.mark.slow
def test_page_names_the_chinese_fonts_of_every_system(whole_page: str) -> None:
    html = whole_page
    stacks = re.findall(r"(?:font-family|font): ([^;}]*(?:sans-serif|monospace))", html[: html.index("</style>")])
    assert len(stacks) == 3
    wanted = ("Noto Sans CJK SC", "Source Han Sans", "Microsoft YaHei", "PingFang SC", "WenQuanYi Micro Hei")
    assert all(name in stack for stack in stacks for name in wanted)
