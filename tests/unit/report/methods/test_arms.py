"""An arm's own settings are told of that arm, and only packages that took part are named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import paragraph
from nephrograde.report.methods.annotation_methods import annotation
from nephrograde.report.methods.citations import cited_keys
from nephrograde.report.methods.learning_methods import learning
from nephrograde.report.tables.wording import what_was_run
from nephrograde.report.text.language import speaking
from nephrograde.report.text.published import deviations
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study

OWN = {"pooling": "max", "patience": 0, "balanced": False, "seed": 7}
ARMS: list[dict[str, Any]] = [
    {"name": "mean", "supervision": "box", "slices": 3},
    {"name": "most", "supervision": "box", "slices": 3, "fit": OWN},
]


@pytest.fixture
def run(whole_run: Path, make_study: Callable[..., Study]) -> Results:
    return dataclasses.replace(Results.read(whole_run), study=make_study(arm=ARMS))


def test_an_arm_that_pools_by_its_own_rule_is_told_so(run: Results) -> None:
    told = design.ensemble(run)
    assert "mean: Several images of a patient were pooled inside the network by the mean of their logits." in told
    assert "most: Several images of a patient were pooled inside the network by their maximum." in told
    with speaking("zh"):
        assert "most：同一患者的多幅图像在网络内部以" in design.ensemble(run)


def test_an_arm_that_does_not_stop_early_is_told_so(run: Results) -> None:
    told = design.stopping(run)
    assert "mean: Training was stopped early" in told
    assert "most: All epochs were run and the last was kept." in told
    assert "most: Classes were not balanced during training" in design.class_balance(run)
    assert "their own seed: most 7" in paragraph.seeds(run)


def test_a_single_arm_with_its_own_settings_is_described_by_them(
    run: Results, make_study: Callable[..., Study]
) -> None:
    alone = dataclasses.replace(run, study=make_study(arm=ARMS[1:]))
    assert design.stopping(alone) == "All epochs were run and the last was kept."
    assert design.ensemble(alone).endswith("pooled inside the network by their maximum.")


def test_an_ordinal_head_is_told_of_its_arm(run: Results, make_study: Callable[..., Study]) -> None:
    ordinal = [{**ARMS[0], "head": "ordinal"}, {**ARMS[1], "fit": {}}]
    mixed = dataclasses.replace(run, study=make_study(arm=ordinal))
    told = learning(mixed)
    assert "mean: Networks were trained with AdamW on the likelihood of the grades 1–4" in told
    assert "most: Networks were trained on the binary cross-entropy" in told
    assert mixed.study is not None
    assert "All four grades are learnt by mean" in " ".join(text for _, text in what_was_run(mixed))
    alone = dataclasses.replace(run, study=make_study(arm=ordinal[:1]))
    assert learning(alone).startswith("Networks were trained with AdamW on the likelihood")
    cards = [{**fit.card, "settings": {"head": "ordinal"}} for fit in run.fits]
    fits = tuple(dataclasses.replace(fit, card=card) for fit, card in zip(run.fits, cards, strict=True))
    assert "mccullagh1980" in set(cited_keys(dataclasses.replace(run, fits=fits))) - set(cited_keys(run))


def test_the_other_places_tell_it_too(run: Results) -> None:
    assert run.study is not None
    learning = dict(what_was_run(run))["Learning"]
    assert "most: AdamW" in learning
    assert "Slices pooled by mean (mean) and max (most)." in learning
    ours = next(line.ours for line in deviations(run.study, n_patients=40, scored=()) if line.topic == "Learning")
    assert "most: AdamW" in ours
    assert "no early stopping" in ours


VERSIONS = dict.fromkeys(
    ("nephrograde", "python", "torch", "numpy", "scikit-learn", "SimpleITK", "pydicom", "mirp"), "1"
)


def test_a_score_table_was_not_evaluated_by_torch(foreign_run: Path) -> None:
    run = Results.read(foreign_run)
    told = paragraph.software(dataclasses.replace(run, lock={**run.lock, "versions": VERSIONS, "git_commit": None}))
    assert told == "Software: nephrograde 1, python 1 and numpy 1."


def test_a_study_names_what_it_used(run: Results) -> None:
    lock = {**run.lock, "versions": VERSIONS, "git_commit": None}
    told = paragraph.software(dataclasses.replace(run, lock=lock))
    assert told == "Software: nephrograde 1, python 1, torch 1, numpy 1, scikit-learn 1 and SimpleITK 1."
    lock["has_dicom"] = True
    assert "pydicom 1" in paragraph.software(dataclasses.replace(run, lock=lock))


LADDER: list[dict[str, Any]] = [
    {"name": "none", "supervision": "none", "slices": 1},
    {"name": "none-3d", "supervision": "none"},
    {"name": "slice", "supervision": "slice", "slices": 2, "neighbours": 1},
    {"name": "point", "supervision": "point", "slices": 1},
]


def test_the_rungs_of_a_ladder_are_told_in_both_languages(run: Results, make_study: Callable[..., Study]) -> None:
    ladder = dataclasses.replace(run, study=make_study(arm=LADDER, annotation={"error_mm": 4.0, "seed": 5}))
    told = [annotation(ladder), design.field_of_view(ladder), design.networks(ladder), design.ensemble(ladder)]
    assert "none: nothing besides the outcome" in told[0]
    assert "standard deviation of 4 mm along each axis (seed 5)" in told[0]
    assert "none, one axial slice through each kidney, 140 mm wide" in told[1]
    assert "slice, 2 whole axial slices with 1 + 1 neighbouring slices as channels, 400 mm wide" in told[1]
    assert "a box of 140×140×160 mm around each kidney" in told[1]
    assert "2D ResNet-18 on slices with their neighbours as channels (slice)" in told[2]
    with speaking("zh"):
        chinese = [annotation(ladder), design.field_of_view(ladder), design.networks(ladder)]
        arms = what_was_run(ladder)
    assert "肾脏由程序找到" in chinese[0]
    assert "每侧肾脏1个横断面层面" in chinese[1]
    assert "相邻层面作为通道" in chinese[2]
    assert not any(word in text for _, text in arms[:4] for word in ("slices", "kidney"))


def test_places_are_not_said_to_be_moved_where_they_are_not(run: Results, make_study: Callable[..., Study]) -> None:
    ladder = dataclasses.replace(run, study=make_study(arm=LADDER[3:]))
    assert annotation(ladder) == "Annotation given to each arm: point: one click in the tumour (level “point”)."
