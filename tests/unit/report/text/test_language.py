"""Every English sentence of the reports has its Chinese, and every Chinese one is used."""

from __future__ import annotations

import ast
import json
import re
import string
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jinja2 import Environment, nodes

from nephrograde.report.text.language import LANGUAGES, catalogue, phase_in_words, speaking, spoken, t, translated
from nephrograde.report.text.numbers import bounds, counted, decimal, duration, enumerated, listed, p_sentence
from nephrograde.vocabulary import KNOWN_PHASES
from nephrograde.volume.statement import GROUNDS, REASONS, SIGHTS, TERMS, wording_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(str(resources.files("nephrograde")))
REPORT = PACKAGE / "report"
LOOKS_UP = {"language.py", "numbers.py", "page.py", "series_words.py", "messages.py"}
"""The only modules that may ask the catalogue for a sentence that is no constant."""


@dataclass
class Scan:
    """What the sources say: each sentence with the places where it is said, and what cannot be checked."""

    sentences: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def say(self, sentence: str, place: str) -> None:
        self.sentences.setdefault(sentence, []).append(place)


def scan_python(scan: Scan, source: str, name: str, constants: dict[str, set[str]]) -> None:
    """Collect ``t("…")``, ``t(CONSTANT)`` and ``counted(n, "noun")`` of a module."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        place = f"{name}:{node.lineno}"
        words = node.args[1:] if node.func.id == "counted" else node.args
        if node.func.id == "counted" and (nouns := [text for word in words if (text := _text(word, constants))]):
            scan.say("{n} " + (nouns[1] if len(nouns) > 1 else f"{nouns[0]}s"), place)
        elif node.func.id == "t" and words and (sentence := _text(words[0], constants)) is not None:
            scan.say(sentence, place)
        elif node.func.id in {"t", "counted"}:
            scan.faults.append(f"{place}: {node.func.id}() of something that is no constant")
        elif node.func.id == "translated" and name not in LOOKS_UP:
            scan.faults.append(f"{place}: translated() is for {', '.join(sorted(LOOKS_UP))} alone; call t()")


def _text(node: ast.expr, constants: dict[str, set[str]]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    known = constants.get(node.id, set()) if isinstance(node, ast.Name) else set()
    return next(iter(known)) if len(known) == 1 else None


def scan_template(scan: Scan, source: str, name: str) -> None:
    """Collect ``t("…")`` and ``| counted("noun")`` of a template."""
    tree = Environment(autoescape=True).parse(source)
    calls: list[nodes.Call | nodes.Filter] = []
    calls += [call for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name) and call.node.name == "t"]
    calls += [call for call in tree.find_all(nodes.Filter) if call.name == "counted"]
    for call in calls:
        place = f"{name}:{call.lineno}"
        texts = [arg.value for arg in call.args if isinstance(arg, nodes.Const)]
        if len(texts) < len(call.args) or not texts:
            scan.faults.append(f"{place}: t() or counted() of something that is no constant")
        elif isinstance(call, nodes.Call):
            scan.say(texts[0], place)
        else:
            scan.say("{n} " + (texts[1] if len(texts) > 1 else f"{texts[0]}s"), place)


def string_constants() -> dict[str, set[str]]:
    """Every text that a module of the package names at its top."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, set()).add(node.value.value)
    return found


def checklist_sentences() -> Iterator[str]:
    """The checklists are data of the package; their texts are looked up when a list is filled in."""
    for path in (REPORT / "checklists").glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        yield from (content["read"], *filter(None, [content["left_out"]]))
        for item in content["items"]:
            yield from (item["section"], item["topic"], *item["author"])


def series_sentences() -> Iterator[str]:
    """The English of reasons and evidence stands with their codes, below the reports."""
    yield from filter(None, (part for code in (*REASONS, *GROUNDS, *SIGHTS) for part in wording_of(code)))
    yield from (value for values in TERMS.values() for value in values)


@pytest.fixture(scope="module")
def scan() -> Scan:
    found = Scan()
    constants = string_constants()
    rooms = [
        path
        for room in ("report", "printed", "export", "explanation", "sharing", "validation", "cli", "asked", "web")
        for path in sorted((PACKAGE / room).rglob("*.py"))
    ]
    for path in [*rooms, PACKAGE / "terminal.py"]:
        scan_python(found, path.read_text(encoding="utf-8"), path.name, constants)
    for path in sorted((REPORT / "templates").glob("*.j2")):
        scan_template(found, path.read_text(encoding="utf-8"), path.name)
    found.faults = [fault for fault in found.faults if not fault.startswith("checklist.py")]
    for sentence in checklist_sentences():
        found.say(sentence, "checklists/*.json")
    for sentence in series_sentences():
        if re.sub(r"\{\w+\}", "", sentence):
            found.say(sentence, "statement.py")
    for name in KNOWN_PHASES.values():
        found.say(name, "vocabulary.py")
    return found


