"""The changelog: one section for each version, the newest first, each of which says how results change."""

import re
from itertools import pairwise
from pathlib import Path

from packaging.version import Version

from nephrograde import __version__

TEXT = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
PARTS = ("Added", "Changed", "Results change", "Fixed", "Removed")
HEADING = re.compile(r"^## (\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)$", re.MULTILINE)


def sections(text):
    """The version, the date and the text of each section."""
    found = list(HEADING.finditer(text))
    ends = [*(one.start() for one in found[1:]), len(text)]
    return [(one[1], one[2], text[one.end() : end]) for one, end in zip(found, ends, strict=True)]


def problems(text, version):
    """What the changelog lacks, for a package of a version."""
    found = sections(text)
    if [heading for heading in re.findall(r"^## .*$", text, re.MULTILINE) if not HEADING.match(heading)]:
        return ["a heading is not `## version (date)`"]
    if not found or found[0][0] != version:
        return [f"the first section is not that of {version}"]
    said = [
        f"{one[0]} is not newer than {two[0]}" for one, two in pairwise(found) if Version(one[0]) <= Version(two[0])
    ]
    said += [f"{one[0]} is unreleased under a newer version" for one in found[1:] if one[1] == "unreleased"]
    for name, _, body in found:
        parts = dict(
            zip(
                re.findall(r"^### (.*)$", body, re.MULTILINE),
                re.split(r"^### .*$", body, flags=re.MULTILINE)[1:],
                strict=True,
            )
        )
        said += [f"{name}: unknown part {part}" for part in parts if part not in PARTS]
        said += [f"{name}: {part} is empty" for part, lines in parts.items() if not lines.strip()]
        if "Results change" not in parts:
            said.append(f"{name}: does not say how results change")
    return said


def test_the_changelog_follows_the_rule():
    assert problems(TEXT, __version__) == []


def test_what_breaks_the_rule_is_found():
    old, new = (
        "## 0.1.0 (2026-01-31)\n### Results change\n- AUC.\n",
        "## 0.2.0 (unreleased)\n### Results change\nNone.\n",
    )
    whole = f"# Changelog\n\n{new}\n{old}"
    assert problems(whole, "0.2.0") == []
    assert problems(whole, "0.3.0") == ["the first section is not that of 0.3.0"]
    assert problems(whole.replace("### Results change\nNone.", "### Added\n- x"), "0.2.0") == [
        "0.2.0: does not say how results change"
    ]
    assert problems(whole.replace("None.\n", ""), "0.2.0") == ["0.2.0: Results change is empty"]
    assert problems(whole.replace("0.1.0", "0.3.0"), "0.2.0") == ["0.2.0 is not newer than 0.3.0"]
    assert problems(whole.replace("2026-01-31", "unreleased"), "0.2.0") == ["0.1.0 is unreleased under a newer version"]
    assert problems(whole.replace("## 0.1.0 (2026-01-31)", "## 0.1.0"), "0.2.0") == [
        "a heading is not `## version (date)`"
    ]
