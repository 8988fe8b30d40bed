from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from nephrograde.threads import has_all_processors, one_processor_each, side_by_side


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


def test_blocks_that_overlap_keep_one_processor_each_until_the_last_of_them_ends() -> None:
    def threads_of_openblas() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    np.linalg.inv(np.eye(2))  # its library is loaded
    first, second = ExitStack(), ExitStack()
    with threadpool_limits(2, user_api="blas"), first, second:
        first.enter_context(one_processor_each())
        second.enter_context(one_processor_each())
        first.close()
        assert threads_of_openblas() == {1}
        assert not has_all_processors()
        second.close()
        assert threads_of_openblas() == {2}
        assert has_all_processors()
