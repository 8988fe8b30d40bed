"""The run folder: the names of all its files, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.quality_folder import QualityFolder
from nephrograde.run.report_folder import ReportFolder
from nephrograde.run.tuning_folder import TuningFolder
from nephrograde.run.validation_folder import ValidationFolder

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The path of each file of a run; nothing is read or created.

    All other packages ask this class for paths, so that the layout is known only here.

    >>> run = RunFolder(Path("runs/first"))
    >>> run.scores_path.as_posix()
    'runs/first/scores/scores.csv'
    >>> run.fold("weak-1-cmp", 0).weights_path.as_posix()
    'runs/first/models/weak-1-cmp/fold-0/weights.safetensors'
    """

    run_dir: Path

    @classmethod
    def at(cls, run: RunFolder | str | Path) -> RunFolder:
        """Return the paths of a run that may not exist yet.

        Args:
            run: The folder, or its ``RunFolder``.
        """
        return run if isinstance(run, RunFolder) else cls(Path(run))

    @classmethod
    def open(cls, run: RunFolder | str | Path) -> RunFolder:
        """Return the paths of an existing run.

        Args:
            run: The folder of a study's run or of an evaluated score table, or its ``RunFolder``.

        Raises:
            RunError: It is not a run folder.
        """
        folder = cls.at(run)
        if not folder.is_run():
            raise RunError(
                f"{folder.run_dir} is not a run folder: it has no {folder.study_lock_path.name}. "
                "Give the folder that `nephrograde run` or `nephrograde evaluate` wrote with --out."
            )
        return folder

    def is_run(self) -> bool:
        """Whether the folder holds a run."""
        return self.study_lock_path.is_file()

    # The whole run
    @property
    def study_lock_path(self) -> Path:
        """The resolved study, or the settings of an evaluation, with versions and the SHA-256 of every input."""
        return self.run_dir / "study.lock.json"

    @property
    def origin_path(self) -> Path:
        """The sources and series of a public cohort, copied from beside its table."""
        return self.run_dir / "origin.json"

    @property
    def writer_path(self) -> Path:
        """The file that is locked by the process that writes to the run; never removed."""
        return self.run_dir / ".nephrograde.lock"

    @property
    def seal_path(self) -> Path:
        """The SHA-256 of the fitted networks, the scores and the statistics of an evaluation."""
        return self.run_dir / "seal.json"

    @property
    def ledger_path(self) -> Path:
        """All openings of the test set."""
        return self.run_dir / "ledger.csv"

    @property
    def pseudonyms_key_path(self) -> Path:
        """The key of the pseudonyms under which scores are shared; it never leaves the hospital."""
        return self.run_dir / "sharing" / "pseudonyms.key"

    @property
    def stages_dir(self) -> Path:
        """The records of the stages."""
        return self.run_dir / "stages"

    def stage_path(self, stage: str) -> Path:
        """The record of a finished stage."""
        return self.stages_dir / f"{stage}.json"

    @property
    def logs_dir(self) -> Path:
        """What units that an engine placed on other machines have printed."""
        return self.run_dir / "logs"

    # The cohort
    @property
    def cohort_dir(self) -> Path:
        """Cases and split."""
        return self.run_dir / "cohort"

    @property
    def cases_path(self) -> Path:
        """What the study read from the cohort table."""
        return self.cohort_dir / "cases.csv"

    @property
    def split_path(self) -> Path:
        """The test set and the folds."""
        return self.cohort_dir / "split.csv"

    @property
    def readers_dir(self) -> Path:
        """What follows from the labels of several readers; no result of a model depends on it."""
        return self.run_dir / "readers"

    @property
    def agreement_path(self) -> Path:
        """How much the readers of the annotations agree; only with several readers."""
        return self.readers_dir / "agreement.csv"

    # The scans
    @property
    def volumes_dir(self) -> Path:
        """The prepared regions with their index."""
        return self.run_dir / "volumes"

    @property
    def findings_path(self) -> Path:
        """Problems with the scans."""
        return self.volumes_dir / "findings.csv"

    @property
    def regions_path(self) -> Path:
        """The prepared regions."""
        return self.volumes_dir / "regions.csv"

    @property
    def tumours_path(self) -> Path:
        """All tumours of all delineations."""
        return self.volumes_dir / "tumours.csv"

    @property
    def image_inputs_path(self) -> Path:
        """The SHA-256 of all images and masks."""
        return self.volumes_dir / "inputs.json"

    @property
    def encoded_dir(self) -> Path:
        """The features that frozen encoders give of the prepared regions."""
        return self.run_dir / "encoded"

    @property
    def radiomics_dir(self) -> Path:
        """The radiomic features."""
        return self.run_dir / "radiomics"

    @property
    def features_path(self) -> Path:
        """The radiomic features, one row per scan."""
        return self.radiomics_dir / "features.csv"

    @property
    def quality(self) -> QualityFolder:
        """What ``nephrograde check`` found."""
        return QualityFolder(self.run_dir / "quality")

    # The models
    @property
    def tuning(self) -> TuningFolder:
        """The trials that settings of training are chosen among."""
        return TuningFolder(self.run_dir / "tuning")

    @property
    def models_dir(self) -> Path:
        """The fitted networks."""
        return self.run_dir / "models"

    @property
    def repeats_dir(self) -> Path:
        """The networks of the repeats, which are fitted with other folds, another seed, or on fewer patients."""
        return self.run_dir / "repeats"

    def fold(self, model: str, fold: int, repeat: str = "") -> FoldFolder:
        """The folder of one fitted network.

        Args:
            model: The model id, such as ``weak-1-cmp``.
            fold: Counted from 0.
            repeat: The name of the repeat, such as ``seed-1``; empty for the networks of the study's results.
        """
        above = self.repeats_dir / repeat if repeat else self.models_dir
        return FoldFolder(above / model / f"fold-{fold}")

    def folds(self, model: str | None = None) -> Iterator[FoldFolder]:
        """The folders of the existing fitted networks, by model and fold.

        Args:
            model: The model id, such as ``weak-1-cmp``; None for all models.
        """
        found = [FoldFolder(path) for path in self.models_dir.glob(f"{model or '*'}/fold-*") if path.is_dir()]
        known = (one for one in found if one.is_named_well() and not one.model.startswith("."))
        yield from sorted(known, key=lambda one: (one.model, one.number))

    # The evaluation
    @property
    def scores_dir(self) -> Path:
        """The scores of all models."""
        return self.run_dir / "scores"

    @property
    def scores_path(self) -> Path:
        """The probability of every patient from every model."""
        return self.scores_dir / "scores.csv"

    @property
    def members_path(self) -> Path:
        """The probabilities of the individual networks, as they give them."""
        return self.scores_dir / "members.csv"

    @property
    def repeats_scores_path(self) -> Path:
        """The scores of the repeats."""
        return self.scores_dir / "repeats.csv"

    @property
    def stacked_path(self) -> Path:
        """The scores of what is joined: clinical columns with and without each network's score, and all models."""
        return self.scores_dir / "stacked.csv"

    @property
    def calibrated_path(self) -> Path:
        """The recalibrated probabilities and the prediction set of every patient from every model."""
        return self.scores_dir / "calibrated.csv"

    @property
    def statistics_dir(self) -> Path:
        """Everything that is computed from the scores."""
        return self.run_dir / "statistics"

    @property
    def scale_path(self) -> Path:
        """How the networks' probabilities became those of the scores."""
        return self.statistics_dir / "scale.csv"

    @property
    def fusion_path(self) -> Path:
        """The regressions that join the phases of a patient; absent without late fusion."""
        return self.statistics_dir / "fusion.csv"

    @property
    def judges_path(self) -> Path:
        """What the out-of-fold patients of each model teach about a new patient; absent in runs of older versions."""
        return self.statistics_dir / "judges.json"

    @property
    def estimates_path(self) -> Path:
        """The measures of each model with their intervals."""
        return self.statistics_dir / "estimates.csv"

    @property
    def comparisons_path(self) -> Path:
        """Differences between models."""
        return self.statistics_dir / "comparisons.csv"

    @property
    def equivalence_path(self) -> Path:
        """Non-inferiority and equivalence."""
        return self.statistics_dir / "equivalence.csv"

    @property
    def calibration_path(self) -> Path:
        """The smoothed calibration curves."""
        return self.statistics_dir / "calibration.csv"

    @property
    def net_benefit_path(self) -> Path:
        """The decision curves."""
        return self.statistics_dir / "net_benefit.csv"

    @property
    def subgroups_path(self) -> Path:
        """The AUC within subgroups."""
        return self.statistics_dir / "subgroups.csv"

    @property
    def increment_path(self) -> Path:
        """What the images add to clinical columns and size."""
        return self.statistics_dir / "increment.csv"

    @property
    def phases_path(self) -> Path:
        """Single phases, phases together, and both with clinical values."""
        return self.statistics_dir / "phases.csv"

    @property
    def stack_path(self) -> Path:
        """All models and the stack of them on the same patients."""
        return self.statistics_dir / "stack.csv"

    @property
    def attention_path(self) -> Path:
        """How often the networks with attention look at the tumour."""
        return self.statistics_dir / "attention.csv"

    @property
    def recalibration_path(self) -> Path:
        """Calibration before and after recalibration."""
        return self.statistics_dir / "recalibration.csv"

    @property
    def conformal_path(self) -> Path:
        """The cutoffs of the prediction sets."""
        return self.statistics_dir / "conformal.csv"

    @property
    def referral_path(self) -> Path:
        """Coverage of the prediction sets, and what referral to biopsy yields."""
        return self.statistics_dir / "referral.csv"

    @property
    def repeats_path(self) -> Path:
        """The AUC of every fold and of the test patients in every repeat."""
        return self.statistics_dir / "repeats.csv"

    @property
    def procedures_path(self) -> Path:
        """Differences between models over repeated cross-validation."""
        return self.statistics_dir / "procedures.csv"

    @property
    def ladder_path(self) -> Path:
        """AUC and minutes of annotation of each model of a study with several levels of supervision."""
        return self.statistics_dir / "ladder.csv"

    @property
    def ladder_curves_path(self) -> Path:
        """The learning curves of these models, by the hours of annotation."""
        return self.statistics_dir / "ladder_curves.csv"

    @property
    def report(self) -> ReportFolder:
        """The report with its figures, tables and model cards."""
        return ReportFolder(self.run_dir / "report")

    @property
    def validation(self) -> ValidationFolder:
        """What ``nephrograde validate`` found beside the statistics."""
        return ValidationFolder(self.run_dir / "validation")

    def real_dirs(self) -> Iterator[Path]:
        """The existing folders that hold files of the run, except those behind a symbolic link."""
        quality_dirs = (self.quality.quality_dir, self.quality.cache_dir, self.quality.thumbs_dir)
        made = (
            self.stages_dir,
            self.cohort_dir,
            self.readers_dir,
            self.volumes_dir,
            self.encoded_dir,
            self.radiomics_dir,
            self.models_dir,
            self.tuning.tuning_dir,
        )
        yield self.run_dir
        for folder in (
            *made,
            self.scores_dir,
            self.statistics_dir,
            *quality_dirs,
            *self.report.dirs,
            *self.validation.dirs,
        ):
            if folder.is_dir() and self._is_real(folder):
                yield folder
        for above in (self.models_dir, *_real_folders(self.repeats_dir), *_real_folders(self.tuning.tuning_dir)):
            if above.is_dir() and self._is_real(above):
                yield from _real_folders(above)

    def _is_real(self, folder: Path) -> bool:
        return folder.resolve() == self.run_dir.resolve() / folder.relative_to(self.run_dir)


def _real_folders(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.is_symlink()] if folder.is_dir() else []
