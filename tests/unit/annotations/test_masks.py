"""Masks in a journal: every stroke is an entry, and the files and the table follow from them."""

from __future__ import annotations

import csv
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nephrograde.annotations.cost import annotation_cost
from nephrograde.annotations.export import export_table
from nephrograde.annotations.journal import Journal
from nephrograde.annotations.masks import compose
from nephrograde.annotations.voxels import parse_runs, parse_voxels, plane_of, runs_of, voxels_of, write_runs
from nephrograde.cohort.annotated import read_annotations
from nephrograde.cohort.table import read_table
from nephrograde.errors import InputError, PlaceError
from nephrograde.study import CohortSettings
from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, write_image

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS, ROWS, DEPTH = 20, 16, 8
GRID = Grid((COLUMNS, ROWS, DEPTH), (0.7421875, 0.7421875, 2.5), (-40.1, 12.3, -300.7), np.eye(3), source="memory")


def block(*slices: int, size: int = 5, start: int = 3) -> np.ndarray:
    stack = np.zeros((DEPTH, ROWS, COLUMNS), dtype=bool)
    for number in slices:
        stack[number, start : start + size, start : start + size] = True
    return stack


def slices(stack: np.ndarray, *numbers: int) -> str:
    return voxels_of(stack, GRID, numbers).text()


class Reader:
    """Draws as a tab of the page does."""

    def __init__(self, folder: Path, session: str = "tab") -> None:
        self.journal = Journal(folder, "li", phases=("np",))
        self.session = session
        self.numbers = count(1 if session == "tab" else 1000)

    def __call__(self, value: str, kind: str = "mask", **given: object) -> str:
        number = next(self.numbers)
        entry = {"id": f"{number:032x}", "at": f"2026-04-15T08:00:00.{number % 1000:03d}Z", "session": self.session}
        self.journal.append({**entry, "patient_id": "张/1", "phase": "np", "kind": kind, "value": value, **given})
        return str(entry["id"])

    @property
    def stack(self) -> np.ndarray:
        strokes = self.journal.labels()["张/1"].strokes["np"]
        return compose(strokes, self.journal.masks_dir).stack()

    @property
    def cell(self) -> str:
        with self.journal.result_path.open(encoding="utf-8", newline="") as stream:
            return next(csv.DictReader(stream))["np_mask"]

    @property
    def written(self) -> np.ndarray:
        image = make_volume(np.zeros(GRID.size), spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
        mask = read_marks(self.journal.folder / self.cell, image).mask
        assert mask is not None
        return mask.T


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


class TestRuns:
    @pytest.mark.slow
    @given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=70), elements=st.booleans()))
    def test_any_slice_is_kept_exactly(self, plane: np.ndarray) -> None:
        counts = parse_runs(write_runs(runs_of(plane)), plane.size)
        assert np.array_equal(plane_of(counts, plane.shape), plane)

    def test_the_example_that_can_be_worked_out_by_hand(self) -> None:
        plane = np.array([[0, 0, 1, 1, 1, 0, 1, 0, 0]], dtype=bool)
        assert runs_of(plane).tolist() == [2, 3, 1, 1]
        assert write_runs(runs_of(plane)) == "231N"  # 1 - 3 = -2, of whose 5 bits 11110 the character is 48 + 30
        assert parse_runs("231N1", 9).tolist() == [2, 3, 1, 1]

    def test_a_slice_of_a_tumour_is_some_hundred_characters(self) -> None:
        rows, columns = np.mgrid[:512, :512]
        plane = (rows - 250) ** 2 + (columns - 200) ** 2 < 40**2
        assert len(write_runs(runs_of(plane))) < 250

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "slices",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1",
            "other 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:",
            "slices 20,16 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:",
            "slices 20,16,0 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:",
            "slices 99999,99999,99999 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:",
            "slices 20,16,8 1,0,1 0,0,0 1,0,0,0,1,0,0,0,1 1:",
            "slices 20,16,8 1,nan,1 0,0,0 1,0,0,0,1,0,0,0,1 1:",
            "slices 20,16,8 1,1,1 0,0,inf 1,0,0,0,1,0,0,0,1 1:",
            "slices 20,16,8 1,1,1 0,0,0 1,1,0,0,1,0,0,0,1 1:",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 8:",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 -1:",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1: 1:",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:8p",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:80",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:800",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:8N",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:PPPPPPPP0",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:ooooooooooooo0",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 1:8ool0",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1  1:",
            "slices 20,16,8 1,1,1 0,0,0 1,0,0,0,1,0,0,0,1 ١:",
        ],
    )
    def test_what_is_not_a_mask_is_refused(self, text: str) -> None:
        with pytest.raises(PlaceError):
            parse_voxels(text)

    def test_numbers_of_the_grid_are_kept_exactly(self) -> None:
        again = parse_voxels(slices(block(2), 2)).grid
        assert (again.size, again.spacing_mm, again.origin_mm) == (GRID.size, GRID.spacing_mm, GRID.origin_mm)


