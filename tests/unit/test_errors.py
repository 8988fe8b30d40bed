"""Errors cross from one process to another as they are."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from nephrograde.errors import (
    DownloadError,
    FitError,
    GraderError,
    InputError,
    NephrogradeError,
    Problem,
    ScoresError,
    VolumeError,
    WeightsError,
    WriteError,
)

ERRORS = (
    InputError([Problem("fit.epochs", "is 0", "Correct the value.")]),
    VolumeError("file-empty", "is empty.", "Copy it again.", path=Path("np.nii.gz")),
    DownloadError("gone", "The file is gone.", "Try again."),
    ScoresError("One class only.", reason="one-class"),
    WriteError(Path("scores.csv"), "No space left on device"),
    FitError("Model weak-1-cmp, fold 0: not finite."),
    WeightsError("Other layers."),
    GraderError("grader.zip is a folder."),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_in_another_process(error: NephrogradeError) -> None:
    received = pickle.loads(pickle.dumps(error))  # noqa: S301 (written on the same line)
    assert type(received) is type(error)
    assert str(received) == str(error)
    assert vars(received) == vars(error)


def test_an_array_that_a_full_disk_cut_short_is_not_blamed_on_the_place():
    for words in (
        "150528 requested and 53184 written",
        "problem writing element 565248 to file",
    ):  # NumPy names no errno
        error = WriteError.of("a.npy", OSError(words))
        assert str(error).startswith(
            "a.npy cannot be written: it was written only in part, as on a full disk. Free some"
        )
