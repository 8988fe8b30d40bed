"""The error of one reader, from the labels that several readers gave the same scans."""

import numpy as np
import pytest

from nephrograde.cohort.reader_error import reader_error_mm
from nephrograde.errors import InputError
from nephrograde.vocabulary import Supervision


def write_reader(folder, name, **columns):
    rows = [",".join(["patient_id", *columns])]
    for number, cells in enumerate(zip(*columns.values(), strict=True)):
        rows.append(",".join([f"P{number}", *(f'"{cell}"' for cell in cells)]))
    (folder / f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")


def points(places):
    return [",".join(f"{value:.3f}" for value in place) + " mm" for place in places]


def test_the_size_is_that_of_the_errors_that_the_readers_make(tmp_path):
    chance = np.random.default_rng(4)
    truth = chance.uniform(-100, 100, (300, 3))
    for name in ("li", "chen", "wang"):
        write_reader(tmp_path, name, np_point=points(truth + chance.normal(0, 3.0, truth.shape)))
    assert reader_error_mm(tmp_path)[Supervision.POINT] == pytest.approx(3.0, rel=0.05)
    assert reader_error_mm(tmp_path / "li.csv") == reader_error_mm(tmp_path)


def test_decisions_are_not_those_of_a_reader(tmp_path):
    write_reader(tmp_path, "li", np_point=["0,0,0 mm"])
    write_reader(tmp_path, "consensus", np_point=["9,9,9 mm"])
    with pytest.raises(InputError):
        reader_error_mm(tmp_path)
    write_reader(tmp_path, "chen", np_point=["2,2,2 mm"])
    assert reader_error_mm(tmp_path)[Supervision.POINT] == pytest.approx(2.0 / 2**0.5)


def test_each_level_has_its_own_and_others_take_the_nearest(tmp_path):
    write_reader(tmp_path, "li", np_box=["0,0,0;10,10,10 mm"], np_slice=["5 mm"])
    write_reader(tmp_path, "chen", np_box=["2,2,2;12,12,12 mm"], np_slice=["9 mm"])
    found = reader_error_mm(tmp_path)
    assert found[Supervision.BOX] == pytest.approx(2.0 / 2**0.5)
    assert found[Supervision.SLICE] == pytest.approx(4.0 / 2**0.5)
    assert found[Supervision.POINT] == found[Supervision.BOX]


def test_another_lesion_and_a_place_in_voxels_are_left_out(tmp_path):
    write_reader(tmp_path, "li", np_point=["0,0,0 mm", "0,0,0 mm", "5,5,5 vox"])
    write_reader(tmp_path, "chen", np_point=["1,1,1 mm", "80,0,0 mm", "9,9,9 vox"])
    assert reader_error_mm(tmp_path)[Supervision.POINT] == pytest.approx(1.0 / 2**0.5)


@pytest.mark.parametrize("readers", [(), ("li",)])
def test_without_two_readers_there_is_no_size(tmp_path, readers):
    for name in readers:
        write_reader(tmp_path, name, np_point=["0,0,0 mm"])
    for path in (tmp_path, None):
        with pytest.raises(InputError) as caught:
            reader_error_mm(path)
        assert caught.value.problems[0].place == "annotation.error_mm"
