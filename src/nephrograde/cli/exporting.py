"""The command that writes a model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.cli.completing import models_of_run
from nephrograde.cli.shared import Lang
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

commands = typer.Typer()


@commands.command()
def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a finished run; for --onnx, or a packed model.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The model to export, such as weak-1-cmp.",
            show_default=False,
            autocompletion=models_of_run,
        ),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option("--onnx", metavar="FILE.onnx", help="Write the ONNX graph, and a JSON file beside it."),
    ] = None,
    torch: Annotated[
        Path | None,
        typer.Option("--torch", metavar="FILE.safetensors", help="Write the weights and settings for plain torch."),
    ] = None,
    monai_bundle: Annotated[
        Path | None,
        typer.Option("--monai-bundle", metavar="FOLDER", help="Write a bundle that MONAI runs on a scan and a mask."),
    ] = None,
    lang: Lang = "en",
) -> None:
    """Write a model for other programs: as an ONNX graph, for plain torch, or as a MONAI bundle."""
    from nephrograde.export.elsewhere import export_onnx, export_torch
    from nephrograde.export.loading import named
    from nephrograde.export.monai_bundle import export_monai_bundle

    del lang
    if onnx is None and torch is None and monai_bundle is None:
        remedy = "Give --onnx FILE.onnx, --torch FILE.safetensors or --monai-bundle FOLDER."
        raise InputError([Problem("export", "is not told what to write", remedy)])
    if source.is_file() and (torch is not None or monai_bundle is not None):
        what = f"{source} is a file, and --torch and --monai-bundle need the networks of a run"
        raise InputError([Problem("RUN", what, "Give the folder of the run, or --onnx alone.")])
    if onnx is not None:
        _said(export_onnx(source, onnx, model=model))
    of_runs: tuple[tuple[Path | None, Callable[[Path, str, Path], Path]], ...] = (
        (torch, export_torch),
        (monai_bundle, export_monai_bundle),
    )
    for out, written in of_runs:
        if out is not None:
            _said(written(source, named(model, place="--model"), out))


def _said(path: Path) -> None:
    say(t("Written: {path}", path=path))
