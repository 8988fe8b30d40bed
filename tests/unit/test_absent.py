"""A test that lacks something skips on a user's machine and fails where CI promises it."""

import pytest


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"CI": "true"}, pytest.fail.Exception),
        ({"CI": "true", "TESTS_WITHOUT": "mirp"}, pytest.fail.Exception),
        ({"CI": "true", "TESTS_WITHOUT": "mirp,pdf"}, pytest.skip.Exception),
    ],
)
def test_what_is_absent_ends_a_test(absent, monkeypatch, environment, outcome):
    for name in ("CI", "TESTS_WITHOUT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="no Pango"):
        absent("pdf", "no Pango")
