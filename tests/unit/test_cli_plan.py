"""``nephrograde plan`` and its Python function."""

from __future__ import annotations

import json

import pytest

import nephrograde as ng

FULL = ("--auc", "0.85", "--high", "0.4", "--difference", "0.05", "--margin", "0.05", "--predictors", "10")


@pytest.fixture
def plan(nephrograde):
    return lambda *words: nephrograde("plan", *words)


def test_a_paragraph_for_a_protocol(plan):
    code, out, err = plan(*FULL, "--threshold", "0.4")
    assert (code, err) == (0, "")
    assert out == f"{ng.plan(auc=0.85, high=0.4, difference=0.05, margin=0.05, predictors=10, threshold=0.4)}\n"
    for number in ("243 patients", "546 patients", "463 patients", "618 patients", "Research use only"):
        assert number in out
    assert len(out.split("\n\n")) == 5


def test_the_paragraph_in_chinese(plan):
    _, out, _ = plan(*FULL, "--validate", "--lang", "zh")
    assert "需要546例患者" in out
    assert "patients" not in out


def test_json(plan):
    code, out, _ = plan(*FULL, "--validate", "--json")
    assert code == 0
    content = json.loads(out)
    assert content["test_set"]["n"] == 618
    assert [row["n"] for row in content["development"]["requirements"]] == [369, 529, 213, 216]
    assert "net-benefit" not in {row["criterion"] for row in content["validation"]["requirements"]}


def test_numbers_out_of_range(plan):
    code, _, err = plan("--auc", "85", "--high", "40")
    assert code == 2
    assert "2 problems" in err
    assert "plan.high" in err
