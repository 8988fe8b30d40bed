"""Whether a Ray cluster answers at an address: asked first, as Ray itself gives up only after minutes."""

from __future__ import annotations

import os
import re
import socket

from nephrograde.errors import InputError, Problem

_WAIT_S = 5.0
"""For a connection, and for each part of the answer."""
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The preface of HTTP/2 and an empty frame of settings."""
_FRAME_BYTES = 9
_SETTINGS = 4
_HOST_AND_PORT = re.compile(
    r"(?:ray://)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:/\[\]]+)):(?P<port>\d{1,5})(?:[/?].*)?"
)


def check_answers(address: str) -> None:
    """Refuse the address of a Ray cluster at which nothing answers, or something else than Ray does.

    Args:
        address: As ``ray://HOST:PORT`` or ``HOST:PORT``; other forms are left to Ray.

    Raises:
        InputError: There is no such host, nothing listens there, or what listens does not speak HTTP/2 as Ray does.

    Source:
        Every server of HTTP/2, and so of gRPC, begins with a frame of settings: RFC 9113, section 3.4.
    """
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= 65535:
        return
    try:
        with socket.create_connection((found["bracketed"] or found["host"], int(found["port"])), _WAIT_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in {"1", "true"} or _speaks_http2(connection):
                return
    except (OSError, UnicodeError) as error:  # a name with an empty or a too long part
        silent = f"no answer within {_WAIT_S:g} s"
        told = getattr(error, "strerror", None) or (silent if isinstance(error, OSError) else str(error))
        raise _refused(address, f"nothing answers there ({told})") from None
    raise _refused(address, "what listens there does not answer as Ray does")


def _speaks_http2(connection: socket.socket) -> bool:
    answer = b""
    try:
        connection.sendall(_GREETING)
        while len(answer) < _FRAME_BYTES:
            part = connection.recv(_FRAME_BYTES - len(answer))
            if not part:
                return False
            answer += part
    except OSError:  # closed, or silent
        return False
    return answer[3] == _SETTINGS and answer[5:] == bytes(4)


def _refused(address: str, what: str) -> InputError:
    remedy = "Check the address and that the cluster is running; for one without address, unset RAY_ADDRESS."
    return InputError([Problem(address, what, remedy)])
