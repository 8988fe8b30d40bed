"""Cards survive a round trip to disk, and cards of another version are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.errors import RunError
from nephrograde.files import read_json, write_json
from nephrograde.model.card import ModelCard, encoder_settings, read_card, write_card
from nephrograde.model.encoders.view import View
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

CARD = ModelCard(
    model="strong-np",
    arm="strong",
    phase="np",
    fold=3,
    dimensions=3,
    channels=2,
    has_mask=True,
    shortcut="A",
    pooling="attention",
    n_learn=134,
    n_learn_high=61,
    is_balanced=True,
    n_stop=34,
    n_held_out=42,
    n_test=90,
    best_epoch=17,
    epochs_run=32,
    precision="fp32",
    refit_reason="bf16 gave a loss or weight that is not finite in epoch 1, step 2; fitted again in fp32",
    device="cpu",
    seconds=12.5,
    seed=7,
    torch_version="2.13.0",
    inputs_sha256="0" * 64,
    settings={"fit": {"epochs": 60}},
    synthetic=True,
)


def test_round_trip(tmp_path: Path) -> None:
    write_card(CARD, tmp_path / "card.json")
    assert read_card(tmp_path / "card.json") == CARD
    assert read_json(tmp_path / "card.json")["research_use_only"] == RESEARCH_USE_ONLY


def test_card_of_another_version(tmp_path: Path) -> None:
    card_path = tmp_path / "card.json"
    write_card(CARD, card_path)
    content = read_json(card_path)
    write_json(card_path, {"colour": 1} | {key: value for key, value in content.items() if key != "fold"})
    with pytest.raises(RunError, match=r"another version of nephrograde \(colour, fold\)"):
        read_card(card_path)


@pytest.mark.parametrize("n_high", [0, 134, 135])
def test_a_network_has_learnt_from_both_grades(tmp_path: Path, n_high: int) -> None:
    write_card(replace(CARD, n_learn_high=n_high), tmp_path / "card.json")
    with pytest.raises(RunError, match="n_learn_high"):
        read_card(tmp_path / "card.json")


ENCODER = {
    "name": "mine",
    "sha256": "1" * 64,
    "architecture": "efficientnet-lite0",
    "licence": "MIT",
    "trained_on": ["ImageNet-1k"],
    "public_sets": None,
    "origin": "",
    "view": {"spacing_mm": [1.0, 1.0], "window_hu": [-200.0, 300.0], "has_mask": False},
}
"""As written by versions whose cards had no typed encoder."""


def test_a_card_gives_its_encoder_with_types(tmp_path: Path) -> None:
    assert CARD.encoder is None
    write_card(replace(CARD, settings={"encoder": ENCODER, "penalty_c": 0.1}), tmp_path / "card.json")
    described = read_card(tmp_path / "card.json").encoder
    assert described is not None
    assert (described.encoder.trained_on, described.encoder.public_sets) == (("ImageNet-1k",), None)
    assert described.view == View((1.0, 1.0), (-200.0, 300.0), has_mask=False)
    assert encoder_settings(described) == {"encoder": ENCODER}


@pytest.mark.parametrize(
    "changed", [{"architecture": "unknown"}, {"trained_on": None}, {"view": {"spacing_mm": [1.0]}}, {"view": None}]
)
def test_a_damaged_encoder_is_damage_of_the_card(tmp_path: Path, changed: dict[str, Any]) -> None:
    for content in (ENCODER | changed, "an encoder"):
        write_card(replace(CARD, settings={"encoder": content}), tmp_path / "card.json")
        with pytest.raises(RunError, match="settings cannot be used"):
            read_card(tmp_path / "card.json")


def test_the_prevalence_is_that_of_the_learning_patients() -> None:
    assert CARD.prevalence == 61 / 134
