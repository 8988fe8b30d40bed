"""The folder of a fold is complete or absent, and is read back as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from nephrograde.errors import RunError
from nephrograde.files import read_rows
from nephrograde.fit.folder import FoldFit, Prediction, load_network, read_fold, write_fold
from nephrograde.fit.history import Epoch
from nephrograde.fit.loop import fit_fold
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.seal import fold_digests, seal_fold

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.fit.conftest import MakeJob

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def fold_fit(make_job: MakeJob) -> FoldFit:
    fitted = fit_fold(make_job(epochs=1))
    history = (Epoch(1, 1e-3, 0.1 + 0.2, 2 / 3), Epoch(2, 5e-4, 0.5, None))
    predictions = (Prediction("张三, 1", "oof", True, 1 / 3), Prediction("P2", "test", False, 1e-17))
    return FoldFit(fitted.weights, fitted.card, history, predictions)


def test_round_trip(fold_fit: FoldFit, tmp_path: Path) -> None:
    write_fold(fold_fit, tmp_path / "fold-2")
    assert sorted(path.name for path in (tmp_path / "fold-2").iterdir()) == [
        "card.json",
        "history.csv",
        "predictions.csv",
        "seal.json",
        "weights.safetensors",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["fold-2"]
    again = read_fold(tmp_path / "fold-2")
    assert (again.card, again.history, again.predictions) == (fold_fit.card, fold_fit.history, fold_fit.predictions)
    assert all(torch.equal(tensor, fold_fit.weights[name]) for name, tensor in again.weights.items())


def test_attention_is_written_read_back_and_sealed(make_job: MakeJob, tmp_path: Path) -> None:
    fitted = fit_fold(make_job(epochs=1, rows=2, pooling="attention"))
    slices = {prediction.patient_id: (41, 44) for prediction in fitted.predictions[:-1]}
    write_fold(fitted, tmp_path / "fold-2", slices=slices)
    fold = FoldFolder(tmp_path / "fold-2")
    rows = read_rows(fold.attention_path)
    assert [row["slice"] for row in rows] == ["41", "44"] * 10 + ["", ""]
    assert [row["row"] for row in rows] == ["0", "1"] * 11
    assert read_fold(fold.fold_dir).predictions == fitted.predictions
    assert fold_digests(fold).keys() == {path.name for path in (*fold.paths, fold.attention_path)}
    write_fold(fit_fold(make_job(epochs=1)), fold.fold_dir)
    assert not fold.attention_path.exists()
    write_fold(fitted, fold.fold_dir)
    fold.attention_path.write_text("patient_id,split,row,slice,weight\n")
    with pytest.raises(RunError, match=r"attention\.csv is not the file that nephrograde wrote"):
        fold_digests(fold)


def test_numbers_keep_every_digit(fold_fit: FoldFit, tmp_path: Path) -> None:
    write_fold(fold_fit, tmp_path / "fold-2")
    rows = read_rows(tmp_path / "fold-2" / "predictions.csv")
    assert rows[0] == {"patient_id": "张三, 1", "split": "oof", "is_high": "1", "p_high": "0.3333333333333333"}
    assert read_rows(tmp_path / "fold-2" / "history.csv")[1]["stop_loss"] == ""


def test_an_older_fit_is_replaced_and_files_of_others_stay(fold_fit: FoldFit, tmp_path: Path) -> None:
    write_fold(fold_fit, tmp_path / "fold-2")
    (tmp_path / "fold-2" / "notes.txt").write_text("mine")
    (tmp_path / "fold-2" / "history.csv").write_text("old")
    write_fold(fold_fit, tmp_path / "fold-2")
    assert (tmp_path / "fold-2" / "notes.txt").read_text() == "mine"
    assert read_fold(tmp_path / "fold-2").history == fold_fit.history
    assert [path.name for path in tmp_path.iterdir()] == ["fold-2"]


def test_network_is_ready_to_score(fold_fit: FoldFit, tmp_path: Path) -> None:
    write_fold(fold_fit, tmp_path / "fold-2")
    network, card = load_network(tmp_path / "fold-2")
    assert not network.training
    assert card.model == "weak-1-cmp"
    assert torch.equal(network.backbone.state_dict()["0.weight"], fold_fit.weights["0.weight"])


def test_incomplete_folder(fold_fit: FoldFit, tmp_path: Path) -> None:
    write_fold(fold_fit, tmp_path / "fold-2")
    (tmp_path / "fold-2" / "history.csv").unlink()
    with pytest.raises(RunError, match=r"lacks history\.csv"):
        read_fold(tmp_path / "fold-2")
    with pytest.raises(RunError, match=r"lacks weights\.safetensors, card\.json"):
        load_network(tmp_path / "fold-3")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("predictions.csv", "patient_id,split,is_high,p_high\nP1,oof,1,much\n"),
        ("predictions.csv", "patient_id,split,is_high\nP1,oof,1\n"),
        ("history.csv", "epoch,learning_rate,train_loss,stop_loss\n1,0.1\n"),
    ],
)
def test_damaged_table(fold_fit: FoldFit, tmp_path: Path, name: str, content: str) -> None:
    write_fold(fold_fit, tmp_path / "fold-2")
    (tmp_path / "fold-2" / name).write_text(content)
    with pytest.raises(RunError, match=name):
        read_fold(tmp_path / "fold-2")
    seal_fold(FoldFolder(tmp_path / "fold-2"))
    with pytest.raises(RunError, match="is damaged"):
        read_fold(tmp_path / "fold-2")


@pytest.mark.parametrize(("rank", "writes"), [(0, True), (1, False)])
def test_the_first_process_writes_and_the_others_wait(
    fold_fit: FoldFit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int, writes: bool
) -> None:
    waited: list[bool] = []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: rank)
    monkeypatch.setattr(torch.distributed, "barrier", lambda: waited.append(True))
    write_fold(fold_fit, tmp_path / "fold-2")
    assert ((tmp_path / "fold-2").exists(), waited) == (writes, [True])
