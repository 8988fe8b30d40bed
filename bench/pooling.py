"""Which pooling is best for a small cohort? Every rule of ``fit.pooling`` on bags of frozen features, the truth known.

Each patient is a bag of nine pictures with 16 features, as a network whose features are not trained would give them.
Three problems:

* spread: every picture shows a little of the grade;
* marked: one picture shows the tumour, which a feature tells, and only there another feature shows the grade;
* unmarked: one picture of a high-grade patient differs, and nothing tells which.

A linear head, and with "attention" the gated attention, learn on n patients with the loss and the optimiser of a fit,
for a fixed number of steps, and are tested on 4,000 others. The best possible AUC is that of the likelihood ratio,
which is known because the data are made. The intervals are those of the mean over the cohorts (t distribution).
"Found" is how often the picture with the largest weight is the one that shows the tumour, by chance one of nine.

Run: python bench/pooling.py [--cohorts 20]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from scipy import stats
from torch import nn

from nephrograde.model.pooling import GatedAttention, even_bias, pool, weigh
from nephrograde.vocabulary import Pooling

if TYPE_CHECKING:
    from collections.abc import Sequence

RULES: tuple[Pooling, ...] = get_args(Pooling)
SIZES = (50, 100, 200, 400)
PICTURES, FEATURES = 9, 16
N_TEST = 4000
STEPS = 200
LEARNING_RATE, WEIGHT_DECAY = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class Problem:
    """How the grade shows in the features, in standard deviations of their noise.

    ``on_all`` is the shift of every picture of a high-grade patient along the feature of the grade, ``on_one`` that of
    one picture; ``mark`` is the shift of that picture along the feature of the tumour, whatever the grade.
    """

    name: str
    on_all: float = 0.0
    on_one: float = 0.0
    mark: float = 0.0


PROBLEMS = (
    Problem("spread", on_all=0.49),
    Problem("marked", on_one=2.0, mark=4.0),
    Problem("unmarked", on_one=3.2),
)


@dataclass(frozen=True, slots=True)
class Cohort:
    """``(patient, picture, feature)``, the truth, and which picture shows the tumour."""

    features: torch.Tensor
    is_high: torch.Tensor
    shown: torch.Tensor


def draw(problem: Problem, n: int, seed: int) -> Cohort:
    """Draw patients, half of them high grade; the first feature shows the grade, the second the tumour."""
    stream = torch.Generator().manual_seed(seed)
    features = torch.randn(n, PICTURES, FEATURES, generator=stream)
    is_high = (torch.arange(n) % 2 == 0).float()
    shown = torch.randint(PICTURES, (n,), generator=stream)
    features[:, :, 0] += problem.on_all * is_high[:, None]
    features[torch.arange(n), shown, 0] += problem.on_one * is_high
    features[torch.arange(n), shown, 1] += problem.mark
    return Cohort(features, is_high, shown)


def best_score(problem: Problem, cohort: Cohort) -> torch.Tensor:
    """The logarithm of the likelihood ratio, which no model can surpass."""
    grade = cohort.features[:, :, 0].double()
    if problem.on_all:
        return problem.on_all * grade.sum(dim=1)
    where = (problem.mark * cohort.features[:, :, 1].double()).log_softmax(dim=1)
    return (where + problem.on_one * grade).logsumexp(dim=1)


class Head(nn.Module):
    """The last layer of the network, with its pooling, on frozen features."""

    def __init__(self, rule: Pooling) -> None:
        super().__init__()
        self.rule: Pooling = rule
        self.fc = nn.Linear(FEATURES, 1)
        self.attention = GatedAttention(FEATURES) if rule == "attention" else None

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """The attention scores, ``(patient, picture)``; 0 with other pooling."""
        if self.attention is None:
            return features.new_zeros(features.shape[:2])
        scores: torch.Tensor = self.attention(features.flatten(0, 1))
        return scores.reshape(features.shape[:2])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """One logit per patient."""
        present = torch.ones(features.shape[:2], dtype=torch.bool)
        return pool(self.fc(features).squeeze(2), self.scores(features), present, self.rule)


def learn(rule: Pooling, cohort: Cohort, seed: int) -> Head:
    """Fit a head on all patients at once; every patient starts at even odds."""
    torch.manual_seed(seed)
    head = Head(rule)
    nn.init.zeros_(head.fc.weight)
    nn.init.constant_(head.fc.bias, even_bias(rule, PICTURES))
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(head(cohort.features), cohort.is_high)
        torch.autograd.backward(loss)
        optimizer.step()
    return head


def auc(scores: torch.Tensor, is_high: torch.Tensor) -> float:
    """The AUC of scores on any scale."""
    ranks = stats.rankdata(scores.numpy())
    n_high = int(is_high.sum())
    n_low = len(ranks) - n_high
    return float((ranks[is_high.bool().numpy()].sum() - n_high * (n_high + 1) / 2) / (n_high * n_low))


def with_interval(values: Sequence[float]) -> str:
    """The mean with its 95 % interval."""
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return f"{mean:.3f} ({mean - half:.3f}–{mean + half:.3f})"


def measure(problem: Problem, n: int, cohorts: int) -> tuple[dict[Pooling, list[float]], list[float]]:
    """The AUC of every rule in every cohort, and how often attention finds the tumour."""
    test = draw(problem, N_TEST, seed=10_000)
    aucs: dict[Pooling, list[float]] = {rule: [] for rule in RULES}
    found = []
    for number in range(cohorts):
        cohort = draw(problem, n, seed=number)
        for rule in RULES:
            head = learn(rule, cohort, seed=number)
            with torch.no_grad():
                aucs[rule].append(auc(head(test.features), test.is_high))
                if rule == "attention":
                    scores = head.scores(test.features)
                    top = weigh(scores, torch.ones_like(scores, dtype=torch.bool)).argmax(dim=1)
                    found.append(float((top == test.shown).float().mean()))
    return aucs, found


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cohorts", type=int, default=20, help="cohorts of each size (default 20)")
    cohorts = parser.parse_args().cohorts
    torch.set_num_threads(1)
    started = time.perf_counter()
    print(f"AUC on {N_TEST} patients, mean of {cohorts} cohorts (95 % interval); torch {torch.__version__}")
    for problem in PROBLEMS:
        test = draw(problem, N_TEST, seed=10_000)
        print(f"\n{problem.name}: best possible {auc(best_score(problem, test), test.is_high):.3f}")
        print("| n | " + " | ".join(RULES) + " | attention − mean | found |")
        print("|---" * (len(RULES) + 3) + "|")
        for n in SIZES:
            aucs, found = measure(problem, n, cohorts)
            gain = with_interval([a - b for a, b in zip(aucs["attention"], aucs["mean"], strict=True)])
            cells = [with_interval(aucs[rule]) for rule in RULES]
            tells = f"{np.mean(found):.2f}" if problem.on_one else "–"
            print(f"| {n} | " + " | ".join(cells) + f" | {gain} | {tells} |", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s on one core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
