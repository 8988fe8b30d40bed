"""A study file that is not TOML: the line, the reason and what to write, in both languages."""

from __future__ import annotations

import pytest

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import problem_in_words
from nephrograde.study.file import salvage_study


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("folds ＝ 5  # 折数：五", "第2行：不是TOML：键之后应有=。请把“＝”改为“=”：folds ＝ 5"),
        ("folds = ５", "第2行：不是TOML：值无效。请把“５”改为“5”：folds = ５"),
        ("name = “研究”", '第2行：不是TOML：值无效。请把““”改为“"”：name = “研究”'),
        ("【split】", "第2行：不是TOML：此行无效。请把“【”改为“[”：【split】"),
        ('t = "D:\\研究"', '第2行：不是TOML：文本中有未转义的反斜杠。路径中的反斜杠请改为/：t = "D:\\研究"'),
        ("a = 2", "第2行：不是TOML：同一个键写了两次。只保留其中一行：a = 2"),
        ('b = "，" 3', '第2行：不是TOML：一行中有多余的内容。请改正：b = "，" 3'),
        (f'b = "{"，" * 90}" 3', f'第2行：不是TOML：一行中有多余的内容。请改正：b = "{"，" * 75}'),
        ('b = "一，二', "第2行：不是TOML：不允许的字符'\\n'。请改正：b = \"一，二"),
        ('b = "一，二”', "第2行：不是TOML：不允许的字符'\\n'。请把“””改为“\"”：b = \"一，二”"),
    ],
)
def test_what_to_write_instead_is_said(tmp_path, line, expected):
    (tmp_path / "s.toml").write_bytes(f"a = 1\r\n{line}\r\n".encode())
    (problem,) = salvage_study(tmp_path / "s.toml")[1]
    with speaking("zh"):
        assert problem_in_words(problem) == f"{tmp_path / 's.toml'}{expected}"


def test_a_table_that_is_given_as_the_study_file(tmp_path):
    (tmp_path / "cohort.csv").write_text("patient_id\n", encoding="utf-8")
    (problem,) = salvage_study(tmp_path / "cohort.csv")[1]
    assert problem.what == "is a table, not a study file"
