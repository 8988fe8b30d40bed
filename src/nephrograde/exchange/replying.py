"""Results to where they belong: again and again until they are there, each object at most once."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nephrograde.errors import NephrogradeError
from nephrograde.exchange.destination import OWN_AET
from nephrograde.exchange.events import Event
from nephrograde.exchange.sending import send
from nephrograde.exchange.spool import RESULT, Reason

if TYPE_CHECKING:
    from nephrograde.exchange.events import Tell
    from nephrograde.exchange.outgoing import SendReport
    from nephrograde.exchange.spool import Spool
    from nephrograde.exchange.tls import Tls

LONGEST_PAUSE_S: Final = 300.0
_JOURNAL: Final = "sent.jsonl"


@dataclass(slots=True)
class Replying:
    """Sends the results of the spool to one destination, in a thread of its own.

    Attributes:
        spool: The spool.
        tell: Is told what happens.
        to: ``AET@HOST:PORT`` or the address of a DICOMweb service.
        own_aet: Our AE title.
        tls: The files of an encrypted connection.
        pause_s: How long to wait after the first failure; it doubles up to five minutes.
        give_up_s: After how long a result that cannot be sent is listed as failed.
    """

    spool: Spool
    tell: Tell
    to: str
    own_aet: str = OWN_AET
    tls: Tls | None = None
    pause_s: float = 2.0
    give_up_s: float = 86400.0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "reply"))
    _running: dict[str, Future[SendReport]] = field(default_factory=dict)
    _failures: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """By key: since when it fails, when it is tried again, and how long the last pause was."""

    def step(self) -> None:
        """Take up what has come, and see what has become of it."""
        for key, future in list(self._running.items()):
            if future.done():
                del self._running[key]
                self._finish(key, future)
        for key in self.spool.keys("sending"):
            _, again, _ = self._failures.get(key, (0.0, 0.0, 0.0))
            if key not in self._running and time.monotonic() >= again:
                self._running[key] = self._pool.submit(self._send, key)

    def stop(self) -> None:
        """End; what is not sent is sent after the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send(self, key: str) -> SendReport:
        folder = self.spool.folder("sending", key)
        paths = sorted((folder / RESULT).glob("*.dcm"))
        return send(paths, self.to, own_aet=self.own_aet, tls=self.tls, attempts=1, journal=folder / _JOURNAL)

    def _finish(self, key: str, future: Future[SendReport]) -> None:
        try:
            report = future.result()
        except (NephrogradeError, OSError) as error:
            self._postpone(key, str(error))
            return
        failed = [one.what for one in report.files if one.state == "failed"]
        if failed:
            self._postpone(key, failed[0])
            return
        self._failures.pop(key, None)
        self.spool.move(key, "sending", "done")
        self.tell(Event("sent", key, {"n": report.count("stored", "warning", "known")}))

    def _postpone(self, key: str, what: str) -> None:
        now = time.monotonic()
        since, _, pause_s = self._failures.get(key, (now, 0.0, self.pause_s / 2))
        if now - since > self.give_up_s:
            self._failures.pop(key, None)
            self.spool.fail(key, "sending", Reason("not-sent", what))
            self.tell(Event("failed", key, {"code": "not-sent", "what": what}))
            return
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._failures[key] = (since, now + pause_s, pause_s)
        self.tell(Event("postponed", key, {"what": what}))
