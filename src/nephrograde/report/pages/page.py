"""Shared parts of all pages: templates and their contents, the mark on synthetic data, and atomic writing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from nephrograde.replacement import replaced
from nephrograde.report.figures.svg import SYNTHETIC
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import HTML_LANGUAGES, spoken, t, translated
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import NOTHING, counted, decimal
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(slots=True)
class Numbering:
    """Table and figure numbers, one sequence each across all templates of a page.

    >>> numbering = Numbering()
    >>> numbering.next_table(), numbering.next_table(), numbering.next_figure()
    (1, 2, 1)
    """

    tables: int = 0
    figures: int = 0

    def next_table(self) -> int:
        """Number the next table."""
        self.tables += 1
        return self.tables

    def next_figure(self) -> int:
        """Number the next figure."""
        self.figures += 1
        return self.figures


def render(template: str, *, is_synthetic: bool, **contents: object) -> str:
    """Render a template in the current language.

    Args:
        template: The name of its file in ``report/templates``.
        is_synthetic: Whether the page carries the mark of synthetic data.
        contents: Other contents of the template, by name.

    Returns:
        The page.
    """
    page = _environment().get_template(template).render(**_shared(is_synthetic=is_synthetic), **contents)
    return page.lstrip()


def write_rendered(template: str, page_path: Path, *, is_synthetic: bool, **contents: object) -> Path:
    """Render a template in the current language into a file, atomically and piece by piece.

    For pages with a picture of every scan, which are larger than anything else that is in memory.

    Args:
        template: As of :func:`render`.
        page_path: The file; its folder is created if it is missing.
        is_synthetic: As of :func:`render`.
        contents: As of :func:`render`.

    Returns:
        ``page_path``.
    """
    opened = _environment().get_template(template)
    pieces = opened.generate(**_shared(is_synthetic=is_synthetic), **contents)
    first = next((piece.lstrip() for piece in pieces if not piece.isspace()), "")
    with replaced(page_path) as temporary_path, temporary_path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(first)
        stream.writelines(pieces)
    return page_path


def _shared(*, is_synthetic: bool) -> dict[str, object]:
    """The contents that every template has."""
    return {
        "numbering": Numbering(),
        "language": spoken(),
        "html_language": HTML_LANGUAGES[spoken()],
        "synthetic": t(SYNTHETIC) if is_synthetic else "",
        "research_use_only": t(RESEARCH_USE_ONLY),
        "nothing": NOTHING,
    }


@cache
def _environment() -> Environment:
    """The templates, each compiled once per process."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nephrograde.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(decimal=decimal, counted=counted)
    environment.globals.update(t=_said, told=_told, only_baseline=_only_baseline)
    return environment


def write_page(page: str, page_path: Path) -> Path:
    """Write a page atomically.

    Args:
        page: From :func:`render`.
        page_path: The file; its folder is created if it is missing.

    Returns:
        ``page_path``.
    """
    with replaced(page_path) as temporary_path:
        temporary_path.write_text(page, encoding="utf-8")
    return page_path


def picture_uri(picture: bytes) -> str:
    """Encode a PNG as a data URI.

    Args:
        picture: The bytes of the file.

    >>> picture_uri(b"PNG")
    'data:image/png;base64,UE5H'
    """
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def _only_baseline(name: str) -> Markup:
    """Name a baseline, with the id of its model in bold where that is a part of the name.

    >>> _only_baseline("size")
    Markup('<b>size</b> only')
    """
    from markupsafe import Markup, escape

    before, found, after = only_baseline(name).partition(name)
    return Markup("{}<b>{}</b>{}").format(before, found, after) if found else escape(before)


def _told(text: str) -> Markup:
    """Translate what another room says; what stays English is marked as such.

    >>> from nephrograde.report.text.language import speaking
    >>> with speaking("zh"):
    ...     _told("Nonesuch & so on.")
    Markup('<span lang="en">Nonesuch &amp; so on.</span>')
    """
    from markupsafe import Markup, escape

    words = told(text)
    stays = text and words == text and spoken() != "en"
    return Markup('<span lang="en">{}</span>').format(words) if stays else escape(words)


def _said(sentence: str, /, **values: object) -> Markup:
    """Translate a sentence for the page; values may contain markup, everything else is escaped.

    >>> _said("{count} < 3, in {path}", count="<b>", path=_said("a & b"))
    Markup('&lt;b&gt; &lt; 3, in a &amp; b')
    """
    from markupsafe import escape

    return escape(translated(sentence)).format(**values)
