"""Other people's servers on free ports of this machine, started for a test and ended by their process id."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from nephrograde.exchange.headers import header_of
from nephrograde.exchange.spool import Spool

PLUGINS = ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so", "/usr/lib/orthanc/libOrthancDicomWeb.so")
CREDENTIALS = "reader:correct horse"


def header_in(path):
    """The header of a file, which has one."""
    header = header_of(path)
    assert header is not None
    return header


def spool_of(root, patient, state):
    """A spool with the series of a patient in a state, and the key of that series."""
    spool = Spool(root, limit_bytes=10**9, reserve_bytes=0)
    spool.open()
    for path in patient.paths:
        key = spool.store(path.read_bytes(), header_in(path), "a")
    spool.release(key, "a", whole=True)
    assert spool.move(key, "received", state)
    return spool, key


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(condition, *, seconds=90.0, step=None, told=lambda: ""):
    """Wait for something, doing a step in between; fails after some seconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain {told()}"
        if step is not None:
            step()
        time.sleep(0.05)
    return found


def answers_on(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(words, port, **options):
    """Run a server until the end of the block."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        wait_until(lambda: answers_on(port))
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


class Orthanc:
    """An Orthanc with its DICOMweb plug-in."""

    def __init__(self, folder: Path) -> None:
        self.dicom_port, self.web_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}/dicom-web"
        self.to = f"ORTHANC@127.0.0.1:{self.dicom_port}"
        user, _, password = CREDENTIALS.partition(":")
        self.settings = folder / "orthanc.json"
        self.settings.write_text(
            json.dumps(
                {
                    "StorageDirectory": str(folder / "storage"),
                    "IndexDirectory": str(folder / "storage"),
                    "HttpPort": self.web_port,
                    "DicomPort": self.dicom_port,
                    "DicomAet": "ORTHANC",
                    "RemoteAccessAllowed": False,
                    "AuthenticationEnabled": True,
                    "RegisteredUsers": {user: password},
                    "DicomAlwaysAllowStore": True,
                    "Plugins": [path for path in PLUGINS if Path(path).exists()],
                    "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
                }
            ),
            encoding="utf-8",
        )


class Front(BaseHTTPRequestHandler):
    """Hands requests on to a port of this machine."""

    def __init__(self, port, *given):
        self.port = port
        super().__init__(*given)

    def do_GET(self):
        self.hand_on(b"")

    def do_POST(self):
        self.hand_on(self.rfile.read(int(self.headers["Content-Length"])))

    def hand_on(self, body):
        behind = HTTPConnection("127.0.0.1", self.port)
        behind.request(self.command, self.path, body, {**self.headers, "Accept-Encoding": "identity"})
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
