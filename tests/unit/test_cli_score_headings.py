"""``nephrograde evaluate`` on a score table under Chinese headings, one of which nobody knows."""

from __future__ import annotations

import pytest

import nephrograde as ng

TABLE = "患者编号,模型,高级别,模型输出\n" + "".join(
    f"P{k},ours,{'否是'[k > 2]},{p}\n" for k, p in enumerate(("0.1", "0.3", "0.6", "0.5", "0.8", "0.9"))
)


@pytest.mark.slow
def test_the_command_says_what_it_recognised_and_takes_headings(tmp_path, nephrograde):
    scores_path, run_dir = tmp_path / "scores.csv", tmp_path / "run"
    scores_path.write_text(TABLE, encoding="utf-8")
    few = ("--out", run_dir, "--set", "evaluate.bootstraps=100")
    code, _, err = nephrograde("evaluate", scores_path, *few, "--lang", "zh")
    assert code == 2
    assert "没有列p_high" in err
    assert "--columns" in err
    code, _, err = nephrograde("evaluate", scores_path, *few, "--columns", "p_high=模型输出")
    assert (code, err) == (0, "scores.csv: 患者编号 as patient_id, 模型 as model, 高级别 as is_high.\n")
    found = ng.open_run(run_dir).estimate("ours", "auc")
    assert found is not None
    assert round(found.value, 3) == 0.889


@pytest.mark.slow
def test_what_was_recognised_is_said_in_chinese(tmp_path, nephrograde):
    scores_path = tmp_path / "scores.csv"
    scores_path.write_text(TABLE.replace("模型输出", "概率"), encoding="gb18030")
    code, _, err = nephrograde("evaluate", scores_path, "--out", tmp_path / "run", "--lang", "zh")
    assert code == 0
    assert "患者编号用作patient_id" in err
