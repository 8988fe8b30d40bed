"""The documented protocol against the grading server: every address is in it, and every reply is one of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tests.unit.web.grading.conftest import ADDRESS, TOKEN
from tests.unit.web.test_protocol import IMPORTED, Application, Traces, addresses_in, addresses_of

pytestmark = [pytest.mark.needs("starlette", "uvicorn", "onnxruntime", "schemathesis"), pytest.mark.slow]
PROTOCOL_PATH = Path(__file__).resolve().parents[4] / "docs" / "reference" / "grading-page.yaml"
EXAMPLES = 4


@pytest.fixture(scope="module")
def idle(desk_of):
    """A desk without processes: what is sent waits."""
    with desk_of(slots=0, jobs=10_000, user_jobs=10_000, user_scans=10_000) as started:
        yield started


@pytest.fixture(scope="module")
def traces():
    return Traces()


def test_document_lists_the_addresses_and_methods_of_the_server(idle):
    assert addresses_of(idle[1].app.app) == addresses_in(PROTOCOL_PATH)


@pytest.fixture
def answered(visit, dicom_zip, mask):
    """A user with a scan and an answer: (what addresses name, the cookie)."""
    user = visit()
    scan, _ = user.upload(dicom_zip({"SeriesDescription": "Arterial"}))
    assert user.ask("PUT", f"/api/scans/{scan}/series/1/mask", content=mask).status_code == 204
    done = user.grade(scan, place={"mask": True})
    return {"scan": scan, "series": 1, "k": 3, "number": 1, "grading": done.json()["id"]}, done.request.headers[
        "cookie"
    ]


if importlib.util.find_spec("schemathesis"):
    import schemathesis

    application = Application()
    protocol = schemathesis.openapi.from_path(PROTOCOL_PATH)
    protocol.app = application
    protocol.config.update(base_url=ADDRESS, headers={"Authorization": f"Bearer {TOKEN}"})
    protocol.config.generation.update(max_examples=EXAMPLES, deterministic=True, database="none")
    # A body of the right form can still be no scan, name a scan that there is not, or be cut short.
    protocol.config.checks.positive_data_acceptance.expected_statuses += ["400", "411", "415", "422"]

    @protocol.parametrize()
    def test_whatever_is_sent_gets_a_documented_reply(case, idle, traces):
        """Never 500; nothing is opened but the room of the uploads, and nothing is logged."""
        desk, application.served = idle
        with traces.watched():
            case.call_and_validate()
        assert {path for path in traces.paths if not path.startswith((str(desk.room.folder), *IMPORTED))} == set()
        assert traces.lines == []

    def test_replies_about_a_scan_and_its_answer_are_as_documented(answered, served):
        """Generated ids are those of no scan; these are."""
        named, cookie = answered
        application.served = served[1]
        headers = {"cookie": cookie, "Authorization": f"Bearer {TOKEN}"}
        seen = set()
        for one in protocol.get_all_operations():
            operation: Any = one.ok()  # type: ignore[union-attr]
            if operation.method != "get" or "{" not in operation.path:
                continue
            own = {parameter.name: named[parameter.name] for parameter in operation.path_parameters}
            case = operation.Case(path_parameters=own, headers=headers, query={"lang": "zh"})
            reply = case.call()
            assert reply.status_code == 200, (operation.path, reply.text)
            case.validate_response(reply, excluded_checks=[schemathesis.checks.ignored_auth])
            seen.add(operation.path)
        assert len(seen) == 13
