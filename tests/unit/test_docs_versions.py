"""The documentation of every release is beside that of the present source, and each page leads to the others."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTICE = "<p>Research use only 仅供科研使用</p>"
CONF = """
import nephrograde, os
release = nephrograde.__version__
extensions = ["sphinx.ext.autodoc"]
html_theme = "basic"
html_use_index = False
templates_path = ["."]
"""
LAYOUT = """{% extends "!layout.html" %}
{% block footer %}<p>Research use only 仅供科研使用 nephrograde {{ release }}, 2026-01-01</p>{% endblock %}"""
MOVED = {
    "index.html": "0.2/index.html",
    "stable/index.html": "0.2/index.html",
    "stable/zh/old.html": "0.2/zh/old.html",
}
"""Pages that only lead to another one."""
TOLD = f"{NOTICE}<p>nephrograde 0.3.0, 2026-01-01</p>"


def git(folder, *words):
    who = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True, env=environ).stdout


def write(folder, version, pages):
    """Write a checkout whose package has a version, and says so in the docstring that a page shows."""
    shutil.rmtree(folder / "docs", ignore_errors=True)
    index = "Start\n=====\n\n.. automodule:: nephrograde\n\n.. toctree::\n\n"
    texts = {
        "src/nephrograde/__init__.py": f'"""Docstring of {version}."""\nfrom nephrograde.version import __version__\n',
        "src/nephrograde/version.py": f'__version__ = "{version}"\n',
        "docs/conf.py": CONF,
        "docs/layout.html": LAYOUT,
        "docs/index.rst": index + "".join(f"   {page}\n" for page in pages),
        **{f"docs/{page}.rst": f"{page}\n{'=' * len(page)}\n" for page in pages},
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", version)


@pytest.fixture
def checkout(tmp_path):
    """A repository with an empty history."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / ".git" / "info" / "exclude").write_text("build/\n", encoding="utf-8")
    return folder


