"""The command that serves packed models on a page."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.serving import password_for
from nephrograde.cli.shared import Lang, NoBrowser, PageHost, PagePort, with_options
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.signals import ending_in_order
from nephrograde.terminal import say

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Options of ``serve``."""

    workers: Annotated[
        int,
        typer.Option("--workers", min=1, max=64, help="Processes that read and grade, a scan each at a time."),
    ] = 1
    upload_mb: Annotated[int, typer.Option("--upload-mb", min=1, help="Largest upload, MB.")] = 2048
    disk_gb: Annotated[int, typer.Option("--disk-gb", min=1, help="Room for the scans of all users, GB.")] = 24
    keep_minutes: Annotated[
        float, typer.Option("--keep-minutes", min=1.0, help="Remove what nobody has asked for in this time, minutes.")
    ] = 30.0
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, help="Longest time for reading or grading one scan, seconds.")
    ] = 300.0
    port: PagePort = 0
    host: PageHost = "127.0.0.1"
    no_browser: NoBrowser = False
    lang: Lang = "en"


@commands.command()
@with_options(ServeOptions)
def serve(
    graders: Annotated[list[Path], typer.Argument(metavar="GRADER.zip…", help="Files of `nephrograde pack`.")],
    *,
    options: ServeOptions,
) -> None:
    """Serve packed models: a page on which a scan is uploaded, marked and graded, and the same as an HTTP API."""
    try:
        from nephrograde.web.grading.start import DEFAULT_LIMITS, serve_models
    except ModuleNotFoundError as error:
        if error.name not in {"starlette", "uvicorn"}:
            raise
        what = f"the page needs {error.name}, which is not installed"
        raise InputError([Problem("serve", what, 'Run: pip install "nephrograde[web,grader]"')]) from None

    def opened(shown: str) -> None:
        say(t("Grade at {address}", address=shown))
        say(t("Press Ctrl-C to end. All scans and answers are then removed."), err=True)
        if not options.no_browser:
            webbrowser.open(shown)

    disk_bytes = options.disk_gb * 2**30
    limits = replace(
        DEFAULT_LIMITS,
        upload_bytes=options.upload_mb * 2**20,
        disk_bytes=disk_bytes,
        user_bytes=min(DEFAULT_LIMITS.user_bytes, disk_bytes),
        keep_s=60 * options.keep_minutes,
        job_s=options.seconds,
        slots=options.workers,
    )
    try:
        with ending_in_order():  # what ends a service must remove the scans, too
            serve_models(
                graders,
                address=(options.host, options.port),
                password=password_for(options.host),
                limits=limits,
                language=options.lang,
                opened=opened,
            )
    except KeyboardInterrupt:
        say(t("Ended."), err=True)
