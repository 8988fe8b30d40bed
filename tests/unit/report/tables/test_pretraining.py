"""The ledger of pre-training: a warning where an encoder may have seen the patients, and the facts of each encoder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.origin import Origin
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.report.methods.citations import cited_keys
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.pretraining import Overlap, pretraining_rows, pretraining_warnings
from nephrograde.report.tables.wording import what_was_run
from nephrograde.report.text.language import speaking
from nephrograde.results import FittedFold, Results
from nephrograde.study import Arm
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.model.encoders.known import Encoder
    from nephrograde.report.text.language import Language


@pytest.fixture
def run(frozen_dir: Path) -> Results:
    return Results.read(frozen_dir / "run")


def trained_on(run: Results, public_sets: list[str] | None, sets: tuple[str, ...] = ()) -> Results:
    """The run, with an encoder that was trained on these sets, and a cohort that comes from those."""

    known = None if public_sets is None else tuple(public_sets)

    def changed(fit: FittedFold) -> FittedFold:
        assert fit.encoder is not None
        return replace(fit, encoder=replace(fit.encoder, encoder=replace(fit.encoder.encoder, public_sets=known)))

    return replace(run, fits=tuple(map(changed, run.fits)), origin=Origin(sets))


@pytest.mark.parametrize(
    ("public_sets", "sets", "overlap"),
    [
        (["KiTS21"], ("KiTS23",), Overlap.SEEN),
        (["TCGA"], ("TCGA-KIRC",), Overlap.SEEN),
        (["KiTS23"], ("TCGA-KIRC",), Overlap.NONE),
        ([], ("KiTS23",), Overlap.NONE),
        (None, ("KiTS23",), Overlap.UNKNOWN),
        (None, (), Overlap.NOT_PUBLIC),
        (["KiTS23"], (), Overlap.NOT_PUBLIC),
    ],
)
def test_what_an_encoder_may_have_seen(
    run: Results, public_sets: list[str] | None, sets: tuple[str, ...], overlap: Overlap
) -> None:
    changed = trained_on(run, public_sets, sets)
    [row] = pretraining_rows(changed)
    assert (row.encoder, row.arms, row.overlap) == ("mine", ("frozen-1",), overlap)
    assert len(pretraining_warnings(changed)) == (overlap in {Overlap.SEEN, Overlap.UNKNOWN})


def test_the_study_can_name_where_the_patients_come_from(run: Results) -> None:
    assert run.study is not None
    cohort = run.study.cohort.model_copy(update={"collections": ("KiTS23",)})
    named = replace(trained_on(run, ["KiTS19"]), study=run.study.model_copy(update={"cohort": cohort}))
    assert pretraining_rows(named)[0].shared == ("KiTS23",)
    assert named.study is not None
    assert named.study.sealed() == run.study.sealed()  # no result depends on it


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_begins_with_the_warning_and_describes_the_encoder(
    run: Results, frozen_dir: Path, tmp_path: Path, language: Language
) -> None:

    copied = shutil.copytree(frozen_dir / "run", tmp_path / "run")
    page = write_report(copied, language).read_text(encoding="utf-8")
    assert run.fits[0].encoder is not None
    assert run.fits[0].encoder.encoder.sha256 in page
    assert '<p class="pretraining">' not in page
    with speaking(language):
        seen = trained_on(run, ["KiTS23"], ("KiTS23",))
        assert "KiTS23" in pretraining_warnings(seen)[0]
        text = " ".join(methods_paragraph(run))
        assert "drawn at random" in text
        assert "AdamW" not in text
        assert "mine" in dict(what_was_run(run))["Arm frozen-1" if language == "en" else "监督组frozen-1"]
    assert "loshchilov2019" not in cited_keys(run)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_tuned_network_is_told_with_its_encoder(run: Results, language: Language) -> None:
    assert run.study is not None
    fit = {"train_from": "stage5", "layer_decay": 0.7, "adapter_rank": 4}
    arm = Arm(name="frozen-1", supervision=Supervision.BOX, slices=1, network="tuned:mine", fit=fit)
    seen = trained_on(run, ["KiTS23"], ("KiTS23",))
    fits = [
        replace(one, encoder=None, start=one.encoder, card={**one.card, "backbone": {}, "settings": {"fit": fit}})
        for one in seen.fits
    ]
    tuned = replace(seen, study=run.study.model_copy(update={"arm": (arm,)}), fits=tuple(fits))
    with speaking(language):
        assert "KiTS23" in pretraining_warnings(tuned)[0]
        terms = dict(what_was_run(tuned))
        assert "mine" in next(iter(terms.values()))
        text = " ".join(methods_paragraph(tuned))
        for told in ("drawn at random", "AdamW", "stage5", "0.7", "LoRA"):
            assert told in text
    cited = set(cited_keys(tuned))
    assert {"loshchilov2019", "howard2018", "hu2022"} <= cited
    assert "he2016" not in cited


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=list(ENCODERS))
def test_every_known_encoder_is_cited(run: Results, encoder: Encoder) -> None:
    def changed(fit: FittedFold) -> FittedFold:
        assert fit.encoder is not None
        return replace(fit, encoder=replace(fit.encoder, encoder=encoder))

    used = replace(run, fits=tuple(map(changed, run.fits)))
    assert set(cited_keys(used)) - set(cited_keys(run))