@pytest.fixture
def present(tmp_path):
    """What ``make docs`` has built from the present source: two pages in English, and two in Chinese."""
    folder = tmp_path / "html"
    for name in ("index.html", "new.html", "zh/index.html", "zh/new.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        page = f"<html><head></head><body><p>top</p><header></header>{TOLD}</body></html>"
        (folder / name).write_text(page, encoding="utf-8")
    return folder


def docs_versions(checkout, present):
    words = [sys.executable, "-m", "release.docs_versions", str(present), "--root", str(checkout)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}  # as of a checkout, which the tag's own must precede
    return subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


class Bar(HTMLParser):
    """The links of the bar of a page, and its text."""

    def __init__(self):
        super().__init__()
        self.links, self.words, self._inside = {}, "", False
        self._href = ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._inside |= tag == "nav" and "site-versions" in found.get("class", "")
        self._href = found.get("href", "") if tag == "a" else ""

    def handle_endtag(self, tag):
        self._inside &= tag != "nav"
        self._href = ""

    def handle_data(self, data):
        if self._inside:
            self.words += data
            if self._href:
                self.links[data] = self._href


def bar_of(path):
    bar = Bar()
    bar.feed(path.read_text(encoding="utf-8"))
    return bar


def led_to(path, link):
    """The file that a link of a page leads to, relative to the site."""
    target = (path.parent / link).resolve()
    assert target.is_file()
    return target.relative_to(next(one for one in path.parents if one.name == "site").resolve()).as_posix()


@pytest.mark.slow
@pytest.mark.needs("sphinx", programs=["git"])
def test_each_release_is_built_from_its_own_pages_and_package(checkout, present):
    write(checkout, "0.1.0", ["lost"])
    git(checkout, "tag", "v0.1.0")
    write(checkout, "0.1.1", ["old"])
    git(checkout, "tag", "v0.1.1")
    write(checkout, "0.2.0", ["new", "zh/index", "zh/old"])
    git(checkout, "tag", "--annotate", "v0.2.0", "--message", "0.2.0")
    git(checkout, "tag", "v0.3.0rc1")
    git(checkout, "tag", "v01.0.0")
    write(checkout, "0.3.0", [])
    done = docs_versions(checkout, present)
    assert (done.returncode, done.stderr) == (0, "")
    site = checkout / "build" / "docs" / "site"
    assert sorted(path.name for path in site.iterdir() if path.is_dir()) == ["0.1", "0.2", "development", "stable"]
    for folder, version in (("0.1", "0.1.1"), ("0.2", "0.2.0")):
        assert f"Docstring of {version}." in (site / folder / "index.html").read_text(encoding="utf-8")
    assert not (site / "0.1" / "lost.html").exists()

    old = site / "0.1" / "old.html"
    links = bar_of(old).links
    assert {label: led_to(old, link) for label, link in links.items()} == {
        "The documentation of version 0.2.0, the current one": "0.2/index.html",
        "0.2.0 (current)": "0.2/index.html",
        "development version": "development/index.html",
    }
    assert "version 0.1.1, which is not the current one" in bar_of(old).words
    current = site / "0.2" / "new.html"
    assert "current one" not in bar_of(current).words
    links = bar_of(current).links
    assert led_to(current, links["development version"]) == "development/new.html"
    chinese = site / "0.2" / "zh" / "old.html"
    assert led_to(chinese, bar_of(chinese).links["开发版"]) == "development/zh/index.html"
    chinese = site / "development" / "zh" / "index.html"
    assert led_to(chinese, bar_of(chinese).links["当前版本 0.2.0 的此页"]) == "0.2/zh/index.html"

    moved = {page: re.findall(r'href="(.*?)"', (site / page).read_text(encoding="utf-8"))[0] for page in MOVED}
    assert {page: led_to(site / page, link) for page, link in moved.items()} == MOVED

    kept = {path: path.stat().st_mtime_ns for path in (checkout / "build" / "docs" / "versions").iterdir()}
    assert len(kept) == 2
    (present / "new.html").unlink()
    assert docs_versions(checkout, present).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not (site / "development" / "new.html").exists()


@pytest.mark.slow
@pytest.mark.needs(programs=["git"])
def test_without_a_release_the_development_version_is_all_there_is(checkout, present):
    write(checkout, "0.3.0", [])
    done = docs_versions(checkout, present)
    assert (done.returncode, done.stderr) == (0, "")
    site = checkout / "build" / "docs" / "site"
    assert [path.name for path in site.iterdir() if path.is_dir()] == ["development"]
    assert re.search(r'href="development/index.html"', (site / "index.html").read_text(encoding="utf-8"))
    assert "No release has yet" in bar_of(site / "development" / "index.html").words


@pytest.mark.slow
@pytest.mark.needs(programs=["git"])
def test_a_release_that_is_checked_out_unchanged_is_not_built_again(checkout, present):
    write(checkout, "0.3.0", [])
    git(checkout, "tag", "v0.3.0")
    assert docs_versions(checkout, present).returncode == 0
    site = checkout / "build" / "docs" / "site"
    assert sorted(path.name for path in site.iterdir() if path.is_dir()) == ["0.3", "stable"]
    assert (site / "0.3" / "new.html").exists()


@pytest.mark.slow
@pytest.mark.needs("sphinx", programs=["git"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("src/nephrograde/version.py", '__version__ = "0.1.7"\n'), "its package says that it is 0.1.7"),
        (("docs/conf.py", "raise RuntimeError('too old')\n"), "too old"),
    ],
)
def test_a_release_that_cannot_be_built_is_named_and_the_others_are_shown(checkout, present, wrong, told):
    write(checkout, "0.1.0", [])
    name, text = wrong
    (checkout / name).write_text(text, encoding="utf-8")
    git(checkout, "commit", "--quiet", "--all", "--message", "wrong")
    git(checkout, "tag", "v0.1.0")
    write(checkout, "0.3.0", [])
    git(checkout, "tag", "v0.3.0")
    done = docs_versions(checkout, present)
    assert done.returncode == 1
    assert "v0.1.0: " in done.stdout
    assert told in done.stdout
    site = checkout / "build" / "docs" / "site"
    assert sorted(path.name for path in site.iterdir() if path.is_dir()) == ["0.3", "stable"]
    assert list((checkout / "build" / "docs" / "versions").iterdir()) == []
