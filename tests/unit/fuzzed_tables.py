"""A small valid file of every kind of table, setting and result that a command reads, and what reads it."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import torch
from tests.small_study import small_study

from nephrograde.cohort.split import read_split
from nephrograde.evaluation.ledger import Opening, read_ledger
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.scores.score_table import read_scores
from nephrograde.evaluation.tables import read_estimates, write_estimates, write_table
from nephrograde.files import write_json, write_rows
from nephrograde.fit.history import Epoch, read_history, write_history
from nephrograde.model.card import ModelCard, read_card, write_card
from nephrograde.model.weights import load_weights, save_weights
from nephrograde.pipeline import load_inputs
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import read_lock, write_lock
from nephrograde.run.seal import read_seal
from nephrograde.sample.dataset import open_region
from nephrograde.sample.prepare import read_prepared
from nephrograde.sample.prepared_scan import Region
from nephrograde.sources.deidentify.key import Key
from nephrograde.sources.scan.corrections import read_corrections
from nephrograde.sources.scan.grades import read_grades
from nephrograde.sources.scan.index import plan_index
from nephrograde.sources.scan.pseudonyms import Pseudonyms
from nephrograde.study.file import load_study
from nephrograde.volume.finding import Finding, read_findings, write_findings
from nephrograde.volume.series_table import read_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUDY = small_study(
    "small", fit="epochs = 2\nlearning_rate = 1e-3\n", evaluate='bootstraps = 100\nbaselines = ["size"]\n'
)


@dataclass(frozen=True)
class Target:
    """A valid file that is to be damaged, and what reads it."""

    path: Path
    read: Callable[[], object]


def _rows() -> list[dict[str, object]]:
    return [
        {"patient_id": f"P{k:02d}", "isup_grade": 1 + k % 4, "size_cm": 2 + k % 5, "sex": "MF"[k % 2], "age": 50 + k}
        | {"cmp_image": f"{k}.nii", "cmp_box": "1,1,1;9,9,3 vox"}
        for k in range(16)
    ]


def _workbook(path: Path, rows: list[dict[str, object]]) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    book.save(path)
    book.close()


def _separated(path: Path, rows: list[dict[str, object]], *, by: str = ",", encoding: str = "utf-8") -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=by, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    path.write_bytes(text.getvalue().encode(encoding))


class Tables:
    """Writes the valid file of each kind; a method's name is the kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = RunFolder(folder / "run")
        self.run.run_dir.mkdir()

    def _cohort(self, name: str, write: Callable[[Path], object]) -> Target:
        for k in range(16):
            (self.folder / f"{k}.nii").touch()
        write(self.folder / name)
        (self.folder / "study.toml").write_text(STUDY.replace("cohort.csv", name), encoding="utf-8")
        return Target(self.folder / name, lambda: load_inputs(self.folder / "study.toml"))

    def study_toml(self) -> Target:
        self._cohort("cohort.csv", lambda path: _separated(path, _rows(), by=";"))
        return Target(self.folder / "study.toml", lambda: load_study(self.folder / "study.toml"))

    def cohort_csv(self) -> Target:
        return self._cohort("cohort.csv", lambda path: _separated(path, _rows(), by=";"))

    def cohort_tsv(self) -> Target:
        return self._cohort("cohort.tsv", lambda path: _separated(path, _rows(), by="\t"))

    def cohort_xlsx(self) -> Target:
        return self._cohort("cohort.xlsx", lambda path: _workbook(path, _rows()))

    def cohort_gb18030(self) -> Target:
        rows = [row | {"备注": "左肾透明细胞癌，术后病理"} for row in _rows()]
        return self._cohort("cohort.csv", lambda path: _separated(path, rows, by=";", encoding="gb18030"))

    def _grades(self, name: str, write: Callable[..., object]) -> Target:
        rows: list[dict[str, object]] = [
            {"病案号": f"{k:08d}", "核分级": f"ISUP {1 + k % 4}级", "手术日期": f"2021-03-{k + 1:02d}"}
            for k in range(9)
        ]
        write(self.folder / name, rows)
        return Target(self.folder / name, lambda: read_grades(self.folder / name))

    def grades_csv(self) -> Target:
        return self._grades("grades.csv", _separated)

    def grades_xlsx(self) -> Target:
        return self._grades("grades.xlsx", _workbook)

    def scores_csv(self) -> Target:
        path = self.folder / "scores.csv"
        rows: list[dict[str, object]] = [
            {"patient_id": f"P{k}", "model": "a", "split": "test", "fold": k % 2, "is_high": k % 2, "p_high": k / 20}
            for k in range(20)
        ]
        _separated(path, rows)
        return Target(path, lambda: read_scores(path))

    def weights(self) -> Target:
        layer = torch.nn.Linear(4, 2)
        network: Any = SimpleNamespace(weights=layer.state_dict, set_weights=layer.load_state_dict)
        path = self.folder / "weights.safetensors"
        save_weights(layer.state_dict(), path)
        return Target(path, lambda: load_weights(network, path))

    def run_lock(self) -> Target:
        self._cohort("cohort.csv", lambda path: _separated(path, _rows(), by=";"))
        study = load_study(self.folder / "study.toml")
        write_lock(study, self.run, inputs={"table": "0" * 64}, command="nephrograde run study.toml")
        return Target(self.run.study_lock_path, lambda: read_lock(self.run))

    def run_seal(self) -> Target:
        write_json(self.run.seal_path, {"study": "0" * 64, "files": {"scores.csv": "1" * 64}})
        return Target(self.run.seal_path, lambda: read_seal(self.run))

    def run_card(self) -> Target:
        card = ModelCard(
            model="weak-1-cmp", arm="weak-1", phase="cmp", fold=0, dimensions=2, channels=1,
            has_mask=False, shortcut="B", pooling="mean",
            n_learn=8,
            n_learn_high=3, is_balanced=True,
            n_stop=2, n_held_out=4, n_test=4, best_epoch=2, epochs_run=3, precision="fp32", refit_reason="",
            device="cpu", seconds=1.5, seed=7, torch_version="2", inputs_sha256="0" * 64, settings={"fit": {}},
            synthetic=True,
        )  # fmt: skip
        path = self.run.run_dir / "card.json"
        write_card(card, path)
        return Target(path, lambda: read_card(path))

    def run_history(self) -> Target:
        path = self.run.run_dir / "history.csv"
        write_history([Epoch(k, 1e-3, 0.7 / k, 0.8 / k) for k in (1, 2, 3)], path)
        return Target(path, lambda: read_history(path))

    def run_regions(self) -> Target:
        self.run.volumes_dir.mkdir(parents=True)
        self.run.stages_dir.mkdir(parents=True)
        write_json(self.run.stage_path("prepare"), {})
        regions = []
        for k in range(4):
            name = f"P0{k}-cmp-weak-1.{k:016x}.npy"
            np.save(self.run.volumes_dir / name, np.zeros((1, 1, 4, 4), np.float16))
            regions.append(Region(f"P0{k}", "cmp", "weak-1", name, "4", "1.00,2.00,3.00", 4.5, 30.0 + k))
        write_rows(self.run.regions_path, list(Region.__dataclass_fields__), map(asdict, regions))
        write_findings([Finding("P01", "cmp", "cmp_image", "gap", "warning", "a gap.", "Ask.")], self.run.findings_path)
        write_json(self.run.image_inputs_path, {"cmp_image P01": "0" * 64})
        return Target(self.run.regions_path, lambda: read_prepared(self.run))

    def run_findings(self) -> Target:
        self.run_regions()
        return Target(self.run.findings_path, lambda: read_findings(self.run.findings_path))

    def run_region_npy(self) -> Target:
        path = self.folder / "region.npy"
        np.save(path, np.random.default_rng(1).random((1, 1, 16, 16)).astype(np.float16))
        return Target(path, lambda: open_region(path))

    def run_estimates(self) -> Target:
        path = self.folder / "estimates.csv"
        auc = Estimate("auc", 0.9, 0.85, 0.95, 90, 41, "DeLong", confidence=0.95)
        sensitivity = Estimate("sensitivity", 0.8, 0.6, 0.9, 90, 41, "Wilson", confidence=0.95, part=33, whole=41)
        threshold = Estimate("threshold", 0.4, math.nan, math.nan, 90, 41, "Youden", rule=Rule.YOUDEN)
        write_estimates([("weak-1-cmp", "test", one) for one in (auc, sensitivity, threshold)], path)
        return Target(path, lambda: read_estimates(path))

    def run_split(self) -> Target:
        path = self.folder / "split.csv"
        rows: list[dict[str, object]] = [
            {"patient_id": f"P{k:02d}", "split": "test" if k > 11 else "train", "fold": "" if k > 11 else k % 2}
            for k in range(16)
        ]
        _separated(path, rows)
        return Target(path, lambda: read_split(path))

    def run_ledger(self) -> Target:
        opening = Opening("2026-01-01T00:00:00+00:00", "0" * 64, "first evaluation", "nephrograde run", "1" * 64)
        write_table([opening], Opening, self.run.ledger_path)
        return Target(self.run.ledger_path, lambda: read_ledger(self.run.run_dir))

    def key_csv(self) -> Target:
        path = self.folder / "key.csv"
        key = Key(path)
        for one in ("KH-1", "KH-2", "KH-3"):
            key.subject(one)
        return Target(path, partial(self._open_key, path))

    def _open_key(self, path: Path) -> None:
        content = path.read_bytes()
        try:
            Pseudonyms(path)
        finally:
            path.write_bytes(content)
            Key(path)

    def _series_table(self) -> Path:
        index = self._index()
        plan_index(index, self.folder / "plan")
        return self.folder / "plan" / "series.csv"

    def _index(self) -> Path:
        path = self.folder / "index.csv"
        rows: list[dict[str, object]] = [
            {"PatientID": f"K{k // 3}", "StudyInstanceUID": f"1.2.{k // 3}", "SeriesInstanceUID": f"1.3.{k}"}
            | {"SeriesDescription": ("native", "corticomedullary", "nephrographic")[k % 3], "Modality": "CT"}
            | {"instanceCount": 60, "StudyDate": "20210304", "SliceThickness": 2.5, "SeriesNumber": k}
            for k in range(6)
        ]
        _separated(path, rows)
        return path

    def series_csv(self) -> Target:
        path = self._series_table()
        return Target(path, lambda: read_series(path))

    def corrections_csv(self) -> Target:
        path = self._series_table()
        return Target(path, lambda: read_corrections(path))

    def index_csv(self) -> Target:
        path, numbers = self._index(), iter(range(10**9))
        return Target(path, lambda: plan_index(path, self.folder / f"plan{next(numbers)}"))
