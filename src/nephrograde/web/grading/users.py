"""Who a request is from: a random name in a signed cookie, which the server gives with its first reply."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWNER = "nephrograde-owner"
"""Where the scope of a request holds the user."""


@dataclass(frozen=True, slots=True)
class Users:
    """Tells the users of ``app`` apart.

    The token of the address opens the server for all who were given it. What one of them has uploaded belongs to the
    browser, or to the program with a cookie jar, that has sent it.

    Attributes:
        app: What answers.
        port: Cookies are shared by all ports of a host.
    """

    app: ASGIApp
    port: int
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        owner = self._owner(scope)
        given = secrets.token_urlsafe(24) if not owner else ""
        scope[OWNER] = owner or given

        async def send_named(message: Message) -> None:
            if given and message["type"] == "http.response.start":
                cookie = f"{self.cookie}={given}.{self._sign(given)}; HttpOnly; SameSite=Strict; Path=/"
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, send_named)

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"nephrograde-user-{self.port}"

    def _owner(self, scope: Scope) -> str:
        """The user that a valid cookie names; empty if there is none."""
        text = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"cookie")
        try:
            found = SimpleCookie(text).get(self.cookie)
        except CookieError:
            return ""
        name, _, signature = ("" if found is None else found.value).partition(".")
        return name if name and hmac.compare_digest(signature.encode(), self._sign(name).encode()) else ""

    def _sign(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), hashlib.sha256).hexdigest()
