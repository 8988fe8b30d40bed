"""The annotation page, as the command starts it."""

from __future__ import annotations

import os
import webbrowser
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.loopback import is_loopback
from nephrograde.report.text.language import t
from nephrograde.terminal import say

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.web.assist import Assistant

_PASSWORD = "NEPHROGRADE_PASSWORD"  # noqa: S105 (the name of the variable)
WEIGHTS_LICENCE = (
    "The weights of nnInteractive that its authors publish are under CC BY-NC-SA 4.0: for non-commercial use only."
)
FIRST_READER = "reader-1"


def serve_page(
    source: Path,
    folder: Path,
    *,
    reader: str,
    decides: bool,
    assist: str,
    address: tuple[str, int],
    encoding: str | None,
    language: Language,
    with_browser: bool,
) -> None:
    """Serve the annotation page until Ctrl-C.

    Args:
        source: The study file or the cohort table.
        folder: The folder of annotations.
        reader: The name of the reader; empty for the only one who has a journal there, or else the first, and for
            ``consensus`` if there is something to decide.
        decides: Whether the labels of all readers are shown, to decide where they disagree.
        assist: The address of a server that makes masks from clicks; empty for none.
        address: The host and the port; port 0 for a free one.
        encoding: The encoding of a CSV table.
        language: The language in which the page opens.
        with_browser: Whether to open the browser.
    """
    try:
        from nephrograde.cohort.annotated import CONSENSUS
        from nephrograde.web.start import open_session, serve
    except ModuleNotFoundError as error:
        if error.name not in {"starlette", "uvicorn"}:
            raise
        what = f"the page needs {error.name}, which is not installed"
        raise InputError([Problem("annotate", what, 'Run: pip install "nephrograde[web]"')]) from None

    own = reader or (CONSENSUS if decides else _only_reader(folder))
    session = open_session(source, folder, own, decides=decides, encoding=encoding)

    assistant = _assistant(assist) if assist else None

    def opened(shown: str) -> None:
        say(t("Annotate at {address}", address=shown))
        say(t("Press Ctrl-C to end. What the page calls saved is in {path}.", path=session.journal.path), err=True)
        if with_browser:
            webbrowser.open(shown)

    try:
        serve(
            session,
            address=address,
            password=password_for(address[0]),
            language=language,
            assistant=assistant,
            opened=opened,
        )
    except KeyboardInterrupt:
        say(t("Ended."), err=True)


def password_for(host: str) -> str:
    """The password of the environment that a page asks for; none where only this machine can reach it.

    Args:
        host: Where it listens.
    """
    return "" if is_loopback(host) else os.environ.get(_PASSWORD, "")


def _assistant(address: str) -> Assistant:
    from nephrograde.web.assist import Assistant

    assistant = Assistant(address)
    say(t("Clicks with the voxels of the scan go to {address}.", address=assistant.address), err=True)
    say(t(WEIGHTS_LICENCE), err=True)
    return assistant


def _only_reader(folder: Path) -> str:
    from nephrograde.annotations.journal import readers_in
    from nephrograde.cohort.annotated import is_consensus

    readers = [reader for reader in readers_in(folder) if not is_consensus(reader)]
    if len(readers) > 1:
        what = f"several readers have annotated: {', '.join(readers)}"
        raise InputError([Problem("--reader", what, "Say who annotates with --reader.")])
    return readers[0] if readers else FIRST_READER
