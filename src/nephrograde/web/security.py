"""Who may talk to the server of the page: the person who started it, in a browser on an address that was chosen.

Any web page that a person has open can send requests to 127.0.0.1, and a name under a stranger's control can be made to
point there. So every request must name the server's own address as ``Host``, come from the server's own page where the
browser says from where it comes, and carry a random token that only the printed address contains. Where another address
than loopback is served, a password is asked for as well.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException

from nephrograde.errors import InputError, Problem
from nephrograde.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY_BYTES = 64 * 1024
"""An entry has a few hundred bytes; a comment may have some pages."""
SHORTEST_PASSWORD = 12
_SAFE = frozenset({"GET", "HEAD"})
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """The address that is served, and the secrets that open it.

    >>> Access("127.0.0.1", 8000, token="secret").address
    'http://127.0.0.1:8000/?token=secret'
    """

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if is_loopback(self.host):
            return
        problems = []
        if self.host in {"", "0.0.0.0", "::"}:  # noqa: S104 (compared, never bound)
            what = "stands for every address of this machine"
            problems.append(Problem("--host", what, "Name the one address at which the page is to be reached."))
        if len(self.password) < SHORTEST_PASSWORD:
            what = f"other machines can reach {self.host}, and no password of {SHORTEST_PASSWORD} characters is given"
            problems.append(Problem("--host", what, "Set NEPHROGRADE_PASSWORD, or leave out --host."))
        if problems:
            raise InputError(problems)

    @property
    def origin(self) -> str:
        """What a browser sends as ``Origin`` from the page."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}"

    @property
    def address(self) -> str:
        """The address to open, with the token."""
        return f"{self.origin}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie: cookies are shared by all ports of a host, so that it contains the port."""
        return f"nephrograde-{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """What a request may name as ``Host``."""
        names = {urlsplit(self.origin).netloc}
        if is_loopback(self.host):
            names |= {f"localhost:{self.port}", f"127.0.0.1:{self.port}"}
        return frozenset(names)

    def fault(self, method: str, headers: Mapping[str, str], query: Mapping[str, list[str]]) -> tuple[HTTPStatus, str]:
        """Say why a request is refused; OK and an empty text if it is not.

        Args:
            method: GET, POST, …
            headers: By name in lower case.
            query: The part of the address after the question mark.
        """
        host = headers.get("host", "").lower()
        if host not in self.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, "The request names another host than this server."
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return HTTPStatus.FORBIDDEN, "The request comes from another page."
        if method not in _SAFE and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return HTTPStatus.FORBIDDEN, "The request comes from another page."
        if self.password and not _same(_password_of(headers), self.password):
            return HTTPStatus.UNAUTHORIZED, "The password is missing or wrong."
        by_header = headers.get("authorization", "").removeprefix("Bearer ")
        given = [_cookie_of(headers, self.cookie), by_header, *query.get("token", [])]
        if not any(_same(one, self.token) for one in given):
            what = "The token is missing or wrong. Open the address that the command printed."
            return HTTPStatus.FORBIDDEN if any(given) else HTTPStatus.UNAUTHORIZED, what
        return HTTPStatus.OK, ""


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets through to ``app`` what :class:`Access` allows.

    Every reply gets the headers that browsers obey, and bodies that are too large are cut. The first visit exchanges
    the token in the address for a cookie.

    Attributes:
        largest_body: How many bytes a request to an address may bring.
    """

    app: ASGIApp
    access: Access
    largest_body: Callable[[Scope], int] = lambda _scope: LARGEST_BODY_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode("latin-1"))
        status, reason = self.access.fault(scope["method"], headers, query)
        largest = self.largest_body(scope)
        if status is HTTPStatus.OK and not 0 <= _length(headers) <= largest:
            status, reason = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large."
        if status is not HTTPStatus.OK:
            scheme = "Basic" if self.access.password else "Bearer"  # a browser asks the person only for the first
            challenge = (b"www-authenticate", f'{scheme} realm="nephrograde"'.encode())
            await _refuse(send_guarded, status, reason, [challenge] if status is HTTPStatus.UNAUTHORIZED else [])
        elif scope["path"] == "/" and "token" in query:
            await _admit(send_guarded, self.access)
        else:
            await self.app(scope, _limited(receive, largest), send_guarded)


def _limited(receive: Receive, largest: int) -> Receive:
    """Receive a body whose length was not announced only as far as the limit."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > largest:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
        return message

    return receive_limited


async def _admit(send: Send, access: Access) -> None:
    """Move the token from the address into a cookie, so that neither history nor bookmarks keep it."""
    cookie = f"{access.cookie}={access.token}; HttpOnly; SameSite=Strict; Path=/"
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": HTTPStatus.SEE_OTHER, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(send: Send, status: HTTPStatus, reason: str, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    body = json.dumps({"reason": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _length(headers: Mapping[str, str]) -> int:
    """The announced length of the body; -1 if it is no number."""
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


def _cookie_of(headers: Mapping[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _password_of(headers: Mapping[str, str]) -> str:
    kind, _, coded = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(given: str, secret: str) -> bool:
    """Compare in a time that does not tell how much is right."""
    return hmac.compare_digest(given.encode(), secret.encode())