@pytest.fixture(scope="module")
def parts() -> dict[str, list[tuple[str, str]]]:
    """The files of the Chinese catalogue, with every entry that stands in them, twice where it stands twice."""
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
        for path in sorted((REPORT / "locale" / "zh").glob("*.json"))
    }


def places(sentence: str) -> list[str]:
    """Where the values go; each may be used more than once."""
    return sorted({name for _, name, *_ in string.Formatter().parse(sentence) if name is not None})


def test_every_sentence_has_its_chinese(scan: Scan) -> None:
    assert len(scan.sentences) > 200
    known = catalogue("zh")
    missing = [f"{where[0]}: {sentence}" for sentence, where in scan.sentences.items() if sentence not in known]
    assert not missing, "\n".join(missing)


def test_every_chinese_sentence_is_used(scan: Scan) -> None:
    unused = [sentence for sentence in catalogue("zh") if sentence not in scan.sentences]
    assert not unused, "\n".join(unused)


def test_values_stand_in_both_languages(parts: dict[str, list[tuple[str, str]]]) -> None:
    unlike = [
        f"{part}: {english} / {chinese}"
        for part, entries in parts.items()
        for english, chinese in entries
        if places(english) != places(chinese)
    ]
    assert not unlike, "\n".join(unlike)


def test_sentences_can_be_looked_up_before_the_page_is_made(scan: Scan) -> None:
    assert not scan.faults, "\n".join(scan.faults)


def test_parts_of_the_catalogue_agree(parts: dict[str, list[tuple[str, str]]]) -> None:
    said: dict[str, set[str]] = {}
    for part, entries in parts.items():
        assert len(dict(entries)) == len(entries), f"{part} has an entry twice"
        for english, chinese in entries:
            assert chinese.strip(), f"{part}: {english} has no Chinese"
            said.setdefault(english, set()).add(chinese)
    assert {english: chinese for english, chinese in said.items() if len(chinese) > 1} == {}


def test_scan_sees_what_it_must() -> None:
    found = Scan()
    source = 't("a {x}", x=1)\nt(A)\nt(B)\nt(f"{x}")\ncounted(2, "class", "classes")\ncounted(2, "arm")\ncounted(2, x)'
    scan_python(found, source + "\ntranslated(x)", "x.py", {"A": {"text of A"}, "B": {"one", "two"}})
    assert found.sentences == {
        "a {x}": ["x.py:1"],
        "text of A": ["x.py:2"],
        "{n} classes": ["x.py:5"],
        "{n} arms": ["x.py:6"],
    }
    assert [fault.split(": ")[0] for fault in found.faults] == ["x.py:3", "x.py:4", "x.py:7", "x.py:8"]
    found = Scan()
    template = '{{ t("b") }}{% for a in [t("c", x=y)] %}{{ 3 | counted("arm") }}{{ a | counted("die", "dice") }}'
    scan_template(found, template + "{{ t(a) }}{{ 2 | counted(a) }}{% endfor %}", "x.j2")
    assert set(found.sentences) == {"b", "c", "{n} arms", "{n} dice"}
    assert len(found.faults) == 2


def test_language_ends_with_its_block() -> None:
    with pytest.raises(ZeroDivisionError), speaking("zh"):
        assert t("{n} patients", n=3) == "3例患者"
        _ = 1 / 0
    assert spoken() == "en"
    assert LANGUAGES == ("en", "zh")


def test_unknown_sentence_stays_english() -> None:
    with speaking("zh"):
        assert t("No such sentence: {sentence}", sentence=1) == "No such sentence: 1"
        assert translated("{open}") == "{open}"


def test_numbers_are_the_same_and_their_words_are_chinese() -> None:
    with speaking("zh"):
        assert counted(1, "patient") == "1例患者"
        assert counted(1200, "patient") == "1,200例患者"
        assert listed(["a", "b", "c"]) == "a、b和c"
        assert listed(["a"]) == "a"
        assert enumerated(["a", "b"]) == "a、b"
        assert bounds(-0.076, 0.046) == "[−0.076至0.046]"
        assert bounds(0.8423, 0.9718) == "[0.842–0.972]"
        assert [duration(seconds) for seconds in (42.4, 754, 7380)] == ["42秒", "12分34秒", "2小时03分"]
        assert p_sentence(0.0000004).replace("\N{NO-BREAK SPACE}", " ") == "P < 0.001"
        assert [phase_in_words(phase) for phase in ("up", "cmp", "np", "ep", "pet")] == [
            "平扫期",
            "皮髓质期",
            "肾实质期",
            "排泄期",
            "pet",
        ]
    assert listed([]) == ""
    assert [decimal(value) for value in (float("inf"), float("-inf"))] == ["∞", "−∞"]


def test_an_address_that_is_to_be_opened_does_not_run_into_chinese_letters():
    """A terminal would take them for a part of the address."""
    opened = {english: chinese for english, chinese in catalogue("zh").items() if "at {address}" in english}
    assert len(opened) == 2
    assert all(re.search(r"(^| )\{address\}( |$)", chinese) for chinese in opened.values())
