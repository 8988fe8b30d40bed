"""The Python API: what ``import nephrograde as ng`` offers.

Everything here is loaded on first use, so that importing the package costs nothing. Paths are ``str`` or ``Path``,
scores are arrays or DataFrames, and every mistake that a user can make raises a subclass of
:class:`~nephrograde.errors.NephrogradeError`. Research use only.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.arguments import (
    BY_OPTION,
    HEADINGS,
    NUMBERS,
    PATH,
    SHARE,
    TABLE,
    TEXT,
    TEXTS,
    VALUES,
    checked,
    either,
)
from nephrograde.errors import InputError, NephrogradeError, RunError
from nephrograde.evaluation.comparison.compare import Comparison, compare_models
from nephrograde.evaluation.frames import Evaluated, as_frames, evaluate_frame
from nephrograde.evaluation.performance.metrics import Estimate, auc
from nephrograde.evaluation.scores.scores import ModelScores, paired_vectors
from nephrograde.exchange.dicomweb import FoundSeries
from nephrograde.exchange.listening import ListenSettings, listen
from nephrograde.exchange.outgoing import SendReport
from nephrograde.exchange.retrieving import find_series, retrieve
from nephrograde.exchange.sending import send
from nephrograde.exchange.tls import Tls
from nephrograde.explanation.call import explain
from nephrograde.explanation.explanation import Explanation
from nephrograde.export.dicom.objects import DicomGrading, grade_to_dicom
from nephrograde.export.elsewhere import export_onnx, export_torch
from nephrograde.export.loading import load_grader
from nephrograde.export.many import grade_many
from nephrograde.export.monai_bundle import export_monai_bundle
from nephrograde.export.pack import pack
from nephrograde.placing.engine import parse_engine
from nephrograde.predict.grader import Grader
from nephrograde.predict.grading import Grading
from nephrograde.predict.many.outcome import PatientGrading
from nephrograde.printed.audit import Audits
from nephrograde.printed.call import audit
from nephrograde.reads.analysis import ReaderAnalysis
from nephrograde.reads.call import readers
from nephrograde.report.text.planned import Plan, plan
from nephrograde.results import Results
from nephrograde.run.parts import RunPart
from nephrograde.sharing.call import combine, share
from nephrograde.sharing.combined import Combined
from nephrograde.sharing.sharing import Shared
from nephrograde.sources.deidentify.call import deidentify
from nephrograde.sources.scan.call import scan_folder
from nephrograde.study import (
    Arm,
    AugmentSettings,
    CohortSettings,
    EvaluateSettings,
    FitSettings,
    ImageSettings,
    MaskSettings,
    SplitSettings,
    Study,
    TuneSettings,
    Window,
)
from nephrograde.study.file import load_study
from nephrograde.validation.call import validate
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd
    from matplotlib.figure import Figure

    from nephrograde.placing.engine import Engine


__all__ = [
    "Arm",
    "Audits",
    "AugmentSettings",
    "CohortSettings",
    "Combined",
    "Comparison",
    "DicomGrading",
    "Estimate",
    "EvaluateSettings",
    "Evaluated",
    "Explanation",
    "FitSettings",
    "FoundSeries",
    "Grader",
    "Grading",
    "ImageSettings",
    "InputError",
    "ListenSettings",
    "MaskSettings",
    "NephrogradeError",
    "PatientGrading",
    "Plan",
    "ReaderAnalysis",
    "Run",
    "SendReport",
    "Shared",
    "SplitSettings",
    "Study",
    "Tls",
    "TuneSettings",
    "Volume",
    "Window",
    "auc",
    "audit",
    "combine",
    "compare",
    "deidentify",
    "evaluate",
    "explain",
    "export_monai_bundle",
    "export_onnx",
    "export_torch",
    "find_series",
    "fit_study",
    "grade_many",
    "grade_to_dicom",
    "listen",
    "load_grader",
    "load_study",
    "open_run",
    "pack",
    "plan",
    "read_volume",
    "readers",
    "retrieve",
    "run_study",
    "scan_folder",
    "send",
    "share",
    "validate",
]


class Run(Results):
    """A run: everything it found, typed, with its tables as DataFrames and its figures.

    Made by :func:`open_run` and :func:`run_study`. ``estimate("weak-1-cmp", "auc")``, ``threshold("weak-1-cmp")``,
    ``scores`` and ``findings`` are read from the folder once.
    """

    __slots__ = ()

    def tables(self) -> Evaluated:
        """Give the statistics as DataFrames, as :func:`evaluate` does.

        Raises:
            RunError: The run has not been evaluated.
        """
        self.require_evaluated()
        return as_frames(self.evaluation)

    @checked(name=TEXT)
    def figure(self, name: str) -> Figure:
        """Draw a figure of the report with matplotlib.

        Args:
            name: ``roc``, ``confusion``, ``learning``, ``calibration``, ``benefit``, ``patients``, ``ladder`` or
                ``ladder-curves``.

        Raises:
            InputError: The name is not a text.
            RunError: There is no such figure, or the run has no data for it.
        """
        from nephrograde.report.figures.curves import EVIDENCE_FIGURES
        from nephrograde.report.figures.ladder import LADDER_FIGURES
        from nephrograde.report.figures.study_figures import STUDY_FIGURES

        known = {**STUDY_FIGURES, **EVIDENCE_FIGURES, **LADDER_FIGURES}
        if name not in known:
            raise RunError(f"There is no figure '{name}'. There are: {', '.join(known)}.")
        drawing = known[name](self)
        if drawing is None or drawing.figure is None:
            raise RunError(f"{self.run_dir} has no data for the figure '{name}'.")
        return drawing.figure

    def _repr_html_(self) -> str:
        mark = "<p><b>SYNTHETIC DATA</b></p>" if self.is_synthetic else ""
        if {RunPart.SCORES, RunPart.ESTIMATES} & self.absent:
            return f"{mark}{html.escape(repr(self))}"
        return f"{mark}{self.tables()._repr_html_()}"


@checked(run_dir=PATH)
def open_run(run_dir: str | Path) -> Run:
    """Open the folder that ``nephrograde run`` or ``nephrograde evaluate`` wrote.

    Args:
        run_dir: The folder.

    Raises:
        InputError: It is not a path.
        RunError: It is not the folder of a run, was evaluated by another version, or holds a damaged file.
    """
    return Run.read(run_dir)


@checked(
    study=either(PATH, Study, remedy="Give a Study, or the path of its TOML file."),
    run_dir=PATH,
    reason=either(TEXT, type(None), remedy="Give a text, or None."),
    on=TEXT,
    resources=BY_OPTION,
)
def run_study(
    study: Study | str | Path,
    run_dir: str | Path | None = None,
    *,
    reason: str | None = "",
    on: str = "local",
    resources: Mapping[str, str | float] | None = None,
) -> Run:
    """Run a study from the cohort table to the report, and go on where an earlier run stopped.

    Args:
        study: The study, or the path of its TOML file.
        run_dir: The run folder; ``runs/<name of the study>`` when None.
        reason: Why the test set is opened; may be empty the first time. None leaves it closed.
        on: Where scans are prepared and models fitted: "local", "slurm", "ray", or a cluster as "ray://HOST:PORT".
        resources: What ``on`` gives each unit, such as ``{"gpus": 0.5}``; as ``--with`` of the command.

    Returns:
        The run; the report is in ``run.folder.report.page_path()``.

    Raises:
        InputError: With every mistake of the study file and the cohort table.
        RunError: Another process writes into the folder, it holds another study, or the test set would be opened again
            without a reason.
        FitError: A model cannot be fitted.
    """
    from nephrograde import pipeline

    engine = _engine(on, resources)
    resolved, name, folder = _resolved(study, run_dir)
    pipeline.run_study(resolved, folder, engine=engine, command=f"nephrograde.run_study({name!r})", reason=reason)
    return open_run(folder)


def _engine(on: str, resources: Mapping[str, str | float] | None) -> Engine:
    """What places units."""
    return parse_engine(on, [f"{name}={value}" for name, value in (resources or {}).items()])


def _resolved(study: Study | str | Path, run_dir: str | Path | None) -> tuple[Study, str, Path]:
    """The study, its name, and the run folder."""
    from nephrograde import pipeline

    resolved = study if isinstance(study, Study) else pipeline.load_inputs(Path(study))
    name = resolved.name if isinstance(study, Study) else Path(study).stem
    return resolved, name, Path("runs", name) if run_dir is None else Path(run_dir)


@checked(
    study=either(PATH, Study, remedy="Give a Study, or the path of its TOML file."),
    run_dir=PATH,
    only=TEXTS,
    on=TEXT,
    resources=BY_OPTION,
)
def fit_study(
    study: Study | str | Path,
    run_dir: str | Path | None = None,
    *,
    only: Sequence[str] = (),
    on: str = "local",
    resources: Mapping[str, str | float] | None = None,
) -> dict[str, bool]:
    """Fit the models of a prepared study, or some units of it, each one model on one fold.

    With ``only``, nothing but these units is written, each once, so that several processes on all machines that see the
    run folder can work at the same time.

    Args:
        study: The study, or the path of its TOML file.
        run_dir: The run folder; ``runs/<name of the study>`` when None.
        only: Names of units, such as ``["weak-1-cmp/fold-0"]``, or ``["seed-1/weak-1-cmp/fold-0"]`` in a repeat; all
            when empty.
        on: As of :func:`run_study`; units named by ``only`` are fitted here.
        resources: As of :func:`run_study`.

    Returns:
        Whether each unit of the study is fitted, by its name.

    Raises:
        InputError: With every mistake of the study file and the cohort table; or there is no such unit.
        RunError: The run folder is not prepared, was opened for another study, or is being written by another process.
        FitError: A model cannot be fitted.
    """
    from nephrograde import pipeline

    engine = _engine(on, resources)
    resolved, name, folder = _resolved(study, run_dir)
    pipeline.fit_study(resolved, folder, only=only, engine=engine, command=f"nephrograde.fit_study({name!r})")
    return pipeline.list_units(resolved, folder)


@checked(scores=TABLE, columns=HEADINGS, encoding=TEXT)
def evaluate(
    scores: pd.DataFrame | str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    **settings: Any,
) -> Evaluated:
    """Evaluate the predictions of any program: each model alone, and each pair of models on the same patients.

    Nothing is written. ``nephrograde evaluate`` does the same for a file and writes a report.

    Args:
        scores: A DataFrame, or the path of a table (CSV, TSV or XLSX), with the columns ``patient_id``, ``model``,
            ``is_high`` (0/1) and ``p_high`` (0 to 1); ``split`` ("oof" or "test"; without it every row is a test row)
            and ``fold`` where known. With ``lesion_id`` each row is a lesion. Usual other headings and words are
            recognised, Chinese ones among them.
        columns: Headings by standard name, such as ``{"p_high": "模型输出"}``, where they are not usual ones.
        encoding: The encoding of a text file; detected when None.
        settings: Keys of ``[evaluate]`` of the study file, like ``confidence=0.9`` or ``subgroups=("sex",)``; see
            :class:`EvaluateSettings`.

    Returns:
        The results as DataFrames, called ``estimates``, ``comparisons``, ``equivalence``, ``calibration``,
        ``net_benefit`` and ``subgroups``.

    Raises:
        InputError: It is neither a DataFrame nor a path, or a setting is not valid.
        ScoresError: The table cannot be evaluated; all problems at once.

    >>> import nephrograde as ng
    >>> import pandas as pd
    >>> scores = pd.DataFrame(
    ...     {
    ...         "patient_id": ["A", "B", "C", "D", "E", "F"],
    ...         "model": "mine",
    ...         "is_high": [0, 0, 0, 1, 1, 1],
    ...         "p_high": [0.1, 0.3, 0.6, 0.5, 0.8, 0.9],
    ...     }
    ... )
    >>> result = ng.evaluate(scores)
    >>> float(result.estimates.set_index("measure").loc["auc", "value"].round(3))
    0.889
    """
    return evaluate_frame(scores, EvaluateSettings(**settings), encoding=encoding, columns=columns)


@checked(p_high_a=NUMBERS, p_high_b=NUMBERS, is_high=VALUES, confidence=SHARE)
def compare(
    p_high_a: npt.ArrayLike, p_high_b: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95
) -> Comparison:
    """Compare the AUCs of two models that scored the same patients, with DeLong's paired test.

    A large p value does not show that two models are equal; :func:`evaluate` tests for equivalence.

    Args:
        p_high_a: The predictions of model a; any finite numbers that grow with the suspicion of high grade.
        p_high_b: Those of model b, of the same patients in the same order.
        is_high: The truths: bool, or 0 and 1.
        confidence: The probability that the interval of the difference is to cover.

    Returns:
        AUC of a minus AUC of b with its interval and p value. NaN where nothing can be tested; ``method`` says why.

    Raises:
        InputError: An argument is of another kind, or the confidence lies outside 0 to 1.
        ScoresError: Different lengths, no patient, a value that is not finite, or a truth other than 0 and 1.

    >>> import nephrograde as ng
    >>> truth = [0, 0, 0, 1, 1, 1]
    >>> found = ng.compare([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0.2, 0.7, 0.3, 0.6, 0.4, 0.9], truth)
    >>> round(found.difference, 3), round(found.p_value, 3)
    (0.111, 0.724)
    """
    a, truths = paired_vectors(p_high_a, is_high)
    b, _ = paired_vectors(p_high_b, is_high)
    patients = tuple(str(number) for number in range(truths.size))
    models = {"a": ModelScores(patients, truths, a), "b": ModelScores(patients, truths, b)}
    return compare_models(models, {"a": np.inf, "b": np.inf}, confidence=confidence)[0]
