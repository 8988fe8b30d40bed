"""What the command starts: the session of a study or a table, and the server until it is interrupted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nephrograde.annotations.journal import Journal
from nephrograde.cohort.table import read_scans
from nephrograde.errors import InputError, Problem
from nephrograde.sheet import open_sheet
from nephrograde.study import CohortSettings
from nephrograde.study_file import load_study
from nephrograde.web.security import Access
from nephrograde.web.server import Server, open_socket
from nephrograde.web.session import Patient, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.text.language import Language

_IMAGE = "_image"


def open_session(
    source_path: Path, annotations_dir: Path | None, reader: str, *, encoding: str | None = None
) -> Session:
    """Read the cohort of a study or of a table, and open the journal of a reader.

    Args:
        source_path: A study file (.toml), or a cohort table; of a table, every phase with a column of images is shown.
        annotations_dir: The folder of annotations; by default ``<table>.annotations`` beside the cohort table.
        reader: The name of the reader.
        encoding: The encoding of a CSV table; None detects it.

    Raises:
        InputError: If the study or the table has mistakes; all are listed.
    """
    windows: dict[str, tuple[float, float]] = {}
    if source_path.suffix.lower() == ".toml":
        study = load_study(source_path, () if encoding is None else (f'cohort.encoding="{encoding}"',))
        name, settings = study.name, study.cohort
        windows = {phase: (window.low, window.high) for phase, window in study.window.items() if not window.percentiles}
    else:
        name, settings = source_path.stem, _settings_of(source_path, encoding)
    scans, problems = read_scans(settings)
    if problems:
        raise InputError(problems)
    patients = [Patient(patient_id, given) for patient_id, given in scans.items()]
    folder = annotations_dir or settings.table.with_suffix(".annotations")
    journal = Journal(folder, reader, phases=settings.phases)
    return Session(name, patients, settings.phases, journal, windows)


def _settings_of(table_path: Path, encoding: str | None) -> CohortSettings:
    sheet, problems = open_sheet(table_path, encoding)
    if sheet is None or problems:
        raise InputError(problems)
    phases = tuple(heading.removesuffix(_IMAGE) for heading in sheet.headings if heading.endswith(_IMAGE))
    if not phases:
        remedy = "Add a column such as np_image, or name a study file that maps the headings."
        raise InputError([Problem(sheet.name, "has no column of images", remedy)])
    return CohortSettings(table=table_path, phases=phases, encoding=encoding)


def serve(
    session: Session,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    password: str = "",
    language: Language = "en",
    opened: Callable[[str], None],
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        session: What the page works on.
        host: The address to serve; another than loopback needs a password.
        port: The port; 0 for the same free one whenever it can be had.
        password: What the browser asks for, besides the token in the address.
        language: The language in which the page opens.
        opened: Called with the address as soon as the server listens.

    Raises:
        InputError: If another address than loopback is to be served without a password.
        RunError: If the port cannot be had.
    """
    Access(host, port, password=password)  # refused before a port is opened
    listening = open_socket(host, port, like=f"{session.journal.path.resolve()}")
    access = Access(host, listening.getsockname()[1], password=password)
    threading.Thread(target=session.read_first, daemon=True).start()  # while the browser starts
    with Server(session, access, listening, language=language) as server:
        opened(access.address)
        server.wait()
