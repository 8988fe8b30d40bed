from __future__ import annotations

import numpy as np
import pytest

from nephrograde.sources.synthetic.tissue import SIGNALS, TISSUE_HU, look_of
from nephrograde.volume.phase.evidence import PHASES


def test_the_phases_differ_as_the_cited_measurements_do() -> None:
    cortex, medulla, aorta = TISSUE_HU["cortex"], TISSUE_HU["medulla"], TISSUE_HU["aorta"]
    assert 195 <= cortex["cmp"] - cortex["up"] <= 217
    assert 110 <= cortex["cmp"] - medulla["cmp"] <= 140
    assert 0 <= cortex["np"] - medulla["np"] < 30
    assert medulla["np"] - medulla["up"] == pytest.approx(145, abs=5)
    assert cortex["up"] == medulla["up"]
    assert 30 <= cortex["up"] <= 50
    assert 240 <= aorta["cmp"] - aorta["up"] <= 288
    assert TISSUE_HU["collecting"]["ep"] > 300 > TISSUE_HU["cortex"]["ep"]


@pytest.mark.parametrize(
    ("phase", "mean", "spread"), [("up", 34, 7), ("cmp", 173, 45), ("np", 149, 34), ("ep", 98, 36)]
)
def test_low_grade_tumours_enhance_as_cited(phase: str, mean: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    visible = -1.0 + rng.standard_normal(4000) + SIGNALS[phase].spread * rng.standard_normal(4000)
    solid = np.array([look_of(phase, float(severity)).solid_hu for severity in visible])
    assert solid.mean() == pytest.approx(mean, abs=0.12 * spread + 1)
    assert solid.std() == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("phase", PHASES)
def test_every_sign_of_severity_is_monotone(phase: str) -> None:
    looks = [look_of(phase, float(severity)) for severity in np.linspace(-6, 6, 60)]
    assert all(np.diff([look.solid_hu for look in looks]) < 0)
    assert all(np.diff([look.necrosis for look in looks]) > 0)
    assert all(np.diff([look.texture_hu for look in looks]) > 0)
    assert all(np.diff([look.roughness for look in looks]) > 0)
    assert all(np.diff([look.capsule for look in looks]) < 0)
    assert looks[-1].necrosis < 0.6
    assert looks[-1].solid_hu > 10
