"""Samples are keyed by patient."""

import numpy as np

from nephrograde.sample.dataset import gather, read_samples


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
