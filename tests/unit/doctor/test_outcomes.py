"""Steps in other processes: whatever a package does when it is imported, its outcome is told."""

import pytest

from nephrograde.doctor.outcomes import outcomes_of

MODULES = {
    "fine": "print('noise'); import sys; print('noise', file=sys.stderr)",
    "raises": "raise RuntimeError('first line\\nsecond')",
    "exits": "import sys; sys.exit(3)",
    "dies": "import os; os.abort()",
    "leaves": "import os; os._exit(4)",
    "hangs": "import time; time.sleep(600)",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")


@pytest.mark.slow
def test_packages_that_raise_end_or_kill_the_process_do_not_hide_the_others(modules):
    steps = [f"import:{name}" for name in ("fine", "raises", "dies", "exits", "leaves", "json")]
    found = outcomes_of([steps, ["trial:scan"]])
    assert list(found) == [*steps, "trial:scan"]
    assert {step for step, one in found.items() if one.works} == {"import:fine", "import:json", "trial:scan"}
    assert found["import:raises"].said == "RuntimeError: first line"
    assert found["import:dies"].said == "ended the process (signal 6)"
    assert found["import:exits"].said == "SystemExit: 3"
    assert found["import:leaves"].said == "ended the process (exit code 4)"
    assert found["trial:scan"].seconds > 0


@pytest.mark.slow
def test_a_package_that_hangs_is_stopped(modules):
    found = outcomes_of([["import:hangs"]], limit_s=1.0)
    assert found["import:hangs"].said == "took longer than 1 s"
