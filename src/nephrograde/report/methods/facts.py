"""The facts that a run can state for an item of a checklist, each with its words and where the page has the details.

A fact is a sentence from the files of the run, or empty if the run does not know it. It is not empty merely because a
neighbouring question is answered: an item that needs two facts needs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import (
    learning_methods,
    paragraph,
    patient_facts,
    result_facts,
    scale_methods,
    tuning_methods,
)
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.annotation_methods import annotation
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.tables.increment import increment_table
from nephrograde.report.text.arms import trained_arms
from nephrograde.report.text.command import without_paths
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import listed
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a run may know: the anchor of its section, its name in words, and the sentence, if it is known."""

    where: str
    name: Callable[[], str]
    tell: Callable[[Results], str]


def _slice_choice(run: Results) -> str:
    if run.study is None:
        return ""
    parts = []
    of_kidneys = {arm.dimensions for arm in run.study.arm if arm.supervision is Supervision.NONE}
    of_tumour = {arm.dimensions for arm in run.study.arm if arm.supervision is not Supervision.NONE}
    if 2 in of_tumour:
        parts.append(
            t("Slices: the annotated one, or that with the largest tumour area; others are spread over the tumour.")
        )
    if 2 in of_kidneys:
        parts.append(t("Slices through a kidney: the one with its largest area; others are spread over the kidney."))
    if any(arm.supervision is Supervision.SLICE for arm in run.study.arm):
        parts.append(t("Whole slices are centred on the image."))
    if 3 in of_tumour:
        parts.append(t("Boxes are centred on the annotated tumour."))
    if 3 in of_kidneys:
        parts.append(t("Boxes at the level “none” are centred on each kidney."))
    return as_text(parts)


def _discretisation(run: Results) -> str:
    if run.study is None:
        return ""
    if "radiomics" not in run.scores.models:
        return t("Grey levels were not discretised; the networks read the windowed values.")
    from nephrograde.sample.radiomics import BINS

    if any(run.study.window_of(phase).percentiles for phase in run.study.cohort.phases):
        return t("For radiomic features, grey levels were discretised into {n} bins over the tumour's values.", n=BINS)
    return t("For radiomic features, grey levels were discretised into {n} bins over the window.", n=BINS)


def _feature_classes(run: Results) -> str:
    if run.study is None:
        return ""
    if "radiomics" not in run.scores.models:
        return t("No hand-crafted features were computed.")
    from nephrograde.sample.radiomics import FAMILIES

    return t(
        "Families of the radiomic features, by the names of mirp: {families}.",
        families=listed([*FAMILIES, "morphological"]),
    )


def _one_phase(run: Results) -> str:
    if run.study is None or not run.fits:
        return ""
    return t("Each network reads the image of one phase.")


def _own_start(run: Results) -> str:
    """Said only if no arm starts from a file, whose origin a run does not know."""
    if run.study is None or any(arm.encoder or arm.tuned_encoder for arm in run.study.arm):
        return ""
    if any(run.study.fit_of(arm).initial_weights(arm.dimensions) for arm in run.study.arm):
        return ""
    return t("No weights from elsewhere were used.")


def _recalibration(run: Results) -> str:
    """Said if no batches were balanced, so that there was nothing to correct, or if every network was corrected."""
    if run.study is None:
        return ""
    if not any(run.study.fit_of(arm).balanced for arm in trained_arms(run.study)):
        return design.class_balance(run)
    fitted = {fit.model for fit in run.fits}
    if not fitted or any(run.scale(model) is None for model in fitted):
        return ""
    return as_text([scale_methods.prior_correction(run), scale_methods.common_scale(run)])


def _output(run: Results) -> str:
    return t("The output is the probability of being high, between 0 and 1.") if run.study is not None else ""


def _learning_curves(run: Results) -> str:
    n = sum(bool(fit.history) for fit in run.fits)
    return t("The learning curves of {n} networks are shown.", n=n) if n else ""


def _added_value(run: Results) -> str:
    table = increment_table(run)
    return table.sentence if table is not None else ""


def _settings(run: Results) -> str:
    if run.study is None:
        return ""
    return t("study.lock.json in the run folder records all settings and the SHA-256 of every input.")


