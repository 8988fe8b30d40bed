"""The study file: TOML, with all mistakes reported at once, each with its location and the closest valid key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from nephrograde.errors import InputError, Problem
from nephrograde.study import (
    NAME_PATTERN,
    Arm,
    CohortSettings,
    EvaluateSettings,
    FitSettings,
    Section,
    Study,
    read_section,
)
from nephrograde.toml_text import DEEPEST, read_toml
from nephrograde.vocabulary import model_id

if TYPE_CHECKING:
    from collections.abc import Sequence

Location: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[Location, str, str, object]

_REMEDIES = {
    "int_type": "Write a whole number, without quotes.",
    "int_from_float": "Write a whole number, without quotes.",
    "float_type": "Write a number, without quotes.",
    "finite_number": "Write a number.",
    "bool_type": "Write true or false, without quotes.",
    "string_type": "Write it in quotes.",
    "path_type": "Write it in quotes.",
    "tuple_type": "Write a list, in brackets.",
    "string_pattern_mismatch": "Use lower-case letters, digits, - and _.",
}


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
        raw = read_toml(study_path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None, [Problem(str(study_path), "no such file", "Write one with `nephrograde init DIR`.")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(str(study_path), f"cannot be read ({error})", "Save it as UTF-8 text.")]
    except tomllib.TOMLDecodeError as error:
        return None, [Problem(str(study_path), f"is not TOML: {error}", "See `nephrograde init DIR` for a sample.")]
    study, problems = _resolve(raw, overrides)
    return None if study is None else _anchored(study, study_path.resolve().parent), problems


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
    more += [_as_problem(given, fault) for fault in _faults_as(EvaluateSettings, pair, ("evaluate",))]
    if problems or more or study is None:
        raise InputError(problems + more)
    return read_section(EvaluateSettings, {**study.evaluate.model_dump(mode="json"), **pair})


def _resolve(raw: dict[str, Any], overrides: tuple[str, ...]) -> tuple[Study | None, list[Problem]]:
    """Build the valid part of a study from a raw table with overrides, and list every problem; changes ``raw``."""
    problems = [problem for text in overrides if (problem := _apply_override(raw, text)) is not None]
    problems += _rename_unknown(raw)
    faults = _faults_of(raw)
    problems += [_as_problem(raw, fault) for fault in faults]
    for fault in faults:
        _replace_faulty(raw, fault[0])
    if faults and isinstance(raw.get("evaluate"), dict):
        raw["evaluate"].pop("primary", None)  # it may name a model that has been replaced
    if faults and _faults_of(raw):
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
    cohort = study.cohort.model_copy(update={"table": anchor(study.cohort.table)})
    arms = tuple(anchor_arm(arm) for arm in study.arm)
    return study.model_copy(update={"cohort": cohort, "fit": study.fit.model_copy(update=found), "arm": arms})


def _faults_of(raw: dict[str, Any]) -> list[Fault]:
    """List the faults of the file as (location, kind, message, value), including the arms' own fit tables."""
    cross_faults = _cross_faults(raw)
    faults = [fault for fault in _faults_as(Study, raw, ()) if fault[0] or not cross_faults]
    # A list whose items are all faulty is also reported as too short, which it is not.
    faults = [fault for fault in faults if not (fault[1] == "too_short" and fault[3])]
    for position, arm in enumerate(_tables(raw.get("arm"))):
        if isinstance(arm.get("fit"), dict):
            faults += _faults_as(FitSettings, arm["fit"], ("arm", position, "fit"))
    return faults + cross_faults


def _faults_as(kind: type[Section], raw: dict[str, Any], above: Location) -> list[Fault]:
    try:
        read_section(kind, raw)
    except ValidationError as error:
        return [((*above, *fault["loc"]), fault["type"], fault["msg"], fault["input"]) for fault in error.errors()]
    return []


def _tables(arms: object) -> list[dict[str, Any]]:
    """Return the arms; those that are not tables become empty tables, so that the others keep their position."""
    return [arm if isinstance(arm, dict) else {} for arm in arms] if isinstance(arms, list) else []


