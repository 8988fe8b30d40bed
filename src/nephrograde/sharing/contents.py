"""What a shared file says about a hospital besides its numbers, and how its scores are written as a table."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from pydantic import with_config

from nephrograde.export.archive import SHA256
from nephrograde.sharing.pseudonyms import KEY_ID, PSEUDONYM
from nephrograde.sharing.site import STRICT

if TYPE_CHECKING:
    from nephrograde.evaluation.performance.delong import ModelMatrix
    from nephrograde.vocabulary import BoolVector

Kind: TypeAlias = Literal["scores", "statistics"]
UNKNOWN_OUTCOME = "unknown"
WHO_ISUP = "who-isup-grade-3-4"
MODEL_NAME = re.compile(r"[^\W_][\w.+-]{0,63}")
"""Letters and digits of any script, without spaces."""


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class SharedModel:
    """A model.

    Attributes:
        name: Its id.
        identity: SHA-256 of its grader file or of its networks, by which the same model is recognised in several
            hospitals; None where only its scores are known.
        threshold: ``p_high >= threshold`` is the call "high".
    """

    name: str
    identity: str | None
    threshold: float


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Head:
    """``share.json``.

    Attributes:
        kind: Whether the file holds scores or only statistics.
        key_id: Names the key of the pseudonyms; the same in all files of a hospital.
        synthetic: Whether the patients are synthetic.
        outcome: ``who-isup-grade-3-4``, the SHA-256 of the name of another outcome, or ``unknown``.
        fewest: The patients of either grade below which no statistics are shared.
        smallest: Counts of calls below this, except 0, are suppressed.
        models: The models.
    """

    kind: Kind
    key_id: str
    synthetic: bool
    outcome: str
    fewest: int
    smallest: int
    models: tuple[SharedModel, ...]

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each model."""
        return {one.name: one.threshold for one in self.models}


def is_head(head: Head) -> bool:
    """Whether a head holds only what this program writes.

    Args:
        head: From a file that somebody else wrote.

    >>> model = SharedModel("weak-1-cmp", None, 0.4)
    >>> is_head(Head("scores", "0" * 16, False, "unknown", fewest=1, smallest=1, models=(model,)))
    True
    >>> is_head(Head("scores", "0" * 16, False, "unknown", fewest=1, smallest=1, models=(model, model)))
    False
    """
    names = [one.name for one in head.models]
    digests = [one.identity for one in head.models if one.identity is not None]
    if head.outcome not in {WHO_ISUP, UNKNOWN_OUTCOME}:
        digests.append(head.outcome)
    return (
        KEY_ID.fullmatch(head.key_id) is not None
        and 0 < len(set(names)) == len(names)
        and all(map(MODEL_NAME.fullmatch, names))
        and all(map(SHA256.fullmatch, digests))
        and min(head.fewest, head.smallest) > 0
    )


@dataclass(frozen=True, slots=True, eq=False)
class SharedScores:
    """The scores of a hospital, sorted by pseudonym, so that their order tells nothing."""

    pseudonyms: tuple[str, ...]
    is_high: BoolVector
    p_high: ModelMatrix


def written_scores(scores: SharedScores, models: tuple[str, ...]) -> bytes:
    r"""Write scores as CSV: one row per patient, one column per model, all digits.

    Args:
        scores: Of a hospital.
        models: The id of each row of ``p_high``.

    >>> scores = SharedScores(("0a" * 16,), np.array([True]), np.array([[0.25]]))
    >>> written_scores(scores, ("weak-1-cmp",))
    b'pseudonym,is_high,weak-1-cmp\n0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a,1,0.25\n'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("pseudonym", "is_high", *models))
    for k, pseudonym in enumerate(scores.pseudonyms):
        writer.writerow((pseudonym, int(scores.is_high[k]), *map(float, scores.p_high[:, k])))
    return stream.getvalue().encode()


def read_scores(content: bytes, models: tuple[str, ...]) -> SharedScores:
    """Read what :func:`written_scores` wrote.

    Args:
        content: The bytes.
        models: The models that it must hold.

    Raises:
        ValueError: It is something else.
    """
    rows = list(csv.reader(io.StringIO(content.decode())))
    if not rows or rows[0] != ["pseudonym", "is_high", *models] or len({len(row) for row in rows}) != 1:
        raise ValueError("it has other columns")
    pseudonyms = tuple(row[0] for row in rows[1:])
    if len(set(pseudonyms)) < len(pseudonyms) or not all(map(PSEUDONYM.fullmatch, pseudonyms)):
        raise ValueError("it holds something else than pseudonyms, or one twice")
    if not {row[1] for row in rows[1:]} <= {"0", "1"}:
        raise ValueError("is_high is neither 0 nor 1")
    p_high = np.array([[float(cell) for cell in row[2:]] for row in rows[1:]], dtype=np.float64)
    if not np.all((p_high >= 0.0) & (p_high <= 1.0)):
        raise ValueError("a probability is not between 0 and 1")
    is_high = np.array([row[1] == "1" for row in rows[1:]], dtype=np.bool_)
    return SharedScores(pseudonyms, is_high, p_high.reshape(len(pseudonyms), len(models)).T)
