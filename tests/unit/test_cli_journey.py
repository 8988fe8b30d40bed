"""The help of the program: commands in the order of a study, and an example of each that can be typed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.main import get_group

from nephrograde.cli import app
from nephrograde.cli.journey import JOURNEY, examples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., tuple[int, str, str]]

PROGRAM: Any = get_group(app)
USAGE_ERROR: Any = typer.BadParameter.__base__
ORDER = [name for panel in JOURNEY.values() for name in panel]


def every_command() -> Iterator[tuple[str, Any]]:
    """Yield the commands and the subcommands of the program, with their names."""
    for name, command in PROGRAM.commands.items():
        yield name, command
        for part, subcommand in getattr(command, "commands", {}).items():
            yield f"{name} {part}", subcommand


COMMANDS = dict(every_command())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_place_in_the_journey_and_an_example(name: str) -> None:
    assert name in ORDER, f"give {name} a place in nephrograde.cli.journey.JOURNEY"
    assert examples_of(name), f"give {name} an example in nephrograde.cli.journey.JOURNEY"


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_is_of_its_command_and_can_be_parsed(name: str) -> None:
    for example in examples_of(name):
        program, *words = shlex.split(example)
        assert program == "nephrograde"
        assert example.removeprefix("nephrograde ").startswith(name)
        _parse(PROGRAM, words)


def _parse(command: Any, words: list[str]) -> None:
    """Parse the words down to the last subcommand: names, options, types and what is required."""
    command.make_context("nephrograde", list(words))
    parts = getattr(command, "commands", {})
    if parts:
        first, *rest = words
        assert first in parts, first
        _parse(parts[first], rest)


@pytest.mark.parametrize(
    "words",
    [["scam"], ["scan", "a", "--to", "b"], ["deidentify", "a"], ["plan", "--auc", "x"], ["weights", "add"]],
    ids=" ".join,
)
def test_an_example_that_cannot_be_typed_is_found(words: list[str]) -> None:
    with pytest.raises((USAGE_ERROR, AssertionError)):
        _parse(PROGRAM, words)


def test_help_lists_the_commands_in_the_order_of_the_journey(nephrograde: Command) -> None:
    code, out, _ = nephrograde("--help")
    assert code == 0
    listed = re.findall(r"(?m)^  ([a-z]+)  +[A-Z]", out)
    assert sorted(listed) == sorted(PROGRAM.commands)
    assert listed == [name for name in ORDER if name in listed]
    assert listed.index("scan") < listed.index("init") < listed.index("check") < listed.index("run")
    panels = re.findall(r"(?m)^([A-Z][\w ]+):$", out)
    assert panels == ["Options", *JOURNEY]


@pytest.mark.parametrize("name", ["predict", "weights", "weights add"])
def test_help_of_a_command_ends_in_its_examples_whole(nephrograde: Command, name: str) -> None:
    code, out, _ = nephrograde(*name.split(), "--help")
    assert code == 0
    examples = examples_of(name)
    assert [line.strip() for line in out.splitlines()[-len(examples) :]] == examples


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_no_object_of_python(nephrograde: Command, name: str) -> None:
    _, out, _ = nephrograde(*name.split(), "--help")
    assert not re.search(r"object at 0x|<class", out)


@pytest.mark.parametrize("width", ["80", "120"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_values_in_words_of_those_who_type_them(
    nephrograde: Command, monkeypatch: pytest.MonkeyPatch, name: str, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    _, out, _ = nephrograde(*name.split(), "--help")
    lines = out.splitlines()
    typed = [line for line in lines if line.strip() in examples_of(name)]
    assert [line for line in lines if len(line) > int(width) and line not in typed] == []
    told = "\n".join(line for line in lines if line not in typed)
    assert re.findall(r"<(?:list|str|int|float|path|file)|\{[A-Z]|\bPATH\b|x>=|<=x", told) == []


def test_usage_and_help_name_an_argument_alike(nephrograde: Command) -> None:
    _, out, _ = nephrograde("combine", "--help")
    assert out.splitlines()[0] == "Usage: nephrograde combine [OPTIONS] SITE…"
    assert re.search(r"(?m)^  SITE…  What `nephrograde share` wrote", out)
    _, out, _ = nephrograde("audit", "--help")
    assert out.splitlines()[0] == "Usage: nephrograde audit [OPTIONS] [MODELS.csv]"
    _, out, _ = nephrograde("readers", "--help")
    assert re.search(
        r"--confidence NUMBER +Coverage probability of the intervals\.\s+\[default: 0\.95; 0\.5 to 0\.999\]", out
    )
