"""What is loaded to grade: a grader file or a run, and nothing else."""

from __future__ import annotations

import pytest

from nephrograde.errors import RunError
from nephrograde.export.loading import load_grader


def test_a_folder_that_is_no_run_is_not_asked_for_its_model(tmp_path):
    with pytest.raises(RunError, match="is not a run folder"):
        load_grader(tmp_path)
