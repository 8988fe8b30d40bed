"""Networks that are fitted by several processes at once."""

from __future__ import annotations

import errno
import multiprocessing
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.errors import FitError
from nephrograde.fit.team import Team
from nephrograde.fit.workers import _Worker, fit_at_once
from nephrograde.processes import hire
from nephrograde.run.progress import Part, Workload

if TYPE_CHECKING:
    from nephrograde.processes import Hired


@pytest.mark.slow
def test_a_process_that_was_given_no_fit_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hired: list[Hired] = []

    def hire_once(*given: Any, **named: Any) -> Hired:
        if hired:
            raise KeyboardInterrupt
        hired.append(hire(*given, **named))
        return hired[0]

    monkeypatch.setattr("nephrograde.fit.workers.hire", hire_once)
    fit: Any = print
    fits: Any = [SimpleNamespace(model="m", fold=fold) for fold in range(2)]
    work = Workload([Part("fit", 1.0) for _ in fits])
    with pytest.raises(KeyboardInterrupt):
        fit_at_once(fit, fits, team=Team(workers=2, threads=1), work=work, show=lambda: None)
    assert capfd.readouterr().err == ""
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_fewer_processes_fit_where_the_system_has_no_room_for_all_and_none_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = 1

    def hire_one(*given: Any, **named: Any) -> Hired:
        nonlocal room
        if not room:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        room -= 1
        return hire(*given, **named)

    monkeypatch.setattr("nephrograde.fit.workers.hire", hire_one)
    begun: list[int] = []
    begin = _Worker.begin

    def note_begin(worker: _Worker, planned: Any, part: Part, **named: Any) -> None:
        begun.append(planned["fold"])
        begin(worker, planned, part, **named)

    monkeypatch.setattr(_Worker, "begin", note_begin)
    fit: Any = dict  # takes the fit, and "watched" by name
    fits: Any = [{"fold": fold} for fold in range(2)]
    work = Workload([Part("fit", 1.0) for _ in fits])
    fit_at_once(fit, fits, team=Team(workers=2, threads=1), work=work, show=lambda: None)
    assert begun == [0, 1]
    with pytest.raises(FitError, match=r"no room for a process that fits networks \(Resource temporarily"):
        fit_at_once(fit, fits, team=Team(workers=2, threads=1), work=work, show=lambda: None)
