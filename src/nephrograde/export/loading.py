"""A grader from a grader file or from a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import PATH, TEXT, Kind, checked, choice
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.export.archive import read_archive
from nephrograde.threads import begin_beside

if TYPE_CHECKING:
    from concurrent.futures import Future

    from nephrograde.export.archive import Archive
    from nephrograde.export.contents import Members
    from nephrograde.export.grader_file import GraderFile
    from nephrograde.export.onnx.scorer import OnnxScorer
    from nephrograde.predict.grader import Grader
    from nephrograde.predict.refusals import Outside
    from nephrograde.results import Results
    from nephrograde.run.folder import RunFolder


def _is_run(value: object) -> bool:
    """Whether a value may be a run: a path, or what was read of one, for which alone more is imported."""
    if PATH.accepts(value):
        return True
    from nephrograde.results import Results
    from nephrograde.run.folder import RunFolder

    return isinstance(value, Results | RunFolder)


@checked(
    run=Kind(_is_run, "Give a grader file or the folder of a run, as a str or Path."),
    model=TEXT,
    outside=choice("refuse", "warn"),
)
def load_grader(
    run: Results | RunFolder | str | Path, model: str | None = None, *, outside: Outside = "refuse"
) -> Grader:
    """Load a model to grade new scans with it, from a grader file or from a finished run.

    A grader file needs ONNX Runtime and no torch.

    Args:
        run: The file that ``nephrograde pack`` wrote; or the folder of a run, or its results where they have been read.
        model: Like ``weak-1-cmp``; it sets the phase and the supervision level. A grader file holds one model, which
            need not be named.
        outside: What is done with a scan on which an answer would mean nothing: "refuse" or "warn".

    Raises:
        InputError: Where the run is not a path, the model not a text, missing, or another one than that of the file.
        GraderError: Where the file is no grader file, of a newer version, or was changed.
        RunError: Where there is no such file or folder, or the run has no such model, has not been evaluated, or was
            altered since.
    """
    return load(run, model, place="load_grader.model", outside=outside)


def load(
    run: Results | RunFolder | str | Path,
    model: str | None,
    *,
    place: str,
    outside: Outside = "refuse",
    at_once: bool = False,
    begun: Future[Archive] | None = None,
) -> Grader:
    """Load a model as :func:`load_grader` does, for a caller by whom the model is named in another way.

    Args:
        run: As for :func:`load_grader`.
        model: As for :func:`load_grader`.
        place: Where the model is named, for messages, such as ``--model``.
        outside: As for :func:`load_grader`.
        at_once: Whether to begin to load the graph of a grader file as soon as it is verified, as a scan will be graded
            next.
        begun: From :func:`begin`, if a grader file is being read already.

    Raises:
        NephrogradeError: As :func:`load_grader`.
    """
    if isinstance(run, str | Path):
        path = Path(run)
        if path.is_file():
            file, scorer = _read_ahead(path, at_once=at_once, begun=begun)
            check_model(model, file, place=place)
            return replace(_grader_with(file, scorer), outside=outside)
        if not path.exists():
            raise RunError(f"{path} does not exist. Give a grader file, or the folder of a finished run.")
        from nephrograde.run.folder import RunFolder

        RunFolder.open(path)
    model = named(model, place=place)
    from nephrograde.predict.loading import load_grader as load_from_run

    return load_from_run(run, model, outside=outside)


def check_model(model: str | None, file: Members, *, place: str) -> None:
    """Refuse another model than that of a grader file.

    Args:
        model: Its id, if it was given.
        file: What the grader file holds.
        place: Where the model is named, for messages.

    Raises:
        InputError: It is another one.
    """
    own = file.preprocessing.model
    if model is not None and model != own:
        what = f"is {model}, but the file holds {own}"
        raise InputError([Problem(place, what, "Leave it out, or give another file.")])


def named(model: str | None, *, place: str) -> str:
    """Return the model of a run.

    Args:
        model: Its id, if it was given.
        place: Where the model is named, for messages.

    Raises:
        InputError: It was not.
    """
    if model is None:
        raise InputError([Problem(place, "is missing", "Name a model of the run, such as weak-1-cmp.")])
    return model


def outside_of(text: str) -> Outside:
    """Read what is to be done with a scan on which an answer would mean nothing.

    Args:
        text: As it is written on the command line.

    Raises:
        InputError: It is another word.
    """
    if text not in {"refuse", "warn"}:
        raise InputError([Problem("--outside", f"is '{text}'", "Give refuse or warn.")])
    return "warn" if text == "warn" else "refuse"


def begin(path: Path) -> Future[Archive]:
    """Begin to read a grader file in a thread, before anything is imported that is not needed for that.

    Args:
        path: The file.
    """
    return begin_beside(read_archive, path)


def _read_ahead(path: Path, *, at_once: bool, begun: Future[Archive] | None) -> tuple[GraderFile, OnnxScorer]:
    """Read a grader file in a thread, which needs little of the interpreter, while modules are imported.

    Hashing its bytes and making a session of its graph take most of the time of a short command, and importing what
    reads and cuts scans takes most of the rest.
    """
    reading = begin(path) if begun is None else begun
    with ThreadPoolExecutor(1) as beside:
        from nephrograde.export.grader_file import grader_file_of
        from nephrograde.export.onnx.scorer import OnnxScorer

        def verified() -> tuple[GraderFile, OnnxScorer]:
            file = grader_file_of(path, reading.result())
            scorer = OnnxScorer(file)
            if at_once:
                scorer.start()
            return file, scorer

        verifying = beside.submit(verified)
        import nephrograde.predict.grader  # noqa: F401 - needed next

        return verifying.result()


def grader_of(file: GraderFile) -> Grader:
    """Make the grader of a grader file.

    Args:
        file: As it was read.
    """
    from nephrograde.export.onnx.scorer import OnnxScorer

    return _grader_with(file, OnnxScorer(file))


def _grader_with(file: GraderFile, scorer: OnnxScorer) -> Grader:
    from nephrograde.predict.grader import Grader

    own = file.preprocessing.own_model(file.study)
    texts: dict[str, dict[str, None]] = {}
    for term in (one for terms in file.preprocessing.clinical for one in terms if one.kind == "entry"):
        texts.setdefault(term.column, {})[term.entry] = None
    return Grader(
        model=own.id,
        arm=own.arm,
        phase=own.phase,
        phases=own.phases,
        threshold=file.decision.threshold,
        study=file.study,
        scorer=scorer,
        performance=next(iter(file.card.aucs), None),
        judge=file.decision.judge(),
        is_joined=own.fusion is not None,
        texts={column: tuple(entries) for column, entries in texts.items()},
        study_sha256=file.card.study_sha256,
        identify=file.archive.file_sha256,
        cohort_range=file.cohort_range,
    )
