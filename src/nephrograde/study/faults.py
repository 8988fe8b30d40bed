"""What is wrong with a study, and where: the mistakes of a study file, and of a study built in code, in the same words.

A study is described here by its raw tables, as TOML gives them, and checked against the class of its sections.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, TypeVar

from pydantic import BaseModel, ValidationError

from nephrograde.errors import Problem
from nephrograde.study.phase_set import phase_sets
from nephrograde.vocabulary import model_id, together

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

M = TypeVar("M", bound=BaseModel)
Location: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[Location, str, str, object]

FEATURE_POOLING = ("mean", "attention")
"""The rules that pool features as they pool logits: weighted means."""
NO_FEATURE_POOLING = (
    'intermediate fusion joins the features of the phases, which only the pooling "mean" or "attention" pools over '
    'the pictures of a phase; use one of them, or fusion = "late"'
)
NO_DIFFERENCE_IN_HU = (
    "the differences of early fusion are in HU, and a window in percentiles belongs to images that are not; give the "
    "phases a window in HU, or leave the differences out"
)

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
    "of_all_arms": "Write it in [fit].",
}


def read_section(kind: type[M], raw: dict[str, Any]) -> M:
    """Validate a table from TOML strictly: text is not accepted as a number, but lists become tuples, and texts paths.

    Raises:
        pydantic.ValidationError: If the table is invalid; the error lists all faults.
    """
    return kind.model_validate_json(json.dumps(raw, default=str), strict=True)


def faults_of(raw: dict[str, Any], study: type[BaseModel]) -> list[Fault]:
    """List the faults of a study as (location, kind, message, value), including the arms' own fit tables.

    Args:
        raw: The tables of the study.
        study: The class of a whole study.
    """
    cross_faults = _cross_faults(raw, study)
    return [fault for fault in _faults_of_tables(raw, study) if fault[0] or not cross_faults] + cross_faults


def _faults_of_tables(raw: dict[str, Any], study: type[BaseModel]) -> list[Fault]:
    """List the faults of each table by itself."""
    faults = faults_as(study, raw, ())
    # A list whose items are all faulty is also reported as too short, which it is not.
    return [fault for fault in faults if not (fault[1] == "too_short" and fault[3])] + faults_of_arms(raw, study)


def faults_of_arms(raw: dict[str, Any], study: type[BaseModel]) -> list[Fault]:
    """List the faults of the arms' own fit tables."""
    faults: list[Fault] = []
    for position, arm in enumerate(tables(raw.get("arm"))):
        if isinstance(arm.get("fit"), dict):
            faults += faults_as(_section(study, "fit"), arm["fit"], ("arm", position, "fit"))
            if "workers" in arm["fit"]:
                message = "applies to the networks of all arms together"
                faults.append((("arm", position, "fit", "workers"), "of_all_arms", message, arm["fit"]["workers"]))
    return faults


def faults_as(kind: type[BaseModel], raw: dict[str, Any], above: Location) -> list[Fault]:
    """List the faults of one table, which is at the location ``above`` in its study."""
    try:
        read_section(kind, raw)
    except ValidationError as error:
        return _listed(error, above)
    return []


def _listed(error: ValidationError, above: Location) -> list[Fault]:
    return [((*above, *fault["loc"]), fault["type"], fault["msg"], fault["input"]) for fault in error.errors()]


def tables(arms: object) -> list[dict[str, Any]]:
    """Return the arms; those that are not tables become empty tables, so that the others keep their position."""
    return [arm if isinstance(arm, dict) else {} for arm in arms] if isinstance(arms, list) else []


