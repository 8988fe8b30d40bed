"""The learning rate rises to its peak, falls to nearly nothing, and is never zero."""

from __future__ import annotations

import pytest

from nephrograde.fit.schedule import learning_rate_at, warmup_epochs_of


def test_peak_stands_at_the_end_of_the_warm_up() -> None:
    rates = [learning_rate_at(step, peak=1e-3, warmup_steps=10, total_steps=100) for step in range(100)]
    assert rates[:10] == pytest.approx([1e-4 * step for step in range(1, 11)])
    assert max(rates) == rates[9] == rates[10] == 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5e-3)
    assert 0 < rates[99] < 1e-6


def test_without_warm_up_the_first_step_is_the_peak() -> None:
    assert learning_rate_at(0, peak=0.1, warmup_steps=0, total_steps=1) == 0.1


def test_a_fit_that_is_all_warm_up_does_not_divide_by_zero() -> None:
    assert learning_rate_at(2, peak=0.1, warmup_steps=2, total_steps=2) == 0.1


@pytest.mark.parametrize(("asked", "epochs", "given"), [(5, 100, 5), (5, 4, 2), (0, 4, 0), (5, 1, 0)])
def test_warm_up_leaves_room_to_learn(asked: int, epochs: int, given: int) -> None:
    assert warmup_epochs_of(asked, epochs) == given
