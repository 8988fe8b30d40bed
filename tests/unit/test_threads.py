from __future__ import annotations

import threading

import pytest

from nephrograde.threads import side_by_side


def test_work_is_done_in_as_many_threads_as_asked_and_answers_in_order() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def meet(number: int) -> tuple[int, str]:
        meeting.wait()  # only three threads at the same time come past this
        return number, threading.current_thread().name

    with side_by_side(3) as workers:
        begun = [workers.begin(meet, number) for number in range(3)]
    assert [one.result()[0] for one in begun] == [0, 1, 2]
    assert len({one.result()[1] for one in begun}) == 3


def test_one_thread_is_this_one() -> None:
    with side_by_side(1) as workers:
        assert workers.begin(threading.get_ident).result() == threading.get_ident()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_arrives_where_the_work_was_begun(threads: int) -> None:
    with pytest.raises(ZeroDivisionError), side_by_side(threads) as workers:
        workers.begin(divmod, 1, 0).result()


def test_after_an_error_nothing_else_is_begun() -> None:
    held, done = threading.Event(), []

    def hold() -> None:
        held.wait(20)

    def fail() -> None:
        held.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), side_by_side(2) as workers:
        for work in (hold, hold, *[lambda: done.append(1)] * 50):
            workers.begin(work)
        fail()
    assert len(done) < 50
