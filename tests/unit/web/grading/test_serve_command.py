"""The command: what it refuses before it serves, and what is left when it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys

import pytest
from tests.waiting_units import usual_signals
from typer.testing import CliRunner

from nephrograde.errors import NephrogradeError
from nephrograde.web.grading.room import PREFIX

pytestmark = [pytest.mark.needs("starlette", "uvicorn", "onnxruntime"), pytest.mark.slow]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])  # of a service manager, of a terminal that is closed
def test_command_serves_until_it_is_ended(grader_path, tmp_path, name):
    words = [sys.executable, "-m", "nephrograde", "serve", grader_path, "--no-browser", "--lang", "zh"]
    with (
        usual_signals(),
        subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        ) as server,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().split("http://")[1].split("在")[0].strip()
        host, _, token = address.partition("/?token=")
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("GET", "/api/service", headers={"Authorization": f"Bearer {token.removesuffix('分级')}"})
        service = json.loads(connection.getresponse().read())
        connection.close()
        assert [model["model"] for model in service["models"]] == ["weak-1-cmp"]
        assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 1
        server.send_signal(getattr(signal, name))
        _, said = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--host", "192.0.2.1"], "no password of 12 characters"),
        (["--host", "0.0.0.0"], "stands for every address"),  # noqa: S104 (it is refused)
    ],
)
def test_other_addresses_need_a_password(grader_path, options, reason, monkeypatch):
    from nephrograde.cli import app

    monkeypatch.delenv("NEPHROGRADE_PASSWORD", raising=False)
    outcome = CliRunner().invoke(app, ["serve", str(grader_path), "--no-browser", *options])
    assert isinstance(outcome.exception, NephrogradeError)
    assert reason in str(outcome.exception)


def test_files_that_are_no_grader_or_hold_the_same_model(grader_path, tmp_path):
    from nephrograde.cli import app

    (tmp_path / "no.zip").write_bytes(b"no grader")
    for paths, reason in ((["no.zip"], "no.zip"), ([str(grader_path)] * 2, "holds weak-1-cmp")):
        outcome = CliRunner().invoke(app, ["serve", "--no-browser", *(str(tmp_path / path) for path in paths)])
        assert isinstance(outcome.exception, NephrogradeError)
        assert reason in str(outcome.exception)
