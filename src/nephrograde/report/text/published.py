"""The published results, their known errors, and where a study of ours differs from the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nephrograde.report.text.arms import by_arm
from nephrograde.report.text.baselines import baseline_in_words
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.numbers import MINUS, enumerated, listed
from nephrograde.vocabulary import KNOWN_PHASES, Supervision

if TYPE_CHECKING:
    from collections.abc import Collection

    from nephrograde.study import Arm, FitSettings, Study, Window

PAPER = "弱监督深度学习模型在透明细胞肾细胞癌WHO/ISUP核分级预测中的应用 (15 April 2026)"
PREPRINT = "Research Square preprint rs-6489710, version 1 (306 patients, 214 training, 92 test)"
PAPER_PHASES = ("cmp", "np", "up")


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """One row of the paper's table, as printed; no confidence interval and no count is given there.

    Args:
        kind: ``weak`` is a 2D network on slices, ``strong`` a 3D network on the delineated tumour.
        slices: Number of axial slices that the network used; None for a volume.
        phase: The phase code.
        source: Where the numbers are published.
    """

    kind: Literal["weak", "strong"]
    slices: int | None
    phase: str
    accuracy: float
    sensitivity: float
    specificity: float
    auc: float
    source: str

    @property
    def label(self) -> str:
        """The name of the row, for readers.

        >>> PRINTED_ROWS[0].label
        'weak, one slice, corticomedullary'
        """
        kind = t("weak") if self.kind == "weak" else t("strong")
        return enumerated([kind, t("one slice") if self.slices else "3D", phase_in_words(self.phase)])

    def is_matched_by(self, arm: Arm, phase: str) -> bool:
        """Whether an arm of ours on a phase is the counterpart; that of the strong row needs the delineated tumour."""
        is_kind = self.kind == "weak" or arm.supervision is Supervision.MASK
        return phase == self.phase and arm.slices == self.slices and is_kind


PRINTED_ROWS = (
    PrintedRow("weak", 1, "cmp", accuracy=0.859, sensitivity=0.857, specificity=0.860, auc=0.907, source=PAPER),
    PrintedRow("strong", None, "cmp", accuracy=0.848, sensitivity=0.854, specificity=0.843, auc=0.922, source=PAPER),
)
"""The only published rows: the best weak and the best strong model. All NP and UP results are unpublished."""

NOT_COMPARABLE = (
    "Not comparable: patients, scanners and readers differ, so a difference between the two rows "
    "says nothing about either model."
)

IMPOSSIBLE = (
    "What an audit of the published numbers shows: no confusion table of 90 test patients gives accuracy 0.859 with "
    "sensitivity 0.857 and specificity 0.860, nor 0.848 with 0.854 and 0.843. With the 92 test patients of the "
    "preprint both rows have tables, the weak one with 35, 42 or 49 high-grade patients and the strong one with 41, "
    "so they have no number of high-grade patients in common. Averages over folds, or models scored on different "
    "patients, would explain it; the paper does not say."
)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One line of the table of deviations.

    Args:
        topic: The topic of the line.
        paper: What the paper says about it.
        ours: What this run did.
        why: The reason.
    """

    topic: str
    paper: str
    ours: str
    why: str


def window_text(window: Window, phase: str) -> str:
    """Format a window with its unit; only the known CT phases are certain to be in HU.

    >>> from nephrograde.study import Window
    >>> window_text(Window(low=-200.0, high=300.0), "cmp"), window_text(Window(low=0.0, high=15.0), "pet")
    ('−200 to 300 HU', '0 to 15')
    """
    ends = {"low": _signed(window.low), "high": _signed(window.high)}
    if window.percentiles:
        return t("{low} to {high} percentile of the region", **ends)
    return t("{low} to {high} HU", **ends) if phase in {*KNOWN_PHASES, "ct"} else t("{low} to {high}", **ends)


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def deviations(study: Study, *, n_patients: int, scored: Collection[str], has_test: bool = True) -> list[Deviation]:
    """List where a study differs from the paper, then what the paper does not specify.

    For the report; values that the study file sets are given as in this run.

    Args:
        study: The resolved study.
        n_patients: Number of patients in the cohort.
        scored: The models that have scores; a baseline of the study without any (no mask, no clinical column) is not
            claimed, nor a comparison if there is only one.
        has_test: Whether test patients were scored.

    Source:
        The paper's methods.
    """
    unclaimed = {t("Scoring the test set")} if not has_test else set()
    unclaimed |= {t("Comparison")} if len(scored) < 2 else set()
    methods = [line for line in _other_methods(study, scored) if line.topic not in unclaimed]
    return [*_other_data(study, n_patients), *methods, *_silences(study)]


def _other_data(study: Study, n_patients: int) -> list[Deviation]:
    lines = [
        Deviation(
            t("Patients"),
            t("300 with pathologically confirmed clear cell RCC."),
            t("{n} synthetic patients.", n=n_patients)
            if study.synthetic
            else t("{n} patients of another cohort.", n=n_patients),
            t("The paper's patients are not public."),
        )
    ]
    if study.cohort.outcome != "isup_grade":
        lines.append(
            Deviation(
                t("Outcome"),
                t("WHO/ISUP grade 3–4 (high) versus 1–2 (low)."),
                t("The column “{column}” of the cohort table.", column=study.cohort.outcome),
                t("This study predicts another outcome."),
            )
        )
    if set(study.cohort.phases) != set(PAPER_PHASES):
        phases = enumerated([phase_in_words(phase) for phase in study.cohort.phases])
        lines.append(
            Deviation(
                t("Phases"),
                t("Corticomedullary, nephrographic and unenhanced CT."),
                t("{phases}.", phases=phases),
                t("The phases available in the cohort."),
            )
        )
    return lines


