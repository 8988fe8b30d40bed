from __future__ import annotations

import gc
from threading import Barrier, Thread

import pytest

from nephrograde.report.pages.collection import uncollected


@pytest.mark.parametrize("was_on", [True, False])
def test_the_search_is_as_before_after_the_last_of_two_threads(was_on: bool) -> None:
    before = gc.isenabled()
    first_inside, first_out = Barrier(2), Barrier(2)
    seen: list[bool] = []

    def inside() -> None:
        with uncollected():
            first_inside.wait(10)
            first_out.wait(10)  # the other thread has left
            seen.append(gc.isenabled())

    try:
        gc.enable() if was_on else gc.disable()
        thread = Thread(target=inside)
        thread.start()
        with uncollected():
            first_inside.wait(10)
        seen.append(gc.isenabled())
        first_out.wait(10)
        thread.join(10)
        assert seen == [False, False]
        assert gc.isenabled() == was_on
    finally:
        gc.enable() if before else gc.disable()


def test_an_error_resumes_the_search() -> None:
    before = gc.isenabled()
    try:
        gc.enable()
        with pytest.raises(ValueError, match="broken"), uncollected():
            raise ValueError("broken")
        assert gc.isenabled()
    finally:
        gc.enable() if before else gc.disable()
