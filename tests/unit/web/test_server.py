"""The server of the annotation page without a browser: who may ask, what is refused and why, what is saved."""

from __future__ import annotations

import http.client
import json
import logging

import numpy as np
import pytest

from .conftest import ORIGIN_MM, SIZE, SPACING_MM

pytestmark = pytest.mark.needs("starlette", "uvicorn")
ENTRIES = "/api/patients/0/entries"


def test_study_patients_and_geometry(ask):
    status, study, _ = ask("GET", "/api/study?lang=zh")
    assert (status, study["name"], study["reader"], study["language"]) == (200, "cohort", "li", "zh")
    assert study["texts"]["saved"] == "已保存"
    assert [phase["code"] for phase in study["phases"]] == ["np", "up"]
    _, listed, _ = ask("GET", "/api/patients")
    found = [(one["number"], one["patient_id"], one["phases"], one["state"]) for one in listed["patients"]]
    assert found == [(0, "P1", ["np", "up"], "open"), (1, "P2", ["np"], "open"), (2, "P3", ["np"], "open")]
    _, geometry, _ = ask("GET", "/api/patients/0/phases/up")
    assert geometry["size"] == list(SIZE)
    assert geometry["spacing_mm"] == pytest.approx(SPACING_MM)
    assert geometry["origin_mm"] == pytest.approx(ORIGIN_MM["up"])
    assert (geometry["slope"], geometry["intercept"]) == (1.0, 0.0)


def test_slice_is_little_endian_16_bit_by_rows(ask):
    status, content, _ = ask("GET", "/api/patients/0/phases/np/slices/3")
    assert status == 200
    expected = np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE)[:, :, 3].T
    assert np.array_equal(np.frombuffer(content, "<i2").reshape(expected.shape), expected)


@pytest.mark.parametrize(
    "address",
    [
        "/api/patients/3",
        "/api/patients/-1",
        "/api/patients/99999999999999999999",
        "/api/patients/٣",
        "/api/patients/..%2f..%2fetc%2fpasswd",
        "/api/patients/3/kidneys",
        "/api/patients/0/phases/ep",
        "/api/patients/0/phases/..%2f..%2fP2%2fnp.nii.gz",
        "/api/patients/0/phases/%00",
        "/api/patients/1/phases/up",
        "/api/patients/0/phases/np/slices/12",
        "/api/patients/0/phases/np/slices/-1",
        "/api/patients/0/phases/np/slices/1e1",
        "/api/patients/0/phases/np/coronal/1000",
        "/api/patients/0/phases/np/oblique/1",
        "/pages/../server.py",
        "/pages/%2e%2e/server.py",
        "/pages/",
        "/etc/passwd",
        "//etc/passwd",
    ],
)
def test_what_the_cohort_does_not_have_is_404_with_a_reason(ask, address):
    status, reply, _ = ask("GET", address.encode().decode("latin-1") if address.isascii() else "/api/patients/%D9%A3")
    assert status == 404
    assert reply["reason"]


def test_damaged_scan_is_422_without_its_path(ask):
    for address in ("/api/patients/2/phases/np", "/api/patients/2/phases/np/slices/0"):
        status, reply, _ = ask("GET", address)
        assert status == 422
        assert reply["code"]
        assert "P3" not in reply["reason"]
    assert ask("GET", "/api/patients/1/phases/np")[0] == 200


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_no_page_without_the_token(ask, token):
    for address in ("/", "/api/patients", "/pages/annotate.js", f"/?token={token.encode('latin-1').hex()}"):
        status, reply, headers = ask("GET", address, token=token)
        assert status == 403
        assert reply["reason"]
        assert headers.get("set-cookie") is None


def test_without_any_token_the_reply_says_how_to_authenticate(server):
    _, access = server
    connection = http.client.HTTPConnection("127.0.0.1", access.port, timeout=10)
    connection.request("GET", "/api/patients")
    reply = connection.getresponse()
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="nephrograde"')
    assert json.loads(reply.read())["reason"]
    connection.close()


