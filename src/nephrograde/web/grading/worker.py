"""The process that reads and grades: it is told what to do on a line, and answers on it.

A fault of a library, or a scan that needs too much memory, ends this process and not the server.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.errors import NephrogradeError
from nephrograde.processes import begin_serving
from nephrograde.web.grading.refusal import Refusal, failed, is_disk_full, no_room

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

_NO_MEMORY = "The scan needs more memory than this server allows. Send the series alone, or one with fewer slices."


def work(line: Connection, graders: Mapping[str, str], memory_bytes: int, temporary_dir: str) -> None:
    """Do what is asked for on the line, until it is closed.

    Args:
        line: Orders come on it as JSON, and answers go.
        graders: The grader files by model.
        memory_bytes: How much memory this process may use, where the system can limit it.
        temporary_dir: Where what is unpacked for a moment lies: it goes with the room.
    """
    begin_serving()
    os.umask(0o077)
    os.environ["TMPDIR"] = tempfile.tempdir = temporary_dir
    _silence()
    _limit_memory(memory_bytes)
    from nephrograde.web.grading.answering import Graders  # what is imported here need not be waited for later

    loaded = Graders(graders)
    while True:
        try:
            order = json.loads(line.recv_bytes())
        except (EOFError, OSError):
            return
        with suppress(OSError):
            line.send_bytes(json.dumps(_reply(loaded, order, line)).encode())


def _reply(graders: Any, order: Mapping[str, Any], line: Connection) -> dict[str, Any]:
    def step(name: str) -> None:
        line.send_bytes(json.dumps({"step": name}).encode())

    try:
        return {"answer": _done(graders, order, step)}
    except Refusal as error:
        refusal = error
    except NephrogradeError as error:
        from nephrograde.web.grading.answering import reason_of

        folder = str(order.get("folder", ""))
        refusal = no_room() if is_disk_full(error) else Refusal(*reason_of(error, folder))
    except MemoryError:
        refusal = Refusal("too-large", _NO_MEMORY, 413)
    except Exception as error:  # noqa: BLE001 (a library may raise anything on a bad scan; the next one may be sound)
        refusal = no_room() if is_disk_full(error) else failed()
    given = {"code": refusal.code, "reason": refusal.reason, "status": refusal.status, "retry_s": refusal.retry_s}
    return {"refused": given}


def _done(graders: Any, order: Mapping[str, Any], step: Callable[[str], None]) -> dict[str, Any]:
    from nephrograde.web.grading.answering import grade, print_report
    from nephrograde.web.grading.opening import open_upload

    if order["what"] == "open":
        return open_upload(Path(order["path"]), room_bytes=order["room_bytes"], step=step)
    return grade(graders, order, step=step) if order["what"] == "grade" else print_report(order)


def _silence() -> None:
    """Print nothing: what libraries say may name a patient."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _limit_memory(n_bytes: int) -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))
