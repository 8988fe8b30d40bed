"""A run folder is input like any other: whatever happened to its files, the outcome is right or a named error.

Each change is drawn from a seed, so that a failure can be repeated. ``DAMAGED_RUNS=1500`` tries that many; without it,
a few are tried, and only every fifth on what takes half a second.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.small_study import small_study

from nephrograde import api
from nephrograde.errors import NephrogradeError
from nephrograde.files import write_json, write_rows
from nephrograde.fit.history import Epoch, write_history
from nephrograde.model.card import ModelCard, write_card
from nephrograde.pipeline import evaluate_study, load_inputs, report_study
from nephrograde.report.pages.side_by_side import compare_runs
from nephrograde.report.pages.side_by_side_page import write_side_by_side
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import renew_seal, seal_fold
from nephrograde.sample.dataset import gather, read_samples
from nephrograde.sample.prepare import read_prepared
from nephrograde.sample.prepared_scan import Region
from nephrograde.volume.finding import Finding, write_findings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study

CHANGES = int(os.environ.get("DAMAGED_RUNS", "30"))
SLOW_EVERY = 1 if "DAMAGED_RUNS" in os.environ else 5
PATIENTS = 24
STUDY = small_study("small", image="slice_px = 16\n", evaluate='bootstraps = 100\nbaselines = ["size"]\n')
WORDS = ("", "nan", "inf", "-inf", "-1", "1e308", "1" * 400, "1" * 5000, "\x00", "high", "٣", "½", "0.5", "7", "true")
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 7, 1e308, float("nan"), float("inf"), 10**400, "", "nan", "x", "\ud800", [], {}, [[]],
    {"a": {"b": []}}, ["x", None],
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    (folder / "images").mkdir()
    rows = []
    for k in range(PATIENTS):
        (folder / "images" / f"{k}.nii").touch()
        grade = 1 + k % 4
        rows.append({"patient_id": f"P{k:02d}", "isup_grade": grade, "size_cm": 2 + k % 5, "sex": "MF"[k % 2]}
                    | {"cmp_image": f"images/{k}.nii", "cmp_box": "1,1,1;9,9,3 vox"})  # fmt: skip
    write_rows(folder / "cohort.csv", list(rows[0]), rows)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return load_inputs(folder / "study.toml")


@pytest.fixture(scope="module")
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run in which everything is there: weights are noise of the wrong shape, as nothing is scored."""
    from nephrograde.cohort.stage import open_cohort
    from nephrograde.fit.stage import keys_of_fits
    from nephrograde.sample.stage import prepared_for

    run = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    cohort, split = open_cohort(study, run, command="nephrograde run study.toml")
    stream = np.random.default_rng(3)
    run.volumes_dir.mkdir()
    regions = []
    for k, case in enumerate(cohort.cases):
        name = f"{case.patient_id}-cmp-weak-1.{k:016x}.npy"
        np.save(run.volumes_dir / name, stream.random((1, 1, 16, 16)).astype(np.float16))
        regions.append(Region(case.patient_id, "cmp", "weak-1", name, "4", "1.00,2.00,3.00", 4.5, 30.0 + k % 3))
    columns = list(Region.__dataclass_fields__)
    write_rows(run.regions_path, columns, ({name: getattr(one, name) for name in columns} for one in regions))
    finding = Finding("P01", "cmp", "cmp_image", "gap", "warning", "slices are missing.", "Export them.")
    write_findings([finding], run.findings_path)
    write_rows(run.tumours_path, ("patient_id",), [])
    write_json(run.image_inputs_path, {"cmp_image P01": "0" * 64})
    write_json(run.stage_path("prepare"), {"prepared_for": prepared_for(study)})
    keys = keys_of_fits(study, cohort, split, run)
    for fold in range(split.folds):
        _write_fold(run, fold, split, cohort, key=keys[f"weak-1-cmp/fold-{fold}"])
    evaluate_study(study, run, command="nephrograde evaluate study.toml")
    return run


