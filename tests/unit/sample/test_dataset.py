"""Samples are keyed by patient."""

import warnings

import numpy as np
import pytest

from nephrograde.errors import RunError
from nephrograde.sample.dataset import gather, open_region, read_samples


def test_rows_carry_their_patient_and_grade(tmp_path):
    files = {}
    for patient, value, count in (("B", 0.25, 3), ("A", 0.5, 1)):
        files[patient] = tmp_path / f"{patient}.npy"
        np.save(files[patient], np.full((count, 1, 2, 2), value, np.float16))
    samples = read_samples(files, {"A": True, "B": False, "C": True})
    rows = gather(samples, ["B", "C", "A"])
    assert rows.patient_ids == ("A", "B", "B", "B")
    assert rows.is_high.tolist() == [True, False, False, False]
    assert rows.images[:, 0, 0, 0].tolist() == [0.5, 0.25, 0.25, 0.25]


def test_a_set_of_nobody_is_empty():
    rows = gather([], ["A"])
    assert len(rows.images) == 0
    assert rows.patient_ids == ()


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
