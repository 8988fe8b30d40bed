"""Signals that end a process interrupt what is placed, so that it is cancelled."""

import os
import signal
import threading

import pytest
from tests.waiting_units import usual_signals

from nephrograde.signals import ending_in_order, keeping_handlers, postponed

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no such signals on this system")


@pytest.fixture(autouse=True)
def signals():
    """Signals as in a process of its own."""
    with usual_signals():
        yield


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_the_block_and_no_more_after_it(number):
    with pytest.raises(KeyboardInterrupt), ending_in_order():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_what_is_ignored_or_taken_stays_so():
    taken = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: taken.append(1))
    try:
        with ending_in_order():
            os.kill(os.getpid(), signal.SIGHUP)  # as after nohup
            os.kill(os.getpid(), signal.SIGTERM)
        assert taken == [1]
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_handlers_that_a_library_sets_are_taken_back():
    with ending_in_order():
        ours = signal.getsignal(signal.SIGTERM)
        with keeping_handlers():
            signal.signal(signal.SIGTERM, lambda *_: None)
        assert signal.getsignal(signal.SIGTERM) is ours


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_waits_for_the_end_of_the_block_and_a_second_one_does_not(name):
    done = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ending_in_order():
            with pytest.raises(KeyboardInterrupt), postponed():
                os.kill(os.getpid(), getattr(signal, name))
                done.append(1)
            with pytest.raises(KeyboardInterrupt), postponed():
                os.kill(os.getpid(), getattr(signal, name))
                done.append(2)
                os.kill(os.getpid(), getattr(signal, name))
                done.append(3)
            assert signal.getsignal(getattr(signal, name)) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == [1, 2]


def test_another_thread_changes_nothing():
    seen = []

    def run():
        with ending_in_order(), keeping_handlers():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
