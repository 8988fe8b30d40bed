"""A table on a narrow terminal keeps every digit."""

import re

import pytest

from nephrograde.terminal import print_rows

ROWS = [("weak-1-cmp", "0.889 [0.261–0.995]", "0.833 [0.44–0.97] (5/6)", "1.000 [0.44–1.00] (3/3)")]


@pytest.mark.parametrize("width", ["30", "50", "120"])
def test_nothing_is_cut_off(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    print_rows(("Model", "AUC [CI]", "Accuracy [CI]", "Sensitivity [CI]"), ROWS)
    out = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    table = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    assert max(map(len, out.splitlines())) <= int(width)
    cells = ["".join(parts) for parts in zip(*table, strict=True)]
    assert [re.sub(r"\s", "", cell) for cell in cells] == [re.sub(r"\s", "", cell) for cell in ROWS[0]]
