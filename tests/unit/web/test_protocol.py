"""The documented protocol against the server: every address is documented, and whatever is sent gets a reply of it."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

import nephrograde

pytestmark = pytest.mark.needs("starlette", "uvicorn", "schemathesis")
PROTOCOL_PATH = Path(__file__).resolve().parents[3] / "docs" / "reference" / "annotation-page.yaml"
ADDRESS = "http://127.0.0.1:8000"
TOKEN = "a-token-of-the-tests"  # noqa: S105 (opens nothing else)
EXAMPLES = 25
IMPORTED = (sys.prefix, sys.base_prefix, str(Path(nephrograde.__file__).parent))
CLIENTS = {"asyncio", "hypothesis", "requests", "schemathesis", "urllib3"}
OPENS = {
    "open",
    "os.listdir",
    "os.scandir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.symlink",
    "os.link",
    "os.truncate",
}


class Traces(logging.Handler):
    """What requests leave behind: paths that were opened, listed, made or moved, and what was logged."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.paths = set()
        self.lines = []
        self.is_watching = False
        sys.addaudithook(self.see)  # stays until the process ends, and then costs nothing

    def see(self, event, arguments):
        if self.is_watching and event in OPENS and threading.current_thread() is not threading.main_thread():
            paths = arguments[:1] if event == "open" else arguments[:2]
            self.paths.update(str(one) for one in paths if isinstance(one, str | Path))

    def emit(self, record):
        if record.name.partition(".")[0] not in CLIENTS:
            self.lines.append(self.format(record))

    def elsewhere(self, session):
        """What was opened besides the images of the cohort, the folder of annotations and what is imported late."""
        images = {str(scan.image_path) for patient in session.patients for scan in patient.scans.values()}
        ours = (str(session.journal.folder), *IMPORTED)
        return {path for path in self.paths if path not in images and not path.startswith(ours)}

    @contextlib.contextmanager
    def watched(self):
        self.paths.clear()
        self.lines.clear()
        root = logging.getLogger()
        level = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        self.is_watching = True
        try:
            yield
        finally:
            self.is_watching = False
            root.setLevel(level)
            root.removeHandler(self)


class Application:
    """What the generated requests are sent to: an application, once a fixture has made it."""

    served: Any = None

    async def __call__(self, scope, receive, send):
        await self.served(scope, receive, send)


@pytest.fixture(scope="module")
def served(cohort_path):
    """The application of the cohort, without a socket: (the application, the session)."""
    from nephrograde.web.security import Access
    from nephrograde.web.server import make_app
    from nephrograde.web.start import open_session

    session = open_session(cohort_path, cohort_path.with_name("protocol.annotations"), "li")
    return make_app(session, Access("127.0.0.1", 8000, token=TOKEN)), session


@pytest.fixture(scope="module")
def traces():
    return Traces()


def addresses_in(protocol_path):
    """The addresses of a document, with their methods."""
    documented = yaml.safe_load(protocol_path.read_text(encoding="utf-8"))["paths"]
    return {
        (path, method.upper()) for path, methods in documented.items() for method in methods if method != "parameters"
    }


def addresses_of(app):
    """The addresses of the API of a server, with their methods."""
    return {
        (route.path, method)
        for route in app.routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api/")
    }


def test_document_lists_the_addresses_and_methods_of_the_server(served):
    gate, _ = served
    assert addresses_of(gate.app) == addresses_in(PROTOCOL_PATH)


if importlib.util.find_spec("schemathesis"):
    import schemathesis

    application = Application()
    protocol = schemathesis.openapi.from_path(PROTOCOL_PATH)
    protocol.app = application
    protocol.config.update(base_url=ADDRESS, headers={"Authorization": f"Bearer {TOKEN}"})
    protocol.config.generation.update(max_examples=EXAMPLES, deterministic=True, database="none")
    # An entry of the right form can still be about another patient than that of the address, or a place elsewhere.
    protocol.config.checks.positive_data_acceptance.expected_statuses += ["400"]

    @protocol.parametrize()
    def test_whatever_is_sent_gets_a_documented_reply(case, served, traces):
        """Never 500; nothing is opened but the cohort's images and the folder of annotations; nothing is logged."""
        application.served, session = served
        with traces.watched():
            case.call_and_validate()
        assert traces.elsewhere(session) == set()
        assert traces.lines == []

    @protocol.include(operation_id="save").parametrize()
    def test_entries_about_the_patient_of_the_address(case, served, traces):
        """Generated patients and phases are hardly ever those of the cohort; these are."""
        application.served, session = served
        case.path_parameters = {"number": 0}
        if isinstance(case.body, dict):
            case.body |= {"patient_id": "P1", "phase": "np"}
        with traces.watched():
            reply = case.call()
        assert reply.status_code < 500
        assert reply.status_code == 200 or reply.json()["reason"]
        assert traces.elsewhere(session) == set()
        assert traces.lines == []