def _write_fold(run: RunFolder, fold: int, split: Any, cohort: Any, *, key: str) -> None:
    stream = np.random.default_rng(fold)
    one = run.fold("weak-1-cmp", fold)
    one.fold_dir.mkdir(parents=True)
    one.weights_path.write_bytes(stream.bytes(1000))
    card = ModelCard(
        model="weak-1-cmp", arm="weak-1", phase="cmp", fold=fold, dimensions=2, channels=1,
        has_mask=False, shortcut="B", pooling="mean",
        n_learn=8,
        n_learn_high=3, is_balanced=True,
        n_stop=2, n_held_out=4, n_test=4, best_epoch=2, epochs_run=3, precision="fp32", refit_reason="", device="cpu",
        seconds=1.5, seed=7, torch_version="2", inputs_sha256=key, settings={"fit": {}}, synthetic=True,
    )  # fmt: skip
    write_card(card, one.card_path)
    write_history([Epoch(k, 1e-3, 0.7 / k, 0.8 / k) for k in (1, 2, 3)], one.history_path)
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    rows = [
        {"patient_id": patient, "split": where, "is_high": int(is_high[patient]),
         "p_high": float(np.clip(0.4 + 0.2 * is_high[patient] + stream.normal(0, 0.2), 0, 1))}
        for where, patients in (("oof", split.fold_ids(fold)), ("test", split.test_ids())) for patient in patients
    ]  # fmt: skip
    write_rows(one.predictions_path, list(rows[0]), rows)


def files_of(run: RunFolder) -> list[Path]:
    skipped = {run.report.report_dir, run.quality.quality_dir}
    paths = sorted(path for path in run.run_dir.rglob("*") if path.is_file() and not skipped & set(path.parents))
    npy = [path for path in paths if path.suffix == ".npy"]
    return [path for path in paths if path.name != run.writer_path.name and path not in npy[2:]]


def damage(path: Path, chance: random.Random) -> str:
    """Change one file in one of many ways, and say how."""
    ways: list[Callable[[Path, random.Random], str]] = [_cut, _empty, _not_utf8, _noise, _folder, _gone, _swap]
    if path.suffix == ".csv":
        ways += [_cell] * 8 + [_column, _rows, _ragged]
    elif path.suffix == ".json":
        ways += [_entry] * 10 + [_nested, _not_an_object]
    elif path.suffix == ".npy":
        ways += [_array] * 6
    return chance.choice(ways)(path, chance)


def _cut(path: Path, chance: random.Random) -> str:
    raw = path.read_bytes()
    path.write_bytes(raw[: chance.randrange(len(raw) + 1)])
    return "cut"


def _empty(path: Path, _: random.Random) -> str:
    path.write_bytes(b"")
    return "empty"


def _not_utf8(path: Path, chance: random.Random) -> str:
    raw = bytearray(path.read_bytes())
    at = chance.randrange(len(raw) + 1)
    raw[at:at] = chance.choice([b"\xff", b"\xc3\x28", b"\x00", "患".encode("gbk")])
    path.write_bytes(bytes(raw))
    return f"not UTF-8 at {at}"


def _noise(path: Path, chance: random.Random) -> str:
    raw = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 5)):
        if raw:
            raw[chance.randrange(len(raw))] = chance.randrange(256)
    path.write_bytes(bytes(raw))
    return "noise"


