"""Run folders made by code: a whole study of nine models, and a score table from elsewhere."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.report.further import increment_rows, phase_rows, repeated_rows, stack_rows, store_repeats

from nephrograde.evaluation.attention import TumourAttention
from nephrograde.evaluation.baselines.increment import Increment
from nephrograde.evaluation.baselines.phase_table import PhaseRow
from nephrograde.evaluation.baselines.stack_table import StackRow
from nephrograde.evaluation.comparison.repeats import ProcedureComparison, RepeatedAuc
from nephrograde.evaluation.evaluation import Evaluation, evaluate_scores, write_statistics
from nephrograde.evaluation.scores.scale import ScaleRow
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import write_table as write_statistics_table
from nephrograde.model.card import ModelCard, write_card
from nephrograde.report.pages.study_page import write_report
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import FORMAT, write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.study import EvaluateSettings, Study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.text.language import Language

ARMS = ("weak-1", "weak-3", "strong")
PHASES = ("cmp", "np", "up")
SIGNAL = {"cmp": 1.9, "np": 1.2, "up": 0.7}
FOLDS = 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a fake run is: patients, pixels of a slice, epochs of a fit."""

    patients: int = 40
    pixels: int = 16
    epochs: int = 4


def build_study(*, synthetic: bool = True, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "name": "three-phase CT, nine models",
        "synthetic": synthetic,
        "reproduces": "rs-6489710",
        "cohort": {"table": "cohort.csv", "phases": list(PHASES)},
        "split": {"folds": FOLDS},
        "arm": [
            {"name": "weak-1", "supervision": "box", "slices": 1},
            {"name": "weak-3", "supervision": "box", "slices": 3, "fit": {"epochs": 8}},
            {"name": "strong", "supervision": "mask"},
        ],
    }
    return Study.model_validate_json(json.dumps(content | changes), strict=True)


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def build_run(run_dir: Path, study: Study, sizes: Sizes = Sizes(), *, first_id: str = "张伟-01") -> Path:
    """Write a whole run folder, as the stages before the report would."""
    stream = np.random.default_rng(5)
    ids = [first_id, *(f"P{k:03d}" for k in range(1, sizes.patients))]
    severity = stream.normal(size=sizes.patients)
    is_high = severity + stream.normal(0, 0.4, sizes.patients) > 0.15
    is_test = np.arange(sizes.patients) % 10 >= 7
    run_dir.mkdir(parents=True, exist_ok=True)
    _write_lock(run_dir, study)
    _write_cohort(run_dir, ids, severity, is_high=is_high, is_test=is_test)
    _write_volumes(run_dir, ids, severity, sizes=sizes)
    _write_models(run_dir, sizes)
    _write_scale(run_dir)
    _write_scores(run_dir, ids, severity, is_high=is_high, is_test=is_test)
    return run_dir


def store_evaluation(run_dir: Path, scores: Scores) -> None:
    run = RunFolder(run_dir)
    if not run.is_run():
        write_lock(EvaluateSettings(), run, inputs={}, command="")
    write_scores(scores, run.scores_path)
    write_statistics(_evaluate(scores.rows), run)
    renew_seal(run, run.folds())


@cache
def _evaluate(rows: tuple[Score, ...]) -> Evaluation:
    """Fake runs of one size have the same scores; two seconds are saved for each but the first."""
    return evaluate_scores(Scores(rows), EvaluateSettings())


