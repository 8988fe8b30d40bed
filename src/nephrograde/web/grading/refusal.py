"""Why the server does not do what a request asks for, as it is answered."""

from __future__ import annotations

from typing import Any

from nephrograde.errors import NephrogradeError


class Refusal(NephrogradeError):  # noqa: N818 - not always an error: the same request may succeed later
    """A request or a job that is refused.

    Attributes:
        code: Names the kind, such as "zip-bomb".
        reason: What is wrong and what to do, in English; it names no file and no patient.
        status: The HTTP status.
        retry_s: After how many seconds the same request may succeed; 0 if it will not.

    >>> Refusal("not-ct", "It is MR.").content
    {'reason': 'It is MR.', 'code': 'not-ct'}
    """

    def __init__(self, code: str, reason: str, status: int = 422, *, retry_s: int = 0) -> None:
        self.code = code
        self.reason = reason
        self.status = status
        self.retry_s = retry_s
        super().__init__(reason)

    @property
    def content(self) -> dict[str, Any]:
        """The body of the reply."""
        return {"reason": self.reason, "code": self.code}
