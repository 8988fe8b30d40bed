"""The study file: TOML, with all mistakes reported at once, each with its location and the closest valid key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.arguments import PATH, TEXTS, checked
from nephrograde.errors import InputError, Problem
from nephrograde.study.faults import Location, as_problem, faults_as, faults_of, read_section, rename_unknown, tables
from nephrograde.study.section import NAME_PATTERN
from nephrograde.study.settings import EvaluateSettings
from nephrograde.study.study import Study
from nephrograde.toml_text import DEEPEST, read_toml, syntax_problem

if TYPE_CHECKING:
    from nephrograde.study.arm import Arm


@checked(study_path=PATH, overrides=TEXTS)
def load_study(study_path: str | Path, overrides: tuple[str, ...] = ()) -> Study:
    """Read a study file, apply ``key=value`` overrides and check every key.

    Relative paths in the file start from the file's folder.

    Args:
        study_path: The TOML file (UTF-8).
        overrides: As given with ``--set``: ``fit.epochs=2``, ``arm.weak-1.slices=3``; values are TOML.

    Returns:
        The study; keys that the file omits have their defaults.

    Raises:
        InputError: If the file or the overrides contain mistakes; the error lists all of them.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "cohort.table = 'cohort.csv'" + chr(10) + "arm = [{name = 'strong', supervision = 'mask'}]"
    ...     _ = Path(folder, "study.toml").write_text(text, encoding="utf-8")
    ...     load_study(Path(folder, "study.toml"), ("fit.epochs=2",)).fit.epochs
    2
    """
    study, problems = salvage_study(Path(study_path), overrides)
    if problems or study is None:
        raise InputError(problems)
    return study


_TABLES = frozenset({".csv", ".tsv", ".xls", ".xlsx"})


def salvage_study(study_path: Path, overrides: tuple[str, ...] = ()) -> tuple[Study | None, list[Problem]]:
    """Read the valid part of a study file, and report the problems in the rest.

    This allows the cohort table to be checked in the same pass as a faulty study file.

    Args:
        study_path: The TOML file (UTF-8).
        overrides: As given with ``--set``.

    Returns:
        The study with placeholders for faulty values, so that it can be inspected but not run; None if it does not name
        a table. And the problems; none if the study is valid.

    >>> from pathlib import Path
    >>> salvage_study(Path("nowhere.toml"))[1][0].what
    'no such file'
    """
    try:
        text = _text_of(study_path)
        raw = read_toml(text)
    except InputError as error:
        return None, list(error.problems)
    except tomllib.TOMLDecodeError as error:
        return None, [syntax_problem(str(study_path), text, error)]
    study, problems = _resolve(raw, overrides)
    return None if study is None else _anchored(study, study_path.resolve().parent), problems


def _text_of(study_path: Path) -> str:
    """Read a study file; the error says what else it is."""
    if study_path.is_file() and study_path.suffix.casefold() in _TABLES:
        what, remedy = (
            "is a table, not a study file",
            "Name the study file; `nephrograde init DIR` writes one for a table.",
        )
    else:
        try:
            return study_path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            what, remedy = "no such file", "Write one with `nephrograde init DIR`."
        except IsADirectoryError:
            what, remedy = "is a folder, not a study file", "Name the study file in it, such as study.toml."
        except UnicodeDecodeError:
            what = "is not UTF-8 text"
            remedy = "Name the study file; or save it as UTF-8, which editors offer under 'Save as'."
        except OSError as error:
            what, remedy = f"cannot be read ({error})", "Check the path and its permissions."
    raise InputError([Problem(str(study_path), what, remedy)])


def evaluate_settings(overrides: tuple[str, ...]) -> EvaluateSettings:
    """Build the settings for a score table, which has no study file: the defaults with overrides.

    Args:
        overrides: Keys of ``[evaluate]`` as given with ``--set``, such as ``evaluate.margin=0.1``.

    Raises:
        InputError: If there are mistakes; the error lists all of them.

    >>> evaluate_settings(("evaluate.margin=0.1",)).margin
    0.1
    """
    others = [text for text in overrides if not text.strip().startswith("evaluate.")]
    problems = [
        Problem(text, "does not apply to a score table", "Set keys of [evaluate], like evaluate.margin=0.1.")
        for text in others
    ]
    # A study knows its models, a score table is not read yet: the two names are checked against it later.
    named = [text for text in overrides if text.partition("=")[0].strip() == "evaluate.primary"]
    bare = {"cohort": {"table": ""}, "arm": [{"name": "any", "supervision": "mask"}]}
    study, more = _resolve(bare, tuple(text for text in overrides if text not in {*others, *named}))
    given: dict[str, Any] = {}
    more += [problem for text in named if (problem := _apply_override(given, text)) is not None]
    pair = given.get("evaluate", {})
    more += [as_problem(given, fault) for fault in faults_as(EvaluateSettings, pair, ("evaluate",))]
    if problems or more or study is None:
        raise InputError(problems + more)
    return read_section(EvaluateSettings, {**study.evaluate.model_dump(mode="json"), **pair})


def _resolve(raw: dict[str, Any], overrides: tuple[str, ...]) -> tuple[Study | None, list[Problem]]:
    """Build the valid part of a study from a raw table with overrides, and list every problem; changes ``raw``."""
    problems = [problem for text in overrides if (problem := _apply_override(raw, text)) is not None]
    problems += rename_unknown(raw, Study)
    faults = faults_of(raw, Study)
    problems += [as_problem(raw, fault) for fault in faults]
    for fault in faults:
        _replace_faulty(raw, fault[0])
    if faults and isinstance(raw.get("evaluate"), dict):
        raw["evaluate"].pop("primary", None)  # it may name a model that has been replaced
    if faults and faults_of(raw, Study):
        return None, problems
    return read_section(Study, raw), problems


def _anchored(study: Study, base_dir: Path) -> Study:
    """Resolve the study's relative paths from the file's folder, on any system."""

    def anchor(path: object) -> Path:
        return base_dir / str(path).replace("\\", "/")

    def anchor_arm(arm: Arm) -> Arm:
        weights = {key: arm.fit[key] for key in ("weights_2d", "weights_3d") if key in arm.fit}
        own = {key: {**value, "path": str(anchor(value["path"]))} for key, value in weights.items()}
        return arm.model_copy(update={"fit": {**arm.fit, **own}})

    weights = {"weights_2d": study.fit.weights_2d, "weights_3d": study.fit.weights_3d}
    found = {key: value.model_copy(update={"path": anchor(value.path)}) for key, value in weights.items() if value}
    named = {"table": study.cohort.table, "annotations": study.cohort.annotations}
    cohort = study.cohort.model_copy(update={key: anchor(path) for key, path in named.items() if path is not None})
    arms = tuple(anchor_arm(arm) for arm in study.arm)
    return study.model_copy(update={"cohort": cohort, "fit": study.fit.model_copy(update=found), "arm": arms})


def _replace_faulty(raw: dict[str, Any], location: Location) -> None:
    """Replace a faulty value by its default or a placeholder; a missing table stays missing."""
    section = str(location[0]) if location else "arm"
    if section == "arm":
        raw["arm"] = [{"name": "salvaged", "supervision": "mask"}]
    elif location[:2] == ("cohort", "phases") and "phases" in raw["cohort"]:
        listed = raw["cohort"].pop("phases")
        texts = [str(phase).lower() for phase in (listed if isinstance(listed, list) else [listed])]
        names = list(dict.fromkeys(text for text in texts if re.fullmatch(NAME_PATTERN, text)))
        raw["cohort"] |= {"phases": names} if names else {}
    elif section in {"cohort", "split"} and isinstance(raw.get(section), dict) and len(location) > 1:
        raw[section].pop(location[1], None)
    else:
        raw.pop(section, None)


def _apply_override(raw: dict[str, Any], text: str) -> Problem | None:
    key, sign, value_text = text.partition("=")
    place = f"--set {text}"
    if not sign or not re.fullmatch(rf"[\w-]+(\.[\w-]+){{0,{DEEPEST}}}", key.strip()):
        return Problem(place, "is not key=value", "Write it like --set fit.epochs=2.")
    try:
        value = read_toml(f"value = {value_text}")["value"]
    except tomllib.TOMLDecodeError:
        value = value_text.strip()
    *parents, last = key.strip().split(".")
    target: Any = raw
    for parent in parents:
        if isinstance(target, list):
            target = next((entry for entry in tables(target) if entry.get("name") == parent), None)
        elif isinstance(target, dict):
            target = target.setdefault(parent, {})
        if not isinstance(target, dict | list):
            known = ", ".join(sorted(Study.model_fields))
            remedy = f"Keys start with {known}; arms are addressed by name, like arm.weak-1.slices."
            return Problem(place, f"nothing in the study file is called '{parent}'", remedy)
    if not isinstance(target, dict):
        return Problem(place, "names a list", "Name the entry too, like --set arm.weak-1.slices=3.")
    target[last] = value
    return None