def test_token_in_the_address_becomes_a_cookie(ask, server):
    _, access = server
    status, _, headers = ask("GET", f"/?token={access.token}", token="")
    assert (status, headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["set-cookie"].split("; "))
    cookie = headers["set-cookie"].partition(";")[0]
    status, page, headers = ask("GET", "/", token="", headers={"Cookie": f"other=1; {cookie}"})
    assert status == 200
    assert b"<canvas" not in page
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "evil.example@127.0.0.1:{port}"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, 200),
    ],
)
def test_host_and_origin_are_those_of_the_page(ask, entry, server, headers, status):
    session, access = server
    given = {name: value.format(port=access.port) for name, value in headers.items()}
    assert ask("POST", ENTRIES, entry(), headers=given)[0] == status
    assert len(session.journal.entries()) == (status == 200)


def test_entry_is_saved_once_and_shown(ask, entry, server):
    session, _ = server
    given = entry()
    for _ in range(2):
        status, reply, _ = ask("POST", ENTRIES, given)
        assert (status, reply["id"]) == (200, given["id"])
    assert [one.id for one in session.journal.entries()] == [given["id"]]
    assert reply["patient"]["phases"] == {"np": {"point": {"value": "0,0,-280 mm", "origin": "drawn"}}}
    assert reply["patient"]["seen"] == {"np point": given["id"]}
    assert (reply["patient"]["progress"], reply["patient"]["undo"]) == ("started", given["id"])
    _, listed, _ = ask("GET", ENTRIES)
    assert [one["value"] for one in listed["entries"]] == ["0,0,-280 mm"]
    undo = entry(kind="undo", phase="", value=given["id"])
    _, reply, _ = ask("POST", ENTRIES, undo)
    assert (reply["patient"]["phases"], reply["patient"]["redo"]) == ({}, given["id"])


def test_two_tabs_that_do_not_know_of_each_other_are_a_conflict(ask, entry):
    ask("POST", ENTRIES, entry(session="one"))
    _, reply, _ = ask("POST", ENTRIES, entry(session="two", value="2,2,-280 mm", at="2026-04-15T08:31:00.000Z"))
    (conflict,) = reply["patient"]["conflicts"]
    assert (conflict["counts"], conflict["others"]) == ("2,2,-280 mm", ["0,0,-280 mm"])
    seen = reply["patient"]["seen"]["np point"]
    later = entry(session="two", value="3,3,-280 mm", at="2026-04-15T08:32:00.000Z", follows=seen)
    assert ask("POST", ENTRIES, later)[1]["patient"]["conflicts"] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"patient_id": "P2"},
        {"patient_id": "../P2"},
        {"patient_id": None},
        {"phase": "ep"},
        {"phase": "../np"},
        {"phase": ["np"]},
        {"kind": "cut"},
        {"kind": {}},
        {"kind": "mask", "value": "../../x.nii.gz"},
        {"kind": "mask", "value": "x.nii.gz"},
        {"value": "0,0,-280"},
        {"value": "1,2,3 vox"},
        {"value": "500,0,-280 mm"},
        {"value": "0,0,-500 mm"},
        {"value": "nan,0,-280 mm"},
        {"value": 7},
        {"kind": "box", "value": "0,0,-280;0,0,-280 mm"},
        {"kind": "box", "value": "0,0,-280;10,0,-280 mm"},
        {"kind": "box", "value": "0,0,-280;10,900,-280 mm"},
        {"kind": "slice", "value": "-100 mm"},
        {"id": "../../x"},
        {"reader": "wang"},
        {"active_s": -1},
        {"active_s": float("nan")},
        {"version": 2},
        {"surprise": 1},
        {"kind": "comment", "phase": "", "value": "x" * 5000},
    ],
)
def test_entry_that_cannot_be_is_400_and_not_saved(ask, entry, server, changed):
    session, _ = server
    status, reply, _ = ask("POST", ENTRIES, entry(**changed))
    assert status == 400
    assert reply["reason"]
    assert session.journal.entries() == ()