def _other_methods(study: Study, scored: Collection[str]) -> list[Deviation]:
    split = study.split
    train, test = f"{1 - split.test_fraction:.0%}", f"{split.test_fraction:.0%}"
    drawn = (
        t("By the column “{column}”", column=split.column)
        if split.column
        else t("{train} training, {test} test, drawn once", train=train, test=test)
    )
    baselines = listed([baseline_in_words(name) for name in study.evaluate.baselines if name in scored])
    return [
        Deviation(
            t("Split"),
            t("7:3, 210 training and 90 test patients."),
            t("{drawn}; {folds} folds within the training set.", drawn=drawn, folds=split.folds),
            t("The folds give predictions for training patients that the network has not seen."),
        ),
        Deviation(
            t("Scoring the test set"),
            t("One set of values per model."),
            t(
                "Mean log odds of the {folds} fold networks of each model, on the scale of one network.",
                folds=split.folds,
            ),
            t("Uses all training patients; no single fold is selected."),
        ),
        Deviation(
            t("Uncertainty"),
            t("No intervals are reported."),
            t(
                "DeLong intervals on the logit scale for AUC, Wilson intervals for proportions, counts with every "
                "proportion."
            ),
            t("With about 90 patients the intervals are wide, and readers need to see this."),
        ),
        Deviation(
            t("Comparison"),
            t("“Paired comparison”, P > 0.05; the test is not named."),
            t(
                "Paired DeLong test for AUC, exact McNemar test for accuracy, sensitivity and "
                "specificity, Holm-adjusted."
            ),
            t("The usual tests for two models on the same patients."),
        ),
        Deviation(
            t("Baselines"),
            t("None."),
            t("Logistic regression on {baselines}, each alone; same folds, same test set.", baselines=baselines)
            if baselines
            else t("None."),
            t("Tumour size alone predicts grade; a network has to be compared with it."),
        ),
    ]


def _silences(study: Study) -> list[Deviation]:
    image = study.image
    levels = enumerated([f"{arm.name}: {arm.supervision}" for arm in study.arm])
    silent = t("Not published.")
    return [
        Deviation(
            t("Annotation given"),
            silent,
            t("{levels}.", levels=levels),
            t("The least annotation with which each arm can be run."),
        ),
        Deviation(
            t("Choice of slices"),
            silent,
            t("The annotated slice, or the one with the largest tumour area; further slices spread over the tumour."),
            t("Reproducible without a reader's judgement."),
        ),
        Deviation(
            t("Window"),
            silent,
            t("{windows}.", windows=_windows(study)),
            t("Covers fat, unenhanced and enhanced tissue."),
        ),
        Deviation(
            t("Field of view"),
            silent,
            t(
                "Slices {slice_mm} mm wide at {slice_px} px; box {box_mm} mm at {voxels} voxels.",
                slice_mm=f"{image.slice_mm:g}",
                slice_px=image.slice_px,
                box_mm="×".join(f"{edge:g}" for edge in image.box_mm),
                voxels="×".join(str(count) for count in image.box_voxels),
            ),
            t("Fixed in mm, so that tumour size is preserved."),
        ),
        *_learning_rows(study, silent),
        Deviation(
            t("Threshold"),
            silent,
            t("{rule} on out-of-fold training predictions, frozen before the test set is opened.", rule=_rule(study)),
            t("A threshold chosen on the test set flatters the model."),
        ),
    ]


def _windows(study: Study) -> str:
    texts = {phase: window_text(study.window_of(phase), phase) for phase in study.cohort.phases}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return t("; ").join(f"{phase} {text}" for phase, text in texts.items())


def _learning_rows(study: Study, silent: str) -> list[Deviation]:
    words = by_arm(study, _learning)
    return [Deviation(t("Learning"), silent, words, t("Common settings for a ResNet-18."))] if words else []


def _learning(fit: FitSettings) -> str:
    return t(
        "AdamW, learning rate {rate} with warm-up and cosine decay, up to {epochs} epochs, batches "
        "of {batch}, {sampling}, {stopping}.",
        rate=f"{fit.learning_rate:g}",
        epochs=fit.epochs,
        batch=fit.batch_size,
        sampling=t("balanced sampling") if fit.balanced else t("plain sampling"),
        stopping=t("early stopping") if fit.patience else t("no early stopping"),
    )


def _rule(study: Study) -> str:
    settings = study.evaluate
    target = f"{settings.threshold_target:g}"
    rules = {
        "youden": t("Youden's index"),
        "sensitivity": t("The highest threshold with a sensitivity of at least {target}", target=target),
        "specificity": t("The lowest threshold with a specificity of at least {target}", target=target),
        "cost": t(
            "The lowest cost, with a missed high grade costing {ratio} false alarms", ratio=f"{settings.cost_ratio:g}"
        ),
    }
    return rules[settings.threshold]
