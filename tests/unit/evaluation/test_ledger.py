"""The test-set ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.ledger import FIRST_REASON, open_test_set, read_ledger
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


def _open(run_dir: Path, inputs: str, reason: str = "") -> None:
    open_test_set(run_dir, study="s" * 64, inputs=inputs, reason=reason, command="nephrograde run 研究.toml")


def test_no_ledger_is_no_opening(tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == ()


def test_the_first_opening_needs_no_reason(tmp_path: Path) -> None:
    _open(tmp_path, "1")
    (opening,) = read_ledger(tmp_path)
    assert (opening.reason, opening.command, opening.inputs) == (FIRST_REASON, "nephrograde run 研究.toml", "1")
    assert opening.opened.endswith("+00:00")


def test_the_same_evaluation_again_is_no_new_opening(tmp_path: Path) -> None:
    _open(tmp_path, "1")
    before = (RunFolder(tmp_path).ledger_path).read_bytes()
    _open(tmp_path, "1", "ignored")
    assert (RunFolder(tmp_path).ledger_path).read_bytes() == before


@pytest.mark.parametrize("reason", ["", "  "])
def test_another_one_needs_a_reason(tmp_path: Path, reason: str) -> None:
    _open(tmp_path, "1")
    with pytest.raises(RunError, match=r"opened once before .*first evaluation.*--reason.*--peek-free"):
        _open(tmp_path, "2", reason)
    assert len(read_ledger(tmp_path)) == 1


def test_each_opening_is_kept(tmp_path: Path) -> None:
    for number, reason in enumerate(["", "标签有误, corrected", "more epochs"]):
        _open(tmp_path, str(number), reason)
    assert [opening.reason for opening in read_ledger(tmp_path)] == [FIRST_REASON, "标签有误, corrected", "more epochs"]
    with pytest.raises(RunError, match="opened 3 times"):
        _open(tmp_path, "0")