@pytest.mark.parametrize(
    ("phase", "other", "changed"),
    [
        ("np", "up", {"kind": "slice", "value": "-236 mm"}),  # above the image of np, on the grid of up
        ("up", "np", {"kind": "slice", "value": "-300 mm"}),
        ("np", "up", {"value": "0,0,-236 mm"}),
        ("up", "np", {"kind": "box", "value": "0,0,-300;10,10,-280 mm"}),
    ],
)
def test_label_on_the_grid_of_another_phase_is_refused_with_its_name(ask, entry, server, phase, other, changed):
    session, _ = server
    status, reply, _ = ask("POST", ENTRIES, entry(phase=phase, **changed))
    (problem,) = reply["problems"]
    assert (status, problem["place"]) == (400, "value")
    assert f"of {other}." in problem["remedy"]
    assert ask("POST", ENTRIES, entry(phase=other, **changed))[0] == 200
    assert len(session.journal.entries()) == 1


@pytest.mark.parametrize(
    "value", ["0,0,-280;0,10,-280 mm", "0,0,-280;10,0,-270 mm", "0,0,-280;10,10 mm", "5,5,-280 mm"]
)
def test_box_without_an_area_is_refused(ask, entry, server, value):
    session, _ = server
    status, reply, _ = ask("POST", ENTRIES, entry(kind="box", value=value))
    assert (status, [problem["place"] for problem in reply["problems"]]) == (400, ["value"])
    assert session.journal.entries() == ()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("", {}, 400),
        ("{", {}, 400),
        ("[]", {}, 400),
        ('"x"', {}, 400),
        ("[" * 20000, {}, 400),
        ("\\ud800", {}, 400),
        ("{}", {"Content-Type": "text/plain"}, 415),
        ("{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (" " * 70000, {}, 413),
        ("{}", {"Length": "999999999999"}, 413),
    ],
)
def test_body_that_is_no_entry(ask, server, body, headers, status):
    session, _ = server
    given = {"Content-Type": "application/json", **headers}
    got, reply, _ = ask("POST", ENTRIES, body, headers=given)
    assert (got, bool(reply["reason"])) == (status, True)
    assert session.journal.entries() == ()


def test_body_of_unknown_length_is_cut(ask):
    chunk = f"{70000:x}\r\n{' ' * 70000}\r\n0\r\n\r\n"
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    assert ask("POST", ENTRIES, chunk, headers=headers)[0] == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_405(ask, method):
    status, reply, headers = ask(method, ENTRIES)
    assert status == 405
    assert reply["reason"]
    assert set(headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_damaged_journal_is_said_and_left_alone(ask, entry, server):
    session, _ = server
    ask("POST", ENTRIES, entry())
    damaged = session.journal.path.read_bytes() + b"rubbish\n"
    session.journal.path.write_bytes(damaged)
    status, reply, _ = ask("POST", ENTRIES, entry())
    assert status == 400
    assert "line 2" in reply["reason"]
    assert session.journal.path.read_bytes() == damaged


def test_nothing_is_logged(ask, entry, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    ask("POST", ENTRIES, entry(value="no place"))
    ask("GET", "/api/patients/2/phases/np")
    ask("POST", ENTRIES, entry())
    written = caplog.text + "".join(capfd.readouterr())
    assert "P1" not in written
    assert "P3" not in written


def test_new_server_of_the_same_journal_has_the_same_port_and_labels(serving, entry):
    with serving(like="again") as (session, access):
        session.journal.path.unlink(missing_ok=True)
        session.save(0, entry())
    with serving(like="again") as (again, later):
        assert later.port == access.port
        assert later.token != access.token
        assert again.labels(0)["phases"]["np"]["point"]["value"] == "0,0,-280 mm"
