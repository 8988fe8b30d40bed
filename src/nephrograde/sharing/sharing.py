"""From an evaluated run to what may leave the hospital."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import InputError, Problem, RunError
from nephrograde.files import fingerprint
from nephrograde.results import Results
from nephrograde.run.provenance import GRADER_FILE
from nephrograde.sharing.contents import (
    MODEL_NAME,
    UNKNOWN_OUTCOME,
    WHO_ISUP,
    Head,
    SharedModel,
    SharedScores,
    written_scores,
)
from nephrograde.sharing.pseudonyms import open_key
from nephrograde.sharing.readme import readme
from nephrograde.sharing.share_file import HEAD, SCORES, STATISTICS, WORDS, as_member, statistics_of, write_share

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.sharing.contents import Kind
    from nephrograde.sharing.pseudonyms import PseudonymKey

FEWEST = 10
"""Patients of either grade below which no statistics are shared, unless another number is given."""
_SHORTEST_ID = 3
"""Shorter patient ids occur in names by chance."""


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """What is shared, and how.

    Attributes:
        kind: ``scores`` with pseudonyms, or ``statistics`` only.
        key_path: The key of the pseudonyms; that of the run if None.
        models: The models; all that scored test patients if empty.
        fewest: Patients of either grade below which no statistics are shared.
        smallest: Counts of calls below this, except 0, are suppressed.
    """

    kind: Kind
    key_path: Path | None = None
    models: tuple[str, ...] = ()
    fewest: int = FEWEST
    smallest: int = 1


@dataclass(frozen=True, slots=True)
class Shared:
    """What was written.

    Attributes:
        path: The file or folder.
        sha256: Of the zip; of a folder, that of its manifest.
        key_path: The key of the pseudonyms, which stays in the hospital.
        head: What the file says about its numbers.
        n: The patients behind it, and ``n_high`` of them of high grade.
        n_left_out: Test patients whom not all of the models scored.
    """

    path: Path
    sha256: str
    key_path: Path
    head: Head
    n: int
    n_high: int
    n_left_out: int


def share_run(run_dir: Path, out_path: Path, settings: ShareSettings) -> Shared:
    """Write what may leave the hospital.

    Args:
        run_dir: A run whose test set was opened, a validation, or an evaluated score table.
        out_path: A file ``….zip``, or a folder.
        settings: What, and how.

    Raises:
        InputError: A model is not there or has a name that may identify a patient, or the key cannot be used.
        RunError: The run was not evaluated, its test set was never opened, or too few patients are left.
        ShareError: The folder holds something else.
    """
    results = Results.read(run_dir)
    _require_opened(results)
    names = _models_of(results, settings.models)
    key_path = settings.key_path or results.folder.pseudonyms_key_path
    _keep_key_out(key_path, out_path)
    columns = {name: results.scores.of(name, "test") for name in names}
    common = sorted(set.intersection(*(set(one.patient_ids) for one in columns.values())))
    _require_enough(results, common, settings)
    key = open_key(key_path)
    scores = _pseudonymised(results, common, names, key)
    head = Head(
        settings.kind,
        key.key_id,
        results.is_synthetic,
        _outcome_of(results),
        fewest=settings.fewest if settings.kind == "statistics" else 1,
        smallest=settings.smallest,
        models=tuple(SharedModel(name, _identity_of(results, name), _threshold_of(results, name)) for name in names),
    )
    n, n_high = len(common), int(scores.is_high.sum())
    members = {HEAD: as_member(head), WORDS: readme(head, n=n, n_high=n_high)}
    if settings.kind == "scores":
        members[SCORES] = written_scores(scores, names)
    else:
        members[STATISTICS] = as_member(statistics_of(head, scores))
    everyone = set().union(*(one.patient_ids for one in columns.values()))
    sha256 = write_share(out_path, members)
    return Shared(out_path, sha256, key_path, head, n, n_high, len(everyone) - n)


def _require_opened(results: Results) -> None:
    results.require_evaluated()
    if not results.scores.has_test or not results.openings:
        raise RunError(
            f"The test set of {results.run_dir} was never opened, and out-of-fold predictions are not shared. Open it "
            "with `nephrograde evaluate` first."
        )


def _models_of(results: Results, asked: Sequence[str]) -> tuple[str, ...]:
    """The models to share; a name is the only text of the run that is shared."""
    there = [name for name in results.scores.models if len(results.scores.of(name, "test"))]
    names = tuple(dict.fromkeys(asked or there))
    ids = [_letters(patient) for patient in results.truths if len(patient) >= _SHORTEST_ID]
    problems = []
    for name in names:
        if name not in there:
            problems.append(Problem(name, "has no scores of test patients", f"Name one of: {', '.join(there)}."))
        elif not MODEL_NAME.fullmatch(name):
            what = "the name of the model is not one word of letters, digits, dots and hyphens"
            problems.append(Problem(name, what, "Rename it in the score table; the name is the only text in the file."))
        elif any(patient in _letters(name) for patient in ids):
            remedy = "Rename it in the score table; the name is the only text in the file."
            problems.append(Problem(name, "the name of the model contains the id of a patient", remedy))
    if problems:
        raise InputError(problems)
    return names


def _letters(name: str) -> str:
    """A name whatever its case and the form of its letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _keep_key_out(key_path: Path, out_path: Path) -> None:
    out, key = out_path.absolute(), key_path.absolute()
    if key == out or key.is_relative_to(out):
        what = "the key of the pseudonyms would lie in what is shared"
        raise InputError([Problem(str(key_path), what, "Name another place for one of them.")])