def _cross_faults(raw: dict[str, Any]) -> list[Fault]:
    """List inconsistencies between two parts of the file, each of which may contain other mistakes."""
    faults: list[Fault] = []
    names = [arm.get("name") for arm in _tables(raw.get("arm"))]
    for position, name in enumerate(names):
        if name is not None and name in names[:position]:
            faults.append((("arm", position, "name"), "value_error", "another arm has this name", name))
    cohort, windows = raw.get("cohort"), raw.get("window")
    phases = cohort.get("phases", CohortSettings.model_fields["phases"].default) if isinstance(cohort, dict) else None
    if isinstance(phases, list | tuple) and isinstance(windows, dict):
        for phase in sorted(set(windows) - {"default", *map(str, phases)}):
            listed = ", ".join(map(str, phases))
            faults.append((("window", phase), "value_error", f"is not a phase of cohort.phases ({listed})", {}))
    return faults + _primary_faults(raw, phases if isinstance(phases, list | tuple) else ())


def _primary_faults(raw: dict[str, Any], phases: Sequence[object]) -> list[Fault]:
    """List the names in ``evaluate.primary`` that are neither a model nor a baseline of the study."""
    evaluate = raw.get("evaluate")
    primary = evaluate.get("primary") if isinstance(evaluate, dict) else None
    if not isinstance(evaluate, dict) or not isinstance(primary, list):
        return []
    baselines = evaluate.get("baselines", EvaluateSettings.model_fields["baselines"].default)
    arms = [arm["name"] for arm in _tables(raw.get("arm")) if isinstance(arm.get("name"), str)]
    known = [model_id(arm, phase) for arm in arms for phase in phases if isinstance(phase, str)]
    known += [name for name in baselines if isinstance(name, str)] if isinstance(baselines, list | tuple) else []
    faults: list[Fault] = []
    for position, name in enumerate(primary):
        if isinstance(name, str) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            nearest = f"; did you mean {near[0]}?" if near else f" ({', '.join(known)})"
            message = f"is not a model or baseline of the study{nearest}"
            faults.append((("evaluate", "primary", position), "value_error", message, name))
    return faults


def _rename_unknown(raw: dict[str, Any]) -> list[Problem]:
    """Report unknown keys, and rename each to the closest known key or remove it, so that its content is checked."""
    problems = []
    while unknown := [location for location, kind, *_ in _faults_of(raw) if kind == "extra_forbidden"]:
        for location in unknown:
            table: Any = raw
            for key in location[:-1]:
                table = table[key]
            value, known = table.pop(str(location[-1])), _keys_beside(location)
            near = difflib.get_close_matches(str(location[-1]), known, n=1)
            remedy = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            problems.append(Problem(_place_of(raw, location), "unknown key", remedy))
            if near:
                table.setdefault(near[0], value)
    return problems


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


def _place_of(raw: dict[str, Any], location: Location) -> str:
    """Format a location as ``arm.weak-1.slices``; unnamed arms and list items are counted from 1."""
    parts = [part if isinstance(part, str) else f"item {part + 1}" for part in location]
    if len(location) > 1 and location[0] == "arm" and isinstance(location[1], int):
        name = _tables(raw.get("arm"))[location[1]].get("name")
        parts[1] = name if isinstance(name, str) else str(location[1] + 1)
    return ".".join(parts).replace(".item", " item") or "study file"


def _as_problem(raw: dict[str, Any], fault: Fault) -> Problem:
    location, kind, message, value = fault
    place = _place_of(raw, location)
    if kind == "missing":
        return Problem(place, "is missing", "Add it; `nephrograde init DIR` writes a commented study file.")
    message = message.removeprefix("Value error, ")
    shown = "" if isinstance(value, dict) else f" (got {value!r})"
    remedy = _REMEDIES.get(kind, "Correct the value.")
    if location == ("arm",):
        remedy = "Write [[arm]], in double brackets, above each arm."
    elif location[-1:] == ("sha256",):
        remedy = "Write the 64 digits that `sha256sum FILE` prints."
    return Problem(place, message[0].lower() + message[1:] + shown, remedy)


def _keys_beside(location: Location) -> list[str]:
    kind: Any = Study
    if location[0] == "arm" and "fit" in location:
        kind = FitSettings
    for part in location[:-1]:
        if isinstance(part, str) and part in kind.model_fields:
            annotation = kind.model_fields[part].annotation
            inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if _is_section(a)]
            kind = inner[0] if inner else kind
    return sorted(kind.model_fields)


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


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
            target = next((entry for entry in _tables(target) if entry.get("name") == parent), None)
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
