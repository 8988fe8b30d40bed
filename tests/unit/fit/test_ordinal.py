"""An ordinal head: its likelihood, what it recovers of a known truth, and that it leaves high and low as they are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.unit.fit.conftest import NOBODY

from nephrograde.errors import FitError
from nephrograde.fit.job import check_each_grade, check_job
from nephrograde.fit.learner import learn, load_batch, start
from nephrograde.fit.loop import fit_fold
from nephrograde.fit.machine import Machine, make_fabric
from nephrograde.fit.ordinal import OrdinalHead
from nephrograde.fit.sampling import batches

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt
    from tests.unit.fit.conftest import MakeJob

    from nephrograde.fit.job import FitJob

LOWER, UPPER, SLOPE, LEVEL = 2.0, 1.2, 1.5, -0.7
"""A truth: how far the thresholds are from that for grade ≥ 3, and the log odds of it by a predictor."""


def head_at(
    lower: float, upper: float, *, is_balanced: bool = False, grades: Iterable[int] = (1, 2, 3, 4)
) -> OrdinalHead:
    """A head with given distances, in double precision."""
    head = OrdinalHead(grades, is_balanced=is_balanced).double()
    with torch.no_grad():
        head.raw.copy_(torch.tensor([lower, upper], dtype=torch.float64).expm1().log() / 10.0)
    return head


def draw_patients(n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Patients of that truth: a predictor, and the grade."""
    chance = np.random.default_rng(11)
    values = chance.normal(size=n)
    log_odds = LEVEL + SLOPE * values + chance.logistic(size=n)
    return values, 1 + (log_odds > -LOWER).astype(np.intp) + (log_odds > 0) + (log_odds > UPPER)


def fit_line(
    values: npt.NDArray[np.float64], grades: npt.NDArray[np.intp], head: OrdinalHead | None
) -> tuple[float, float]:
    """Fit the log odds of high grade as a line, with the thresholds of a head if there is one."""
    line = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    weights = [line, *(head.parameters() if head else [])]
    optimizer = torch.optim.LBFGS(weights, max_iter=100, line_search_fn="strong_wolfe")
    x, y = torch.from_numpy(values), torch.from_numpy(grades)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = line[0] + line[1] * x
        high = (y >= 3).double()
        loss = head(logits, y).mean() if head else torch.nn.functional.binary_cross_entropy_with_logits(logits, high)
        loss.backward()
        return loss

    optimizer.step(closure)
    level, slope = line.tolist()
    return level, slope


def test_the_loss_is_minus_the_log_of_the_probability_of_the_grade() -> None:
    z = torch.linspace(-7, 7, 15, dtype=torch.float64)
    at_least = [torch.ones_like(z), *(torch.sigmoid(z + shift) for shift in (LOWER, 0.0, -UPPER)), torch.zeros_like(z)]
    head = head_at(LOWER, UPPER)
    for grade in (1, 2, 3, 4):
        expected = -(at_least[grade - 1] - at_least[grade]).log()
        torch.testing.assert_close(head(z, torch.full_like(z, grade)), expected, rtol=1e-9, atol=1e-9)


def test_far_from_every_threshold_the_loss_is_finite() -> None:
    z = torch.tensor([-90.0, 90.0])
    head = OrdinalHead([1, 2, 3, 4], is_balanced=False)
    for grade in (1, 2, 3, 4):
        logits = z.clone().requires_grad_()
        loss = head(logits, torch.full((2,), grade))
        loss.sum().backward()
        assert bool(loss.isfinite().all())
        assert logits.grad is not None
        assert bool(logits.grad.isfinite().all())


def test_with_the_threshold_for_high_alone_it_is_the_binary_head() -> None:
    grades = torch.tensor([2, 3, 2, 3, 3])
    logits = torch.tensor([-3.0, -1.0, 0.5, 2.0, 0.0], dtype=torch.float64, requires_grad=True)
    head = head_at(60.0, 60.0, is_balanced=True, grades=(2, 2, 2, 3))  # nobody is beyond the outer thresholds
    binary = torch.nn.functional.binary_cross_entropy_with_logits(logits, (grades >= 3).double(), reduction="none")
    torch.testing.assert_close(head(logits, grades), binary, rtol=1e-12, atol=1e-12)
    (slope,) = torch.autograd.grad(head(logits, grades).sum(), logits)
    torch.testing.assert_close(slope, torch.sigmoid(logits.detach()) - (grades >= 3).double(), rtol=1e-9, atol=1e-9)


def test_a_cumulative_model_is_recovered() -> None:
    values, grades = draw_patients(20_000)
    head = OrdinalHead(grades.tolist(), is_balanced=False).double()
    level, slope = fit_line(values, grades, head)
    assert (level, slope) == pytest.approx((LEVEL, SLOPE), abs=0.06)
    assert head.distances().tolist() == pytest.approx([LOWER, UPPER], abs=0.06)


