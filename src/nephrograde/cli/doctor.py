"""The command that says what of nephrograde works on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.cli.shared import Lang
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.terminal import say
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.doctor.check import Check, State

commands = typer.Typer()


@commands.command()
def doctor(
    lang: Lang = "en",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also list the packages of the base one by one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is installed, what is missing for which command, what this machine has, and run a short self-test.

    The exit code is 0 if the base works, and 1 if it does not.
    """
    from nephrograde.doctor.examination import examine

    del lang
    say(t("Importing each package, which takes some seconds, and longer the first time …"), err=True)
    found = examine()
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=True))
    else:
        _print(found.checks, everything=everything)
        sentence = t("The base of nephrograde works here.") if found.works else t("nephrograde does not work here.")
        took = t(
            "The examination took {seconds} s, of which the self-test {testing} s.",
            seconds=f"{found.seconds:.1f}",
            testing=f"{found.testing_s:.1f}",
        )
        say(f"\n{sentence}")
        say(took)
        say(t(RESEARCH_USE_ONLY))
    if not found.works:
        raise typer.Exit(1)


def _print(checks: tuple[Check, ...], *, everything: bool) -> None:
    """Print the findings by section; packages of the base that are in order only as a number, unless asked for."""
    from nephrograde.doctor.check import State

    section = ""
    fine = [check for check in checks if check.section == "Base" and check.state is State.OK]
    for check in checks:
        if check.section != section:
            section = check.section
            say(told(section))
            if section == "Base" and not everything:
                say(f"  {_mark(State.OK)} {t('{n} packages are in order.', n=len(fine))}")
        if everything or check not in fine:
            said = told(f"{check.what} {check.remedy}".rstrip())
            say(f"  {_mark(check.state)} {told(check.name)}{t(': ')}{said}")


def _mark(state: State) -> str:
    words = {
        "ok": t("in order"),
        "note": t("note"),
        "missing": t("not there"),
        "warning": t("warning"),
        "failed": t("FAILED"),
    }
    return f"[{words[state]}]"
