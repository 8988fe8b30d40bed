"""Fifty users at once send 100 MB each to `nephrograde serve`: is every answer there and right, and the cost?

Each user sends a NIfTI of another content, asks again where the server is full or busy, fetches a slice, has the scan
graded with a point, and leaves. Prints how many answers came, whether slice and answer are those of what this user
sent, how often a user was asked to come later, and the memory of the server and of the processes that grade. The exit
code is 1 where an answer is missing, not that user's or not right, or where a file is left.

    python -m bench.serve [--users 50] [--slices 200] [--workers 2]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.unit.export.small_grader import small_members

import nephrograde as ng
from nephrograde.export.archive import write_archive
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable

PX, PIXEL_MM, STEP_MM = 512, 0.8, 2.0
PATCH = slice(236, 276)
"""Columns and rows of the middle slices that differ from user to user: the point lies in their middle."""
MARKED_SLICES = 5
HEADER_BYTES = 352
POINT = "255,255,{k} vox"
CHECKED = 4
"""Users whose answer is compared with that of the grader itself."""


@dataclass
class Outcome:
    """What one user saw."""

    user: int
    seconds: float = 0.0
    asked_later: int = 0
    is_own_slice: bool = False
    p_high: float | None = None
    fault: str = ""


@dataclass
class Load:
    """The scan that all users send but for its middle, and the server that they send it to."""

    base: memoryview
    slices: int
    port: int
    token: str
    outcomes: list[Outcome] = field(default_factory=list)

    def middle(self, user: int) -> np.ndarray[Any, np.dtype[np.int16]]:
        """What is special about a user's scan."""
        generator = np.random.default_rng(user)
        shape = (MARKED_SLICES, PATCH.stop - PATCH.start, PATCH.stop - PATCH.start)
        return generator.integers(20, 240, shape).astype("<i2")

    def content(self, user: int, piece_bytes: int = 1 << 20) -> Any:
        """The user's scan in pieces, without a copy of the whole."""
        plane = PX * PX * 2
        first = HEADER_BYTES + (self.slices // 2 - MARKED_SLICES // 2) * plane
        block = np.frombuffer(self.base[first : first + MARKED_SLICES * plane], "<i2").reshape(MARKED_SLICES, PX, PX)
        own = block.copy()
        own[:, PATCH, PATCH] = self.middle(user)
        for start in range(0, first, piece_bytes):
            yield self.base[start : min(start + piece_bytes, first)]
        yield own.tobytes()
        for start in range(first + MARKED_SLICES * plane, len(self.base), piece_bytes):
            yield self.base[start : start + piece_bytes]


class User:
    """A program with a cookie."""

    def __init__(self, load: Load) -> None:
        self._load, self._cookie = load, ""

    def ask(self, method: str, address: str, sent: Any = None) -> tuple[int, Any, Any]:
        """Send a request: (status, content, headers)."""
        connection = self._open(method, address, {"Content-Type": "application/json"} if sent is not None else {})
        body = b"" if sent is None else json.dumps(sent).encode()
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return self._close(connection)

    def send(self, pieces: Any, size: int) -> tuple[int, Any, Any]:
        """Send a scan once the server says that it takes it."""
        connection = self._open("POST", "/api/scans", {"Content-Length": str(size), "Expect": "100-continue"})
        connection.endheaders()
        opened: socket.socket = connection.sock
        said = opened.recv(12, socket.MSG_PEEK)
        if said.startswith(b"HTTP/1.1 100"):
            while not (head := opened.recv(4096, socket.MSG_PEEK)).count(b"\r\n\r\n"):
                time.sleep(0.01)
            opened.recv(head.index(b"\r\n\r\n") + 4)
            for piece in pieces:
                opened.sendall(piece)
        return self._close(connection)

    def _open(self, method: str, address: str, headers: dict[str, str]) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self._load.port, timeout=3600)
        connection.putrequest(method, address)
        given = {"Authorization": f"Bearer {self._load.token}", "Cookie": self._cookie, **headers}
        for name, value in given.items():
            connection.putheader(name, value)
        return connection

    def _close(self, connection: http.client.HTTPConnection) -> tuple[int, Any, Any]:
        reply = connection.getresponse()
        content = reply.read()
        for cookie in reply.headers.get_all("set-cookie", []):
            self._cookie = cookie.partition(";")[0]
        connection.close()
        is_json = reply.headers.get("content-type", "").startswith("application/json")
        return reply.status, json.loads(content) if is_json else content, reply.headers


