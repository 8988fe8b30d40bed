"""A planned fit on pictures of a few pixels: 24 training patients in three folds, and six test patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.repeat import Repeat
from nephrograde.cohort.split import Assignment, Split
from nephrograde.fit.planned import Fit
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.study import Arm, CohortSettings, FitSettings, Study
from nephrograde.vocabulary import Supervision

N_TRAIN, N_TEST, N_FOLDS = 24, 6, 3
IDS = [f"P{number:02}" for number in range(N_TRAIN + N_TEST)]
IS_HIGH = {patient: number % 2 == 0 for number, patient in enumerate(IDS)}


@pytest.fixture
def study() -> Study:
    fit = FitSettings(accelerator="cpu", epochs=8, batch_size=4, warmup_epochs=0)
    return Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp",)),
        arm=(Arm(name="weak-1", supervision=Supervision.BOX, slices=1),),
        fit=fit,
    )


@pytest.fixture
def planned(study: Study, tmp_path: Path) -> Fit:
    (tmp_path / "volumes").mkdir()
    for number, patient in enumerate(IDS):
        image = np.full((1, 1, 8, 8), number / len(IDS), np.float16)
        np.save(tmp_path / "volumes" / f"{patient}.npy", image)
    folds = {patient: Assignment("train", (number // 2) % N_FOLDS) for number, patient in enumerate(IDS[:N_TRAIN])}
    tests = {patient: Assignment("test", None) for patient in IDS[N_TRAIN:]}
    return Fit(
        model="weak-1-cmp",
        arm=study.arm[0],
        phase="cmp",
        fold=1,
        repeat=Repeat(),
        split=Split({**folds, **tests}),
        regions={"cmp": {patient: tmp_path / "volumes" / f"{patient}.npy" for patient in IDS}},
        slices={},
        settings=study.fit,
        key="",
        folder=FoldFolder(tmp_path / "models" / "weak-1-cmp" / "fold-1"),
    )


@pytest.fixture
def is_high() -> dict[str, bool]:
    return IS_HIGH
