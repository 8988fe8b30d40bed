"""The page as a PDF: the same HTML, printed by WeasyPrint."""

from __future__ import annotations

import html
import logging
import re
import shutil
import subprocess
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nephrograde.errors import NephrogradeError, RunError
from nephrograde.replacement import replaced
from nephrograde.report.pages.collection import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHINESE_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimSun",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "Songti SC",
)
"""Fonts with Chinese characters that come with operating systems, for use without fontconfig."""
FONT_REMEDY = (
    "Install one: `apt install fonts-noto-cjk` on Debian or Ubuntu, `dnf install google-noto-sans-cjk-fonts` on "
    "Fedora; Windows and macOS include one (Microsoft YaHei, PingFang SC)."
)
_CHINESE = re.compile("[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NO_TEXT = re.compile(r"<style\b.*?</style>|<[^>]*>", re.DOTALL)


def write_pdf(html_path: Path) -> Path:
    """Print a page as an A4 PDF next to it, with page numbers and all collapsed sections.

    Nothing is downloaded: external resources are left out. The same page gives the same bytes on a machine with the
    same fonts and the same WeasyPrint.

    Args:
        html_path: A page that ``write_report`` has written.

    Returns:
        The path of the PDF: the page's, ending in ``.pdf``.

    Raises:
        RunError: The page is missing.
        NephrogradeError: WeasyPrint or a library that it needs is not installed, or no font has the characters of the
            page.

    """
    if not html_path.exists():
        raise RunError(f"{html_path} is missing, so there is nothing to print. Run `nephrograde report` first.")
    weasyprint = _weasyprint()
    text = html_path.read_text(encoding="utf-8")
    if not _has_font():  # Pango would end the process
        raise NephrogradeError(f"This machine has no font at all, so no PDF can be printed. {FONT_REMEDY}")
    if holds_chinese(text):
        require_cjk_font()
    pdf_path = html_path.with_suffix(".pdf")
    only_what_it_holds = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    with _quiet(), uncollected(), replaced(pdf_path) as temporary_path:
        document = weasyprint.HTML(string=text, url_fetcher=only_what_it_holds).render()
        document.write_pdf(temporary_path)
        _require_glyphs(document, html_path)
    return pdf_path


def holds_chinese(page: str) -> bool:
    """Whether the text of a page contains Chinese; its styles do not count.

    >>> holds_chinese("<p>centre 第一医院</p>"), holds_chinese("<style>p { font-family: '黑体' }</style><p>P001</p>")
    (True, False)
    """
    return _CHINESE.search(html.unescape(_NO_TEXT.sub("", page))) is not None


def require_cjk_font() -> None:
    """Check that this machine has a font with Chinese characters, without which a PDF shows boxes instead.

    Uses fontconfig, as WeasyPrint itself does; without its ``fc-list`` (usually on Windows), the fonts that matplotlib
    finds are searched for those of ``CHINESE_FAMILIES``.

    Raises:
        NephrogradeError: There is none; the message says what to install.
    """
    program = shutil.which("fc-list")
    if program is not None:
        listed = subprocess.run([program, ":lang=zh", "family"], capture_output=True, check=False)  # noqa: S603 (found on the path, constant arguments)
        found = bool(listed.stdout.strip())
    else:
        from matplotlib.font_manager import fontManager

        found = any(font.name in CHINESE_FAMILIES for font in fontManager.ttflist)
    if not found:
        raise NephrogradeError(
            "The page has Chinese text, and this machine has no font for it, so the PDF would show boxes. "
            f"{FONT_REMEDY}"
        )


def _has_font() -> bool:
    """Whether fontconfig knows any font; also true where that cannot be asked."""
    try:
        from weasyprint.text.ffi import ffi, fontconfig

        config = ffi.gc(fontconfig.FcInitLoadConfigAndFonts(), fontconfig.FcConfigDestroy)
        return bool(fontconfig.FcConfigGetFonts(config, fontconfig.FcSetSystem).nfont)
    except (ImportError, AttributeError):  # another WeasyPrint
        return True


def _weasyprint() -> Any:
    try:
        with _quiet(), _strict_pillow(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on missing fonts, which are refused in words of ours
            import weasyprint
    except ImportError:
        raise NephrogradeError(
            'The PDF needs WeasyPrint, which is not installed. Run: pip install "nephrograde[pdf]"'
        ) from None
    except OSError as error:
        raise NephrogradeError(
            f"WeasyPrint is installed, but a system library that it needs is not ({_first_line(error)}). "
            "Install Pango: `apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0` on Debian or Ubuntu, "
            "`brew install pango` on macOS; on Windows install MSYS2 and in its shell run "
            "`pacman -S mingw-w64-x86_64-pango`, then set WEASYPRINT_DLL_DIRECTORIES=C:\\msys64\\mingw64\\bin. "
            "The page itself needs none of this: open report.html and print it from the browser."
        ) from None
    return weasyprint


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _require_glyphs(document: Any, html_path: Path) -> None:
    """Reject a PDF with boxes instead of characters: WeasyPrint logs every character that its fonts lack."""
    letters = sorted({chr(code) for font in document.fonts.values() for code in getattr(font, "missing", {})})
    if letters:
        shown = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in letters[:10])
        raise NephrogradeError(f"No font on this machine has these characters of {html_path}: {shown}. {FONT_REMEDY}")


@contextmanager
def _strict_pillow() -> Iterator[None]:
    """Undo a side effect of importing WeasyPrint: Pillow would read truncated images."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of WeasyPrint about browser-only styles, and those of its font library."""
    loggers = [logging.getLogger(name) for name in ("weasyprint", "fontTools")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
