"""The Python API: what ``import nephrograde as ng`` offers.

Everything here is loaded on first use, so that importing the package costs nothing. Paths are ``str`` or ``Path``,
scores are arrays or DataFrames, and every mistake that a user can make raises a subclass of
:class:`~nephrograde.errors.NephrogradeError`. Research use only.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nephrograde.arguments import (
    COUNT,
    FLAG,
    HEADINGS,
    NUMBERS,
    PATH,
    SHARE,
    TABLE,
    TEXT,
    VALUES,
    checked,
    choice,
    either,
)
from nephrograde.errors import InputError, NephrogradeError, RunError
from nephrograde.evaluation.compare import Comparison, compare_models
from nephrograde.evaluation.frames import Evaluated, as_frames, evaluate_frame
from nephrograde.evaluation.metrics import Estimate, auc
from nephrograde.evaluation.scores import ModelScores, paired_vectors
from nephrograde.exchange.dicomweb import FoundSeries
from nephrograde.exchange.listening import ListenSettings, listen
from nephrograde.exchange.outgoing import SendReport
from nephrograde.exchange.retrieving import find_series, retrieve
from nephrograde.exchange.sending import send
from nephrograde.exchange.tls import Tls
from nephrograde.explanation.call import explain
from nephrograde.explanation.explanation import Explanation
from nephrograde.export.dicom_objects import DicomGrading, grade_to_dicom
from nephrograde.export.elsewhere import export_onnx, export_torch
from nephrograde.export.loading import load_grader
from nephrograde.export.many import grade_many
from nephrograde.export.monai_bundle import export_monai_bundle
from nephrograde.export.pack import pack
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
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd
    from matplotlib.figure import Figure

    from nephrograde.sources.deidentify.folder import Deidentified
    from nephrograde.sources.scan.tally import ScanResult
    from nephrograde.validation.validation import Validation

__all__ = [
    "Arm",
    "Audits",
    "AugmentSettings",
    "CohortSettings",
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
    "SplitSettings",
    "Study",
    "Tls",
    "TuneSettings",
    "Volume",
    "Window",
    "auc",
    "audit",
    "compare",
    "deidentify",
    "evaluate",
    "explain",
    "export_monai_bundle",
    "export_onnx",
    "export_torch",
    "find_series",
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
)
def run_study(study: Study | str | Path, run_dir: str | Path | None = None, *, reason: str | None = "") -> Run:
    """Run a study from the cohort table to the report, and go on where an earlier run stopped.

    Args:
        study: The study, or the path of its TOML file.
        run_dir: The run folder; ``runs/<name of the study>`` when None.
        reason: Why the test set is opened; may be empty the first time. None leaves it closed.

    Returns:
        The run; the report is in ``run.folder.report.page_path()``.

    Raises:
        InputError: With every mistake of the study file and the cohort table.
        RunError: Another process writes into the folder, it holds another study, or the test set would be opened again
            without a reason.
        FitError: A model cannot be fitted.
    """
    from nephrograde import pipeline

    resolved = study if isinstance(study, Study) else pipeline.load_inputs(Path(study))
    name = resolved.name if isinstance(study, Study) else Path(study).stem
    folder = Path("runs", name) if run_dir is None else Path(run_dir)
    pipeline.run_study(resolved, folder, command=f"nephrograde.run_study({name!r})", reason=reason)
    return open_run(folder)


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


@checked(
    folder=PATH,
    table=PATH,
    grades=PATH,
    corrections=PATH,
    organs=PATH,
    look=choice("uncertain", "all", "never"),
    keep_ids=FLAG,
    workers=COUNT,
    encoding=TEXT,
    columns=HEADINGS,
)
def scan_folder(
    folder: str | Path,
    table: str | Path = "cohort.csv",
    *,
    grades: str | Path | None = None,
    corrections: str | Path | None = None,
    organs: str | Path | None = None,
    look: Literal["uncertain", "all", "never"] = "uncertain",
    keep_ids: bool = False,
    workers: int | None = None,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ScanResult:
    """Find the scans of a DICOM export, recognise their phases, choose the best of each, and write a cohort table.

    Args:
        folder: The export: any tree, archives included.
        table: The cohort table to write; further tables and pictures are written beside it.
        grades: A table to join by ``patient_id``: grades, dates of surgery and other columns.
        corrections: A table with the columns ``series_uid`` and ``phase`` of series that a person has reviewed.
        organs: A folder of TotalSegmentator masks, named by SeriesInstanceUID.
        look: Which images are read to recognise their phase.
        keep_ids: Keep the PatientID of the export instead of P0001, P0002, …
        workers: Processes that read headers; as many as there are processors when None.
        encoding: The encoding of ``grades`` and ``corrections``, if they are text files; detected when None.
        columns: Headings of ``grades`` by standard name, such as ``{"isup_grade": "核分级"}``.

    Returns:
        What was found and written; ``cohort`` and ``series`` are DataFrames.

    Raises:
        InputError: The folder holds no DICOM file, or a joined table is not sound.
        RunError: The table exists and was not written by a scan, or was edited since.
    """
    from nephrograde.sources.scan.scan import ScanSettings
    from nephrograde.sources.scan.scan import scan_folder as scan

    settings = ScanSettings(
        look=look,
        keep_ids=keep_ids,
        workers=workers,
        grades_path=_path(grades),
        corrections_path=_path(corrections),
        organs_dir=_path(organs),
        encoding=encoding,
        columns=columns,
    )
    return scan(Path(folder), Path(table), settings=settings)


@checked(
    folder=PATH,
    out=PATH,
    key=PATH,
    keep_descriptions=FLAG,
    keep_characteristics=FLAG,
    write_suspects=FLAG,
)
def deidentify(
    folder: str | Path,
    out: str | Path,
    *,
    key: str | Path,
    keep_descriptions: bool = True,
    keep_characteristics: bool = True,
    write_suspects: bool = False,
) -> Deidentified:
    """Write a copy of a DICOM export without its patients' identity (basic profile of DICOM PS3.15, dates shifted).

    Args:
        folder: The export.
        out: Where the files without identity go.
        key: The table that says who is who; keep it apart from the files.
        keep_descriptions: Keep the descriptions of studies and series, cleaned; phases are recognised by them.
        keep_characteristics: Keep sex, age (below 90), size and weight.
        write_suspects: Write images that may have text burnt in as well; only after a person has reviewed them.

    Returns:
        What was done: counts, and the paths of the report and of the list of files that were set aside.

    Raises:
        InputError: The key or the folder cannot be used.
    """
    from nephrograde.sources.deidentify.folder import DeidentifySettings, deidentify_folder

    settings = DeidentifySettings(
        keep_descriptions=keep_descriptions,
        keep_characteristics=keep_characteristics,
        write_suspects=write_suspects,
    )
    return deidentify_folder(Path(folder), Path(out), key_path=Path(key), settings=settings)


@checked(
    grader=PATH,
    study=PATH,
    out=PATH,
    development=either(PATH, type(None), remedy="Give the folder of a run, or None."),
    check_scans=FLAG,
    reason=TEXT,
    encoding=either(TEXT, type(None), remedy="Give the name of an encoding, or None."),
)
def validate(
    grader: str | Path,
    study: str | Path,
    out: str | Path,
    *,
    development: str | Path | None = None,
    check_scans: bool = True,
    reason: str = "",
    encoding: str | None = None,
) -> Validation:
    """Validate a packed model on another hospital's patients; nothing is learnt from them, and no torch is needed.

    How scans are read, cut and called comes from the grader file. An interrupted validation goes on.

    Args:
        grader: The file that ``nephrograde pack`` wrote.
        study: A study file of the patients, which needs no arms; or their cohort table.
        out: The folder that everything is written to.
        development: The run that the model was packed from, if it is at hand: more measures can then be compared, and
            patients who are in both are found.
        check_scans: Check every scan as ``nephrograde check`` does.
        reason: Why the patients are evaluated again, if anything has changed since they were.
        encoding: The encoding of the cohort table; detected when None.

    Returns:
        What was found; the page is ``validation.page_path()``.

    Raises:
        GraderError: The grader file cannot be used.
        InputError: An argument is of another kind, or the study file or the table has mistakes; all are listed.
        RunError: The folder holds something else, nobody could be graded, all who were are of one grade, or something
            has changed and no reason is given.
    """
    from nephrograde.validation.stage import ValidationSettings, validate_elsewhere

    settings = ValidationSettings(
        development_dir=_path(development), checks_scans=check_scans, encoding=encoding, reason=reason
    )
    return validate_elsewhere(Path(grader), Path(study), Path(out), settings)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
