"""What users have on the server: uploads, what is in them, and answers. Nobody sees those of others."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nephrograde.web.grading.names import report_name
from nephrograde.web.grading.refusal import Refusal, is_disk_full, no_room
from nephrograde.web.grading.room import remove, size_of
from nephrograde.web.grading.workers import Job
from nephrograde.web.requests import UnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.limits import Limits
    from nephrograde.web.grading.room import Room
    from nephrograde.web.grading.workers import JobQueue

_EACH_S = 10.0
"""How often is looked for what has expired."""
_ANSWER_BYTES = 16 * 2**20
"""Set aside for the files of an answer."""


@dataclass(slots=True, eq=False)
class Held:
    """An upload or an answer of a user: its folder, and how far it is.

    Attributes:
        n_bytes: What is set aside for it.
        job: What is done with it; None once that has ended.
        content: What came of it.
        refusal: Why nothing came of it.
        users: How many gradings need its files.
        is_gone: Whether it was removed; its files go as soon as nobody needs them.
    """

    id: str
    owner: str
    folder: Path
    n_bytes: int
    job: Job | None = None
    content: dict[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None
    used_at: float = field(default_factory=time.monotonic)
    users: int = 0
    is_gone: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether it can be used."""
        return self.job is None and self.refusal is None and bool(self.content)

    def require_accepted(self) -> None:
        """Go on unless nothing came of it.

        Raises:
            Refusal: Why nothing came of it.
        """
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)

    def require_ready(self, not_yet: str) -> None:
        """Go on if it can be used.

        Args:
            not_yet: What is told while it is being worked on.

        Raises:
            Refusal: Nothing came of it, or it is not ready (409).
        """
        self.require_accepted()
        if not self.is_ready:
            raise Refusal("not-ready", not_yet, 409, retry_s=1)


