"""A port of this machine, and the server that answers on it in a thread."""

from __future__ import annotations

import os
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Self

import uvicorn

from nephrograde.errors import RunError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_FIRST_PORT, _PORTS = 49152, 16000


def open_socket(host: str, port: int, *, like: str = "") -> socket.socket:
    """Open the port of the page.

    A page that was open when its server ended keeps what was not saved, under its own address; so the same study gets
    the same port whenever it is free.

    Args:
        host: The address to serve.
        port: The port; 0 for a free one.
        like: What the port is derived from if it is 0.

    Raises:
        RunError: The address or the port cannot be had.
    """
    wanted = [port] if port else [_FIRST_PORT + zlib.crc32(like.encode()) % _PORTS, 0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number, one in enumerate(wanted, start=1):
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name != "nt":  # where it would let two servers share the port
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((host, one))
            opened.listen()
        except OSError as error:
            opened.close()
            if number == len(wanted):
                what = f"{host}, port {one}, cannot be opened ({error.strerror or error})"
                raise RunError(f"{what}. Choose another with --port.") from None
        else:
            return opened
    raise RunError("No port is free.")


class AppServer:
    """A running server of an application; a context that ends it.

    Args:
        app: What answers.
        listening: The open port.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        settings = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",  # a traceback may contain identifiers
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=3,
        )
        self._server = uvicorn.Server(settings)
        self._listening = listening
        self._has_ended = threading.Event()  # a thread that is joined when Ctrl-C comes counts as ended (Python 3.11)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._has_ended.wait(timeout=5)
        self._listening.close()

    def wait(self) -> None:
        """Wait until the server ends; Ctrl-C interrupts."""
        while not self._has_ended.wait(timeout=0.5):
            pass

    def _run(self) -> None:
        try:
            self._server.run([self._listening])
        finally:
            self._has_ended.set()
