"""What the shell is offered when it completes a command."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import typer  # noqa: TC002 (typer itself reads the annotations)

from nephrograde.run.folder import RunFolder


def models_of_run(ctx: typer.Context) -> list[str]:
    """The models of the run that was typed before ``--model``, of which typer offers those that fit.

    Args:
        ctx: The command so far; its first argument is the run.
    """
    run = next((value for name in ("run", "run_dir", "source") if (value := ctx.params.get(name))), None)
    found: list[str] = []
    if run is not None:
        with suppress(OSError):
            found = [path.name for path in RunFolder(Path(run)).models_dir.iterdir() if path.is_dir()]
    return sorted(found)