def _write_lock(run_dir: Path, study: Study) -> None:
    lock = {
        "format": FORMAT,
        "created": "2026-05-04T09:30:00+00:00",
        "study": study.model_dump(mode="json"),
        "versions": {"nephrograde": "0.1.0", "torch": "2.13.0"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "seed": {"split": 20260415, "fit": 20260415},
        "command": "nephrograde run study.toml --set fit.epochs=4",
        "machine": "a processor, 2 cores, Linux",
        "has_dicom": False,
        "inputs": {"cohort table": "ab" * 32, "cmp_image P1": "cd" * 32, "cmp_image P2": "ef" * 32},
    }
    (run_dir / "study.lock.json").write_text(json.dumps(lock, ensure_ascii=False), encoding="utf-8")


def _write_cohort(
    run_dir: Path,
    ids: list[str],
    severity: npt.NDArray[np.float64],
    *,
    is_high: npt.NDArray[np.bool_],
    is_test: npt.NDArray[np.bool_],
) -> None:
    stream = np.random.default_rng(6)
    rows: list[dict[str, object]] = []
    for k, patient in enumerate(ids):
        rows.append(
            {
                "patient_id": patient,
                "is_high": int(is_high[k]),
                "grade": (3 if severity[k] < 1.2 else 4) if is_high[k] else (1 if severity[k] < -1 else 2),
                "age_years": "" if k == 3 else round(float(stream.normal(60, 11))),
                "sex": "male" if stream.random() < 0.64 else "female",
                "size_cm": "" if k in {2, 5} else round(float(np.exp(1.3 + 0.35 * severity[k])), 1),
                "centre": "第一医院" if k % 3 else "B",
                **{f"{phase}_image": f"images/{k}_{phase}.nii.gz" for phase in PHASES},
            }
        )
    rows[4]["up_image"] = ""
    write_table(run_dir / "cohort" / "cases.csv", rows)
    split = [
        {"patient_id": patient, "split": "test" if is_test[k] else "train", "fold": "" if is_test[k] else k % FOLDS}
        for k, patient in enumerate(ids)
    ]
    write_table(run_dir / "cohort" / "split.csv", split)


def draw_tumour(severity: float, pixels: int, stream: np.random.Generator) -> npt.NDArray[np.float16]:
    """A kidney with a tumour, in a few lines: enough to see on the page that slices lie the right way round."""
    y, x = np.mgrid[-1 : 1 : pixels * 1j, -1 : 1 : pixels * 1j]
    picture = 0.28 + 0.05 * stream.normal(size=(pixels, pixels))
    picture[(x + 0.25) ** 2 / 0.30 + y**2 / 0.55 < 1] = 0.72
    picture[(x + 0.12) ** 2 / 0.05 + y**2 / 0.16 < 1] = 0.22
    radius = 0.34 + 0.05 * severity
    inside = (x - 0.3) ** 2 + (y + 0.1) ** 2 < radius**2
    picture[inside] = 0.55
    picture[(x - 0.34) ** 2 + (y + 0.05) ** 2 < (0.14 * max(severity, 0)) ** 2] = 0.36
    picture += 0.035 * stream.normal(size=picture.shape)
    return np.clip(picture, 0, 1).astype(np.float16)


def _write_volumes(run_dir: Path, ids: list[str], severity: npt.NDArray[np.float64], *, sizes: Sizes) -> None:
    stream = np.random.default_rng(7)
    volumes_dir = run_dir / "volumes"
    volumes_dir.mkdir()
    regions: list[dict[str, object]] = []
    for k, patient in enumerate(ids):
        for arm, slices in (("weak-1", "17"), ("weak-3", "12;17;20")):
            count = len(slices.split(";"))
            file = f"{k}-cmp-{arm}.npy"
            pictures = [draw_tumour(float(severity[k]), sizes.pixels, stream)[None] for _ in range(count)]
            np.save(volumes_dir / file, np.stack(pictures))
            regions.append(
                {
                    "patient_id": patient,
                    "phase": "cmp",
                    "arm": arm,
                    "file": file,
                    "slices": slices,
                    "center_mm": "1.00,2.00,3.00",
                    "tumour_volume_ml": "",
                    "tumour_diameter_mm": repr(40 + 5 * float(severity[k])),
                }
            )
    write_table(volumes_dir / "regions.csv", regions)
    fatal = {
        "patient_id": ids[0],
        "phase": "np",
        "column": "np_image",
        "code": "gap",
        "severity": "fatal",
        "message": "slices 41 and 42 are 10.0 mm apart, the others 5.0 mm.",
        "remedy": "Re-export the series or drop the phase.",
    }
    warnings = [
        fatal
        | {
            "patient_id": ids[k],
            "phase": "cmp",
            "column": "cmp_image",
            "code": code,
            "severity": "warning",
            "message": f"{text}.",
            "remedy": "Look at the mask.",
        }
        for k, code, text in (
            (1, "mask-border", "the mask touches the border of the image"),
            (8, "mask-border", "the mask touches the border of the image"),
            (9, "not-hu", "the values are not HU"),
        )
    ]
    write_table(volumes_dir / "findings.csv", [fatal, *warnings])


def _write_models(run_dir: Path, sizes: Sizes) -> None:
    stream = np.random.default_rng(8)
    for arm in ARMS:
        for phase in PHASES:
            for fold in range(FOLDS):
                fold_dir = run_dir / "models" / f"{arm}-{phase}" / f"fold-{fold}"
                decay = np.exp(-np.arange(sizes.epochs) / (sizes.epochs / 3))
                floor = 0.62 - 0.17 * SIGNAL[phase]
                stop = floor + 0.12 + 0.25 * decay + 0.03 * stream.normal(size=sizes.epochs)
                rows: list[dict[str, object]] = [
                    {
                        "epoch": epoch + 1,
                        "learning_rate": 1e-3,
                        "train_loss": floor + 0.4 * decay[epoch] + 0.015 * stream.normal(),
                        "stop_loss": "" if arm == "strong" else stop[epoch],
                    }
                    for epoch in range(sizes.epochs)
                ]
                write_table(fold_dir / "history.csv", rows)
                refit = "bf16 gave a non-finite loss in epoch 2" if (arm, phase, fold) == ("weak-3", "np", 1) else ""
                card = ModelCard(
                    model=f"{arm}-{phase}",
                    arm=arm,
                    phase=phase,
                    fold=fold,
                    dimensions=3 if arm == "strong" else 2,
                    channels=2 if arm == "strong" else 1,
                    has_mask=arm == "strong",
                    shortcut="B",
                    pooling="mean",
                    n_learn=15,
                    n_learn_high=7,
                    is_balanced=True,
                    n_stop=4,
                    n_held_out=9,
                    n_test=12,
                    best_epoch=int(stop.argmin()) + 1,
                    epochs_run=sizes.epochs,
                    precision="fp32" if refit or arm == "strong" else "bf16",
                    refit_reason=refit,
                    device="cpu",
                    seconds=61.5,
                    seed=20260415,
                    torch_version="2.13.0",
                    inputs_sha256="ab" * 32,
                    settings={},
                    synthetic=True,
                )
                write_card(card, fold_dir / "card.json")


def _write_scale(run_dir: Path) -> None:
    rows = [
        ScaleRow(f"{arm}-{phase}", fold, 7 / 15, 0.0 if fold is None else math.log(7 / 8), 0.1, slope, 9)
        for arm in ARMS
        for phase in PHASES
        for fold, slope in ((0, 0.8), (1, 0.7), (2, 0.75), (None, 1.25))
    ]
    write_statistics_table(rows, ScaleRow, RunFolder(run_dir).scale_path)


def _write_scores(
    run_dir: Path,
    ids: list[str],
    severity: npt.NDArray[np.float64],
    *,
    is_high: npt.NDArray[np.bool_],
    is_test: npt.NDArray[np.bool_],
) -> None:
    stream = np.random.default_rng(9)
    shared = stream.normal(size=len(ids))
    strength = {f"{arm}-{phase}": SIGNAL[phase] for arm in ARMS for phase in PHASES} | {"size": 0.55, "volume": 0.6}
    rows = []
    for model, signal in strength.items():
        logit = signal * severity + 0.7 * shared + 0.7 * stream.normal(size=len(ids))
        p_high = 1 / (1 + np.exp(-1.2 * logit))
        for k, patient in enumerate(ids):
            fold = None if is_test[k] else k % FOLDS
            rows.append(
                Score(patient, model, "test" if is_test[k] else "oof", fold, bool(is_high[k]), float(p_high[k]))
            )
    run = RunFolder(run_dir)  # each test brings its own rows of these
    write_statistics_table((), Increment, run.increment_path)
    write_statistics_table((), PhaseRow, run.phases_path)
    write_statistics_table((), StackRow, run.stack_path)
    write_statistics_table((), TumourAttention, run.attention_path)
    write_statistics_table((), RepeatedAuc, run.repeats_path)
    write_statistics_table((), ProcedureComparison, run.procedures_path)
    store_evaluation(run_dir, Scores(tuple(rows)))


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic run with everything in it; read only."""
    return build_run(tmp_path_factory.mktemp("whole") / "run", build_study())


@pytest.fixture(scope="session")
def whole_page(whole_run: Path) -> str:
    """The English page of the whole run, which takes two seconds."""
    return write_report(whole_run).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def further_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run with repeats, joined phases and a stack, and increments of its chosen network; read only."""
    run = RunFolder(build_run(tmp_path_factory.mktemp("further") / "run", build_study()))
    chosen = Results.read(run.run_dir).chosen_network
    write_statistics_table(increment_rows(chosen or ""), Increment, run.increment_path)
    write_statistics_table(phase_rows(), PhaseRow, run.phases_path)
    write_statistics_table(stack_rows(), StackRow, run.stack_path)
    write_statistics_table(
        [TumourAttention("weak-3-cmp", "test", 12, 9, 0.75, 0.468, 0.911, 0.5, 0.95)],
        TumourAttention,
        run.attention_path,
    )
    return store_repeats(run.run_dir, repeated_rows())


@pytest.fixture(scope="session")
def further_pages(further_run: Path, make_once: Callable[..., Path]) -> dict[str, str]:
    """The pages of that run, by language."""
    names: dict[Language, str] = {"en": "report.html", "zh": "report.zh.html"}

    def write(folder: Path) -> None:
        written = [write_report(further_run, language) for language in names]
        assert [path.name for path in written] == [*names.values()]
        for path in written:
            shutil.copy(path, folder)

    folder = make_once("further-pages", write)
    return {language: (folder / name).read_text(encoding="utf-8") for language, name in names.items()}


@pytest.fixture
def foreign_run(tmp_path: Path) -> Path:
    """What ``nephrograde evaluate`` leaves of a score table of unknown origin."""
    stream = np.random.default_rng(1)
    truth = [k % 2 == 0 for k in range(24)]
    rows = [
        Score(f"患者{k}", model, "test", None, truth[k], float(np.clip(0.5 + gain * (truth[k] - 0.5) + noise, 0, 1)))
        for model, gain in (("radiologist <b>$x_1$</b>", 0.5), ("模型 B", 0.2))
        for k, noise in enumerate(stream.normal(0, 0.2, 24))
    ]
    run_dir = tmp_path / "foreign"
    store_evaluation(run_dir, Scores(tuple(rows)))
    (run_dir / "study.lock.json").write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
    return run_dir


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return build_run


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Study]:
    return build_study


@pytest.fixture(scope="session")
def write_evaluation() -> Callable[[Path, Scores], None]:
    return store_evaluation