def _software(run: Results) -> str:
    """The software of the models; on the scores of other models, the run does not know it."""
    is_known = bool(run.fits) and "torch" in (run.lock.get("versions") or {})
    return paragraph.software(run) if is_known else ""


def _feature_software(run: Results) -> str:
    version = (run.lock.get("versions") or {}).get("mirp")
    if version is None or "radiomics" not in run.scores.models:
        return ""
    return t("Radiomic features were computed by mirp {version}, which follows the IBSI.", version=version)


def _code(run: Results) -> str:
    version = (run.lock.get("versions") or {}).get("nephrograde")
    if not version:
        return ""
    commit = run.lock.get("git_commit")
    return as_text(
        [
            t("The analysis was run with nephrograde {version}.", version=version),
            t("Its commit: {commit}.", commit=told(commit)) if commit else "",
            t("The command: {command}.", command=without_paths(run.lock["command"])) if run.lock.get("command") else "",
        ]
    )


def _model_files(run: Results) -> str:
    if not run.fits:
        return ""
    return t(
        "The weights of {n} networks are in models/ in the run folder; the model cards identify each by its SHA-256.",
        n=len(run.fits),
    )


def _machine(run: Results) -> str:
    machine = run.lock.get("machine")
    return t("Machine: {machine}.", machine=machine) if machine else ""


def _other_lists(_: Results) -> str:
    return t(
        "This report includes CLEAR, TRIPOD+AI, CLAIM, METRICS and PROBAST+AI, filled in as far as the run allows."
    )


PATIENTS: Mapping[str, Fact] = {
    "source": Fact("run", lambda: t("where the patients come from"), patient_facts.source),
    "patients": Fact("methods", lambda: t("the number of patients"), design.patients),
    "partition": Fact("cohort", lambda: t("the numbers of patients in each part of the data"), design.partition),
    "characteristics": Fact(
        "cohort", lambda: t("age, sex and the other characteristics by part of the data"), patient_facts.characteristics
    ),
    "missing_scans": Fact("cohort", lambda: t("how missing scans were handled"), design.missing_scans),
    "missing_outcomes": Fact("cohort", lambda: t("how missing outcomes were handled"), patient_facts.missing_outcomes),
    "missing_values": Fact("cohort", lambda: t("how many values are missing"), patient_facts.missing_values),
    "missing_handling": Fact("cohort", lambda: t("how missing values were handled"), patient_facts.missing_handling),
    "without_imputation": Fact("missing", lambda: t("the results without imputation"), result_facts.without_imputation),
    "table_columns": Fact("cohort", lambda: t("the non-radiomic predictors"), patient_facts.table_columns),
    "centres": Fact("cohort", lambda: t("the centres of the images"), patient_facts.centres),
    "outcome": Fact("run", lambda: t("the outcome"), design.outcome),
    "exclusions": Fact("findings", lambda: t("how many scans and patients were excluded"), design.exclusions),
    "split": Fact("run", lambda: t("how the data were split"), design.split_method),
    "disjoint": Fact("run", lambda: t("the unit at which the parts are disjoint"), patient_facts.disjoint),
    "internal_test": Fact("run", lambda: t("whether the test is internal or external"), patient_facts.internal_test),
    "fitted_patients": Fact(
        "learning", lambda: t("the numbers of patients in each fit"), patient_facts.fitted_patients
    ),
}
"""Facts about patients and the parts of the data."""

