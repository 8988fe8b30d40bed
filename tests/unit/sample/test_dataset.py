"""Samples are keyed by patient."""

import warnings

import numpy as np
import pytest

from nephrograde.errors import RunError
from nephrograde.sample.dataset import Bags, Sample, gather, gather_together, open_region, read_samples


def test_rows_carry_their_patient_and_grade(tmp_path):
    files = {}
    for patient, value, count in (("B", 0.25, 3), ("A", 0.5, 1)):
        files[patient] = tmp_path / f"{patient}.npy"
        np.save(files[patient], np.full((count, 1, 2, 2), value, np.float16))
    samples = read_samples({"cmp": files}, {"A": True, "B": False, "C": True})
    found = gather(samples, ["B", "C", "A"])
    assert found.patient_ids == ("A", "B")
    assert found.is_high.tolist() == [True, False]
    assert found.bags("cmp").counts.tolist() == [1, 3]
    assert found.bags("cmp").images[:, 0, 0, 0].tolist() == [0.5, 0.25, 0.25, 0.25]


def test_a_patient_may_lack_a_phase(tmp_path):
    def stored(name, count):
        np.save(tmp_path / name, np.full((count, 1, 2, 2), count / 8, np.float16))
        return tmp_path / name

    files = {"cmp": {"A": stored("a.npy", 1), "B": stored("b.npy", 2)}, "np": {"C": stored("c.npy", 3)}}
    found = gather(read_samples(files, {"A": True, "B": False, "C": True}), "ABC")
    assert found.patient_ids == ("A", "B", "C")
    assert {phase: bags.present.tolist() for phase, bags in found.phases.items()} == {
        "cmp": [True, True, False],
        "np": [False, False, True],
    }
    assert found.bags("np").rows_of(np.array([2, 0])).tolist() == [0, 1, 2]
    assert found.bags("up").counts.tolist() == [0, 0, 0]
    assert found.bags("cmp").of(np.array([1, 0])).images[:, 0, 0, 0].tolist() == [0.25, 0.25, 0.125]


def test_rows_that_belong_to_no_one():
    with pytest.raises(ValueError, match="3 rows cannot be divided"):
        Bags(np.zeros((3, 1, 2, 2), np.float16), np.array([1, 1]))


def test_a_set_of_nobody_is_empty():
    found = gather([], ["A"])
    assert len(found.bags("cmp").images) == 0
    assert found.patient_ids == ()


@pytest.mark.parametrize("shape", ["(1, 1, 04, 4)", "(1L, 1, 4, 4)", "(1, 1, 4 4)", "('\\\\s', 1, 4, 4)"])
def test_a_region_whose_header_numpy_would_guess_at_is_refused_without_warning(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros((1, 1, 4, 4), np.float16))
    content = (tmp_path / "a.npy").read_bytes()
    added = len(shape) - len("(1, 1, 4, 4)")
    changed = content.replace(
        b"(1, 1, 4, 4), }" + b" " * max(0, added), shape.encode() + b", }" + b" " * max(0, -added)
    )
    (tmp_path / "a.npy").write_bytes(changed)
    with warnings.catch_warnings(), pytest.raises(RunError, match="is damaged"):
        warnings.simplefilter("error")
        open_region(tmp_path / "a.npy")


def test_more_patients_than_files_may_be_open(tmp_path):
    resource = pytest.importorskip("resource")
    files = {f"P{number:03d}": tmp_path / f"P{number:03d}.npy" for number in range(200)}
    for number, path in enumerate(files.values()):
        np.save(path, np.full((1 + number % 2, 1, 2, 2), number, np.float16))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(150, soft), hard))
    try:
        samples = read_samples({"cmp": files}, dict.fromkeys(files, True))
        found = gather(samples, files).bags("cmp")
        together = gather_together(samples, files, ["cmp"]).bags("cmp")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    expected = [number for number in range(200) for _ in range(1 + number % 2)]
    assert found.images[:, 0, 1, 1].tolist() == together.images[:, 0, 1, 1].tolist() == expected


def test_a_region_that_changes_before_it_is_read_is_named(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1, 1, 4, 4), np.float16))
    samples = read_samples({"cmp": {"A": tmp_path / "a.npy"}}, {"A": True})
    np.save(tmp_path / "a.npy", np.zeros((1, 1, 1, 4), np.float16))
    with pytest.raises(RunError, match=r"a\.npy is damaged \(its shape is \(1, 1, 1, 4\), and was \(1, 1, 4, 4\)"):
        gather(samples, ["A"])


def test_pictures_of_different_shapes_are_not_joined():
    samples = [
        Sample("A", {"cmp": np.zeros((1, 3, 4, 4), np.float16)}, is_high=True),
        Sample("B", {"cmp": np.zeros((1, 1, 4, 4), np.float16)}, is_high=False),
    ]
    with pytest.raises(ValueError, match="cannot be joined"):
        gather(samples, "AB")
