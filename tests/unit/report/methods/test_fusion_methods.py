"""Joined phases are described in the methods and the model card, and counted once in the summary."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from nephrograde.report.methods import paragraph
from nephrograde.report.methods.fusion_methods import fusion
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study

ARMS: list[dict[str, Any]] = [
    {"name": "plain", "supervision": "box", "slices": 1},
    {"name": "each", "supervision": "box", "slices": 1, "phases": ["cmp", "up"], "fusion": "late"},
    {
        "name": "joint",
        "supervision": "mask",
        "phases": ["cmp", "up"],
        "fusion": "intermediate",
        "phase_dropout": 0.35,
        "clinical": ["age_years"],
    },
]


def test_each_model_that_joins_is_described(whole_run: Path, make_study: Callable[..., Study]) -> None:
    run = dataclasses.replace(Results.read(whole_run), study=make_study(arm=ARMS))
    told = fusion(run)
    assert [name in told for name in ("each-cmp+up", "joint-cmp+up", "plain", "each-cmp ")] == [
        True,
        True,
        False,
        False,
    ]
    assert "0.35" in told
    assert "age_years" in told
    assert told in " ".join(paragraph.methods_paragraph(run))
    with speaking("zh"):
        assert "each-cmp+up用带惩罚的" in fusion(run)


def test_nothing_is_said_where_nothing_is_joined(whole_run: Path, make_study: Callable[..., Study]) -> None:
    run = dataclasses.replace(Results.read(whole_run), study=make_study(arm=ARMS[:1]))
    assert fusion(run) == ""
