"""A listener in this process, whose time the test moves on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.unit.exchange.pacs import header_in, wait_until

from nephrograde.exchange.listening import Listener, ListenSettings
from nephrograde.exchange.queueing import list_queue
from nephrograde.exchange.spool_names import key_of

if TYPE_CHECKING:
    from nephrograde.exchange.events import Event


class Ward:
    """A listener with its spool, and what it has told."""

    def __init__(self, grader_path, spool_dir, **settings):
        self.spool_dir = spool_dir
        self.events: list[Event] = []
        given = {"port": 0, "quiet_s": 0.1, "wait_s": 0.3, "unchecked_phase": True, "reserve_gb": 0.0, **settings}
        self.listener = Listener(grader_path, spool_dir, ListenSettings(**given), self.events.append)
        self.to = f"NEPHROGRADE@127.0.0.1:{self.listener.port}"

    def all(self, path):
        """What the spool holds of the series of a file."""
        key = key_of(header_in(path))
        return [one for one in list_queue(self.spool_dir) if one.key == key]

    def until(self, path, *states):
        """Go on until the series of a file is in these states alone; returns it in the last of them."""

        def found():
            own = self.all(path)
            return own if sorted(one.state for one in own) == sorted(states) else None

        own = wait_until(found, step=self.listener.step, told=lambda: (self.all(path), self.events))
        return next(one for one in own if one.state == states[-1])

    def until_told(self, kind):
        wait_until(lambda: self.told(kind), step=self.listener.step)
        return self.told(kind)[-1]

    def told(self, kind, key=None):
        return [one for one in self.events if one.kind == kind and key in {None, one.key}]

    def work_on(self, steps=10):
        for _ in range(steps):
            self.listener.step()

    def result(self, queued, state="done"):
        return self.spool_dir / state / queued.key / "result"

    def answer(self, queued):
        return json.loads((self.result(queued) / "answer.json").read_text(encoding="utf-8"))
