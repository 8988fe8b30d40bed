"""What the paper prints, what is known to be wrong with it, and where a study of ours departs from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nephrograde.report.numbers import MINUS
from nephrograde.vocabulary import KNOWN_PHASES, phase_name

if TYPE_CHECKING:
    from nephrograde.study import Arm, Study, Window

PAPER = "弱监督深度学习模型在透明细胞肾细胞癌WHO/ISUP核分级预测中的应用 (15 April 2026)"
PREPRINT = "Research Square preprint rs-6489710, version 1 (306 patients, 214 training, 92 test)"
PAPER_PHASES = ("cmp", "np", "up")


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """One row of the paper's table, as printed; no confidence interval and no count is given there.

    Args:
        kind: ``weak`` is a 2D network on slices, ``strong`` a 3D network on the delineated tumour.
        slices: How many axial slices the network saw; None for a volume.
        phase: The phase code.
        source: Where the numbers stand.
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
        """The row's name, for people.

        >>> PRINTED_ROWS[0].label
        'weak, one slice, corticomedullary'
        """
        seen = "one slice" if self.slices else "3D"
        return f"{self.kind}, {seen}, {phase_name(self.phase)}"

    def is_matched_by(self, arm: Arm, phase: str) -> bool:
        """Whether an arm of ours on a phase is the counterpart of this row."""
        return phase == self.phase and arm.slices == self.slices


PRINTED_ROWS = (
    PrintedRow("weak", 1, "cmp", accuracy=0.859, sensitivity=0.857, specificity=0.860, auc=0.907, source=PAPER),
    PrintedRow("strong", None, "cmp", accuracy=0.848, sensitivity=0.854, specificity=0.843, auc=0.922, source=PAPER),
)
"""The only rows that are printed: the best weak and the best strong model. All NP and UP results are unpublished."""

NOT_COMPARABLE = (
    "Not comparable: these are other patients, other scanners and other readers, so a difference between the two "
    "rows says nothing about either model."
)

