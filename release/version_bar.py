"""Put built documentation of several versions side by side, with a bar on each page that leads to the others.

The bar is written into pages that Sphinx has built, so that pages of old versions name the newer ones, too. It is plain
HTML: browsers do not let a page opened from disk fetch a list of versions, and no script is needed to follow a link.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

DEVELOPMENT = "development"
STYLE_NAME = "versions.css"
_TOP = re.compile(r"<header\b|</body>", re.IGNORECASE)
_NOTICE = {
    "en": "Research use only: not a medical device.",
    "zh": "仅供科研使用，不是医疗器械。",
}
_WORDS = {
    "en": {
        "version": "Version {name}",
        "current": "{name} (current)",
        "development": "development version",
        "others": "Versions of the documentation",
        "old": "This is the documentation of version {name}, which is not the current one.",
        "unreleased": "This is the documentation of the development version. No release has yet all that it describes.",
        "same": "This page in version {name}, the current one",
        "start": "The documentation of version {name}, the current one",
    },
    "zh": {
        "version": "版本 {name}",
        "current": "{name}（当前版本）",
        "development": "开发版",
        "others": "文档的各个版本",
        "old": "这是版本 {name} 的文档，不是当前版本。",
        "unreleased": "这是开发版的文档，其中有些内容尚未发布。",
        "same": "当前版本 {name} 的此页",
        "start": "当前版本 {name} 的文档",
    },
}
_STYLE = """\
.site-versions {
  display: flex;
  flex-wrap: wrap;
  gap: 0.25em 1.5em;
  padding: 0.4em 1em;
  font-size: 0.9rem;
  color: var(--pst-color-text-base, #222);
  background: var(--pst-color-surface, #f3f4f5);
  border-bottom: 1px solid var(--pst-color-border, #ccc);
}
.site-versions.is-not-current {
  color: #222;
  background: #ffe9b8;
}
.site-versions.is-not-current a {
  color: #0a4a70;
}
.site-versions p,
.site-versions ul {
  margin: 0;
}
.site-versions p {
  flex: 1 1 18em;
}
.site-versions summary {
  cursor: pointer;
}
@media print {
  .site-versions details {
    display: none;
  }
}
"""
_MOVED = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nephrograde</title>
<script>location.replace("{target}" + location.search + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={target}"></noscript>
</head>
<body>
<p><a href="{target}">nephrograde {label}</a></p>
{links}<p>{notices}</p>
</body>
</html>
"""


@dataclass(frozen=True)
class Edition:
    """The built documentation of one version.

    Attributes:
        folder: The name of its folder on the site, such as ``0.2`` or ``development``.
        name: The version, such as ``0.2.1``.
        html_dir: What Sphinx wrote.
    """

    folder: str
    name: str
    html_dir: Path

    @property
    def is_development(self) -> bool:
        """Whether this is the present state of the source, and no release."""
        return self.folder == DEVELOPMENT

    def pages(self) -> list[str]:
        """The paths of its pages, such as ``how-to/install.html``, without the theme's templates."""
        paths = [path.relative_to(self.html_dir) for path in self.html_dir.rglob("*.html")]
        return sorted(path.as_posix() for path in paths if "_static" not in path.parts)


@dataclass(frozen=True)
class Site:
    """The versions that are shown side by side.

    Attributes:
        editions: The newest release first; the development version, if it is shown, anywhere.
        pages: The pages of each folder.
    """

    editions: tuple[Edition, ...]
    pages: dict[str, frozenset[str]]

    @property
    def current(self) -> Edition | None:
        """The newest release; None if there is none."""
        return next((one for one in self.editions if not one.is_development), None)

    def link(self, page: str, edition: Edition) -> str:
        """The relative address of a page in a version, from the same page of any version.

        Where the version lacks this page, it is that of its first page in the same language, or of its first page.
        """
        known = self.pages[edition.folder]
        targets = (page, "zh/index.html" if language_of(page) == "zh" else "index.html")
        target = next((one for one in targets if one in known), "index.html")
        here = PurePosixPath("version", page).parent
        return escape(os.path.relpath(PurePosixPath(edition.folder, target), here).replace(os.sep, "/"))

    def label(self, edition: Edition, language: str) -> str:
        """What a list calls a version."""
        words = _WORDS[language]
        if edition.is_development:
            return words["development"]
        name = escape(edition.name)
        return words["current"].format(name=name) if edition == self.current else name


def assemble(site_dir: Path, editions: list[Edition]) -> None:
    """Write the site: one folder for each version, ``stable`` that leads to the newest, and a page at the root.

    Args:
        site_dir: Is replaced when the new site is whole.
        editions: The newest release first.
    """
    new_dir = site_dir.with_name(f"{site_dir.name}.new")
    shutil.rmtree(new_dir, ignore_errors=True)
    site = Site(tuple(editions), {one.folder: frozenset(one.pages()) for one in editions})
    for one in editions:
        shutil.copytree(one.html_dir, new_dir / one.folder)
        for page in site.pages[one.folder]:
            path = new_dir / one.folder / page
            path.write_text(with_bar(path.read_text(encoding="utf-8"), page, one, site), encoding="utf-8")
    (new_dir / STYLE_NAME).write_text(_STYLE, encoding="utf-8")
    first = site.current or editions[0]
    listed = [f'<p><a href="{one.folder}/index.html">{site.label(one, "en")}</a></p>\n' for one in editions]
    _write_moved(new_dir / "index.html", f"{first.folder}/index.html", site.label(first, "en"), "".join(listed))
    for page in site.pages[first.folder] if site.current else ():
        up = "../" * (page.count("/") + 1)
        label = site.label(first, language_of(page))
        _write_moved(new_dir / "stable" / page, f"{up}{first.folder}/{page}", label)
    shutil.rmtree(site_dir, ignore_errors=True)
    new_dir.replace(site_dir)


def _write_moved(path: Path, target: str, label: str, links: str = "") -> None:
    """Write a page that leads to another one, with and without scripts; the place on the page is kept by the script."""
    language = "zh-CN" if "/zh/" in target else "en"
    path.parent.mkdir(parents=True, exist_ok=True)
    notices = "<br>".join(_NOTICE.values())
    text = _MOVED.format(language=language, target=escape(target), label=label, links=links, notices=notices)
    path.write_text(text, encoding="utf-8")


def with_bar(text: str, page: str, edition: Edition, site: Site) -> str:
    """Write the bar into a page: which version it is of, the current one, and links to the same page of each other.

    Args:
        text: The page.
        page: Its path within its version.
        edition: Its version.
        site: All versions.
    """
    language = language_of(page)
    words = _WORDS[language]
    told = _told(page, edition, site)
    links = [
        f'<li aria-current="page">{site.label(one, language)}</li>'
        if one == edition
        else f'<li><a href="{site.link(page, one)}">{site.label(one, language)}</a></li>'
        for one in site.editions
    ]
    named = words["development"] if edition.is_development else words["version"].format(name=escape(edition.name))
    kinds = "site-versions is-not-current" if told else "site-versions"
    bar = (
        f'<nav class="{kinds}" lang="{"zh-CN" if language == "zh" else "en"}" aria-label="{words["others"]}">\n{told}'
        f"<details><summary>{named[0].upper()}{named[1:]}</summary>\n<ul>{''.join(links)}</ul></details>\n</nav>\n"
    )
    style = f'<link rel="stylesheet" href="{"../" * (page.count("/") + 1)}{STYLE_NAME}">\n'
    text = text.replace("</head>", f"{style}</head>", 1)
    found = _TOP.search(text)
    place = found.start() if found else len(text)
    return f"{text[:place]}{bar}{text[place:]}"


def _told(page: str, edition: Edition, site: Site) -> str:
    """What a page says that is not of the current version; empty if it is."""
    words = _WORDS[language_of(page)]
    if edition == site.current:
        return ""
    what = words["unreleased" if edition.is_development else "old"].format(name=escape(edition.name))
    if site.current is None:
        return f"<p>{what}</p>\n"
    kind = "same" if page in site.pages[site.current.folder] else "start"
    there = words[kind].format(name=escape(site.current.name))
    return f'<p>{what} <a href="{site.link(page, site.current)}">{there}</a></p>\n'


def language_of(page: str) -> str:
    """The language of a page: those below ``zh`` are Chinese."""
    return "zh" if page.startswith("zh/") else "en"
