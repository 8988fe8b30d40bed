"""Rows of the tables that not every run has: repeats, the increment of the image over clinical columns, and joins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.evaluation.baselines.increment import Increment
from nephrograde.evaluation.baselines.phase_table import Against, Inputs, PhaseRow, scored_as
from nephrograde.evaluation.baselines.stack_table import Kind, StackRow
from nephrograde.evaluation.comparison.repeats import ProcedureComparison, RepeatedAuc, compare_procedures
from nephrograde.evaluation.tables import write_table
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import renew_seal

if TYPE_CHECKING:
    from pathlib import Path

NAN = math.nan
SIZES = {0.25: 7, 0.5: 14, 1.0: 28}
MODELS = {"weak-1-cmp": 0.9, "strong-cmp": 0.85, "size": 0.8}


def repeated_rows() -> list[RepeatedAuc]:
    """Two drawings of three folds on three sizes, and three seeds of the networks, whose AUCs differ by a hundredth."""
    stream = np.random.default_rng(4)
    rows = []
    for model, limit in MODELS.items():
        for drawing in range(2):
            for share, n in SIZES.items():
                for fold in range(3):
                    auc = float(limit - 1 / n + 0.02 * stream.normal())
                    rows.append(RepeatedAuc(model, drawing, 0, share, "oof", fold, auc, 9, 4, n))
            rows.append(RepeatedAuc(model, drawing, 0, 1.0, "test", None, limit - 0.05 * drawing, 12, 5, 28))
        if model != "size":
            for seed in (1, 2):
                rows += [RepeatedAuc(model, 0, seed, 1.0, "oof", fold, limit, 9, 4, 28) for fold in range(3)]
                rows.append(RepeatedAuc(model, 0, seed, 1.0, "test", None, limit + 0.01 * seed, 12, 5, 28))
    return rows


def store_repeats(run_dir: Path, rows: list[RepeatedAuc]) -> Path:
    run = RunFolder(run_dir)
    write_table(rows, RepeatedAuc, run.repeats_path)
    arms = {"weak-1-cmp": ("weak-1", "cmp"), "strong-cmp": ("strong", "cmp")}
    write_table(compare_procedures(rows, confidence=0.95, arms=arms), ProcedureComparison, run.procedures_path)
    renew_seal(run, run.folds())
    return run_dir


def increment_row(model: str, measure: str, **values: Any) -> Increment:
    empty = dict.fromkeys(("at", "without", "with_image", "difference", "low", "high", "statistic", "p_value"), NAN)
    fixed = {"base": "age_years + sex + size", "split": "test", "n": 90, "n_high": 41, "method": "method"}
    return Increment(model=model, measure=measure, **{**empty, **fixed, **values})


def increment_rows(
    model: str, *, low: float = -0.01, high: float = 0.09, p: float = 0.3, **changes: Any
) -> tuple[Increment, ...]:
    auc = {"without": 0.77, "with_image": 0.81, "difference": 0.04, "low": low, "high": high, "p_value": 0.1}
    return (
        increment_row(model, "likelihood_ratio", statistic=1.1, p_value=p, **changes),
        increment_row(model, "auc", **auc, **changes),
        increment_row(model, "brier", without=0.2, with_image=0.19, difference=-0.01, low=-0.03, high=0.01, **changes),
        increment_row(
            model, "net_benefit", at=0.3, without=0.2, with_image=0.22, difference=0.02, low=-0.01, high=0.05
        ),
        increment_row(model, "calibration_slope", without=0.9, with_image=0.8, low=0.5, high=1.2, **changes),
    )


BEYOND: dict[str, Any] = {
    "difference": 0.03,
    "difference_low": -0.021,
    "difference_high": 0.081,
    "p_value": 0.02,
    "p_adjusted": 0.04,
    "family_size": 2,
}
AUC: dict[str, Any] = {"auc": 0.812, "low": 0.713, "high": 0.882, "n": 90, "n_high": 41}


def phase_rows() -> tuple[PhaseRow, ...]:
    """One arm on one phase, the best, and one that joins two, with and without clinical values; one is not computed."""
    scored = [("weak-1-cmp", "", Inputs.CLINICAL)]
    scored += [
        (model, fusion, inputs)
        for model, fusion in (("weak-1-cmp", ""), ("weak-1-cmp+np", "late"))
        for inputs in (Inputs.IMAGES, Inputs.WITH_CLINICAL)
    ]
    rows = []
    for split in ("oof", "test"):
        for model, fusion, inputs in scored:
            best = scored_as("weak-1-cmp", Inputs.IMAGES if inputs is Inputs.CLINICAL else inputs)
            for against, reference in (
                (Against.PHASE, best),
                (Against.CLINICAL, scored_as(model, Inputs.CLINICAL)),
            ):
                is_own = reference == scored_as(model, inputs)
                given: dict[str, Any] = {} if is_own else {**BEYOND, "reference_auc": 0.782, "n_compared": 88}
                names: dict[str, Any] = {
                    "family": "weak-1",
                    "model": model,
                    "arm": "weak-1",
                    "phase": "cmp+np" if fusion else "cmp",
                }
                how: dict[str, Any] = {
                    "fusion": fusion,
                    "joined": "age_years" if fusion else "",
                    "inputs": inputs,
                    "split": split,
                }
                rows.append(PhaseRow(**names, **how, **AUC, against=against, reference=reference, **given))
    return tuple(rows)


def stack_rows() -> tuple[StackRow, ...]:
    """A baseline, parts of the features, an encoder, a network and the stack."""
    kinds = {
        "volume": (Kind.BASELINE, ""),
        "radiomics": (Kind.BASELINE, ""),
        "radiomics/shape": (Kind.FEATURES, ""),
        "frozen-cmp": (Kind.ENCODER, "frozen:efficientnet-lite0"),
        "weak-1-cmp": (Kind.NETWORK, "resnet18"),
        "stack": (Kind.STACK, ""),
    }
    return tuple(
        StackRow(
            model=model,
            kind=kind,
            network=network,
            split=split,
            **AUC,
            n_scored=94 if split == "oof" else 90,
            reference="volume",
            **({} if model == "volume" else BEYOND),
        )
        for split in ("oof", "test")
        for model, (kind, network) in kinds.items()
    )
