"""What ends a sentence in Chinese, whatever its last value is."""

from __future__ import annotations

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told


def test_a_value_at_the_end_of_a_sentence_does_not_keep_its_full_stop() -> None:
    with speaking("zh"):
        said = told("a.xlsx: there is no column model. Correct it.")
    assert said.startswith("a.xlsx：没有列model。")


def test_an_empty_probability_is_called_empty() -> None:
    with speaking("zh"):
        assert told("Row 2, patient 1, model a: p_high is empty, not a number.").endswith("p_high为空。")