class Desk:
    """Uploads and answers by user; their files are in the room, and the work is done by the processes of a queue.

    Args:
        room: Where the files are.
        jobs: The queue of what is to be read and graded.
        limits: How much is kept, and for how long.
    """

    def __init__(self, room: Room, jobs: JobQueue, limits: Limits) -> None:
        self.room, self.jobs, self.limits = room, jobs, limits
        self._scans: OrderedDict[str, Held] = OrderedDict()
        self._gradings: OrderedDict[str, Held] = OrderedDict()
        self._turn = threading.RLock()
        self._is_closing = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, daemon=True)
        self._sweeper.start()

    def close(self) -> None:
        """End all work, and remove every file."""
        self._is_closing.set()
        self.jobs.close()
        self.room.close()

    # ---- uploads

    def begin(self, owner: str, n_bytes: int) -> Held:
        """Make room for an upload and take its place in the queue.

        Args:
            owner: The user.
            n_bytes: The announced size of the upload.

        Raises:
            Refusal: There is no room, or the queue is full.
        """
        with self._turn:
            if sum(one.owner == owner for one in self._scans.values()) >= self.limits.user_scans:
                what = f"You have {self.limits.user_scans} scans here, the most that one user may have. Remove one."
                raise Refusal("user-full", what, 429, retry_s=10)
            held = self._begin(owner, n_bytes)
            self._scans[held.id] = held
            return held

    def touch(self, held: Held) -> None:
        """Note that an upload goes on, so that it does not expire on its way.

        Args:
            held: The upload.

        Raises:
            Refusal: It was removed in the meantime.
        """
        if held.is_gone:
            raise Refusal("cancelled", "The scan was removed while it was sent.", 410)
        held.used_at = time.monotonic()

    def enlarge(self, held: Held, n_bytes: int) -> None:
        """Make more room for an upload that turns out to be larger than it was announced.

        Args:
            held: The upload.
            n_bytes: How many bytes more.

        Raises:
            Refusal: There is no room.
        """
        self.room.reserve(held.owner, n_bytes)
        held.n_bytes += n_bytes

    def abandon(self, held: Held) -> None:
        """Forget an upload that was not completed.

        Args:
            held: The upload.
        """
        self.jobs.give_place(held.owner)
        with self._turn:
            self._scans.pop(held.id, None)
            self._drop(held)

    def open(self, held: Held, path: Path) -> None:
        """Let a process read an upload that is complete.

        Args:
            held: The upload.
            path: The file.

        Raises:
            Refusal: It was removed in the meantime.
        """
        self.touch(held)

        def order() -> dict[str, Any]:
            held.n_bytes = self.room.grant(held.owner, held.n_bytes, self.limits.unpacked_bytes)
            return {"path": str(path), "folder": str(held.folder), "room_bytes": held.n_bytes}

        self._submit(held, "open", order)

    def scan(self, owner: str, scan_id: str) -> Held:
        """Return an upload of a user.

        Raises:
            UnknownError: The user has no such upload.
        """
        return self._find(self._scans, owner, scan_id, "There is no such scan, or it has expired.")

    def scans(self, owner: str) -> list[Held]:
        """List the uploads of a user, the oldest one first."""
        with self._turn:
            return [one for one in self._scans.values() if one.owner == owner]

    def series(self, owner: str, scan_id: str, number: int) -> dict[str, Any]:
        """Return a series of an upload that can be shown and graded.

        Raises:
            UnknownError: There is none of this number.
            Refusal: The upload is not read yet, or the series cannot be used.
        """
        held = self.scan(owner, scan_id)
        held.require_ready("The scan is not read yet. Ask for it again.")
        series: list[dict[str, Any]] = held.content["series"]
        if not 1 <= number <= len(series):
            raise UnknownError(f"There is no series {number}; the scan has {len(series)}, counted from 1.")
        entry = series[number - 1]
        if entry["problem"]:
            raise Refusal(entry["problem"]["code"], entry["problem"]["reason"])
        return entry

    def remove_scan(self, owner: str, scan_id: str) -> None:
        """Remove an upload with all its files.

        Raises:
            UnknownError: The user has no such upload.
        """
        self._remove(self._scans, self.scan(owner, scan_id))

    # ---- answers

    def grade(self, owner: str, order: Mapping[str, Any], scan_ids: set[str], *, keeps: bool) -> Held:
        """Let a process grade a patient.

        Args:
            owner: The user.
            order: What the process is told.
            scan_ids: The uploads that it needs.
            keeps: Whether they stay afterwards; otherwise they are removed with the answer. Without an answer they
                stay, so that the request can be sent again.

        Raises:
            Refusal: There is no room, or the queue is full.
        """
        with self._turn:
            scans = [self.scan(owner, one) for one in scan_ids]
            own = [one for one in self._gradings.values() if one.owner == owner]
            if len(own) >= self.limits.user_gradings and own[0].job is None:
                self._remove(self._gradings, own[0])
            held = self._begin(owner, _ANSWER_BYTES)
            held.facts = {"study": order["study"]}
            self._gradings[held.id] = held
            for one in scans:
                one.users += 1

        def ended() -> None:
            for one in scans:
                one.users -= 1
                if one.is_gone:
                    self._drop(one)
                elif not keeps and not one.users and (held.refusal is None or held.is_gone):
                    self._remove(self._scans, one)

        self._submit(held, "grade", lambda: {**order, "folder": str(held.folder)}, ended)
        return held

    def grading(self, owner: str, grading_id: str) -> Held:
        """Return an answer of a user.

        Raises:
            UnknownError: The user has no such answer.
        """
        return self._find(self._gradings, owner, grading_id, "There is no such grading, or it has expired.")

    def answer(self, owner: str, grading_id: str) -> Held:
        """Return an answer of a user that is there.

        Raises:
            UnknownError: The user has no such answer.
            Refusal: The answer is not there yet, or the grading was refused.
        """
        held = self.grading(owner, grading_id)
        held.require_ready("There is no answer yet. Ask for it again.")
        return held

    def remove_grading(self, owner: str, grading_id: str) -> None:
        """Remove an answer; one that is being worked on is cancelled.

        Raises:
            UnknownError: The user has no such answer.
        """
        self._remove(self._gradings, self.grading(owner, grading_id))

    def print(self, owner: str, grading_id: str, language: Language, printed: Future[Path]) -> None:
        """Let a process print an answer, unless that was done.

        Args:
            owner: The user.
            grading_id: The answer.
            language: Of the page.
            printed: Is given the path of the PDF, or why there is none.

        Raises:
            UnknownError: The user has no such answer.
            Refusal: The queue is full, or the answer is not there yet.
        """
        held = self.answer(owner, grading_id)
        printed.set_running_or_notify_cancel()  # who has gone away does not cancel it
        path = held.folder / f"{report_name(language)}.pdf"
        if path.is_file():
            printed.set_result(path)
            return

        def ended(answer: dict[str, Any] | Refusal) -> None:
            if isinstance(answer, Refusal):
                printed.set_exception(answer)
            else:
                printed.set_result(path)

        order = {"folder": str(held.folder), "language": language, **held.facts}
        self.jobs.take_place(owner)
        self.jobs.submit(Job(owner, "print", lambda: order, ended))

    # ---- all

    def _begin(self, owner: str, n_bytes: int) -> Held:
        """Take a place in the queue, room and a folder: all of them, or none."""
        with ExitStack() as taken:
            self.jobs.take_place(owner)
            taken.callback(self.jobs.give_place, owner)
            self.room.reserve(owner, n_bytes)
            taken.callback(self.room.release, owner, n_bytes)
            try:
                folder = self.room.new_folder()
            except OSError as error:
                if is_disk_full(error):
                    raise no_room() from None
                raise
            taken.pop_all()
        return Held(secrets.token_urlsafe(16), owner, folder, n_bytes)

    def _find(self, among: Mapping[str, Held], owner: str, held_id: str, unknown: str) -> Held:
        with self._turn:
            held = among.get(held_id)
            if held is None or not secrets.compare_digest(held.owner, owner):
                raise UnknownError(unknown)
            held.used_at = time.monotonic()
            return held

    def _submit(
        self, held: Held, what: str, order: Callable[[], dict[str, Any]], after: Callable[[], None] = lambda: None
    ) -> None:
        def ended(answer: dict[str, Any] | Refusal) -> None:
            n_bytes = size_of(held.folder)
            with self._turn:
                held.job = None
                if isinstance(answer, Refusal):
                    held.refusal = answer
                    remove(held.folder)
                    n_bytes = 0
                else:
                    held.content = answer
                self.room.release(held.owner, held.n_bytes - n_bytes)
                held.n_bytes = n_bytes
                if held.is_gone:
                    self._drop(held)
                after()

        held.job = Job(held.owner, what, order, ended)
        self.jobs.submit(held.job)

    def _remove(self, among: OrderedDict[str, Held], held: Held) -> None:
        with self._turn:
            among.pop(held.id, None)
            held.is_gone = True
            job = held.job
            if job is None and not held.users:
                self._drop(held)
        if job is not None:
            self.jobs.cancel(job)

    def _drop(self, held: Held) -> None:
        """Remove the files of what nobody needs any longer."""
        if held.users:
            return
        remove(held.folder)
        self.room.release(held.owner, held.n_bytes)
        held.n_bytes = 0

    def _sweep(self) -> None:
        while not self._is_closing.wait(min(_EACH_S, self.limits.keep_s)):
            before = time.monotonic() - self.limits.keep_s
            for among in (self._scans, self._gradings):
                with self._turn:
                    old = [one for one in among.values() if one.used_at < before and not one.users and one.job is None]
                for one in old:
                    with suppress(UnknownError):
                        self._remove(among, one)