class TestStrokes:
    def test_they_replace_the_slices_that_they_contain(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        reader(slices(block(3, 4), 3, 4))
        reader(slices(block(3, size=2), 3))
        reader(slices(block(), 4))
        assert np.array_equal(reader.stack, block(2) | block(3, size=2))
        assert np.array_equal(reader.written, reader.stack)

    def test_undo_and_redo_take_back_and_restore_single_strokes(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        reader(slices(block(2, size=9), 2))
        reader("", "undo", phase="")
        assert np.array_equal(reader.written, block(2))
        reader("", "redo", phase="")
        assert np.array_equal(reader.written, block(2, size=9))
        reader("", "undo", phase="")
        reader("", "undo", phase="")
        assert reader.cell == ""

    def test_removing_and_drawing_again_starts_with_nothing(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        reader("")
        assert reader.cell == ""
        reader(slices(block(5), 5))
        assert np.array_equal(reader.written, block(5))

    def test_strokes_of_two_tabs_on_two_slices_are_both_kept_and_shown_as_a_conflict(self, reader: Reader) -> None:
        first = reader(slices(block(2), 2))
        other = Reader(reader.journal.folder, "other")
        one = reader(slices(block(3), 3), follows=first)
        two = other(slices(block(4), 4), follows=first)
        labels = reader.journal.labels()["张/1"]
        assert [conflict.kind.value for conflict in labels.conflicts] == ["mask"]
        assert np.array_equal(reader.stack, block(2, 3, 4))
        reader(slices(block(4), 4), follows=f"{one} {two}")
        assert reader.journal.labels()["张/1"].conflicts == ()
        assert np.array_equal(reader.written, block(2, 3, 4))

    def test_a_stroke_counts_after_what_its_author_had_seen_whatever_the_clocks_say(self, reader: Reader) -> None:
        first = reader(slices(block(2, size=9), 2), at="2026-04-15T09:00:00.000Z")
        Reader(reader.journal.folder, "slow-clock")(slices(block(2), 2), follows=first, at="2026-04-15T07:00:00.000Z")
        assert np.array_equal(reader.stack, block(2))

    def test_strokes_on_an_accepted_mask_correct_it(self, reader: Reader) -> None:
        reader(voxels_of(block(1, 2, 3), GRID).text(), origin="accepted")
        reader(slices(block(), 1), origin="corrected")
        assert np.array_equal(reader.written, block(2, 3))
        assert reader.journal.labels()["张/1"].phases["np"]["mask"].origin == "corrected"  # type: ignore[index]

    def test_strokes_on_a_mask_from_a_file_correct_it(self, reader: Reader) -> None:
        path = reader.journal.masks_dir / "model.nii.gz"
        write_image(block(1, 2).T, path, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
        reader("model.nii.gz")
        assert reader.cell == "li.masks/model.nii.gz"
        reader(slices(block(2, size=9), 2))
        assert reader.cell != "li.masks/model.nii.gz"
        assert np.array_equal(reader.written, block(1) | block(2, size=9))

    def test_a_refused_mask_is_no_label_and_replaces_that_of_the_table(self, reader: Reader) -> None:
        reader("yes", "none")
        reader("none", origin="refused", active_s=2.0)
        labels = reader.journal.labels()["张/1"]
        assert (reader.cell, labels.state("np")) == ("none", "none")
        assert [row.kind for row in annotation_cost({"li": reader.journal.entries()})] == [""]
        annotations, problems = read_annotations(reader.journal.result_path)
        assert problems == []
        assert annotations.labels["张/1", "np"]["mask_path"] is None
        reader(slices(block(2), 2))
        assert np.array_equal(reader.written, block(2))

    def test_a_refused_mask_leaves_an_empty_cell_in_a_copy_of_the_table(self, reader: Reader) -> None:
        table_path = reader.journal.folder / "cohort.csv"
        table_path.write_text("patient_id,isup_grade,np_image,np_mask\n张/1,1,a.nii,b.nii", encoding="utf-8")
        reader("none", origin="refused")
        annotations, _ = read_annotations(reader.journal.result_path)
        settings = CohortSettings(table=table_path, phases=("np",))
        made = export_table(settings, annotations, table_path.with_name("copy.csv"))
        assert made.n_labels == 0
        assert read_table(made.path)[0]["np_mask"] == ""

    def test_an_entry_with_damaged_runs_is_not_saved(self, reader: Reader) -> None:
        with pytest.raises(InputError, match="runs"):
            reader(slices(block(2), 2) + "~")
        assert not reader.journal.entries()


class TestFiles:
    def test_a_missing_or_outdated_file_is_written_again(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        path = reader.journal.folder / reader.cell
        path.unlink()
        Reader(reader.journal.folder).journal.write_result()
        assert np.array_equal(reader.written, block(2))

    def test_a_file_changed_by_hand_is_reported_and_never_lost(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        path = reader.journal.folder / reader.cell
        image = make_volume(np.zeros(GRID.size), spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
        assert read_marks(path, image).faults == ()
        import SimpleITK  # as a program that keeps the header

        drawn = SimpleITK.ReadImage(str(path))
        drawn[4, 4, 5] = 1
        SimpleITK.WriteImage(drawn, str(path))
        assert [fault.code for fault in read_marks(path, image).faults] == ["mask-changed"]
        changed = path.read_bytes()
        Reader(reader.journal.folder, "later")(slices(block(3), 3))
        assert np.array_equal(reader.written, block(2, 3))
        (kept,) = (one for one in path.parent.iterdir() if one != path)
        assert kept.read_bytes() == changed

    def test_the_label_of_other_masks_does_not_matter(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        image = make_volume(np.zeros(GRID.size), spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm)
        mask = read_marks(reader.journal.folder / reader.cell, image, "2").mask
        assert mask is not None
        assert int(mask.sum()) == 25

    def test_it_has_the_geometry_of_the_image(self, reader: Reader) -> None:
        reader(slices(block(2), 2))
        grid = read_volume(reader.journal.folder / reader.cell).grid
        assert grid.size == GRID.size
        assert np.allclose(grid.spacing_mm, GRID.spacing_mm)
        assert np.allclose(grid.origin_mm, GRID.origin_mm, atol=1e-4)
