"""Receiving series, grading them and sending the results back: the function behind ``nephrograde listen``."""

from __future__ import annotations

import ipaddress
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nephrograde.errors import InputError, Problem
from nephrograde.exchange.completion import Completion
from nephrograde.exchange.destination import OWN_AET, parse_destination, parse_title
from nephrograde.exchange.events import Event
from nephrograde.exchange.grading_process import GradingProcess
from nephrograde.exchange.replying import Replying
from nephrograde.exchange.spool import ATTEMPTS, RESULT, Reason, Spool, State
from nephrograde.exchange.store_scp import Access, StoreScp
from nephrograde.lock import only_writer_of
from nephrograde.loopback import is_loopback
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    import ssl
    import threading

    from nephrograde.exchange.events import Tell
    from nephrograde.exchange.tls import Tls
    from nephrograde.study.model import StudyModel

_GB: Final = 10**9
_MOST_ATTEMPTS: Final = 3
_STEP_S: Final = 0.2
_MINUTE_S: Final = 60.0
_DISK_PAUSE_S: Final = 30.0
_DAY_S: Final = 86400.0
_LEAST_PAUSE_S: Final = 10.0
_MOST_PAUSE_S: Final = 600.0
"""How long a grader file that cannot be used is left alone, the first time and later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """How a listener receives, grades and answers.

    Attributes:
        own_aet: Our AE title, by which senders must call us.
        host: The address to bind.
        port: The port; 0 for a free one.
        is_exposed: Whether another address than loopback is meant; it then needs ``peers``.
        callers: AE titles that may send; empty for all.
        peers: Addresses or networks that may send, such as ``10.1.2.0/24``; empty for this machine alone.
        tls: The files for accepting encrypted connections; None for plain ones.
        reply: Where results go, ``AET@HOST:PORT`` or the address of a DICOMweb service; empty to keep them in the
            spool.
        reply_tls: The files for the connection to it.
        quiet_s: How long a series has received nothing, and no sender of it is open, when it is complete.
        wait_s: How long a complete series waits for its region, and an interrupted one for its sender.
        limit_gb: What the spool may hold.
        reserve_gb: What stays free on its disk.
        memory_gb: What the objects that are being received may take in memory.
        keep_days: How long failed series, masks, and series whose result was sent are kept.
        unchecked_phase: Whether a series is graded whose phase cannot be seen; one of another phase never is.
        grading_s: How long the grading of a series may take.
    """

    own_aet: str = OWN_AET
    host: str = "127.0.0.1"
    port: int = 11112
    is_exposed: bool = False
    callers: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    tls: Tls | None = None
    reply: str = ""
    reply_tls: Tls | None = None
    quiet_s: float = 30.0
    wait_s: float = 1800.0
    limit_gb: float = 50.0
    reserve_gb: float = 1.0
    memory_gb: float = 2.0
    keep_days: float = 14.0
    unchecked_phase: bool = False
    grading_s: float = 900.0

    def access(self) -> Access:
        """Who may send.

        Raises:
            InputError: A title or an address is none, or another address than loopback is bound without being exposed
                or without peers; all problems at once.
        """
        problems = []
        if not is_loopback(self.host):
            if not self.is_exposed:
                what = f"is {self.host}, by which other machines reach this one"
                problems.append(Problem("--host", what, "Add --expose if that is meant."))
            if not self.peers:
                what = "is missing, and anyone in the network could send"
                problems.append(Problem("--peer", what, "Name the addresses or networks that may, such as 10.1.2.3."))
        networks = []
        for text in self.peers:
            try:
                networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                problems.append(
                    Problem("--peer", f"is no address or network: {text}", "Write 10.1.2.3 or 10.1.2.0/24.")
                )
        if problems:
            raise InputError(problems)
        callers = frozenset(parse_title(title, place="--caller") for title in self.callers)
        return Access(parse_title(self.own_aet, place="--aet"), callers, tuple(networks))


@dataclass(slots=True)
class Listener:
    """A listener: a server in threads, a worker in a process, and the spool between them.

    Attributes:
        grader_path: The grader file, of a model of one phase.
        spool_dir: The spool.
        settings: How it works.
        tell: Is told what happens, in whatever thread.
        port: On which it listens, once it does.
    """

    grader_path: Path
    spool_dir: Path
    settings: ListenSettings
    tell: Tell
    port: int = 0
    _spool: Spool = field(init=False)
    _completion: Completion = field(init=False)
    _worker: GradingProcess = field(init=False)
    _replying: Replying | None = field(init=False, default=None)
    _scp: StoreScp = field(init=False)
    _held: ExitStack = field(init=False)
    _worker_again: float = 0.0
    _unusable_pause_s: float = _LEAST_PAUSE_S
    _postponed: dict[str, float] = field(default_factory=dict)
    _measured: float = 0.0

    def __post_init__(self) -> None:
        wanted = self.settings
        access = wanted.access()
        context = None if wanted.tls is None else wanted.tls.server()
        if wanted.reply:
            parse_destination(wanted.reply, place="--reply")
        model = _read_model(self.grader_path)
        self._spool = Spool(
            self.spool_dir, limit_bytes=int(wanted.limit_gb * _GB), reserve_bytes=int(wanted.reserve_gb * _GB)
        )
        needs_region = model.arm.supervision is not Supervision.NONE
        self._completion = Completion(self._spool, self.tell, needs_region, wanted.quiet_s, wanted.wait_s)
        self._worker = GradingProcess(
            self.grader_path, self.spool_dir, unchecked_phase=wanted.unchecked_phase, limit_s=wanted.grading_s
        )
        if wanted.reply:
            self._replying = Replying(
                self._spool, self.tell, wanted.reply, own_aet=wanted.own_aet, tls=wanted.reply_tls
            )
        memory_bytes = int(wanted.memory_gb * _GB)
        self._scp = StoreScp(
            self._spool, access, tell=self.tell, touched=self._completion.touch, memory_bytes=memory_bytes
        )
        self._start(context)

    def _start(self, context: ssl.SSLContext | None) -> None:
        wanted = self.settings
        with ExitStack() as held:
            held.enter_context(only_writer_of(self.spool_dir / "listener", is_private=True))
            self._spool.open()
            for key in self._spool.keys("grading"):
                if (self._spool.folder("grading", key) / RESULT).is_dir():
                    self._graded(key)
            self.port = self._scp.start(wanted.host, wanted.port, context=context)
            self._held = held.pop_all()
        self.tell(Event("listening", values={"aet": wanted.own_aet, "host": wanted.host, "port": self.port}))

    def run(self, until: threading.Event) -> None:
        """Work until an event is set.

        Args:
            until: The event.
        """
        while not until.wait(_STEP_S):
            try:
                self.step()
            except OSError:  # the disk is full or fails: everything stays as it is until it works again
                self.tell(Event("full", values={"what": "disk"}))
                until.wait(_DISK_PAUSE_S)

    def step(self) -> None:
        """Do what it is time for, without waiting for anything."""
        self._completion.step()
        self._hear_worker()
        self._give_work()
        if self._replying is not None:
            self._replying.step()
        if time.monotonic() - self._measured > _MINUTE_S:
            self._measured = time.monotonic()
            self._clean()

    def stop(self) -> None:
        """Stop; what is in the spool is gone on with after the next start."""
        self._scp.stop()
        self._worker.stop()
        if self._replying is not None:
            self._replying.stop()
        self._held.close()
        self.tell(Event("ended"))

    def _hear_worker(self) -> None:
        key = self._worker.key
        while (answer := self._worker.take()) is not None:
            state = answer["state"]
            if state == "graded":
                self._graded(key)
            elif state == "failed":
                self._fail(key, str(answer["code"]), str(answer["what"]))
            elif state == "postponed":
                self._postponed[key] = time.monotonic() + _DISK_PAUSE_S
                self._spool.write_note("grading", key, ATTEMPTS, {"n": 0})
                self.tell(Event("full", key, {"what": "disk"}))
            elif state == "timeout":
                self._fail(key, "too-slow", f"the grading took more than {self.settings.grading_s:g} s.")
            elif state == "ready":
                self._unusable_pause_s = _LEAST_PAUSE_S
            elif state == "unusable":  # the file was good when the listener started, and may be so again
                self.tell(Event("unusable", values={"what": answer["what"], "seconds": self._unusable_pause_s}))
                self._worker_again = time.monotonic() + self._unusable_pause_s
                self._unusable_pause_s = min(2 * self._unusable_pause_s, _MOST_PAUSE_S)
            elif state == "ended" and time.monotonic() >= self._worker_again:
                self._worker_again = time.monotonic() + 1.0
                self.tell(Event("worker-ended", self._worker.key))
                self._worker.key = ""
            key = self._worker.key

    def _give_work(self) -> None:
        if self._worker.pid is None:
            if self._spool.keys("grading") and time.monotonic() >= self._worker_again:
                self._worker.start()
            return
        if not self._worker.is_ready or self._worker.key:
            return
        waiting = (key for key in self._spool.keys("grading") if time.monotonic() >= self._postponed.get(key, 0.0))
        key = next(waiting, "")
        if not key:
            return
        attempts = int(self._spool.read_note("grading", key, ATTEMPTS).get("n", 0)) + 1
        if attempts > _MOST_ATTEMPTS:
            self._fail(key, "worker-died", f"the grading process died {_MOST_ATTEMPTS} times with this series.")
            return
        self._spool.write_note("grading", key, ATTEMPTS, {"n": attempts})
        self.tell(Event("grading", key))
        self._worker.give(key)

    def _graded(self, key: str) -> None:
        after: State = "sending" if self.settings.reply else "done"
        self._postponed.pop(key, None)
        self._spool.move(key, "grading", after)
        self.tell(Event("graded", key))

    def _fail(self, key: str, code: str, what: str) -> None:
        self._postponed.pop(key, None)
        self._spool.fail(key, "grading", Reason(code, what))
        self.tell(Event("failed", key, {"code": code, "what": what}))

    def _clean(self) -> None:
        keep_s = self.settings.keep_days * _DAY_S
        states: tuple[State, ...] = ("failed", "masks", "done") if self.settings.reply else ("failed", "masks")
        removed = self._spool.remove_older(states, keep_s)
        self._spool.measure()
        if removed:
            self.tell(Event("removed", values={"n": removed}))


def listen(
    grader: str | Path, spool: str | Path, settings: ListenSettings, *, tell: Tell, until: threading.Event
) -> None:
    """Receive series by C-STORE, grade each with a packed model, and send the results back.

    Research use only. An object is acknowledged when it is whole on the disk. A series is graded in a process of its
    own; the spool holds its state, so that neither a crash of this process nor of that one loses it or grades it twice.

    Args:
        grader: A grader file of a model of one phase.
        spool: The folder of the spool; one listener at a time uses it.
        settings: How it works.
        tell: Is told what happens; no event names a patient.
        until: Ends the listener when it is set.

    Raises:
        InputError: A setting is not valid, a package is missing, or the model joins phases or values.
        GraderError: The grader file cannot be used.
        ExchangeError: The address cannot be listened on.
        RunError: Another listener uses the spool.
        WriteError: The spool cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries warn of names the values that were received
        listener = Listener(Path(grader), Path(spool), settings, tell)
        try:
            listener.run(until)
        finally:
            listener.stop()


def _read_model(path: Path) -> StudyModel:
    """What the model of a grader file needs; its networks are loaded by the process that grades alone."""
    from nephrograde.export.grader_file import read_grader_file
    from nephrograde.volume.dicom.references import require_highdicom

    require_highdicom("listen")
    file = read_grader_file(path)
    model = file.preprocessing.own_model(file.study)
    if model.fusion is not None:
        what = f"holds {model.id}, which joins phases or values"
        raise InputError([Problem(str(path), what, "Listen with a model of one phase.")])
    return model
