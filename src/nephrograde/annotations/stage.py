"""The agreement of the readers of a study, kept in its run: ``readers/agreement.csv``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.annotations.agreement import compare_readers
from nephrograde.cohort.agreement_row import AgreementRow
from nephrograde.cohort.annotated import Annotations, read_annotations, readers_of
from nephrograde.evaluation.tables import write_table
from nephrograde.files import read_rows, sha256_of
from nephrograde.run.stage import run_stage

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study

_STAGE = "agreement"


def compare_annotations(study: Study, run: RunFolder) -> None:
    """Compare all readers in the folder of ``[cohort] annotations``, on the patients and phases of the study.

    Without two readers whose tables can be read there is no file; decisions of a consensus are not compared.

    Args:
        study: The resolved study.
        run: The run folder; the patients of the study are known.

    Raises:
        WriteError: The table cannot be written.
    """
    paths = _tables(study)
    if len(paths) < 2:
        run.agreement_path.unlink(missing_ok=True)
        run.stage_path(_STAGE).unlink(missing_ok=True)
        return
    patients = {row["patient_id"] for row in read_rows(run.cases_path, ("patient_id",))}

    def make(_key: str) -> None:
        drawn = {reader: _part(annotations, patients, study) for reader, annotations in _readable(paths).items()}
        write_table(compare_readers(drawn).rows, AgreementRow, run.agreement_path)

    settings = [study.cohort.phases, {reader: sha256_of(path) for reader, path in paths.items()}]
    run_stage(_STAGE, run, inputs=[run.cases_path], settings=settings, make=make)


def _tables(study: Study) -> dict[str, Path]:
    named = study.cohort.annotations
    if named is None:
        return {}
    folder = named if named.is_dir() else named.parent
    return {reader: folder / f"{reader}.csv" for reader in readers_of(folder)}


def _readable(paths: dict[str, Path]) -> dict[str, Annotations]:
    """The labels by reader; a table of another reader that has mistakes does not end the run."""
    read = {reader: read_annotations(path) for reader, path in paths.items()}
    return {reader: annotations for reader, (annotations, problems) in read.items() if not problems}


def _part(annotations: Annotations, patients: set[str], study: Study) -> Annotations:
    labels = {
        key: given for key, given in annotations.labels.items() if key[0] in patients and key[1] in study.cohort.phases
    }
    return Annotations(annotations.name, labels, tuple(one for one in annotations.patients if one in patients))