def _cross_faults(raw: dict[str, Any], study: type[BaseModel]) -> list[Fault]:
    """List inconsistencies between two parts of the file, each of which may contain other mistakes."""
    faults: list[Fault] = []
    names = [arm.get("name") for arm in tables(raw.get("arm"))]
    for position, name in enumerate(names):
        if name is not None and name in names[:position]:
            faults.append((("arm", position, "name"), "value_error", "another arm has this name", name))
    cohort, windows = raw.get("cohort"), raw.get("window")
    phases = cohort.get("phases", _default(study, "cohort", "phases")) if isinstance(cohort, dict) else None
    if isinstance(phases, list | tuple) and isinstance(windows, dict):
        for phase in sorted(set(windows) - {"default", *map(str, phases)}):
            listed = ", ".join(map(str, phases))
            faults.append((("window", phase), "value_error", f"is not a phase of cohort.phases ({listed})", {}))
    known = phases if isinstance(phases, list | tuple) else ()
    return faults + _fusion_faults(raw, known, study) + _difference_faults(raw) + _primary_faults(raw, known, study)


def _fusion_faults(raw: dict[str, Any], phases: Sequence[object], study: type[BaseModel]) -> list[Fault]:
    """List the arms' phases that the cohort does not have, and rules of pooling that do not go with their fusion."""
    faults: list[Fault] = []
    shared = raw.get("fit")
    for position, arm in enumerate(tables(raw.get("arm"))):
        own = arm.get("phases")
        for index, phase in enumerate(own if isinstance(own, list | tuple) and phases else ()):
            if phase not in phases:
                message = f"is not a phase of cohort.phases ({', '.join(map(str, phases))})"
                faults.append((("arm", position, "phases", index), "value_error", message, phase))
        fits = [arm.get("fit"), shared, {"pooling": _default(study, "fit", "pooling")}]
        pooling = next(fit["pooling"] for fit in fits if isinstance(fit, dict) and "pooling" in fit)
        if arm.get("fusion") == "intermediate" and pooling not in FEATURE_POOLING:
            faults.append((("arm", position, "fusion"), "value_error", NO_FEATURE_POOLING, "intermediate"))
    return faults


def _difference_faults(raw: dict[str, Any]) -> list[Fault]:
    """List the differences of early fusion between phases that are not in HU."""
    windows = raw.get("window")
    faults: list[Fault] = []
    if not isinstance(windows, dict):
        return faults
    for position, arm in enumerate(tables(raw.get("arm"))):
        phases, pairs = arm.get("phases"), arm.get("differences")
        if arm.get("fusion") != "early" or not isinstance(phases, list | tuple) or not isinstance(pairs, list | tuple):
            continue
        of_phases = {str(phase): windows.get(str(phase), windows.get("default")) for phase in phases}
        relative = [
            phase
            for phase, window in of_phases.items()
            if isinstance(window, dict) and window.get("percentiles") is True
        ]
        affected = {f"{one}-{other}" for phase in relative for one, other in _both_ways(phase, of_phases)}
        for index, pair in enumerate(pairs):
            if pair in affected:
                faults.append((("arm", position, "differences", index), "value_error", NO_DIFFERENCE_IN_HU, pair))
    return faults


def _both_ways(phase: str, others: Iterable[str]) -> list[tuple[str, str]]:
    return [pair for other in others for pair in ((phase, other), (other, phase))]


def _primary_faults(raw: dict[str, Any], phases: Sequence[object], study: type[BaseModel]) -> list[Fault]:
    """List the names in ``evaluate.primary`` that are neither a model nor a baseline of the study."""
    evaluate = raw.get("evaluate")
    primary = evaluate.get("primary") if isinstance(evaluate, dict) else None
    if not isinstance(evaluate, dict) or not isinstance(primary, list):
        return []
    baselines = evaluate.get("baselines", _default(study, "evaluate", "baselines"))
    named = [str(phase) for phase in phases]
    known = []
    for arm in tables(raw.get("arm")):
        own, fusion = arm.get("phases"), arm.get("fusion")
        own = [str(phase) for phase in own] if isinstance(own, list | tuple) else []
        sets = phase_sets(own, fusion if isinstance(fusion, str) else None, named)
        known += [model_id(arm["name"], together(one)) for one in sets if isinstance(arm.get("name"), str)]
    known += [name for name in baselines if isinstance(name, str)] if isinstance(baselines, list | tuple) else []
    faults: list[Fault] = []
    for position, name in enumerate(primary):
        if isinstance(name, str) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            nearest = f"; did you mean {near[0]}?" if near else f" ({', '.join(known)})"
            message = f"is not a model or baseline of the study{nearest}"
            faults.append((("evaluate", "primary", position), "value_error", message, name))
    return faults


