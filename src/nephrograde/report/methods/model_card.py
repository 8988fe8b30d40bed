"""Model cards: one Markdown file per model, under the headings of Mitchell 2019.

Markdown rather than a page: a card travels with the weights, model archives display Markdown, and two versions can be
compared line by line.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.errors import RunError
from nephrograde.files import fingerprint
from nephrograde.replacement import replaced
from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import (
    fusion_methods,
    learning_methods,
    paragraph,
    scale_methods,
    tuning_methods,
    uncertainty_methods,
)
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.annotation_methods import annotation
from nephrograde.report.tables.pretraining import pretraining_warnings
from nephrograde.report.tables.wording import level_words, split_words
from nephrograde.report.text.baselines import baseline_sentence
from nephrograde.report.text.language import spoken, t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, listed
from nephrograde.report.text.remarks import group_words
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.results import Results

    Digest: TypeAlias = Callable[[Path], str]

COUNTS = ("tp", "fp", "tn", "fn")


def write_model_cards(run: Results, digest: Digest | None = None) -> tuple[Path, ...]:
    """Write the card of every model that has scores.

    Args:
        run: The contents of the run folder.
        digest: From :func:`verified_ahead`; without it, the weights are verified when their card is written.

    Returns:
        The paths of the cards, in the order of the models.
    """
    return tuple(write_model_card(run, model.name, digest) for model in run.models)


@contextmanager
def verified_ahead(run: Results) -> Iterator[Digest]:
    """Verify the weights of all models in a thread, while the block does something else.

    Args:
        run: The contents of the run folder.

    Yields:
        What returns the SHA-256 of the file with the weights of a fold, as soon as it has been verified; it raises a
        :class:`RunError` if the file was altered.
    """
    seal = run.seal
    if seal is None:
        yield _unsealed
        return
    paths = [run.folder.fold(fit.model, fit.fold).weights_path for fit in run.fits]
    with ThreadPoolExecutor(1) as pool:
        later = {path: pool.submit(seal.digest, path) for path in paths}
        try:
            yield lambda path: later[path].result()
        finally:
            pool.shutdown(cancel_futures=True)


def _unsealed(_: Path) -> str:
    return ""


def write_model_card(run: Results, model: str, digest: Digest | None = None) -> Path:
    """Write ``report/model-cards/<model>.md``, or ``<model>.zh.md`` if the page is Chinese.

    Contains only what the run folder knows about the model; what only its authors can say is listed as missing.

    Args:
        run: The contents of the run folder.
        model: The model id.
        digest: As of :func:`write_model_cards`.

    Returns:
        The path of the card.

    Raises:
        RunError: The run has no scores of this model.

    Source:
        Mitchell 2019, "Model cards for model reporting" (FAT* 2019:220), for the headings.
    """
    if model not in run.scores.models:
        known = ", ".join(run.scores.models)
        raise RunError(f"The run has no scores of a model “{model}”. Its models are: {known}.")
    ending = ".zh.md" if spoken() == "zh" else ".md"
    card_path = run.folder.report.model_cards_dir / f"{_file_name(model)}{ending}"
    with replaced(card_path) as temporary_path:
        temporary_path.write_text(card_text(run, model, digest), encoding="utf-8")
    return card_path


def card_text(run: Results, model: str, digest: Digest | None = None) -> str:
    """Compose a card in the language of the page."""
    own = _narrowed(run, model)
    digest = digest or (own.seal.digest if own.seal else _unsealed)
    sections = (
        (t("Model details"), _details(own, model)),
        (t("Intended use"), _intended_use(own)),
        (t("Factors"), _factors(own, model)),
        (t("Metrics"), _metrics(own)),
        (t("Evaluation data"), _evaluation_data(own)),
        (t("Training data"), _training_data(own)),
        (t("Quantitative analyses"), _analyses(own, model)),
        (t("Ethical considerations"), _ethics(own)),
        (t("Caveats and recommendations"), _caveats(own)),
        (t("Provenance"), _provenance(own, model, digest)),
    )
    title = f"# {t('Model card: {model}', model=_plain(model))}"
    blocks = [title, *_said([paragraph.caution(own)])]
    for heading, lines in sections:
        blocks += [f"## {heading}", *(_said(lines) or [t("Not known from the run.")])]
    return "\n\n".join(blocks) + "\n"


def _said(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line]


def _file_name(model: str) -> str:
    safe = re.sub(r"[^\w.-]+", "_", model)[:60]
    return safe if safe == model else f"{safe}-{fingerprint(model)[:8]}"


def _plain(text: str) -> str:
    """A text with Markdown markup escaped."""
    return re.sub(r"([\\`*_\[\]<>|#$])", r"\\\1", text) if re.search(r"[\\`*\[\]<>|#$]", text) else text


def _narrowed(run: Results, model: str) -> Results:
    """The same run restricted to this one model."""
    found = [one for one in (run.study.models() if run.study else []) if one.id == model]
    study = run.study
    if study is not None and found:
        arm, phases = found[0].arm, found[0].phases
        study = study.model_copy(
            update={
                "arm": (arm.model_copy(update={"fit": {}}),),
                "fit": study.fit_of(arm),
                "cohort": study.cohort.model_copy(update={"phases": phases}),
            }
        )
    return replace(
        run,
        study=study,
        fits=tuple(fit for fit in run.fits if fit.model == model),
        estimates=tuple(row for row in run.estimates if row[0] == model),
        uncertainty=run.uncertainty.of(model),
    )


def _details(own: Results, model: str) -> list[str]:
    created = own.lock.get("created")
    made = t("The run was started on {created}.", created=created) if created else ""
    if not _is_network(own, model):
        if own.study is not None and model in BASELINES:
            return [baseline_sentence(model), made]
        return [t("The scores were produced elsewhere; the run has no information about the model itself."), made]
    return [
        design.networks(own),
        _fusion(own, model),
        design.ensemble(own),
        scale_methods.prior_correction(own),
        scale_methods.common_scale(own),
        design.field_of_view(own),
        design.windowing(own),
        design.resampling(own),
        made,
    ]


def _fusion(own: Results, model: str) -> str:
    """How this model joins phases; the other models of its arm have cards of their own."""
    found = [one for one in (own.study.models() if own.study else []) if one.id == model]
    return fusion_methods.fusion(own, found)


def _is_network(own: Results, model: str) -> bool:
    return own.study is not None and model in [one.id for one in own.study.models()]


def _intended_use(own: Results) -> list[str]:
    lines = [
        t(
            "Intended for research on how well the grade can be predicted from images, and for use by "
            "researchers in this field."
        )
    ]
    if own.study is not None:
        lines += [design.phases(own), annotation(own)]
    return [*lines, t("Not intended for any decision about a patient, nor for images other than those described here.")]


def _metrics(own: Results) -> list[str]:
    return [
        statistics.measures(own),
        statistics.thresholds(own),
        statistics.calibration(own),
        uncertainty_methods.recalibration(own),
        uncertainty_methods.prediction_sets(own),
    ]


def _factors(own: Results, model: str) -> list[str]:
    rows = _subgroups(own, model)
    if not rows:
        return [t("The run has no estimates in subgroups.")]
    columns = listed(list(dict.fromkeys(row.column for row in rows)))
    return [t("Estimated in subgroups by {columns}; the numbers are given below.", columns=columns)]


def _subgroups(own: Results, model: str) -> list[SubgroupEstimate]:
    return [row for row in own.subgroups if (row.model, row.split) == (model, own.reported)]


def _evaluation_data(own: Results) -> list[str]:
    part = split_words(own)
    counts = {(estimate.n, estimate.n_high) for _, estimate in statistics.computed(own).get("auc", [])}
    lines = [
        t("{part}: {n} patients, {n_high} of them {high}.", part=part, n=n, n_high=n_high, high=level_words(own)[1])
        for n, n_high in sorted(counts)
    ]
    return [*lines, design.outcome(own), design.split_method(own), statistics.openings(own)]


def _training_data(own: Results) -> list[str]:
    if own.study is None:
        return []
    shared = [design.patients(own), design.partition(own), design.missing_scans(own)]
    if not own.fits:
        return shared
    return [
        *shared,
        design.initial_weights(own),
        learning_methods.learning(own),
        design.stopping(own),
        design.augmentation(own),
        tuning_methods.tuning(own),
    ]


def _analyses(own: Results, model: str) -> list[str]:
    splits: tuple[SplitName, ...] = ("test", "oof")
    names = {"test": t("Test set"), "oof": t("Out-of-fold training predictions")}
    blocks = []
    for split in splits:
        rows = [
            (
                statistics.measure_text(estimate.measure),
                decimal(estimate.value, 0 if estimate.measure in COUNTS else 3),
                _interval(estimate.low, estimate.high),
                str(estimate.n),
            )
            for _, part, estimate in own.estimates
            if part == split
        ]
        if rows:
            headings = (t("Measure"), t("Value"), t("{percent}% interval", percent=own.confidence_percent), "n")
            blocks += [f"**{names[split]}**", _table(headings, rows)]
    if sets := uncertainty_methods.set_facts(own, model):
        blocks += [f"**{t('Prediction sets')}**", *sets]
    groups = [
        (row.column, group_words(row.group), decimal(row.auc), _interval(row.low, row.high), f"{row.n} ({row.n_high})")
        for row in _subgroups(own, model)
    ]
    if groups:
        headings = (t("Column"), t("Subgroup"), "AUC", t("{percent}% interval", percent=own.confidence_percent))
        blocks += [f"**{t('Subgroups')}**", _table((*headings, t("n (high)")), groups)]
    return blocks


def _interval(low: float, high: float) -> str:
    return bounds(low, high).strip("[]") or NOTHING


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ethics(own: Results) -> list[str]:
    if own.is_synthetic:
        return [t("No personal data were used: the cohort was generated by code.")]
    return [
        t("Approval, consent and de-identification are not recorded in a run folder; the authors have to state them.")
    ]


def _caveats(own: Results) -> list[str]:
    return [
        *pretraining_warnings(own),
        design.exclusions(own),
        tuning_methods.limits(own),
        t("The intervals reflect chance variation, not how the model performs in another hospital."),
        t("How the model performs with other scanners, protocols and readers has to be tested separately."),
    ]


def _provenance(own: Results, model: str, digest: Digest) -> list[str]:
    rows = []
    for fit in own.fits:
        weights_path = own.folder.fold(model, fit.fold).weights_path
        sha256 = digest(weights_path) or NOTHING
        kept = NOTHING if fit.is_frozen else fit.card.get("best_epoch", NOTHING)
        precision = fit.card.get("precision", NOTHING)
        rows.append((str(fit.fold), sha256, str(kept), str(precision)))
    headings = (t("Fold"), t("SHA-256 of the weights"), t("Epoch kept"), t("Precision"))
    return [_table(headings, rows) if rows else "", paragraph.software(own), paragraph.seeds(own)]
