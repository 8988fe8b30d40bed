"""Networks that are fitted by several processes at once."""

from __future__ import annotations

import multiprocessing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.fit.team import Team
from nephrograde.fit.workers import fit_at_once
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