def rename_unknown(raw: dict[str, Any], study: type[BaseModel]) -> list[Problem]:
    """Report unknown keys, and rename each to the closest known key or remove it, so that its content is checked."""
    problems = []
    while unknown := [location for location, kind, *_ in faults_of(raw, study) if kind == "extra_forbidden"]:
        for location in unknown:
            table: Any = raw
            for key in location[:-1]:
                table = table[key]
            value, known = table.pop(str(location[-1])), _keys_beside(location, study)
            near = difflib.get_close_matches(str(location[-1]), known, n=1)
            remedy = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            problems.append(Problem(_place_of(raw, location), "unknown key", remedy))
            if near:
                table.setdefault(near[0], value)
    return problems


def _place_of(raw: dict[str, Any], location: Location) -> str:
    """Format a location as ``arm.weak-1.slices``; unnamed arms and list items are counted from 1."""
    parts = [part if isinstance(part, str) else f"item {part + 1}" for part in location]
    if len(location) > 1 and location[0] == "arm" and isinstance(location[1], int):
        name = tables(raw.get("arm"))[location[1]].get("name")
        parts[1] = name if isinstance(name, str) else str(location[1] + 1)
    return ".".join(parts).replace(".item", " item") or "study file"


def as_problem(raw: dict[str, Any], fault: Fault) -> Problem:
    """Word a fault of these tables."""
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


def _keys_beside(location: Location, study: type[BaseModel]) -> list[str]:
    kind = study
    if location[0] == "arm" and "fit" in location:
        kind = _section(study, "fit")
    for part in location[:-1]:
        if isinstance(part, str) and part in kind.model_fields:
            kind = _section(kind, part)
    return sorted(kind.model_fields)


def _section(kind: type[BaseModel], key: str) -> type[BaseModel]:
    """The class of what a key holds, or of the items it holds; ``kind`` where it holds no table with known keys."""
    annotation = kind.model_fields[key].annotation
    inner = [one for one in (annotation, *getattr(annotation, "__args__", ())) if _is_section(one)]
    return inner[0] if inner else kind


def _is_section(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _default(study: type[BaseModel], table: str, key: str) -> Any:
    return _section(study, table).model_fields[key].default


def problems_in_code(
    given: Mapping[str, object], error: ValidationError, *, place: Location, study: type[BaseModel]
) -> list[Problem]:
    """List the problems of a study, or of one of its tables, that is built in code, as those of a file are listed.

    Args:
        given: The arguments: values, tables or objects of the classes of tables.
        error: What they were refused for.
        place: Where a study has the table; empty for the study.
        study: The class of a whole study.
    """
    raw: Any = {key: _plain(value) for key, value in given.items()}
    for part in reversed(place):
        raw = {part: raw} if isinstance(part, str) else [raw]
    problems = rename_unknown(raw, study)
    faults = faults_of(raw, study)
    if place:  # a table alone can be inconsistent with no other
        faults = [fault for fault in _faults_of_tables(raw, study) if fault[0][: len(place)] == place]
    if not problems and not faults:  # a file cannot hold such a value
        faults = _listed(error, place)
    return problems + [as_problem(raw, fault) for fault in faults]


def problems_of_arms(arms: Sequence[BaseModel], *, study: type[BaseModel]) -> list[Problem]:
    """List the problems of the fit tables of arms, which are checked against ``[fit]``."""
    raw = {"arm": [_plain(arm) for arm in arms]}
    problems = rename_unknown(raw, study) if faults_of_arms(raw, study) else []
    return problems + [as_problem(raw, fault) for fault in faults_of_arms(raw, study)]


def _plain(value: object) -> Any:
    """As TOML would give it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, PurePath | str) else value
