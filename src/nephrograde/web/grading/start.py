"""What the command starts: the models, the processes, and the server until it is interrupted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nephrograde.web.grading.app import make_app
from nephrograde.web.grading.desk import Desk
from nephrograde.web.grading.limits import Limits
from nephrograde.web.grading.models import read_models
from nephrograde.web.grading.room import Room
from nephrograde.web.grading.worker import work
from nephrograde.web.grading.workers import JobQueue
from nephrograde.web.listening import AppServer, open_socket
from nephrograde.web.security import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.models import Model

DEFAULT_LIMITS = Limits()


@contextmanager
def opened_desk(
    models: Mapping[str, Model],
    *,
    limits: Limits = DEFAULT_LIMITS,
    base_dir: Path | None = None,
) -> Iterator[Desk]:
    """Start the processes that grade; at the end of the block they are ended, and all files are removed.

    Args:
        models: Those that are served.
        limits: How much is taken.
        base_dir: Where the private folder is made; the system's folder of temporary files when None.
    """
    room = Room(limits, base_dir)
    paths = {name: str(model.path) for name, model in models.items()}
    temporary_dir = room.folder / "temporary"
    temporary_dir.mkdir(mode=0o700)
    jobs = JobQueue(work, (paths, limits.worker_bytes, str(temporary_dir)), limits)
    jobs.start()
    desk = Desk(room, jobs, limits)
    try:
        yield desk
    finally:
        desk.close()


def serve_models(
    paths: Sequence[Path],
    *,
    address: tuple[str, int] = ("127.0.0.1", 0),
    password: str = "",
    limits: Limits = DEFAULT_LIMITS,
    language: Language = "en",
    opened: Callable[[str], None],
) -> None:
    """Serve models until the process is interrupted.

    Args:
        paths: Their grader files.
        address: The host, another than loopback needs a password; and the port, 0 for the same free one whenever it
            can be had.
        password: What the browser asks for, besides the token in the address.
        limits: How much is taken.
        language: The language in which the page opens.
        opened: Called with the address as soon as the server listens.

    Raises:
        InputError: If another address than loopback is to be served without a password, or two files hold one model.
        GraderError: If a file is no grader file.
        RunError: If the port cannot be had.
    """
    host, port = address
    Access(host, port, password=password)  # refused before a port is opened
    models = read_models(paths)
    listening = open_socket(host, port, like="\n".join(models))
    access = Access(host, listening.getsockname()[1], password=password)
    with opened_desk(models, limits=limits) as desk:
        app = make_app(desk, models, access, language=language)
        with AppServer(app, listening) as server:
            opened(access.address)
            server.wait()
