"""What the command starts: the session of a study or a table, and the server until it is interrupted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nephrograde.annotations.entry import check_reader
from nephrograde.annotations.journal import Journal
from nephrograde.annotations.readings import check_consensus
from nephrograde.cohort.stage import load_source
from nephrograde.cohort.ungraded import read_scans
from nephrograde.errors import InputError
from nephrograde.sheet import open_sheet
from nephrograde.web.listening import open_socket
from nephrograde.web.masks import ImportedMasks
from nephrograde.web.security import Access
from nephrograde.web.series import open_series
from nephrograde.web.server import Server
from nephrograde.web.session import Patient, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.web.assist import Assistant


def open_session(
    source_path: Path, folder: Path, reader: str, *, decides: bool = False, encoding: str | None = None
) -> Session:
    """Read the cohort of a study or of a table, and open the journal of a reader.

    Args:
        source_path: A study file (.toml), a cohort table, or the output folder of a scan; of a table, every phase with
            a column of images is shown. The table of a scan may have no rows; the series can be reviewed all the same.
        folder: The folder of annotations.
        reader: The name of the reader.
        decides: Whether the labels of all readers are shown, so that it can be decided where they disagree; the name
            is then ``consensus`` or ``consensus-…``.
        encoding: The encoding of a CSV table; None detects it.

    Raises:
        InputError: If the study or the table has mistakes; all are listed. Or if the name does not fit ``decides``.
    """
    check_consensus(reader, decides=decides)
    study, settings = load_source(source_path, encoding)
    windows = {} if study is None else study.window
    series = open_series(settings.table, check_reader(reader))
    sheet, _ = open_sheet(settings.table, settings.encoding)
    is_empty = series is not None and sheet is not None and not sheet.rows
    scans, problems = ({}, []) if is_empty else read_scans(settings)
    if problems:
        raise InputError(problems)
    return Session(
        source_path.stem if study is None else study.name,
        [Patient(patient_id, given) for patient_id, given in scans.items()],
        settings.phases,
        Journal(folder, reader, phases=settings.phases),
        {phase: (window.low, window.high) for phase, window in windows.items() if not window.percentiles},
        series=series,
        imported=ImportedMasks("" if study is None else study.masks.label),
    )


def serve(
    session: Session,
    *,
    address: tuple[str, int] = ("127.0.0.1", 0),
    password: str = "",
    language: Language = "en",
    assistant: Assistant | None = None,
    opened: Callable[[str], None],
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        session: What the page works on.
        address: The host, another than loopback needs a password; and the port, 0 for the same free one whenever it
            can be had.
        password: What the browser asks for, besides the token in the address.
        language: The language in which the page opens.
        assistant: The server that makes masks from clicks, if there is one.
        opened: Called with the address as soon as the server listens.

    Raises:
        InputError: If another address than loopback is to be served without a password.
        RunError: If the port cannot be had.
    """
    host, port = address
    Access(host, port, password=password)  # refused before a port is opened
    listening = open_socket(host, port, like=f"{session.journal.path.resolve()}")
    access = Access(host, listening.getsockname()[1], password=password)
    threading.Thread(target=session.read_first, daemon=True).start()  # while the browser starts
    try:
        with Server(session, access, listening, language=language, assistant=assistant) as server:
            opened(access.address)
            server.wait()
    finally:
        if assistant is not None:
            assistant.close()
