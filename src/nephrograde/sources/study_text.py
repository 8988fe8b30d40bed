"""The text of a study file for a cohort table: the template, with what was chosen for the table."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nephrograde.sources.choices import Choices
    from nephrograde.sources.found_table import FoundTable

_COMMENTS_AT = 31
"""The column of the comments in the template."""
_WITH_IMAGE = {"en": "patients with an image: ", "zh": "有图像的患者："}
_CHOSEN = {"en": "# Chosen for {table}, one line per choice:", "zh": "# 为 {table} 所做的选择，一行一项："}
_FIRST_ARM = 'name = "weak-1"'
_WEAK_LATER = """\
# [[arm]]
# name = "weak-1"
# supervision = "box"
# slices = 1
"""


def study_of(found: FoundTable, choices: Choices, template: str, language: Literal["en", "zh"]) -> str:
    """Write the study of a cohort table.

    Args:
        found: What the table holds.
        choices: What was chosen for it.
        template: The study file with every key at its default.
        language: The language of the comments.
    """
    text = _with_values(found, choices, template, language)
    text = _with_arms(choices, text)
    reasons = [f"#   {reason.text(language)}" for reason in choices.reasons]
    block = [_CHOSEN[language].format(table=found.table_path.name), *reasons]
    return text.replace("\nname = ", "\n" + "\n".join(block) + "\n\nname = ", 1)


def _with_values(found: FoundTable, choices: Choices, text: str, language: str) -> str:
    """The template with the table, its phases, outcome and headings, and the split."""
    counts = ", ".join(f"{phase} {count}" for phase, count in found.n_images.items())
    headings = ", ".join(f"{name} = {_quoted(heading)}" for name, heading in found.columns.items())
    values = {
        "synthetic": json.dumps(found.is_synthetic),
        "table": _quoted(found.table_path.name),
        "phases": json.dumps(found.phases),
        "outcome": _quoted(found.outcome),
        "columns": f"{{ {headings} }}" if headings else "{}",
        "test_fraction": f"{choices.test_fraction:g}",
        "folds": str(choices.folds),
    }
    for key, value in values.items():
        line = _padded(f"{key} = {value}")
        if key == "phases":
            line += f"# {_WITH_IMAGE[language]}{counts}\n{' ' * _COMMENTS_AT}"
        text = _replaced_line(text, key, line)
    if len(found.labels.used) == 1:
        labels_path = found.labels.used[0].relative_to(found.table_path.parent).as_posix()
        used = f"annotations = {_quoted(labels_path)}".ljust(_COMMENTS_AT + 15)
        text = re.sub(r'(?m)^# annotations = "[^"]*" *(?=# )', lambda _: f"{used} ", text, count=1)
    return text.replace('# column = "split"  ', 'column = "split"    ', 1) if choices.split_column else text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _replaced_line(text: str, key: str, line: str) -> str:
    return re.sub(rf"(?m)^{key} = [^#\n]*(?=# )", lambda _: line, text, count=1)


def _with_arms(choices: Choices, text: str) -> str:
    """The study with the arms that the annotations allow; the others become comments."""
    before, first, rest = text.partition(_FIRST_ARM)
    first_arm, gap, after = (first + rest).partition("\n\n")
    level = {"mask": "box"}.get(choices.level, choices.level)
    first_arm = _replaced_line(first_arm, "supervision", _line("supervision", level))
    if choices.weak_phases:
        first_arm = _replaced_line(first_arm, "phases", _line("phases", choices.weak_phases))
    if level == "none":
        first_arm = first_arm.replace(_FIRST_ARM, 'name = "none"  ', 1)
        first_arm = _replaced_line(first_arm, "slices", _line("slices", 3))
        gap = f"\n\n{_WEAK_LATER}\n"
    after = _arm(after, "weak-3", level, choices.weak_phases, is_on=level in {"box", "point"})
    after = _arm(after, "strong", "mask", choices.strong_phases, is_on=choices.level == "mask")
    text = f"{before}{first_arm}{gap}{after}"
    return _with_frozen_arm(text, choices.weak_phases) if choices.frozen else text


def _line(key: str, value: object) -> str:
    return _padded(f"{key} = {json.dumps(value)}")


def _padded(text: str) -> str:
    """The text with blanks up to the comment."""
    return text.ljust(_COMMENTS_AT - 1) + " "


def _arm(text: str, name: str, level: str, phases: tuple[str, ...], *, is_on: bool) -> str:
    """The text with this arm at a level of supervision and on some phases, or as a comment."""
    start = text.index(f'[[arm]]\nname = "{name}"')
    stop = text.index("\n\n", start)
    block = text[start:stop]
    if not is_on:
        block = re.sub(r"(?m)^", "# ", block)
    else:
        block = re.sub(r'(?m)^supervision = "\w+"', f'supervision = "{level}"', block)
        block += f"\nphases = {json.dumps(phases)}" * bool(phases)
    return text[:start] + block + text[stop:]


def _with_frozen_arm(text: str, phases: tuple[str, ...]) -> str:
    """The text with its last arm, which is a comment otherwise."""
    start = text.rindex("# [[arm]]")
    stop = text.index("\n\n", start)
    block = re.sub(r"(?m)^# ", "", text[start:stop]) + f"\nphases = {json.dumps(phases)}" * bool(phases)
    return text[:start] + block + text[stop:]
