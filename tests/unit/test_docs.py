"""The documentation: every public name has an entry, Chinese pages keep the commands, the check of the site works."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.main import get_group

import nephrograde as ng
from nephrograde.cli import app

ROOT = Path(__file__).resolve().parents[2]
TRANSLATED = sorted(path.relative_to(ROOT / "docs" / "zh") for path in (ROOT / "docs" / "zh").rglob("*.md"))
GUIDES = [path for path in TRANSLATED if path.name != "index.md"]
NOTICE = "<p>Research use only 仅供科研使用</p>"


@pytest.fixture
def check_site():
    return SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "check_site.py")))


def test_every_public_name_has_an_entry_in_the_api_reference():
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\.\. auto(?:function|class|exception):: nephrograde\.(\w+)$", page, re.MULTILINE)
    assert sorted(entries) == sorted(set(dir(ng)) - {"__version__"})


def commands(page_path):
    """The code blocks of a page without what is translated: comments, and what a command prints."""
    blocks = re.findall(r"^```(.*?)^```", page_path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [[re.sub(r"\s+#.*| --lang zh$", "", line) for line in block.splitlines()] for block in blocks]
    return [[line for line in block if line.startswith("$ ")] if block[0] == "console" else block for block in lines]


def test_the_tutorial_and_every_how_to_guide_exist_in_chinese():
    english = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs" / "how-to").glob("*.md")]
    guides = {path for path in GUIDES if path.parent != Path("explanation")}
    assert {Path("tutorial.md"), *english} - {Path("how-to/index.md")} == guides


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_a_chinese_page_has_the_commands_of_the_english_one(page):
    assert commands(ROOT / "docs" / "zh" / page) == commands(ROOT / "docs" / page)


def test_every_room_is_in_the_table_of_the_architecture():
    table = [line for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    told = {room for line in table for room in re.findall(r"`(\w+(?:/|\.py))`", line.split("|")[1])}
    entries = [path for path in (ROOT / "src" / "nephrograde").iterdir() if path.is_dir() or path.suffix == ".py"]
    rooms = {f"{path.name}/" if path.is_dir() else path.name for path in entries if not path.name.startswith("__")}
    assert told == rooms


PROGRAM = get_group(app).commands
NAMED = re.compile(r"(?:^|`|[$#] | {2,})nephrograde ([a-z]+)((?: [^`#\n]*)?)", re.MULTILINE)
OPTION = re.compile(r"(?<=\s)--[a-z]+(?:-[a-z]+)*(?=[\s=]|$)")


def unknown_to_the_program(text):
    """The commands, and options of commands, that a text names and the program does not have."""
    unknown = []
    for name, rest in NAMED.findall(text.replace("\\\n", " ")):
        command = PROGRAM.get(name)
        parts = getattr(command, "commands", {})
        command = next((parts[word] for word in rest.split() if word in parts), command)
        known = {"--help"} if command is None else {opt for one in command.params for opt in (*one.opts, "--help")}
        unknown += [name] * (command is None) + [f"{name} {one}" for one in OPTION.findall(rest) if one not in known]
    return unknown


def test_pages_and_studies_name_only_commands_and_options_that_exist():
    patterns = ("README*.md", "CONTRIBUTING.md", "docs/**/*.md", "studies/*.toml", "bench/*.py")
    pages = [path for pattern in patterns for path in ROOT.glob(pattern)]
    unknown = {path.name: unknown_to_the_program(path.read_text(encoding="utf-8")) for path in pages}
    assert {page: found for page, found in unknown.items() if found} == {}


@pytest.mark.parametrize(
    "line", ["# nephrograde synthetic DIR", "$ nephrograde run STUDY --overwrite", "`nephrograde weights check --x`"]
)
def test_a_command_or_option_that_does_not_exist_is_found(line):
    assert len(unknown_to_the_program(line)) == 1


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<link rel="preconnect" href="https://fonts.example">',
        '<img src="a.png" srcset="b.png 1x, https://img.example/b.png 2x">',
        '<p style="background: url(https://img.example/b.png)">',
        "<style>@import 'https://fonts.example/css';</style>",
    ],
)
def test_what_a_page_loads_from_outside_is_found(check_site, tmp_path, element):
    (tmp_path / "index.html").write_text(f"<html>{NOTICE}{element}</html>", encoding="utf-8")
    assert len(check_site.site_problems(tmp_path)) == 1


def test_a_link_that_a_reader_may_follow_is_allowed(check_site, tmp_path):
    page = f'<html>{NOTICE}<a href="https://example.org">x</a><script src="_static/x.js"></script></html>'
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    assert check_site.site_problems(tmp_path) == []


def test_a_page_without_the_notice_is_found(check_site, tmp_path):
    (tmp_path / "index.html").write_text("<html></html>", encoding="utf-8")
    assert len(check_site.site_problems(tmp_path)) == 2


@pytest.mark.parametrize(
    ("told", "problems"), [("nephrograde 1.2.0, 2026-01-31", 0), ("nephrograde 1.1.0, 2026-01-31", 1)]
)
def test_a_page_of_another_version_is_found(check_site, tmp_path, told, problems):
    (tmp_path / "index.html").write_text(f"<html>{NOTICE}<p>{told}</p></html>", encoding="utf-8")
    assert len(check_site.site_problems(tmp_path, "1.2.0")) == problems


def test_a_broken_link_of_the_readme_is_found(check_site, tmp_path):
    (tmp_path / "README.md").write_text("[a](docs/gone.md) [b](README.md) [c](https://example.org)", encoding="utf-8")
    assert len(check_site.link_problems(tmp_path)) == 1


@pytest.mark.parametrize("page", ["explanation/many-sites.md", "zh/explanation/many-sites.md"])
def test_the_table_of_many_hospitals_follows_from_the_figures_of_the_bench(page, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["many_sites.py"])
    runpy.run_path(str(ROOT / "bench" / "many_sites.py"), run_name="__main__")
    rows = [line.split(" | ", 1)[1] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) > 10
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert [row for row in rows[2:] if row not in text] == []
