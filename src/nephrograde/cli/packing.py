"""Commands on packed models: write one from a run, and say what one is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.completing import models_of_run
from nephrograde.cli.shared import Lang
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.terminal import say

commands = typer.Typer()


@commands.command()
def pack(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="MODEL", help="The model to pack, such as weak-1-cmp.", autocompletion=models_of_run
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.zip", help="The file [default: <model>.zip].")
    ] = None,
    lang: Lang = "en",
) -> None:
    """Pack a model of a finished run into one file, which grades new patients without torch and without the run."""
    from nephrograde.export.pack import pack_model

    del lang
    packed = pack_model(run_dir, model, out or Path(f"{model}.zip"))
    for warning in packed.warnings:
        say(told(warning), err=True)
    say(t("Packed, and equal to the networks of the run: {path}", path=packed.path))
    say(t("SHA-256 of the whole file: {sha256}", sha256=packed.sha256))


@commands.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="GRADER.zip", help="The file that `nephrograde pack` wrote.")],
    lang: Lang = "en",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify a packed model, and say what it is, what it needs, what it is worth and what it is not for."""
    from nephrograde.export.grader_file import read_grader_file

    del lang
    found = read_grader_file(file)
    if as_json:
        from nephrograde.export.printable import printable_json

        say(json.dumps(printable_json(found.as_dict()), indent=2, ensure_ascii=False))
        return
    from nephrograde.export.words import describe

    for line in describe(found):
        say(line)
