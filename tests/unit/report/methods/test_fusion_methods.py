"""Joined phases are described in the methods and the model card, and counted once in the summary."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import paragraph
from nephrograde.report.methods.fusion_methods import fusion, phase_increments, stack
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
    {
        "name": "stacked",
        "supervision": "box",
        "slices": 1,
        "phases": ["cmp", "up"],
        "fusion": "early",
        "registration": "rigid",
        "differences": ["cmp-up"],
    },
]


def test_each_model_that_joins_is_described(whole_run: Path, make_study: Callable[..., Study]) -> None:
    run = dataclasses.replace(Results.read(whole_run), study=make_study(arm=ARMS))
    told = fusion(run)
    assert [name in told for name in ("each-cmp+up", "joint-cmp+up", "stacked-cmp+up", "plain", "each-cmp ")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert "after a rigid registration" in told
    assert "cmp − up" in told
    assert "−200 to 200 HU" in told
    assert "0.35" in told
    assert "age_years" in told
    assert told in " ".join(paragraph.methods_paragraph(run))
    with speaking("zh"):
        assert "each-cmp+up用带惩罚的" in fusion(run)
        assert "stacked-cmp+up为各期相" in fusion(run)


def test_networks_and_missing_phases_of_models_that_join_phases_are_described(
    whole_run: Path, make_study: Callable[..., Study]
) -> None:
    plain, joined = (
        dataclasses.replace(Results.read(whole_run), study=make_study(arm=arms)) for arms in (ARMS[:1], ARMS)
    )
    assert "for each arm, phase and fold" in design.networks(plain)
    assert "for each arm, phase and fold" not in design.networks(joined)
    assert "at least one" not in design.missing_scans(plain)
    assert "each-cmp+up, joint-cmp+up and stacked-cmp+up" in design.missing_scans(joined)


def test_the_tables_of_phases_and_of_all_models_are_described_where_they_are(
    whole_run: Path, further_run: Path
) -> None:
    plain, joined = Results.read(whole_run), Results.read(further_run)
    assert (phase_increments(plain), stack(plain)) == ("", "")
    told = " ".join(paragraph.methods_paragraph(joined))
    assert phase_increments(joined)
    assert phase_increments(joined) in told
    assert "volume" in stack(joined)
    assert stack(joined) in told


def test_nothing_is_said_where_nothing_is_joined(whole_run: Path, make_study: Callable[..., Study]) -> None:
    run = dataclasses.replace(Results.read(whole_run), study=make_study(arm=ARMS[:1]))
    assert fusion(run) == ""