def _folder(path: Path, _: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def _gone(path: Path, _: random.Random) -> str:
    path.unlink()
    return "gone"


def _swap(path: Path, chance: random.Random) -> str:
    other = chance.choice([one for one in path.parent.rglob("*") if one.is_file()])
    path.write_bytes(other.read_bytes())
    return f"replaced by {other.name}"


def _grid(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def _put(path: Path, grid: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(grid)
    path.write_text(stream.getvalue(), encoding="utf-8")


def _cell(path: Path, chance: random.Random) -> str:
    grid = _grid(path)
    if len(grid) < 2:
        return "nothing"
    row, column = chance.randrange(1, len(grid)), chance.randrange(len(grid[0]))
    grid[row][column] = chance.choice(WORDS)
    _put(path, grid)
    return f"row {row}, {grid[0][column]} = {grid[row][column][:20]!r}"


def _column(path: Path, chance: random.Random) -> str:
    grid = _grid(path)
    at = chance.randrange(len(grid[0]))
    name = grid[0][at]
    if chance.random() < 0.5:
        grid = [[*row[:at], *row[at + 1 :]] for row in grid]
        _put(path, grid)
        return f"without {name}"
    grid[0][at] = chance.choice(["", "x", grid[0][0]])
    _put(path, grid)
    return f"{name} is called {grid[0][at]!r}"


def _rows(path: Path, chance: random.Random) -> str:
    head, *rows = _grid(path)
    kept = chance.choice([[], rows[:1], rows + rows, rows[::-1], rows[: len(rows) // 2]])
    _put(path, [head, *kept])
    return f"{len(kept)} of {len(rows)} rows"


def _ragged(path: Path, chance: random.Random) -> str:
    grid = _grid(path)
    at = chance.randrange(len(grid))
    grid[at] = chance.choice([grid[at][:-1], [*grid[at], "x"], [], ["x"]])
    _put(path, grid)
    return f"row {at} has {len(grid[at])} cells"


def _entry(path: Path, chance: random.Random) -> str:
    content = json.loads(path.read_text(encoding="utf-8"))
    where, key, name = content, None, ""
    while isinstance(where, dict | list) and where:
        key = chance.choice(list(where) if isinstance(where, dict) else range(len(where)))
        name += f".{key}"
        if not isinstance(where[key], dict | list) or not where[key] or chance.random() < 0.3:
            break
        where = where[key]
    if key is None:
        return "nothing"
    value = chance.choice(VALUES)
    if chance.random() < 0.15:
        del where[key]
        value = "gone"
    else:
        where[key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"{name} = {str(value)[:20]!r}"


def _nested(path: Path, chance: random.Random) -> str:
    deep = chance.choice([500, 5_000, 200_000])
    path.write_text(chance.choice(["[" * deep + "]" * deep, '{"a":' * deep + "1" + "}" * deep]), encoding="utf-8")
    return f"{deep} brackets"


def _not_an_object(path: Path, chance: random.Random) -> str:
    path.write_text(chance.choice(["[]", "1", '"x"', "null", "NaN", "1" * 5000, "{}"]), encoding="utf-8")
    return "not an object"


def _array(path: Path, chance: random.Random) -> str:
    arrays = (
        np.zeros(()), np.zeros((0, 1, 16, 16), np.float16), np.full((1, 1, 16, 16), np.nan), np.zeros((16, 16)),
        np.array([["a"]]), np.zeros((1, 1, 16, 16), complex), np.array([{}], dtype=object), np.zeros((1, 2, 16, 16)),
        np.zeros((1, 1, 0, 16)), np.full((1, 1, 16, 16), 1e300),
    )  # fmt: skip
    array = chance.choice(arrays)
    np.save(path, array, allow_pickle=True)
    return f"{array.dtype} {array.shape}"


def _reseal(run: RunFolder) -> bool:
    """Put the damaged file into the seals, so that the readers themselves have to notice it."""
    try:
        for fold in run.folds():
            if fold.is_whole():
                seal_fold(fold)
        renew_seal(run, [fold for fold in run.folds() if fold.is_whole()])
    except (NephrogradeError, OSError):
        return False
    return True


def report(run: RunFolder) -> None:
    report_study(run)


def compare(run: RunFolder, whole: RunFolder) -> None:
    side = compare_runs(run.run_dir, whole.run_dir)
    write_side_by_side(side, run.run_dir.parent / "compared")


def predict(run: RunFolder) -> None:
    grader = api.load_grader(run.run_dir, "weak-1-cmp")
    assert 0 <= grader.threshold.value <= 1
    grader.load()


def evaluate(run: RunFolder, study: Study) -> None:
    evaluate_study(study, run, command="nephrograde evaluate study.toml", reason="damaged on purpose")


def read(run: RunFolder) -> None:
    opened = api.open_run(run.run_dir)
    opened.tables()
    opened._repr_html_()
    repr(opened)
    for model in opened.models:
        opened.threshold(model.name)
    assert opened.chosen_network is None or opened.chosen_network in opened.scores.models


def samples(run: RunFolder) -> None:
    prepared = read_prepared(run)
    files = {patient: run.volumes_dir / name for patient, name in prepared.files("weak-1", "cmp").items()}
    gather(read_samples({"cmp": files}, dict.fromkeys(files, True)), files)


def test_what_others_leave_in_a_folder_is_ignored(study: Study, whole: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(whole.run_dir, run.run_dir)
    for folder in [run.run_dir, *(path for path in run.run_dir.rglob("*") if path.is_dir())]:
        kept = folder / ".ipynb_checkpoints"
        kept.mkdir()
        for path in [one for one in folder.iterdir() if one.is_file()]:
            (kept / f"{path.stem}-checkpoint{path.suffix}").write_bytes(path.read_bytes()[:-9])
        (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    shutil.copytree(run.fold("weak-1-cmp", 0).fold_dir, run.models_dir / ".ipynb_checkpoints" / "fold-0")
    before = run.seal_path.read_bytes()
    read(run)
    samples(run)
    compare(run, whole)
    evaluate_study(study, run, command="nephrograde evaluate study.toml")
    assert len(api.open_run(run.run_dir).openings) == 1
    assert run.seal_path.read_bytes() == before


@pytest.mark.slow
def test_a_damaged_run_is_right_or_refused(study: Study, whole: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    quick: dict[str, Callable[[], None]] = {
        "open_run": partial(read, run),
        "predict": partial(predict, run),
        "samples": partial(samples, run),
    }
    slow: dict[str, Callable[[], None]] = {
        "compare": partial(compare, run, whole),
        "report": partial(report, run),
        "evaluate": partial(evaluate, run, study),
    }
    failures = []
    for seed in range(CHANGES):
        chance = random.Random(seed)  # noqa: S311
        shutil.rmtree(run.run_dir, ignore_errors=True)
        shutil.copytree(whole.run_dir, run.run_dir, ignore=shutil.ignore_patterns("report"))
        path = chance.choice(files_of(run))
        how = damage(path, chance)
        if chance.random() < 0.5 and _reseal(run):
            how += ", sealed again"
        for name, use in (quick | (slow if seed % SLOW_EVERY == 0 else {})).items():
            try:
                use()
            except NephrogradeError as error:
                str(error).encode("utf-8")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{path.relative_to(run.run_dir)}, {how}"
                failures.append(f"seed {seed}, {name}: {where}: {error!r:.200} ({place.filename}:{place.lineno})")
                break
    assert not failures, "\n".join([f"{len(failures)} of {CHANGES}:", *failures])


def _content(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("what", ["fold number", "loss", "array header", "created", "threshold", "card"])
def test_values_that_cannot_be_are_refused_even_where_they_are_sealed(
    whole: RunFolder, tmp_path: Path, what: str
) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(whole.run_dir, run.run_dir)
    fold = run.fold("weak-1-cmp", 0)
    if what == "fold number":
        _content(run.split_path, ",train,0", f",train,{'1' * 5000}")
    elif what == "loss":
        _content(fold.history_path, "0.7,", "1e308,")
    elif what == "array header":
        path = next(run.volumes_dir.glob("*.npy"))
        path.write_bytes(path.read_bytes().replace(b"'descr': ", b"'descr\xff': ("))
    elif what == "created":
        _content(run.study_lock_path, '"created": "2', '"created": "')
    elif what == "threshold":
        rows = _grid(run.estimates_path)
        next(row for row in rows if row[:3] == ["weak-1-cmp", "test", "threshold"])[3] = "-0.1"
        _put(run.estimates_path, rows)
    else:
        _content(fold.card_path, '"n_learn": 8', '"n_learn": -8')
    _reseal(run)
    with pytest.raises(NephrogradeError, match=r"\.(csv|npy|json)"):
        (samples if what == "array header" else read)(run)
