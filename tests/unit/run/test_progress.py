"""The remaining time: by work, not by the number of parts, and corrected by what was measured."""

from __future__ import annotations

import itertools

import pytest

from nephrograde.run.progress import Part, Watched, Workload, silent


class Clock:
    """A clock that only moves when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def study(*, folds: int = 5, steps: int = 60, box_cost: float = 20.0) -> list[Part]:
    """Two weak models and a strong one, in the order in which they are fitted."""
    kinds = [("2D", 1.0), ("2D", 1.0), ("3D", box_cost)]
    return [Part(kind, steps, cost=cost) for kind, cost in kinds for _ in range(folds)]


def run_and_estimate(parts: list[Part], seconds_of: dict[str, float]) -> list[tuple[str, float, float | None]]:
    """Work through all parts; after each unit the kind, the time that is truly left and the estimate."""
    clock = Clock()
    work = Workload(parts, clock=clock)
    total_s = sum(part.units * seconds_of[part.kind] for part in parts)
    told = []
    for part in parts:
        work.begin(part, part.units)
        for _ in range(int(part.units)):
            clock.now_s += seconds_of[part.kind]
            work.advance(part, 1)
            told.append((part.kind, total_s - work.elapsed_s, work.left_s))
        work.finish(part)
    return told


def test_networks_of_boxes_count_more_than_those_of_slices() -> None:
    for _, left_s, estimate_s in run_and_estimate(study(), {"2D": 0.1, "3D": 2.0}):
        assert estimate_s == pytest.approx(left_s, abs=1e-6)


def test_an_expectation_that_is_wrong_is_corrected_by_the_first_step() -> None:
    told = run_and_estimate(study(box_cost=5.0), {"2D": 0.1, "3D": 2.0})
    before = [(left, estimate) for kind, left, estimate in told if kind == "2D"]
    after = [(left, estimate) for kind, left, estimate in told if kind == "3D"]
    assert all(estimate is not None and estimate < left / 2 for left, estimate in before)  # a quarter is expected
    assert all(estimate == pytest.approx(left, abs=1e-6) for left, estimate in after)


def test_the_estimate_falls_while_a_long_fit_runs() -> None:
    estimates = [estimate for kind, _, estimate in run_and_estimate(study(), {"2D": 0.1, "3D": 2.0}) if kind == "3D"]
    assert all(a is not None and b is not None and b < a for a, b in itertools.pairwise(estimates))


def test_nothing_is_estimated_before_anything_is_measured() -> None:
    work = Workload(study(), clock=Clock())
    assert (work.left_s, work.share_done, work.n_finished, work.n_parts) == (None, 0.0, 0, 15)


def test_fits_that_stop_early_shorten_the_estimate_of_the_others() -> None:
    clock = Clock()
    parts = [Part("2D", 100), Part("2D", 100)]
    work = Workload(parts, clock=clock)
    clock.now_s += 30
    work.advance(parts[0], 30)
    assert work.left_s == pytest.approx(170)
    work.finish(parts[0])
    assert work.left_s == pytest.approx(30)
    assert work.share_done == pytest.approx(0.5)


def test_a_fit_that_begins_again_has_everything_before_it() -> None:
    clock = Clock()
    part = Part("2D", 100)
    work = Workload([part], clock=clock)
    for unit_s in (1.0, 3.0):
        work.begin(part, 10)
        assert part.done == 0
        for _ in range(10):
            clock.now_s += unit_s
            work.advance(part, 1)
    assert work.left_s == 0
    assert work.elapsed_s == 40
    work.begin(part, 10)
    assert work.left_s == pytest.approx(20)  # 2 s each, measured over both


def test_equal_parts_are_counted() -> None:
    clock = Clock()
    work = Workload.of_equal_parts(20_000, clock=clock)
    for _ in range(5_000):
        clock.now_s += 0.5
        work.finish_next()
    assert (work.n_finished, work.n_parts) == (5_000, 20_000)
    assert work.left_s == pytest.approx(7_500)
    assert work.share_done == pytest.approx(0.25)


@pytest.mark.parametrize("work", [Workload([], clock=Clock()), Workload.of_equal_parts(0, clock=Clock())])
def test_nothing_to_do_is_done(work: Workload) -> None:
    assert (work.left_s, work.n_finished, work.n_parts, work.share_done) == (0.0, 0, 0, 1.0)


def test_whoever_watches_is_told_of_every_change() -> None:
    part, shown = Part("2D", 4), []
    watched = Watched(Workload([part], clock=Clock()), part, show=lambda: shown.append((part.done, part.is_finished)))
    watched.begin(4)
    watched.advance(3)
    watched.finish()
    assert shown == [(0, False), (3, False), (3, True)]
    with silent("Fitting models", watched.workload) as show:
        show()


def test_each_worker_is_measured_by_itself() -> None:
    clock = Clock()
    slices, boxes = [Part("2D", 8) for _ in range(4)], [Part("3D", 4) for _ in range(2)]
    work = Workload([*boxes, *slices], workers=2, clock=clock)
    first, second = Watched(work, boxes[0], worker=0), Watched(work, slices[0], worker=1)
    for second_number in range(1, 17):  # a box takes 4 s a unit, a slice 1 s
        clock.now_s += 1
        if second_number <= 8:
            second.advance(1)
        if second_number == 8:
            second.finish()
            second = Watched(work, slices[1], worker=1)
        elif second_number > 8:
            second.advance(1)
        if second_number % 4 == 0:
            first.advance(1)
    second.finish()
    first.finish()
    # Left are a box of 16 s and two slices of 8 s each, which two workers do side by side.
    assert work.left_s == pytest.approx(16)
    assert work.elapsed_s == 16


def test_the_last_part_is_not_shared() -> None:
    clock = Clock()
    parts = [Part("2D", 10) for _ in range(3)]
    work = Workload(parts, workers=2, clock=clock)
    for _ in range(10):
        clock.now_s += 1
        work.advance(parts[0], 1, worker=0)
        work.advance(parts[1], 1, worker=1)
    work.finish(parts[0], worker=0)
    work.finish(parts[1], worker=1)
    assert (work.left_s, work.n_finished) == (10, 2)


def test_another_process_is_followed() -> None:
    clock = Clock()
    part, shown = Part("2D", 10), []
    work = Workload([part], clock=clock)
    watched = Watched(work, part, show=lambda: shown.append((part.units, part.done, part.is_finished)))
    copy = Part("fit", 1)
    theirs = Watched(Workload([copy], clock=clock), copy, show=lambda: watched.follow(copy))
    clock.now_s += 1
    theirs.begin(12)
    theirs.advance(5)
    theirs.begin(12)  # fitted again in fp32
    theirs.advance(12)
    theirs.finish()
    assert shown == [(12, 0, False), (12, 5, False), (12, 0, False), (12, 12, False), (12, 12, True)]
