"""Model cards: what the run knows of a model, under the usual headings."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.report.methods.model_card import card_text, write_model_card, write_model_cards
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.study import Study

HEADINGS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
    "Provenance",
]


@pytest.fixture
def record(whole_run: Path, tmp_path: Path) -> Results:
    """The whole run, with subgroups and the weights of one fold in a folder of its own."""
    rows = tuple(
        SubgroupEstimate(model, "test", "size_cm", "≤ 4 cm", 6, 3, auc, 0.6, 1.0, 0.3, "DeLong")
        for model, auc in (("strong-cmp", 0.812), ("weak-1-cmp", 0.654))
    )
    weights_path = tmp_path / "models" / "strong-cmp" / "fold-0" / "weights.safetensors"
    weights_path.parent.mkdir(parents=True)
    weights_path.write_bytes(b"weights")
    files = {weights_path.relative_to(tmp_path).as_posix(): hashlib.sha256(b"weights").hexdigest()}
    run = RunFolder(tmp_path)
    return dataclasses.replace(Results.read(whole_run), folder=run, seal=Seal(run, "", files), subgroups=rows)


def test_headings_are_those_of_mitchell(record: Results) -> None:
    assert re.findall(r"^## (.+)$", card_text(record, "strong-cmp"), re.MULTILINE) == HEADINGS


def test_a_card_is_about_its_own_model_only(record: Results) -> None:
    text = card_text(record, "strong-cmp")
    assert text.startswith("# Model card: strong-cmp\n")
    assert "3D ResNet-18 on image and mask (strong)" in text
    assert "corticomedullary phase (cmp)" in text
    assert "weak-1" not in text
    assert "nephrographic" not in text
    assert "0.812" in text
    assert "0.654" not in text


def test_settings_are_those_of_the_arm(record: Results) -> None:
    text = card_text(record, "weak-3-np")
    assert "maximum number of epochs 8;" in text
    assert "settings of their own" not in text
    assert "−200 to 300 HU for nephrographic phase (np)." in text


def test_numbers_lead_back_to_the_estimates(record: Results) -> None:
    text = card_text(record, "strong-cmp")
    splits: tuple[SplitName, ...] = ("test", "oof")
    for split in splits:
        found = record.estimate("strong-cmp", "auc", split)
        assert found is not None
        cells = f"{found.value:.3f} | {found.low:.3f}–{found.high:.3f} | {found.n} |"
        assert f"| area under the ROC curve (AUC) | {cells}" in text
    wrong = record.estimate("strong-cmp", "fp")
    assert wrong is not None
    assert f"| wrongly called high | {wrong.value:.0f} | – | 12 |" in text


def test_weights_are_named_by_their_sha256(record: Results) -> None:
    text = card_text(record, "strong-cmp")
    assert f"| 0 | {hashlib.sha256(b'weights').hexdigest()} |" in text
    assert "| 1 | – |" in text


def test_synthetic_and_research_use_are_said_first(record: Results, make_study: Callable[..., Study]) -> None:
    head = card_text(record, "strong-cmp").partition("##")[0]
    assert "synthetic" in head
    assert "research use only" in head
    real = dataclasses.replace(record, study=make_study(synthetic=False))
    text = card_text(real, "strong-cmp")
    assert "synthetic" not in text
    assert "Approval, consent and de-identification are not recorded in a run folder" in text


def test_every_model_has_a_card_also_a_baseline(record: Results) -> None:
    paths = write_model_cards(record)
    assert [path.name for path in paths] == [f"{model.name}.md" for model in record.models]
    size_path = record.run_dir / "report" / "model-cards" / "size.md"
    text = size_path.read_text(encoding="utf-8")
    assert "A logistic regression on the logarithm of tumour size." in text
    assert "ResNet" not in text
    assert "AdamW" not in text


def test_a_model_from_elsewhere_is_called_so(foreign_run: Path) -> None:
    record = Results.read(foreign_run)
    paths = write_model_cards(record)
    assert all(path.parent.name == "model-cards" for path in paths)
    assert len({path.name for path in paths}) == 2
    text = paths[0].read_text(encoding="utf-8")
    assert "# Model card: radiologist \\<b\\>\\$x\\_1\\$\\</b\\>" in text
    assert "The scores were produced elsewhere" in text
    assert "## Training data\n\nNot known from the run." in text
    assert "The run has no estimates in subgroups." in text


def test_names_that_make_one_file_name_keep_apart(foreign_run: Path) -> None:
    record = Results.read(foreign_run)
    rows = tuple(dataclasses.replace(row, model={"模型 B": "a/b"}.get(row.model, "a b")) for row in record.scores.rows)
    changed = dataclasses.replace(record, scores=dataclasses.replace(record.scores, rows=rows))
    assert len({write_model_card(changed, name) for name in ("a/b", "a b")}) == 2


def test_chinese_card_stands_beside_the_english_one(record: Results) -> None:
    with speaking("zh"):
        card_path = write_model_card(record, "strong-cmp")
    text = card_path.read_text(encoding="utf-8")
    assert card_path.name == "strong-cmp.zh.md"
    assert "仅供研究使用" in text
    for heading in HEADINGS:
        assert f"## {heading}" not in text
    assert not re.search(r"(?:[A-Za-z]{2,} ){3}", text)


def test_an_unknown_model_is_named_with_the_known_ones(record: Results) -> None:
    with pytest.raises(RunError, match=r"no scores of a model “grey”\. Its models are: weak-1-cmp"):
        write_model_card(record, "grey")
