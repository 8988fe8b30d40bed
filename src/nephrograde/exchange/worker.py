"""The process that grades the series of a spool: whatever it does, or is done to it, the listener goes on.

It is started by the listener as ``python -m nephrograde.exchange.worker GRADER SPOOL``, reads one JSON object a line
from its standard input and answers each with one on its standard output. It ends with its input.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid4

from nephrograde.errors import NephrogradeError, VolumeError, WriteError
from nephrograde.exchange.spool import IMAGES, RESULT, STAMP, Spool
from nephrograde.lock import only_writer_of
from nephrograde.predict.refusals import reason_without_override
from nephrograde.replacement import remove_leftovers

if TYPE_CHECKING:
    from nephrograde.predict.grader import Grader
    from nephrograde.predict.grading import Grading

ANSWER: Final = "answer.json"
MASK: Final = "mask.dcm"
_DRAFT: Final = "draft"


def serve(grader_path: Path, spool_dir: Path, given: IO[str], answers: IO[str]) -> None:
    """Grade the series that are named, until there are no more.

    Args:
        grader_path: The grader file.
        spool_dir: The spool.
        given: One JSON object a line: ``key``, and ``unchecked_phase``.
        answers: One JSON object a line: ``state`` and, about a series, its ``key``, ``code`` and ``what``.

    Raises:
        NephrogradeError: The grader cannot be read, or another worker grades in the spool.
    """
    from nephrograde.export.loading import load

    spool = Spool(spool_dir, limit_bytes=0, reserve_bytes=0)
    with only_writer_of(spool_dir / "worker", is_private=True):
        grader = load(grader_path, None, place="listen")
        _say(answers, {"state": "ready"})
        for line in given:
            wanted = json.loads(line)
            answer = _grade(grader, spool, str(wanted["key"]), unchecked_phase=bool(wanted["unchecked_phase"]))
            _say(answers, {"key": wanted["key"], **answer})


def _grade(grader: Grader, spool: Spool, key: str, *, unchecked_phase: bool) -> dict[str, Any]:
    from nephrograde.export.dicom.objects import grade_to_dicom
    from nephrograde.export.dicom.stamp import Stamp

    folder = spool.folder("grading", key)
    if (folder / RESULT).is_dir():
        return {"state": "graded"}  # by a worker whose listener was killed
    try:
        noted = spool.read_note("grading", key, STAMP)
        if not noted:
            noted = {"moment": datetime.now().isoformat(), "seed": uuid4().hex}
            spool.write_note("grading", key, STAMP, noted)
        stamp = Stamp(datetime.fromisoformat(noted["moment"]), noted["seed"])
        draft = folder / _DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        remove_leftovers(folder)
        mask = folder / MASK if (folder / MASK).exists() else None
        made = grade_to_dicom(grader, folder / IMAGES, draft, mask=mask, stamp=stamp)
        if refusal := refusal_of(grader, made.grading, unchecked_phase=unchecked_phase):
            shutil.rmtree(draft)
            return {"state": "failed", **refusal}
        (draft / ANSWER).write_text(json.dumps(_answer(made.grading)), encoding="utf-8")
        draft.rename(folder / RESULT)
    except VolumeError as error:
        return {"state": "failed", "code": error.code, "what": reason_without_override(error)}
    except (WriteError, OSError) as error:
        return {"state": "postponed", "code": "disk", "what": type(error).__name__}
    except NephrogradeError as error:
        return {"state": "failed", "code": "refused", "what": str(error).replace(str(spool.root), "")}
    return {"state": "graded"}


def refusal_of(grader: Grader, grading: Grading, *, unchecked_phase: bool) -> dict[str, str] | None:
    """Say why an answer is not given that a person at ``predict`` would get with a warning: here nobody reads it.

    Args:
        grader: What graded the series.
        grading: The answer.
        unchecked_phase: Whether a series is accepted whose phase cannot be seen.

    Returns:
        ``code`` and ``what``; None if nothing speaks against the answer.
    """
    if grading.phase_seen is not None and grading.phase_seen != grader.phase:
        what = f"by its kidneys, the series shows the phase {grading.phase_seen}, and the model grades {grader.phase}."
        return {"code": "phase-other", "what": what}
    if grading.phase_seen is None and not unchecked_phase:
        what = "no kidney shows which phase the series is of, so it may be another one than the model grades."
        return {"code": "phase-unknown", "what": what}
    if grading.is_on_kidney is False:
        return {"code": "region-off-kidney", "what": "the region lies on no kidney that was found."}
    return None


def _answer(grading: Grading) -> dict[str, Any]:
    """The answer in brief; the report holds the rest."""
    return {
        "model": grading.model,
        "p_high": grading.p_high,
        "call": grading.call,
        "synthetic": grading.synthetic,
        "research_use_only": grading.research_use_only,
    }


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.stdin, sys.stdout)
    except NephrogradeError as error:
        _say(sys.stdout, {"state": "unusable", "what": str(error)})
        raise SystemExit(2) from None
