"""Check the built site: nothing is loaded from outside, and every page says what it is for, and of which version.

Run ``python docs/check_site.py build/docs/html`` after Sphinx; the exit code is 1 where a page fails. Sphinx
checks the links between pages; those of README.md and the other Markdown files beside it are checked here.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

_LOADED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "image": "href",
    "img": "src",
    "object": "data",
    "script": "src",
    "source": "src",
    "use": "href",
    "video": "src",
}
_LOADED_RELATIONS = {
    "dns-prefetch",
    "icon",
    "manifest",
    "modulepreload",
    "preconnect",
    "prefetch",
    "preload",
    "stylesheet",
}
_REMOTE = re.compile(r"(?:https?:|wss?:)?//", re.IGNORECASE)
_CSS_LOADED = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\"')\s]*", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
_NOTICES = ("Research use only", "仅供科研使用")


class _Page(HTMLParser):
    """Collects what a browser would load from another host when it opens the page."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        found = {name.removeprefix("xlink:"): value or "" for name, value in attrs}
        address = found.get(_LOADED.get(tag, ""), "")
        if tag == "link" and _LOADED_RELATIONS & set(found.get("rel", "").lower().split()):
            address = found.get("href", "")
        addresses = [address, *re.split(r",\s*", found.get("srcset", ""))]
        self.remote += [f"<{tag}> {one}" for one in addresses if _REMOTE.match(one)]
        self.remote += _CSS_LOADED.findall(found.get("style", ""))


def site_problems(site_dir: Path, version: str = "") -> list[str]:
    """List what is wrong with the pages and style sheets of a built site.

    Args:
        site_dir: The folder with ``index.html``.
        version: What every page must name, with a date behind it; nothing if empty.
    """
    named = re.compile(rf"nephrograde {re.escape(version)}, \d{{4}}-\d{{2}}-\d{{2}}<")
    pages = sorted(path for path in site_dir.rglob("*.html") if "_static" not in path.parts)  # the theme's templates
    problems = [] if pages else [f"{site_dir}: holds no page"]
    for path in [*pages, *sorted(site_dir.rglob("*.css"))]:
        text = path.read_text(encoding="utf-8")
        remote = _CSS_LOADED.findall(text)
        if path.suffix == ".html":
            page = _Page()
            page.feed(text)
            remote += page.remote
            problems += [f"{path}: does not say “{notice}”" for notice in _NOTICES if notice not in text]
            if version and not named.search(text):
                problems.append(f"{path}: does not say that it is of {version}, and of which day")
        problems += [f"{path}: loads {address}" for address in dict.fromkeys(remote)]
    return problems


def link_problems(root_dir: Path) -> list[str]:
    """List the relative links in the Markdown files beside README.md that lead to no file.

    Args:
        root_dir: The folder with README.md.
    """
    links = [(path, link) for path in root_dir.glob("*.md") for link in _MARKDOWN_LINK.findall(path.read_text("utf-8"))]
    return [
        f"{path.name}: links to {link}, which does not exist" for path, link in links if not (root_dir / link).exists()
    ]


def main() -> int:
    """Check, print every problem, and count them into the exit code."""
    root_dir = Path(__file__).resolve().parents[1]
    told = (root_dir / "src" / "nephrograde" / "version.py").read_text(encoding="utf-8")
    version = re.findall(r'__version__ = "(.*)"', told)[0]
    problems = [*site_problems(Path(sys.argv[1]), version), *link_problems(root_dir)]
    whole = "The site loads nothing from outside, every page names its use and version, no link of README.md is broken."
    print("\n".join(problems) or whole)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
