"""Labels merged into a copy of the table, and masks on the grids of their images, through the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nephrograde.annotations.journal import Journal
from nephrograde.cli import main
from nephrograde.cohort.place import Box, Point
from nephrograde.cohort.table import read_cohort, read_table
from nephrograde.study import CohortSettings, SplitSettings
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

_SPACING = (2.0, 2.0, 5.0)


def draw(folder: Path, reader: str, *labels: tuple[str, str, str, str], active_s: float = 3.0) -> Journal:
    journal = Journal(folder, reader)
    for number, (patient, phase, kind, value) in enumerate(labels):
        given = {"id": f"{number:032x}", "patient_id": patient, "phase": phase, "kind": kind, "value": value}
        journal.append({**given, "session": "tab", "active_s": active_s})
    return journal


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    headings = "病案号,核分级,cmp_image,cmp_mask,np_image,备注"
    rows = [f"P{i:02},{i % 4 + 1},images/{i}.nii.gz,,images/{i}np.nii.gz;,=1+1" for i in range(20)]
    (tmp_path / "cohort.csv").write_text("\n".join([headings, *rows]), encoding="gb18030")
    (tmp_path / "images").mkdir()
    for i in range(2):
        values = np.arange(20 * 18 * 8, dtype=np.int16).reshape(20, 18, 8)
        write_image(values, tmp_path / "images" / f"{i}.nii.gz", spacing_mm=_SPACING)
    return tmp_path / "cohort.csv"


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_table_with_labels_is_a_cohort_table(table_path: Path) -> None:
    labels = [
        ("P00", "cmp", "point", "1,2,3.25 mm"),
        ("P00", "np", "box", "1,2,3;4,5,6 mm"),
        ("P01", "cmp", "mask", "P01.nii.gz"),
        ("P02", "cmp", "none", "yes"),
        ("Z9", "cmp", "point", "1,2,3 mm"),
    ]
    draw(table_path.parent / "cohort.annotations", "li", *labels)
    assert run("annotate", table_path, "--export", "table") == 0
    copy_path = table_path.parent / "cohort-li.csv"
    settings = CohortSettings(table=copy_path, phases=("cmp", "np"))
    cohort, problems = read_cohort(settings, SplitSettings())
    assert problems == []
    assert cohort is not None
    first, second, third = cohort.cases[:3]
    assert first.scans["cmp"].point == Point((1, 2, 3.25), "mm")
    assert first.scans["np"].box == Box((1, 2, 3), (4, 5, 6), "mm")
    assert second.scans["cmp"].mask_path == table_path.parent / "cohort.annotations" / "li.masks" / "P01.nii.gz"
    assert set(third.scans) == {"np"}
    assert first.clinical == {"备注": "=1+1"}


def test_paths_of_a_copy_in_another_folder_lead_to_the_same_files(table_path: Path, tmp_path: Path) -> None:
    draw(table_path.parent / "cohort.annotations", "li", ("P00", "cmp", "point", "1,2,3 mm"))
    copy_path = tmp_path / "elsewhere" / "copy.csv"
    assert run("annotate", table_path, "--export", "table", "--to", copy_path) == 0
    image = read_table(copy_path)[0]["cmp_image"]
    assert Path(os.path.normpath(copy_path.parent / image)) == tmp_path / "images" / "0.nii.gz"


def test_the_table_itself_is_not_overwritten(table_path: Path) -> None:
    draw(table_path.parent / "cohort.annotations", "li", ("P00", "cmp", "point", "1,2,3 mm"))
    before = table_path.read_bytes()
    assert run("annotate", table_path, "--export", "table", "--to", table_path) == 2
    assert table_path.read_bytes() == before


def test_masks_are_written_on_the_grids_of_their_images(table_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks_dir = table_path.parent / "drawn" / "li.masks"
    mask = np.zeros((10, 9, 8), np.uint8)
    mask[2:5, 2:5, 2:4] = 1
    write_image(mask, masks_dir / "a.nii.gz", spacing_mm=(4.0, 4.0, 5.0), origin_mm=(1.0, 1.0, 0.0))
    draw(table_path.parent / "drawn", "li", ("P00", "cmp", "mask", "a.nii.gz"), ("P01", "cmp", "mask", "no.nii.gz"))
    words = ("annotate", table_path, "--out", table_path.parent / "drawn", "--export", "nifti")
    assert run(*words, "--to", table_path.parent / "masks") == 1
    err = capsys.readouterr().err
    assert "P01" in err
    assert "P00" not in err, err
    (row,) = read_table(table_path.parent / "masks" / "masks.csv")
    written = read_volume(table_path.parent / "masks" / row["cmp_mask"])
    image = read_volume(table_path.parent / "images" / "0.nii.gz")
    assert (written.grid.size, written.spacing_mm, written.origin_mm) == (
        image.grid.size,
        image.spacing_mm,
        image.origin_mm,
    )
    assert int(written.values.sum()) == 4 * int(mask.sum())


@pytest.mark.parametrize(
    "words",
    [
        ("--export", "table"),
        ("--export", "table", "--reader", "../li"),
        ("--export", "table", "--reader", "chen"),
        ("--agreement",),
        ("--export", "seg"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    table_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("annotate", table_path, *words) == 2
    assert capsys.readouterr().err


def compared(table_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run("annotate", table_path, "--agreement", "--json", *words) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_agreement_and_cost_as_json(table_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = table_path.parent / "cohort.annotations"
    drawn: dict[str, list[tuple[str, str, str, str]]] = {"li": [], "chen": []}
    for i in range(6):
        drawn["li"] += [
            (f"P{i:02}", "cmp", "point", f"{i},0,0 mm"),
            (f"P{i:02}", "cmp", "box", f"0,0,0;{10 + i},10,10 mm"),
        ]
        drawn["chen"] += [
            (f"P{i:02}", "cmp", "point", f"{i},{3 if i else 30},4 mm"),
            (f"P{i:02}", "cmp", "box", f"0,0,0;{10 + i},10,5 mm"),
        ]
    drawn["li"] += [("P07", "cmp", "none", "yes"), ("P08", "cmp", "slice", "-10 mm")]
    drawn["chen"] += [("P07", "cmp", "unusable", "yes"), ("P08", "cmp", "slice", "-15 mm")]
    for reader, labels in drawn.items():
        draw(folder, reader, *labels)
    found = compared(table_path, capsys)
    assert found["readers"] == ["chen", "li"]
    of = {row["measure"]: row for row in found["agreement"]}
    assert (of["point_distance_mm"]["value"], of["point_distance_mm"]["n"]) == (5.0, 6)
    assert of["box_iou"]["value"] == 0.5
    assert of["box_centre_distance_mm"]["value"] == 2.5
    assert of["box_size_icc_2_1"]["value"] == pytest.approx(1.0)
    assert (of["slice_distance_mm"]["value"], of["slice_icc_2_1"]["value"]) == (5.0, None)
    assert of["state_kappa"]["n"] == 8
    assert 0 < of["state_kappa"]["value"] < 1
    assert [(one["patient_id"], one["measure"]) for one in found["disagreements"]] == [
        ("P07", "state"),
        ("P00", "point_distance_mm"),
    ]
    cost = {(row["reader"], row["kind"], row["per"]): row for row in found["cost"]}
    assert (cost["li", "point", "label"]["median_s"], cost["li", "point", "label"]["n"]) == (3.0, 6)
    assert cost["chen", "", "patient"]["total_s"] == 42.0
    for language in ("en", "zh"):
        assert run("annotate", table_path, "--agreement", "--lang", language) == 0
        assert "2.50" in capsys.readouterr().out


def test_dice_of_masks(table_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = table_path.parent / "cohort.annotations"
    for reader, end in (("li", 6), ("chen", 4)):
        mask = np.zeros((12, 12, 6), np.uint8)
        mask[2:end, 2:6, 2:4] = 1
        write_image(mask, folder / f"{reader}.masks" / "P00.nii.gz", spacing_mm=(2.0, 2.0, 5.0))
        draw(folder, reader, ("P00", "cmp", "mask", "P00.nii.gz"), ("P01", "cmp", "mask", "none.nii.gz"))
    found = compared(table_path, capsys)
    of = {row["measure"]: row for row in found["agreement"]}
    assert of["mask_dice"]["value"] == pytest.approx(2 / 3)
    assert found["unreadable_masks"] == [{"patient_id": "P01", "phase": "cmp"}]
