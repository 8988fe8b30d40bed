"""Users see their own scans only, and a process that ends takes nothing with it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from tests.unit.web.grading.conftest import told

pytestmark = [pytest.mark.needs("starlette", "uvicorn", "onnxruntime"), pytest.mark.slow]


def test_nobody_sees_what_another_has_sent(visit, nifti, tmp_path):
    one, other = visit(), visit()
    scan, _ = one.upload(nifti(tmp_path, 1))
    theirs, _ = other.upload(nifti(tmp_path, 2))
    answer = one.grade(scan).json()
    for method, address in (
        ("GET", f"/api/scans/{scan}"),
        ("DELETE", f"/api/scans/{scan}"),
        ("GET", f"/api/scans/{scan}/series/1"),
        ("GET", f"/api/scans/{scan}/series/1/slices/0"),
        ("GET", f"/api/gradings/{answer['id']}"),
        ("GET", f"/api/gradings/{answer['id']}/picture.png"),
        ("GET", f"/api/gradings/{answer['id']}/report.pdf"),
        ("DELETE", f"/api/gradings/{answer['id']}"),
    ):
        assert told(other.ask(method, address)) == (404, "unknown"), address
    assert told(other.grade(scan)) == (404, "unknown")
    assert [held["id"] for held in other.ask("GET", "/api/scans").json()["scans"]] == [theirs]
    assert other.grade(theirs).json()["answer"]["p_high"] != answer["answer"]["p_high"]


def test_forged_cookie_names_nobody(visit, nifti, tmp_path):
    one, other = visit(), visit()
    scan, _ = one.upload(nifti(tmp_path))
    cookie = next(iter(one.ask("GET", "/api/scans").request.headers["cookie"].split("; ")))
    name, _, value = cookie.partition("=")
    forged = f"{name}={value.partition('.')[0]}.{'0' * 64}"
    assert other.ask("GET", f"/api/scans/{scan}", headers={"cookie": forged}).status_code == 404
    assert other.ask("GET", f"/api/scans/{scan}", headers={"cookie": cookie}).status_code == 200


def busy_process(desk, *, patience_s=30):
    until = time.monotonic() + patience_s
    while not (running := list(desk.jobs._running.values())):
        assert time.monotonic() < until
        time.sleep(0.005)
    return running[0][1].process.pid


def test_killed_process_answers_with_an_error_and_the_next_request_works(visit, nifti, tmp_path, served):
    desk, _ = served
    user = visit()
    content = nifti(tmp_path)
    user.upload(content)
    killed = []

    def kill():
        killed.append(busy_process(desk))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    _, lost = user.upload(content)
    thread.join()
    assert killed
    assert told(lost) == (503, "worker-lost")
    assert lost.headers["retry-after"]
    scan, _ = user.upload(content)
    assert user.grade(scan).status_code == 200


def test_fault_of_the_server_ends_one_job_only(served, visit, nifti, tmp_path):
    from nephrograde.web.grading.workers import Job

    desk, _ = served
    answers: list[str] = []
    nothing: dict[str, dict[str, str]] = {}

    def told_badly(answer):
        answers.append(answer.code)
        raise RuntimeError

    for _ in range(2):
        desk.jobs.take_place("somebody")
        desk.jobs.submit(Job("somebody", "print", lambda: nothing["no such key"], told_badly))
    assert visit().upload(nifti(tmp_path))[1].status_code == 200
    assert answers == ["failed", "failed"]


def test_work_that_takes_too_long_is_ended(desk_of, visit, nifti, tmp_path):
    with desk_of(job_s=0.0) as (desk, app):
        user = visit(app)
        _, late = user.upload(nifti(tmp_path))
        assert told(late) == (503, "time-out")
        assert desk.room.held_bytes == 0


def test_scan_can_be_removed_while_it_waits(desk_of, visit, nifti, tmp_path):
    with desk_of(jobs=3, slots=0) as (desk, app):
        user = visit(app)
        content = nifti(tmp_path)
        sent = [user.ask("POST", "/api/scans", content=content).json() for _ in range(3)]
        assert [one["ahead"] for one in sent] == [0, 1, 2]
        assert told(user.ask("POST", "/api/scans", content=content)) == (503, "busy")
        for one in reversed(sent):
            assert user.ask("DELETE", f"/api/scans/{one['id']}").status_code == 204
            assert user.ask("GET", f"/api/scans/{one['id']}").status_code == 404
        assert user.ask("POST", "/api/scans", content=content).status_code == 202
        assert len([path for path in desk.room.folder.iterdir() if path.is_dir() and path.name != "temporary"]) == 1


def test_what_nobody_asks_for_expires(desk_of, visit):
    with desk_of(keep_s=0.1, slots=0) as (desk, _):
        held = desk.begin("somebody", 1000)
        until = time.monotonic() + 20
        while desk.room.held_bytes:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert not held.folder.exists()


def test_next_start_removes_what_a_killed_server_has_left(tmp_path):
    from nephrograde.web.grading.limits import Limits
    from nephrograde.web.grading.room import PREFIX, Room

    left, other = tmp_path / f"{PREFIX}abcd_123", tmp_path / "theirs"
    for folder in (left, other):
        folder.mkdir()
        (folder / "lock").touch()
    running = Room(Limits(), tmp_path)
    second = Room(Limits(), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([other, running.folder, second.folder])
    assert oct(second.folder.stat().st_mode & 0o777) == "0o700"
    running.close()
    second.close()
    assert list(tmp_path.iterdir()) == [other]
