"""What a run found, read once and typed: scores, statistics, findings and fitted networks of a run folder.

Report, comparison and prediction take every number from here; no other module reads the tables in ``statistics/``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nephrograde.cohort.agreement_row import AgreementRow
from nephrograde.cohort.origin import Origin, read_origin
from nephrograde.cohort.split import Split, read_split
from nephrograde.errors import RunError
from nephrograde.evaluation.attention import TumourAttention
from nephrograde.evaluation.baselines.increment import Increment
from nephrograde.evaluation.baselines.late import FusionRow
from nephrograde.evaluation.baselines.phase_table import PhaseRow
from nephrograde.evaluation.baselines.stack_table import StackRow
from nephrograde.evaluation.calibration.benefit import BenefitPoint
from nephrograde.evaluation.calibration.calibration import CalibrationPoint
from nephrograde.evaluation.comparison.compare import Comparison
from nephrograde.evaluation.comparison.equivalence import Equivalence
from nephrograde.evaluation.comparison.repeats import ProcedureComparison, RepeatedAuc
from nephrograde.evaluation.evaluation import Evaluation
from nephrograde.evaluation.ladder.curve import LadderPoint
from nephrograde.evaluation.ladder.ladder import LadderRow
from nephrograde.evaluation.ledger import Opening, read_ledger
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.evaluation.performance.threshold import Threshold
from nephrograde.evaluation.scores.scale import ModelScale, ScaleRow
from nephrograde.evaluation.scores.score_table import read_scores
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.evaluation.tables import ModelEstimate, read_estimates, read_table
from nephrograde.evaluation.uncertainty.new_patient import learn_judge, read_judge
from nephrograde.evaluation.uncertainty.uncertainty import Uncertainty, read_uncertainty
from nephrograde.files import read_rows
from nephrograde.results.checked import Row, check_settings, checked_cases, checked_regions, is_there, study_of
from nephrograde.results.fitted import FittedFold, read_fits
from nephrograde.run.folder import RunFolder
from nephrograde.run.parts import RunPart
from nephrograde.run.provenance import check_format, read_lock_file
from nephrograde.run.seal import Seal, read_seal
from nephrograde.run.stage import require_finished
from nephrograde.study import EvaluateSettings, Study
from nephrograde.study.faults import read_section
from nephrograde.vocabulary import BASELINES
from nephrograde.volume.finding import Finding, read_findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.evaluation.uncertainty.new_patient import Judge

REGION_COLUMNS = ("patient_id", "phase", "arm", "file", "slices")
RowKind = TypeVar("RowKind")


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the run: its id and, if it belongs to the study, its arm and phase."""

    name: str
    arm: str | None = None
    phase: str | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether this is a logistic baseline and not a network.

        >>> Model("size").is_baseline, Model("weak-1-cmp").is_baseline
        (True, False)
        """
        return self.name in BASELINES


@dataclass(frozen=True, slots=True, repr=False)
class Results:
    """The patients and results of a run folder; what is ``absent`` is empty.

    ``cases`` and ``regions`` are rows as dictionaries, as their columns depend on the cohort table. ``seal`` is None if
    the run has not been evaluated.
    """

    folder: RunFolder
    lock: Mapping[str, Any]
    seal: Seal | None
    study: Study | None
    cases: tuple[Row, ...]
    split: Split
    agreement: tuple[AgreementRow, ...]
    findings: tuple[Finding, ...]
    regions: tuple[Row, ...]
    fits: tuple[FittedFold, ...]
    scores: Scores
    scales: tuple[ScaleRow, ...]
    estimates: tuple[ModelEstimate, ...]
    comparisons: tuple[Comparison, ...]
    equivalences: tuple[Equivalence, ...]
    calibration: tuple[CalibrationPoint, ...]
    net_benefit: tuple[BenefitPoint, ...]
    subgroups: tuple[SubgroupEstimate, ...]
    increments: tuple[Increment, ...]
    phases: tuple[PhaseRow, ...]
    stack: tuple[StackRow, ...]
    fusion: tuple[FusionRow, ...]
    attention: tuple[TumourAttention, ...]
    repeats: tuple[RepeatedAuc, ...]
    procedures: tuple[ProcedureComparison, ...]
    ladder: tuple[LadderRow, ...]
    ladder_curves: tuple[LadderPoint, ...]
    uncertainty: Uncertainty
    openings: tuple[Opening, ...]
    absent: frozenset[RunPart]
    origin: Origin

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({self.run_dir}: {len(self.models)} models, {len(self.truths)} scored patients)"

    @classmethod
    def read(cls, run_dir: str | Path | RunFolder) -> Self:
        """Read a run folder.

        Args:
            run_dir: The folder of a study's run or of an evaluated score table, or its ``RunFolder``.

        Returns:
            Its contents. Missing parts are listed in ``absent``.

        Raises:
            RunError: It is not a run folder, was evaluated by another version, holds a damaged file or one that was
                altered since the evaluation, or was interrupted while its files were replaced.
            ScoresError: The score table cannot be read.
        """
        folder = RunFolder.open(run_dir)
        require_finished(folder, "prepare", "evaluate", "ladder")
        lock = read_lock_file(folder)
        check_format(lock, folder.run_dir)
        seal = read_seal(folder)
        if seal is not None:
            seal.verify()
        check_settings(lock, folder)
        absent = frozenset(part for part in RunPart if not is_there(folder, part))

        def rows(part: RunPart, columns: tuple[str, ...]) -> tuple[Row, ...]:
            return () if part in absent else tuple(read_rows(part.path(folder), columns))

        def table(part: RunPart, kind: type[RowKind]) -> tuple[RowKind, ...]:
            return () if part in absent else read_table(kind, part.path(folder))

        return cls(
            folder=folder,
            lock=lock,
            seal=seal,
            study=study_of(lock, folder),
            cases=checked_cases(rows(RunPart.CASES, ("patient_id", "is_high")), folder),
            split=Split({}) if RunPart.SPLIT in absent else read_split(folder.split_path),
            agreement=read_table(AgreementRow, folder.agreement_path) if folder.agreement_path.is_file() else (),
            findings=() if RunPart.FINDINGS in absent else tuple(read_findings(folder.findings_path)),
            regions=checked_regions(rows(RunPart.REGIONS, REGION_COLUMNS), folder),
            fits=read_fits(folder),
            scores=Scores(()) if RunPart.SCORES in absent else read_scores(folder.scores_path),
            estimates=() if RunPart.ESTIMATES in absent else read_estimates(folder.estimates_path),
            scales=table(RunPart.SCALE, ScaleRow),
            comparisons=table(RunPart.COMPARISONS, Comparison),
            equivalences=table(RunPart.EQUIVALENCE, Equivalence),
            calibration=table(RunPart.CALIBRATION, CalibrationPoint),
            net_benefit=table(RunPart.NET_BENEFIT, BenefitPoint),
            subgroups=table(RunPart.SUBGROUPS, SubgroupEstimate),
            increments=table(RunPart.INCREMENT, Increment),
            phases=table(RunPart.PHASES, PhaseRow),
            stack=table(RunPart.STACK, StackRow),
            fusion=table(RunPart.FUSION, FusionRow),
            attention=table(RunPart.ATTENTION, TumourAttention),
            repeats=table(RunPart.REPEATS, RepeatedAuc),
            procedures=table(RunPart.PROCEDURES, ProcedureComparison),
            ladder=table(RunPart.LADDER, LadderRow),
            ladder_curves=table(RunPart.LADDER_CURVES, LadderPoint),
            uncertainty=read_uncertainty(folder),
            openings=read_ledger(folder.run_dir),
            absent=absent,
            origin=read_origin(folder.origin_path),
        )

    def require_evaluated(self) -> None:
        """Check that the run has scores and estimates.

        Raises:
            RunError: The run has not been evaluated.
        """
        for part in (RunPart.SCORES, RunPart.ESTIMATES):
            if part in self.absent:
                raise RunError(
                    f"{part.path(self.folder)} is missing, so there is nothing to report. "
                    "Run `nephrograde evaluate` first."
                )

    @property
    def run_dir(self) -> Path:
        """The run folder."""
        return self.folder.run_dir

    @property
    def is_synthetic(self) -> bool:
        """Whether the cohort is synthetic."""
        if self.study is not None:
            return self.study.synthetic
        return self.lock.get("validation", {}).get("synthetic") is True

    @property
    def reported(self) -> SplitName:
        """The predictions to report, those of the test set, or out of fold if there is none."""
        return "test" if self.scores.has_test else "oof"

    @property
    def truths(self) -> dict[str, bool]:
        """Whether each scored patient is high grade, by patient id."""
        return {row.patient_id: row.is_high for row in self.scores.rows}

    @property
    def models(self) -> tuple[Model, ...]:
        """All models with scores, first the study's in its order, then others, then the baselines."""
        known = {one.id: Model(one.id, one.arm.name, one.phase) for one in (self.study.models() if self.study else [])}
        scored = self.scores.models
        foreign = [name for name in scored if name not in known and name not in BASELINES]
        return (
            *(model for name, model in known.items() if name in scored),
            *(Model(name) for name in foreign),
            *(Model(name) for name in scored if name in BASELINES and name not in known),
        )

    @property
    def is_graded(self) -> bool:
        """Whether the two classes are low and high grade, rather than another outcome."""
        return self.study is None or any(case.get("grade") for case in self.cases)

    @property
    def settings(self) -> EvaluateSettings:
        """The settings of the evaluation, either the study's, those given for a score table, or the defaults."""
        if self.study is not None:
            return self.study.evaluate
        return read_section(EvaluateSettings, self.lock.get("evaluate", {}))

    @property
    def confidence_percent(self) -> str:
        """The confidence level of the intervals, in percent."""
        return f"{100 * self.settings.confidence:g}"

    @property
    def chosen_network(self) -> str | None:
        """The network with the highest out-of-fold AUC, chosen without test patients; None if there is none."""
        return self._best_out_of_fold([model.name for model in self.models if not model.is_baseline])

    @property
    def chosen_baseline(self) -> str | None:
        """The baseline with the highest out-of-fold AUC, chosen without test patients; None if there is none."""
        return self._best_out_of_fold([model.name for model in self.models if model.is_baseline])

    def _best_out_of_fold(self, models: Sequence[str]) -> str | None:
        found = {name: made.value for name in models if (made := self.estimate(name, "auc", "oof")) is not None}
        known = {name: value for name, value in found.items() if not math.isnan(value)}
        return max(known, key=lambda name: known[name], default=None)

    def estimate(self, model: str, measure: str, split: SplitName | None = None) -> Estimate | None:
        """Look up an estimate.

        Args:
            model: The model id, such as ``weak-1-cmp``.
            measure: The measure, such as ``auc``.
            split: ``test`` or ``oof``; the reported predictions if None.

        Returns:
            The estimate; None if there is none.
        """
        part = split or self.reported
        for name, where, estimate in self.estimates:
            if (name, where, estimate.measure) == (model, part, measure):
                return estimate
        return None

    def threshold(self, model: str) -> Threshold | None:
        """Look up the frozen threshold of a model, with its rule.

        Args:
            model: The model id, such as ``weak-1-cmp``.

        Returns:
            The threshold; None if the model has not been evaluated.
        """
        for name, _, made in self.estimates:
            if name == model and made.measure == "threshold" and made.rule is not None:
                return Threshold(made.value, made.rule, made.n, made.rule_value, made.caution)
        return None

    def judge(self, model: str) -> Judge:
        """Look up what the out-of-fold patients of a model teach about a new patient.

        In a run of an older version, which did not store it, it is learnt again.

        Args:
            model: The model id, such as ``weak-1-cmp``.

        Raises:
            RunError: What was stored is damaged.
        """
        stored = read_judge(self.folder.judges_path, model)
        return learn_judge(self.scores.of(model, "oof"), self.settings) if stored is None else stored

    def scale(self, model: str) -> ModelScale | None:
        """Look up how the networks of a model and their mean are corrected.

        Args:
            model: The model id, such as ``weak-1-cmp``.

        Returns:
            The scale; None if the model has no networks or has not been evaluated.
        """
        rows = [row for row in self.scales if row.model == model]
        networks = tuple(row for row in rows if row.fold is not None)
        means = [row for row in rows if row.fold is None]
        return ModelScale(networks, means[0]) if networks and len(means) == 1 else None

    @property
    def evaluation(self) -> Evaluation:
        """Only the statistics, as computed from the scores."""
        thresholds = {model: found for model in self.scores.models if (found := self.threshold(model)) is not None}
        return Evaluation(
            estimates=self.estimates,
            comparisons=self.comparisons,
            thresholds=thresholds,
            equivalences=self.equivalences,
            calibration=self.calibration,
            net_benefit=self.net_benefit,
            subgroups=self.subgroups,
            uncertainty=self.uncertainty,
        )

    def auc_difference(self, a: str, b: str) -> Comparison | None:
        """Look up the AUC of a minus that of b, whichever way the pair is stored.

        Args:
            a: The id of the first model.
            b: The id of the model whose AUC is subtracted.
        """
        for pair in self.comparisons:
            if pair.measure == "auc" and (pair.model_a, pair.model_b) == (a, b):
                return pair
            if pair.measure == "auc" and (pair.model_a, pair.model_b) == (b, a):
                return pair.reversed()
        return None
