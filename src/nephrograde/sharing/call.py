"""``share`` and ``combine``: what leaves a hospital, and the evaluation over several hospitals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import COUNT, PATH, PATHS, SHARE, TEXTS, checked, choice, either

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.sharing.combined import Combined
    from nephrograde.sharing.contents import Kind
    from nephrograde.sharing.sharing import Shared


@checked(
    run_dir=PATH,
    out=PATH,
    what=choice("scores", "statistics"),
    key=either(PATH, type(None), remedy="Give the path of a key, or None."),
    models=TEXTS,
    fewest=COUNT,
    smallest=COUNT,
)
def share(
    run_dir: str | Path,
    out: str | Path,
    *,
    what: Kind = "statistics",
    key: str | Path | None = None,
    models: Sequence[str] = (),
    fewest: int = 10,
    smallest: int = 1,
) -> Shared:
    """Write what may leave a hospital: statistics of the test patients, or their scores under pseudonyms.

    No image, no patient id, no path, no date and no free text is in the file; ``README.txt`` in it says what is. Equal
    runs under the same key give equal bytes.

    Args:
        run_dir: A run whose test set was opened, a validation, or an evaluated score table.
        out: A file ``….zip``, or a new folder.
        what: ``statistics`` or ``scores``.
        key: The secret key of the pseudonyms, made if it is missing; in the run folder when None.
        models: The models; all that scored test patients if empty.
        fewest: Patients of either grade below which no statistics are written.
        smallest: Counts of calls below this, except 0, are suppressed.

    Returns:
        What was written, with its SHA-256.

    Raises:
        InputError: An argument is of another kind, a model is not there or has a name that may identify a patient, or
            the key cannot be used.
        RunError: The run was not evaluated, its test set was never opened, or there are too few patients.
        ShareError: The folder holds something else.
    """
    from nephrograde.sharing.sharing import ShareSettings, share_run

    key_path = None if key is None else Path(key)
    return share_run(Path(run_dir), Path(out), ShareSettings(what, key_path, tuple(models), fewest, smallest))


@checked(
    sites=PATHS,
    out=either(PATH, type(None), remedy="Give a folder, or None."),
    confidence=SHARE,
)
def combine(sites: Sequence[str | Path], out: str | Path | None = None, *, confidence: float = 0.95) -> Combined:
    r"""Evaluate models over several hospitals from what each of them shared, without images.

    Args:
        sites: Files or folders that ``nephrograde share`` wrote, one of each hospital; scores and statistics mix.
        out: The folder of the page and its tables; nothing is written when None.
        confidence: Coverage probability of all intervals.

    Returns:
        Each hospital alone, all together with random effects, the AUC without each hospital, differences between
        models, calibration and net benefit.

    Raises:
        InputError: An argument is of another kind, there are fewer than two hospitals, patients are in it twice, or
            models, thresholds or outcomes differ.
        ShareError: A file is missing, was changed, or is something else.

    >>> import pathlib, tempfile
    >>> from nephrograde.evaluation.stage import evaluate_score_table
    >>> from nephrograde.run.folder import RunFolder
    >>> from nephrograde.study import EvaluateSettings
    >>> folder, files = pathlib.Path(tempfile.mkdtemp()), []
    >>> for hospital, digits in (("north", "31415926535897932384"), ("south", "27182818284590452353")):
    ...     rows = [f"P{k},mine,{k % 2},0.{digit}{k % 2 * 4}5" for k, digit in enumerate(digits)]
    ...     table = folder / f"{hospital}.csv"
    ...     _ = table.write_text("\n".join(["patient_id,model,is_high,p_high", *rows]))
    ...     evaluate_score_table(table, RunFolder(folder / hospital), settings=EvaluateSettings(bootstraps=100))
    ...     files.append(share(folder / hospital, folder / f"{hospital}.zip").path)
    >>> combine(files)
    Combined(2 hospitals, 40 patients; AUC: mine 0.596)
    """
    from nephrograde.sharing.stage import combine_files

    given = [sites] if isinstance(sites, str | Path) else sites
    return combine_files([Path(one) for one in given], None if out is None else Path(out), confidence=confidence)