MODELS: Mapping[str, Fact] = {
    "phases": Fact("run", lambda: t("the phases"), design.phases),
    "annotation": Fact("run", lambda: t("the annotation given to the models"), annotation),
    "field_of_view": Fact("run", lambda: t("the field of view"), design.field_of_view),
    "slice_choice": Fact("run", lambda: t("how slices or boxes were placed"), _slice_choice),
    "windowing": Fact("run", lambda: t("how grey values were scaled"), design.windowing),
    "resampling": Fact("methods", lambda: t("how images were resampled"), design.resampling),
    "discretisation": Fact("methods", lambda: t("whether grey levels were discretised"), _discretisation),
    "feature_classes": Fact("methods", lambda: t("the families of hand-crafted features"), _feature_classes),
    "networks": Fact("run", lambda: t("the networks"), design.networks),
    "initial_weights": Fact("run", lambda: t("the initial weights"), design.initial_weights),
    "own_start": Fact("run", lambda: t("the origin of the given weights"), _own_start),
    "learning": Fact("run", lambda: t("the training"), learning_methods.learning),
    "stopping": Fact("methods", lambda: t("when training stopped"), design.stopping),
    "augmentation": Fact("methods", lambda: t("the augmentation"), design.augmentation),
    "tuning": Fact("methods", lambda: t("how settings of training were tuned"), tuning_methods.tuning),
    "class_balance": Fact("run", lambda: t("whether classes were balanced"), design.class_balance),
    "recalibration": Fact("run", lambda: t("whether predictions were recalibrated"), _recalibration),
    "ensemble": Fact("run", lambda: t("how predictions were computed"), design.ensemble),
    "common_scale": Fact(
        "methods", lambda: t("how the networks were brought to one scale"), scale_methods.common_scale
    ),
    "one_phase": Fact("run", lambda: t("which images a model reads"), _one_phase),
    "output": Fact("thresholds", lambda: t("the output of the models"), _output),
    "learning_curves": Fact("learning", lambda: t("learning curves"), _learning_curves),
    "software": Fact("provenance", lambda: t("the software of the models, with versions"), _software),
    "feature_software": Fact("provenance", lambda: t("the software of the features"), _feature_software),
    "machine": Fact("provenance", lambda: t("the machine"), _machine),
    "seeds": Fact("provenance", lambda: t("the seeds"), paragraph.seeds),
    "settings": Fact("provenance", lambda: t("all settings"), _settings),
    "code": Fact("provenance", lambda: t("the version of the code"), _code),
    "model_files": Fact("provenance", lambda: t("the files of the models"), _model_files),
}
"""Facts about images, models and software."""

RESULTS: Mapping[str, Fact] = {
    "thresholds": Fact("thresholds", lambda: t("the thresholds and their rule"), statistics.thresholds),
    "thresholds_apart": Fact(
        "thresholds", lambda: t("thresholds chosen without the patients of the results"), statistics.thresholds_apart
    ),
    "measures": Fact("results", lambda: t("the measures with their intervals"), statistics.measures),
    "performance": Fact("results", lambda: t("the AUC of every model with its interval"), result_facts.performance),
    "proportions": Fact(
        "results",
        lambda: t("sensitivity and specificity of every model with their intervals"),
        result_facts.proportions,
    ),
    "wrong_calls": Fact("confusion", lambda: t("the numbers of wrong calls"), result_facts.wrong_calls),
    "calibration": Fact("calibration", lambda: t("the calibration"), statistics.calibration),
    "net_benefit": Fact("benefit", lambda: t("the net benefit"), statistics.net_benefit),
    "comparisons": Fact("comparisons", lambda: t("the tests between models"), statistics.comparisons),
    "equivalence": Fact("equivalence", lambda: t("the tests for equivalence"), statistics.equivalence),
    "detectable": Fact("equivalence", lambda: t("the detectable difference"), statistics.detectable_differences),
    "baselines": Fact("results", lambda: t("a non-radiomic model on the same patients"), statistics.baselines),
    "baseline_comparison": Fact(
        "comparisons",
        lambda: t("the test of each network against a non-radiomic model"),
        result_facts.against_baselines,
    ),
    "added_value": Fact("evidence-images", lambda: t("what the images add to clinical data"), _added_value),
    "subgroups": Fact("subgroups", lambda: t("the results in subgroups"), statistics.subgroups),
    "subgroup_performance": Fact(
        "subgroups", lambda: t("the AUC in subgroups with its interval"), result_facts.subgroup_performance
    ),
    "openings": Fact("ledger", lambda: t("how often the test set was opened"), statistics.openings),
    "other_lists": Fact("checklists", lambda: t("the checklists"), _other_lists),
}
"""Facts about the evaluation."""

FACTS: Mapping[str, Fact] = {**PATIENTS, **MODELS, **RESULTS}
"""All facts by the names that the lists in ``checklists/*.json`` use."""
