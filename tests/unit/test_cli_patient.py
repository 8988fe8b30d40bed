"""What a patient to grade is given on the command line."""

import pytest

from nephrograde.asked.places import by_name, by_phase
from nephrograde.errors import InputError


def test_a_phase_without_an_image_is_refused():
    """An empty path would be the current folder."""
    with pytest.raises(InputError, match="does not name a phase of the model: cmp="):
        by_phase(["cmp="], {}, ["cmp", "np"])
    with pytest.raises(InputError, match="--mask"):
        by_phase(["cmp=a.nii"], {"mask": ["cmp="]}, ["cmp", "np"])


def test_clinical_values_are_refused_where_no_model_joins_them():
    with pytest.raises(InputError, match="--clinical"):
        by_name({"mask": ["a.nii"], "clinical": ["age_years=61"]})