def _require_enough(results: Results, common: Sequence[str], settings: ShareSettings) -> None:
    truths = results.truths
    n_high = sum(truths[patient] for patient in common)
    few = min(n_high, len(common) - n_high)
    if few == 0:
        raise RunError(
            f"No statistic can be computed from the test patients of {results.run_dir} whom all models scored: there "
            "are not both grades among them. Name fewer models with --model."
        )
    if settings.kind == "statistics" and few < settings.fewest:
        raise RunError(
            f"Fewer than {settings.fewest} patients of a grade are behind the statistics of {results.run_dir}, and "
            "numbers about so few can be about one person. Nothing was written. Ask who is responsible for the data, "
            "and lower --fewest if it is allowed."
        )


def _pseudonymised(results: Results, common: Sequence[str], names: tuple[str, ...], key: PseudonymKey) -> SharedScores:
    """The scores, sorted by pseudonym."""
    by_pseudonym = sorted((key.pseudonym(patient), patient) for patient in common)
    patients = tuple(patient for _, patient in by_pseudonym)
    chosen = [results.scores.of(name, "test").select(patients) for name in names]
    p_high = np.stack([one.p_high for one in chosen])
    return SharedScores(tuple(pseudonym for pseudonym, _ in by_pseudonym), chosen[0].is_high, p_high)


def _threshold_of(results: Results, name: str) -> float:
    threshold = results.threshold(name)
    if threshold is None:
        raise RunError(f"{results.run_dir} has no threshold of {name}. Run `nephrograde evaluate` again.")
    return threshold.value


def _identity_of(results: Results, name: str) -> str | None:
    """What the same model has in common in several hospitals."""
    grader = results.lock.get("inputs", {}).get(GRADER_FILE)
    if grader is not None:
        return str(grader)
    if results.study is None or results.seal is None:
        return None
    networks = [results.seal.digest(fold.weights_path) for fold in results.seal.folds(name)]
    return fingerprint([name, results.seal.study, networks])


def _outcome_of(results: Results) -> str:
    """The outcome without the text that names it."""
    if results.study is not None:
        column = results.study.cohort.outcome
    else:
        column = str(results.lock.get("validation", {}).get("outcome", ""))
    if not column:
        return UNKNOWN_OUTCOME
    if any(case.get("grade") for case in results.cases):
        return WHO_ISUP
    return hashlib.sha256(column.casefold().strip().encode()).hexdigest()
