"""A cohort of small scans, one of them damaged, and a server of it on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import uuid

import numpy as np
import pytest

from nephrograde.volume.volume import write_image

SIZE = (40, 36, 12)
SPACING_MM = (2.0, 2.0, 5.0)
ORIGIN_MM = {"np": (-40.0, -30.0, -300.0), "up": (-40.0, -30.0, -290.0)}


@pytest.fixture(scope="module")
def cohort_path(tmp_path_factory):
    """Three patients; P1 has two phases on different grids, and the image of P3 is damaged."""
    tmp_path = tmp_path_factory.mktemp("cohort")
    values = np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE)
    for patient, phase in (("P1", "np"), ("P1", "up"), ("P2", "np")):
        path = tmp_path / patient / f"{phase}.nii.gz"
        write_image(values, path, spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM[phase])
    (tmp_path / "P3").mkdir()
    (tmp_path / "P3" / "np.nii.gz").write_bytes((tmp_path / "P2" / "np.nii.gz").read_bytes()[:400])
    rows = ["patient_id,np_image,up_image", "P1,P1/np.nii.gz,P1/up.nii.gz", "P2,P2/np.nii.gz,", "P3,P3/np.nii.gz,"]
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def serving(cohort_path):
    """Start a server of the cohort as a context: (the session, who may use it)."""
    from nephrograde.web.listening import open_socket
    from nephrograde.web.security import Access
    from nephrograde.web.server import Server
    from nephrograde.web.start import open_session

    @contextlib.contextmanager
    def serve(port=0, *, like="", **secrets):
        session = open_session(cohort_path, cohort_path.with_suffix(".annotations"), "li")
        listening = open_socket("127.0.0.1", port, like=f"{cohort_path}{like}")
        access = Access("127.0.0.1", listening.getsockname()[1], **secrets)
        with Server(session, access, listening):
            yield session, access

    return serve


@pytest.fixture(scope="module")
def running(serving):
    with serving() as started:
        yield started


@pytest.fixture
def server(running):
    """A running server with an empty journal: (the session, who may use it)."""
    session, _ = running
    session.journal.path.unlink(missing_ok=True)
    return running


@pytest.fixture
def ask(server):
    """Send a request: (status, reply, headers); the reply is parsed where it is JSON."""
    _, access = server

    def send(method, address, body=None, *, headers=None, token=access.token):
        connection = http.client.HTTPConnection("127.0.0.1", access.port, timeout=10)
        given = {"Authorization": f"Bearer {token}", **(headers or {})}
        if isinstance(body, dict):
            body, given = json.dumps(body), {"Content-Type": "application/json", **given}
        connection.putrequest(method, address, skip_host="Host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None and "Transfer-Encoding" not in given:
            connection.putheader("Content-Length", given.get("Length", str(len(body.encode()))))
        connection.endheaders(None if body is None else body.encode())
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        is_json = reply.headers.get("content-type", "").startswith("application/json")
        return reply.status, json.loads(content) if is_json else content, reply.headers

    return send


@pytest.fixture
def entry():
    """An entry as the page sends it."""

    def make(**changed):
        base = {
            "id": uuid.uuid4().hex,
            "at": "2026-04-15T08:30:00.000Z",
            "session": "tab",
            "patient_id": "P1",
            "phase": "np",
            "kind": "point",
            "value": "0,0,-280 mm",
            "origin": "drawn",
            "follows": "",
            "active_s": 1.5,
            "version": 1,
        }
        return {**base, **changed}

    return make


@pytest.fixture
def reading(cohort_path, tmp_path):
    """Open the application for a reader, without a socket: (the session, ask(method, address, entry))."""
    from nephrograde.web.security import Access
    from nephrograde.web.server import make_app
    from nephrograde.web.start import open_session

    def start(reader, *, decides=False, **options):
        session = open_session(cohort_path, tmp_path / "annotations", reader, decides=decides)
        app = make_app(session, Access("127.0.0.1", 8000, token="t"), **options)  # noqa: S106
        return session, lambda *request: asyncio.run(_reply(app, *request))

    return start


async def _reply(app, method, address, body=None):
    """Send a request to an application (ASGI): (status, reply)."""
    path, _, query = address.partition("?")
    sent = b"" if body is None else json.dumps(body).encode()
    headers = [(b"host", b"127.0.0.1:8000"), (b"authorization", b"Bearer t"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
    }
    messages = []

    async def receive():
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message):
        messages.append(message)

    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in messages)
    given = dict(messages[0]["headers"])
    is_json = given.get(b"content-type", b"").startswith(b"application/json")
    return messages[0]["status"], json.loads(content) if is_json else content
