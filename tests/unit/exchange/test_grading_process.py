"""What a worker says, as the listener takes it."""

from __future__ import annotations

import sys
import time

import pytest

from nephrograde.exchange.grading_process import GradingProcess


@pytest.fixture
def worker(tmp_path):
    process = GradingProcess(tmp_path / "g.zip", tmp_path, unchecked_phase=False, limit_s=0.0)
    yield process
    process.stop()


def heard(worker):
    until_s = time.monotonic() + 30
    while (answer := worker.take()) is None:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return answer["state"]


@pytest.mark.parametrize(("first", "second"), [("timeout", "graded"), ("graded", "timeout")])
def test_answer_that_crosses_the_end_of_its_time_is_taken_once(worker, first, second):
    worker.key = "a"
    for state in (first, second):
        worker._answers.put({"state": state, "key": "a"})
    assert heard(worker) == first
    assert worker.key == ""
    assert worker.take() is None


def test_output_that_is_not_text_is_passed_over(worker):
    code = 'import sys; sys.stdout.buffer.write(b"\\xff\\n{\\"state\\": \\"ready\\"}\\n"); sys.stdout.flush(); input()'
    worker._words = [sys.executable, "-c", code]
    worker.start()
    assert heard(worker) == "ready"
    assert worker.is_ready