IMPOSSIBLE = (
    "The printed numbers cannot be read as they stand. With 90 test patients no whole numbers of true positives, "
    "true negatives, positives and negatives give accuracy 0.859 with sensitivity 0.857 and specificity 0.860, nor "
    "0.848 with 0.854 and 0.843. With the 92 test patients of the preprint the weak row has three solutions "
    "(35, 42 or 49 high-grade patients) and the strong row exactly one (41 high-grade patients). They have no number "
    "of high-grade patients in common, so the two models were not scored on the same patients, or one label or "
    "decimal differs."
)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One line of the table of deviations.

    Args:
        topic: What the line is about.
        paper: What the paper says of it.
        ours: What this run did.
        why: The reason.
    """

    topic: str
    paper: str
    ours: str
    why: str


def window_text(window: Window, phase: str) -> str:
    """Write a window with its unit; only the known CT phases are sure to be in HU.

    >>> from nephrograde.study import Window
    >>> window_text(Window(low=-200.0, high=300.0), "cmp"), window_text(Window(low=0.0, high=15.0), "pet")
    ('−200 to 300 HU', '0 to 15')
    """
    unit = " percentile of the region" if window.percentiles else " HU" if phase in {*KNOWN_PHASES, "ct"} else ""
    return f"{window.low:g} to {window.high:g}{unit}".replace("-", MINUS)


def deviations(study: Study, *, n_patients: int) -> list[Deviation]:
    """List where a study departs from what the paper states, then what the paper leaves open.

    Meant for the report; a value that the study file sets is printed as it was in this run.

    Args:
        study: The resolved study.
        n_patients: Patients in the cohort.

    Source:
        The paper's methods; what is not published there is our own choice.
    """
    return [*_departures(study, n_patients), *_silences(study)]


def _departures(study: Study, n_patients: int) -> list[Deviation]:
    made = "made by code, not real" if study.synthetic else "another cohort"
    lines = [
        Deviation(
            "Patients",
            "300 with pathologically confirmed clear cell RCC.",
            f"{n_patients} patients, {made}.",
            "The paper's patients are not public.",
        )
    ]
    if study.cohort.outcome != "isup_grade":
        lines.append(
            Deviation(
                "Outcome",
                "WHO/ISUP grade 3–4 (high) against 1–2 (low).",
                f"The column “{study.cohort.outcome}” of the cohort table.",
                "Another question is asked of these data.",
            )
        )
    if set(study.cohort.phases) != set(PAPER_PHASES):
        lines.append(
            Deviation(
                "Phases",
                "Corticomedullary, nephrographic and unenhanced CT.",
                ", ".join(phase_name(phase) for phase in study.cohort.phases) + ".",
                "What the cohort offers.",
            )
        )
    drawn = (
        f"By the column “{study.split.column}”"
        if study.split.column
        else f"{1 - study.split.test_fraction:.0%} training, {study.split.test_fraction:.0%} test, drawn once"
    )
    return [
        *lines,
        Deviation(
            "Split",
            "7:3, 210 training and 90 test patients.",
            f"{drawn}; {study.split.folds} folds within training.",
            "The folds give predictions for training patients that the network has not seen.",
        ),
        Deviation(
            "Scoring the test set",
            "One set of values a model.",
            f"Mean probability of the {study.split.folds} fold networks of a model.",
            "Uses every training patient; no fold is picked.",
        ),
        Deviation(
            "Uncertainty",
            "No interval is printed.",
            "DeLong intervals for AUC, Wilson intervals for proportions, counts beside every proportion.",
            "With about 90 patients the intervals are wide, and the reader must see it.",
        ),
        Deviation(
            "Comparison",
            "“Paired comparison”, P > 0.05; the test is not named.",
            "Paired DeLong on AUC, exact McNemar on sensitivity and specificity, Holm-adjusted.",
            "The usual tests for two models on the same patients.",
        ),
        Deviation(
            "Baselines",
            "None.",
            f"Logistic regression on {' and on '.join(study.evaluate.baselines)} alone, same folds, same test set."
            if study.evaluate.baselines
            else "None.",
            "Tumour size alone predicts grade; a network must be seen beside it.",
        ),
    ]


def _silences(study: Study) -> list[Deviation]:
    texts = {phase: window_text(study.window_of(phase), phase) for phase in study.cohort.phases}
    same = len(set(texts.values())) == 1
    shown = next(iter(texts.values())) if same else "; ".join(f"{phase} {text}" for phase, text in texts.items())
    image, fit = study.image, study.fit
    voxels = "×".join(str(count) for count in image.box_voxels)
    box_mm = "×".join(f"{edge:g}" for edge in image.box_mm)
    levels = ", ".join(f"{arm.name}: {arm.supervision}" for arm in study.arm)
    silent = "Not published."
    return [
        Deviation("Annotation given", silent, f"{levels}.", "The cheapest level at which each arm can be run."),
        Deviation(
            "Choice of slices",
            silent,
            "The annotated slice, or the one with the largest tumour area; further slices spread over the tumour.",
            "Can be repeated without a reader's judgement.",
        ),
        Deviation("Window", silent, f"{shown}.", "Holds fat, unenhanced and enhanced tissue (our choice)."),
        Deviation(
            "Field of view",
            silent,
            f"Slices {image.slice_mm:g} mm wide at {image.slice_px} px; box {box_mm} mm at {voxels} voxels.",
            "Fixed in mm, so that the size of the tumour survives.",
        ),
        Deviation(
            "Learning",
            silent,
            f"AdamW, learning rate {fit.learning_rate:g} with warm-up and cosine, up to {fit.epochs} epochs, "
            f"batches of {fit.batch_size}, {'balanced' if fit.balanced else 'plain'} sampling, "
            f"{'early stopping' if fit.patience else 'no early stopping'}.",
            "Common settings for a ResNet-18 (our choice).",
        ),
        Deviation(
            "Threshold",
            silent,
            "Youden's index on out-of-fold training predictions, frozen before the test set is read.",
            "A threshold chosen on the test set flatters the model.",
        ),
    ]
