"""The examples of the API reference: each is run, and every public name is in one or has one in its docstring."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import nephrograde as ng
from nephrograde.cohort.table import read_table
from nephrograde.evaluation.stage import evaluate_score_table
from nephrograde.files import write_rows
from nephrograde.run.folder import RunFolder
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"
WEB_SERVICE = "https://pacs.example/dicom-web"
OF_A_SERVICE = ("find_series", "retrieve", "FoundSeries")
"""Names whose example needs a DICOMweb service; the tests of the exchange call them on Orthanc."""


def examples() -> dict[str, list[str]]:
    """The Python code of the page by section, without that of a DICOMweb service."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"(?m)^## ", PAGE.read_text(encoding="utf-8")):
        blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", part)
        found[part.splitlines()[0]] = [block for block in blocks if WEB_SERVICE not in block]
    return found


def test_every_public_name_has_an_example() -> None:
    code = "\n".join(re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8")))
    names = set(dir(ng)) - {"__version__"}
    shown = {name for name in names if re.search(rf"\bng\.{name}\b", code)}
    assert set(OF_A_SERVICE) <= shown
    assert {name for name in names - shown if ">>> " not in (getattr(ng, name).__doc__ or "")} == set()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_cohort_dir: Path, tiny_run_dir: Path) -> Path:
    """A folder with what the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "my-study").symlink_to(tiny_cohort_dir, target_is_directory=True)
    shutil.copytree(tiny_run_dir, folder / "runs" / "first", copy_function=shutil.copy)
    table_path = write_cohort(
        folder / "made", PhantomSettings(patients=2, phases=("cmp",), matrix_px=48, dicom=True, seed=3)
    )
    shutil.move(table_path.parent / "images", folder / "export")
    rows = read_table(tiny_cohort_dir / "cohort.csv")
    for column, name in (("cmp_image", "scan.nii.gz"), ("cmp_mask", "tumour.nii.gz")):
        shutil.copy(tiny_cohort_dir / rows[0][column], folder / name)
    files = ("cmp_image", "cmp_mask")
    rows = [{**row, **{name: str(tiny_cohort_dir / row[name]) for name in files}} for row in rows]
    few = [*[row for row in rows if row["isup_grade"] < "3"][:2], *[row for row in rows if row["isup_grade"] > "2"][:2]]
    columns = ["patient_id", "isup_grade", *files]
    write_rows(folder / "north.csv", columns, [{name: row[name] for name in columns} for row in few])
    write_rows(folder / "new-patients.csv", columns, [{name: few[0][name] for name in columns}])
    write_rows(folder / "grades.csv", columns[:2], [{"patient_id": f"SYN-000{k}", "isup_grade": k} for k in (1, 2)])
    north = 'synthetic = true\n[cohort]\ntable = "north.csv"\nphases = ["cmp"]\n[evaluate]\nbootstraps = 100\n'
    (folder / "north.toml").write_text(north, encoding="utf-8")
    scores = [
        f"P{k},{name},{k % 2},{0.2 + 0.05 * k + shift}"
        for name, shift in (("weak-1-cmp", 0), ("strong-cmp", 0.05))
        for k in range(12)
    ]
    (folder / "scores.csv").write_text("\n".join(["patient_id,model,is_high,p_high", *scores]), encoding="utf-8")
    for hospital, digits in (("north", "31415926535897932384"), ("south", "27182818284590452353")):
        mine = [f"{hospital}-{k},mine,{k % 2},0.{digit}{k % 2 * 4}5" for k, digit in enumerate(digits)]
        table_path = folder / f"{hospital}-scores.csv"
        table_path.write_text("\n".join(["patient_id,model,is_high,p_high", *mine]), encoding="utf-8")
        evaluate_score_table(
            table_path, RunFolder(folder / "evaluations" / hospital), settings=EvaluateSettings(bootstraps=100)
        )
    reads = [f"R{reader},P{k},{1 + (k + reader) % 3 + 2 * (k % 2)}" for reader in range(1, 4) for k in range(12)]
    (folder / "reads.csv").write_text("\n".join(["reader,patient_id,score", *reads]), encoding="utf-8")
    return folder


def follow(section: str) -> dict[str, Any]:
    """Run the examples of a section; returns what they have named."""
    names: dict[str, Any] = {"ng": ng}
    blocks = examples()[section]
    assert blocks
    for block in blocks:
        exec(compile(block.replace("11112", str(free_port())), str(PAGE), "exec"), names)  # noqa: S102
    return names


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


Names = dict[str, Any]
OUTCOMES: dict[str, tuple[Callable[[Names], object], object]] = {
    "Evaluate scores": (lambda names: (names["area"].value, names["difference"].difference), (8 / 9, 0.0)),
    "Plan a study": (lambda names: [one.n for one in names["study"].parts["test_set"]], [243, 546]),
    "Compare with readers": (lambda names: names["analysis"].n, 12),
    "Audit printed values": (lambda names: "No table of whole numbers prints these" in names["printed"], True),
    "Combine hospitals": (lambda names: [path.name for path in names["sites"]], ["north.zip", "south.zip"]),
    "Read scans": (lambda names: (names["volume"].values.ndim, names["cohort"].n_patients), (3, 2)),
    "The study": (lambda names: (names["study"].fit.epochs, names["built"].fit.epochs), (2, 30)),
    "Errors": (lambda names: [name in names["printed"] for name in ("nowhere.nii.gz", "margn")], [True, True]),
}
"""What the examples of a section leave behind, of what they have named and ``printed``."""


@pytest.mark.slow
@pytest.mark.parametrize("section", OUTCOMES)
def test_examples_run(
    section: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    left, expected = OUTCOMES[section]
    names = follow(section)
    assert left(names | {"printed": capsys.readouterr().out}) == expected


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime", "highdicom", "pynetdicom")
def test_examples_from_a_run_to_a_pacs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    follow("Run a study")
    names = follow("Grade a scan")
    assert names["patient"].status == "graded"
    assert names["objects"].report_path.is_file()
    assert follow("Exchange with a PACS")["report"].is_complete