def visit(load: Load, outcome: Outcome) -> None:
    """Do what one user does."""
    user, start = User(load), time.monotonic()
    sent = _patiently(outcome, lambda: user.send(load.content(outcome.user), len(load.base)))
    scan, k = _finished(user, outcome, "scans", sent), load.slices // 2
    if scan is None:
        return
    _, shown, _ = user.ask("GET", f"/api/scans/{scan['id']}/series/1/slices/{k}")
    own = np.frombuffer(shown, "<i2").reshape(PX, PX)[PATCH, PATCH]
    outcome.is_own_slice = bool((own == load.middle(outcome.user)[MARKED_SLICES // 2]).all())
    order = {"scans": {"cmp": {"scan": scan["id"], "series": 1, "point": POINT.format(k=k)}}}
    asked = _patiently(outcome, lambda: user.ask("POST", "/api/gradings", order))
    graded = _finished(user, outcome, "gradings", asked)
    if graded is not None:
        outcome.p_high = graded["answer"]["p_high"]
        user.ask("DELETE", f"/api/gradings/{graded['id']}")
    outcome.seconds = time.monotonic() - start


def _patiently(outcome: Outcome, ask: Callable[[], Any]) -> tuple[int, Any]:
    """Ask again as long as the server says when to."""
    while True:
        status, content, headers = ask()
        if status not in {429, 503} or "retry-after" not in headers:
            return status, content
        outcome.asked_later += 1
        time.sleep(int(headers["retry-after"]))


def _finished(user: User, outcome: Outcome, what: str, sent: tuple[int, Any]) -> Any:
    """Wait for the work on what was sent; None if it was refused."""
    status, content = sent
    address = f"/api/{what}/{content.get('id')}"
    while status in {200, 202}:
        status, content, _ = user.ask("GET", address)
        if status == 200 and content["state"] == "done":
            return content
        time.sleep(0.5)
    outcome.fault = f"{status} {content}"
    return None


def base_scan(folder: Path, slices: int) -> tuple[Path, memoryview]:
    """A NIfTI of tissue in air, without kidneys, so that none are searched for long."""
    values = np.full((PX, PX, slices), -1000, dtype=np.int16)
    values[100:400, 120:380] = -100
    values[120:380, 140:360] = np.random.default_rng(0).integers(30, 60, (260, 220, slices))
    path = folder / "base.nii"
    write_image(values, path, spacing_mm=(PIXEL_MM, PIXEL_MM, STEP_MM), direction=np.eye(3))
    content = path.read_bytes()
    assert struct.unpack("<f", content[108:112])[0] == HEADER_BYTES  # noqa: S101 (where the voxels begin)
    return path, memoryview(content)


def memory_mb(process: int) -> float:
    """The largest resident memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    found = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for one in found for word in one.read_text().split()]


class Watch:
    """Looks at the memory of the server and its processes, and at the disk, twice a second."""

    def __init__(self, process: int, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.server_mb = self.worker_mb = self.disk_mb = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.5):
            self.server_mb = max(self.server_mb, memory_mb(self.process))
            for one in children(self.process):
                try:
                    self.worker_mb = max(self.worker_mb, memory_mb(one))
                except OSError:
                    continue
            status = os.popen(f"du -sm {self.folder}").read()  # noqa: S605 (a folder of our own)
            self.disk_mb = max(self.disk_mb, float(status.split()[0]))


def expected(grader: Path, load: Load, folder: Path, user: int) -> float:
    """The answer of the grader itself."""
    path = folder / "own.nii"
    with path.open("wb") as stream:
        for piece in load.content(user):
            stream.write(piece)
    return float(ng.load_grader(grader).grade(path, point=POINT.format(k=load.slices // 2)).p_high)


def main() -> int:
    """Print what the users see; 1 where something is missing, wrong or left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nephrograde-bench-") as name:
        folder = Path(name)
        room = folder / "room"
        room.mkdir()
        write_archive(folder / "grader.zip", small_members())  # type: ignore[no-untyped-call]
        _, base = base_scan(folder, given.slices)
        words = [sys.executable, "-m", "nephrograde", "serve", str(folder / "grader.zip"), "--no-browser"]
        words += ["--workers", str(given.workers)]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(room)})
        assert server.stdout is not None  # noqa: S101 (it was asked for)
        address = server.stdout.readline().split()[-1]
        port, token = re.search(r":(\d+)/\?token=(.+)$", address).groups()  # type: ignore[union-attr]
        load = Load(base, given.slices, int(port), token, [Outcome(user) for user in range(given.users)])
        resting_mb = memory_mb(server.pid)
        start = time.monotonic()
        with Watch(server.pid, room) as watch:
            threads = [threading.Thread(target=visit, args=(load, one)) for one in load.outcomes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        took = time.monotonic() - start
        left_mb = sum(path.stat().st_size for path in room.rglob("*") if path.is_file()) / 2**20
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        answers = [one for one in load.outcomes if one.p_high is not None]
        right = [
            abs(expected(folder / "grader.zip", load, folder, one.user) - one.p_high) < 1e-6
            for one in answers[:: max(1, len(answers) // CHECKED)]
            if one.p_high is not None
        ]
        print(f"{given.users} users at once, {len(base) / 1e6:.0f} MB each, {given.workers} processes that grade")
        print(f"answers: {len(answers)}; with the slice of that user: {sum(one.is_own_slice for one in answers)}")
        print(f"equal to the grader itself: {sum(right)} of {len(right)} compared; different answers: "
              f"{len({one.p_high for one in answers})}")  # fmt: skip
        for one in load.outcomes:
            if one.fault:
                print(f"user {one.user}: {one.fault}")
        print(f"asked to come later: {sum(one.asked_later for one in load.outcomes)} times")
        print(f"took {took:.0f} s; largest memory: server {watch.server_mb:.0f} MB ({resting_mb:.0f} MB at rest), "
              f"a process that grades {watch.worker_mb:.0f} MB; disk {watch.disk_mb:.0f} MB")  # fmt: skip
        left_over = len(list(room.iterdir()))
        print(f"left on the disk after the last answer {left_mb:.1f} MB, after the end {left_over} files")
        is_whole = len(answers) == given.users and all(one.is_own_slice for one in answers) and all(right)
        return 0 if is_whole and not left_over else 1


if __name__ == "__main__":
    sys.exit(main())