def test_balanced_batches_give_the_same_model_and_the_same_p_high_as_a_binary_head() -> None:
    values, grades = draw_patients(40_000)
    prevalence = (grades >= 3).mean()
    drawn = next(batches(grades >= 3, batch_size=26_000, balanced=True, seed=1))
    head = OrdinalHead(grades.tolist(), is_balanced=True).double()
    level, slope = fit_line(values[drawn], grades[drawn], head)
    shift = math.log(prevalence / (1 - prevalence))  # the correction for balanced batches
    assert (level + shift, slope) == pytest.approx((LEVEL, SLOPE), abs=0.06)
    assert head.distances().tolist() == pytest.approx([LOWER, UPPER], abs=0.06)
    binary = fit_line(values[drawn], grades[drawn], None)
    assert (level, slope) == pytest.approx(binary, abs=0.06)
    # Without the shift between the prevalences, odds would not be proportional, and the model another one.
    naive = OrdinalHead(grades.tolist(), is_balanced=False).double()
    fit_line(values[drawn], grades[drawn], naive)
    assert naive.distances().tolist() != pytest.approx([LOWER, UPPER], abs=0.1)


def test_distances_start_where_the_frequencies_of_the_grades_put_them() -> None:
    grades = [1] * 200 + [2] * 300 + [3] * 400 + [4] * 100
    lower, upper = OrdinalHead(grades, is_balanced=True).distances().tolist()
    assert (lower, upper) == pytest.approx((math.log(800 / 200), math.log(900 / 100)), abs=0.02)
    for few in ([2, 3], [1, 3], [1, 4], [2, 4]):
        assert all(0 < one < 10 for one in OrdinalHead(few, is_balanced=True).distances().tolist())


@pytest.fixture
def job(make_job: MakeJob) -> FitJob:
    """A small fit with grades: of the patients of high grade every second is 4, of the others every second is 1."""
    plain = make_job(patience=0, test=NOBODY)
    high = plain.learn.is_high.tolist()
    numbered = enumerate(zip(plain.learn.patient_ids, high, strict=True))
    grades = {patient: (3 + k // 2 % 2 if is_high else 1 + k // 2 % 2) for k, (patient, is_high) in numbered}
    return replace(plain, grades=grades)


@pytest.mark.usefixtures("tiny")
def test_a_step_learns_the_thresholds_with_the_network(job: FitJob) -> None:
    learner = start(make_fabric(Machine("cpu", 1, 1, launched=False), "fp32"), job)
    assert learner.head is not None
    undecayed = [group["params"] for group in learner.optimizer.param_groups if not group["weight_decay"]]
    assert any(weight is learner.head.raw for weights in undecayed for weight in weights)
    batch = load_batch(job, np.array([3, 0, 2]), torch.device("cpu"))
    assert batch.grades is not None
    assert batch.grades.tolist() == [2, 3, 4]
    expected = learner.head(learner.network(batch.images, batch.places), batch.grades).sum().detach() / 3
    before = learner.head.distances().tolist()
    assert float(learn(learner, batch, n_batch=3)) == pytest.approx(float(expected), rel=1e-6)
    assert learner.head.distances().tolist() != before


@pytest.mark.usefixtures("tiny")
def test_a_fit_keeps_the_network_only_and_repeats_itself(job: FitJob) -> None:
    fitted, binary = fit_fold(job), fit_fold(replace(job, grades=None))
    assert fit_fold(job).predictions == fitted.predictions != binary.predictions
    assert fitted.weights.keys() == binary.weights.keys()
    assert fitted.card.settings == {**binary.card.settings, "head": "ordinal"}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("shape", "rows"), [((8, 8, 8), 1), ((32, 32), 3)])
def test_boxes_and_several_slices(make_job: MakeJob, shape: tuple[int, ...], rows: int) -> None:
    plain = make_job(patience=0, shape=shape, rows=rows, epochs=1)
    grades = {name: 3 if high else 2 for name, high in zip(plain.learn.patient_ids, plain.learn.is_high, strict=True)}
    assert len(fit_fold(replace(plain, grades=grades)).predictions) == 11


def test_a_grade_that_contradicts_the_truth_is_refused(job: FitJob) -> None:
    assert job.grades is not None
    check_job(job)
    for wrong in ({**job.grades, "learn-4": 2}, {**job.grades, "learn-5": 3}, {"learn-0": 3}):
        with pytest.raises(FitError, match="learn-"):
            check_job(replace(job, grades=wrong))


@pytest.mark.parametrize("grades", [[1, 2, 3], [None, None], [2, 3, 4, None]])
def test_a_missing_grade_is_refused_with_the_column(grades: list[int | None]) -> None:
    with pytest.raises(FitError, match=r"weak-1-cmp.*column nuclear_grade"):
        check_each_grade("Model weak-1-cmp", grades, column="nuclear_grade")
