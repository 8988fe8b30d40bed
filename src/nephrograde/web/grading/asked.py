"""What a request for a grading asks for, checked as far as that needs no scan to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.errors import PlaceError
from nephrograde.vocabulary import phase_name
from nephrograde.web.grading.drawn import read_drawn
from nephrograde.web.grading.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nephrograde.web.grading.models import Model

_READ: dict[str, Callable[[str], object]] = {"point": parse_point, "box": parse_box, "slice": parse_slice}
_LONGEST = 200
SURE_FROM = 0.8
"""A phase that was recognised with this probability is held against that of the model."""


def read_order(
    given: Mapping[str, Any],
    models: Mapping[str, Model],
    series_of: Callable[[str, int], Mapping[str, Any]],
) -> tuple[dict[str, Any], set[str]]:
    """Read the body of a request for a grading.

    Args:
        given: ``model``, ``scans`` by phase (``scan``, ``series``, ``point`` or ``box`` or ``slice``, ``mask``),
            ``clinical`` and ``accept_phase``.
        models: Those of the server.
        series_of: Returns a series by the id of its upload and its number.

    Returns:
        What the process is told, and the ids of the uploads.

    Raises:
        Refusal: Something is missing, unknown or does not fit.
        UnknownError: There is no such scan or series.
    """
    model = _model(given, models)
    scans = given.get("scans")
    if not isinstance(scans, dict) or not scans or not all(isinstance(one, dict) for one in scans.values()):
        raise Refusal("no-scan", 'The body has no "scans": an object with one scan for each phase.', 400)
    if unknown := sorted(set(scans) - set(model.phases)):
        raise Refusal("wrong-phase", f"{model.name} sees {', '.join(model.phases)}, not {unknown[0][:20]!r}.")
    order: dict[str, Any] = {}
    ids = set()
    for phase in model.phases:
        if phase not in scans:
            continue
        own = scans[phase]
        scan_id, number = own.get("scan"), own.get("series")
        if not isinstance(scan_id, str) or not isinstance(number, int) or isinstance(number, bool):
            raise Refusal("no-scan", "A scan is named by the id of its upload and the number of a series.", 400)
        series = series_of(scan_id, number)
        ids.add(scan_id)
        _check_series(series, phase, model, accepts=given.get("accept_phase") is True)
        order[phase] = {
            "path": series["path"],
            "kind": series["kind"],
            "series": number,
            **_places(own),
            **_mask(own, series),
        }
    _check_region(order, model)
    return {"model": model.name, "study": model.study, "scans": order, "clinical": _clinical(given)}, ids


def _model(given: Mapping[str, Any], models: Mapping[str, Model]) -> Model:
    name = given.get("model", next(iter(models)) if len(models) == 1 else None)
    if not isinstance(name, str) or name not in models:
        raise Refusal("no-model", f"There is no such model. This server has {', '.join(models)}.")
    return models[name]


def _check_series(series: Mapping[str, Any], phase: str, model: Model, *, accepts: bool) -> None:
    codes = {one["code"] for one in series["remarks"]}
    if model.needs_hu and "not-hu" in codes:
        what = "The values of the scan are not HU, as if it were MR or a picture. The models grade CT only."
        raise Refusal("not-ct", what)
    seen = series["phase"]
    if seen and seen != phase and series["probability"] >= SURE_FROM and not accepts:
        raise Refusal(
            "wrong-phase",
            f"The series looks {phase_name(seen)} ({seen}), and the model grades {phase_name(phase)} scans ({phase}). "
            "Choose the series of that phase, or say that you know better.",
        )


def _places(given: Mapping[str, Any]) -> dict[str, str]:
    places = {}
    for name, read in _READ.items():
        text = given.get(name)
        if text is None:
            continue
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise Refusal("place", f"The {name} is no text such as the page writes it.", 400)
        try:
            read(text)
        except PlaceError as error:
            raise Refusal("place", str(error)) from None
        places[name] = text
    return places


def _mask(given: Mapping[str, Any], series: Mapping[str, Any]) -> dict[str, Any]:
    """The mask that was drawn or sent, if any."""
    if given.get("drawn") is not None:
        return {"drawn": read_drawn(given["drawn"], series["geometry"]), "mask": ""}
    if given.get("mask") is not True:
        return {}
    if "mask" not in series:
        raise Refusal("no-region", "No mask was sent for this series. Send it, or draw it.")
    return {"mask": series["mask"]}


def _check_region(order: Mapping[str, Mapping[str, Any]], model: Model) -> None:
    """Refuse a patient without a region on any phase, where the model needs one."""
    if model.places and not any(name in given for given in order.values() for name in model.places):
        what = f"{model.name} must be shown where the tumour is: give one of {', '.join(model.places)}."
        raise Refusal("no-region", what)


def _clinical(given: Mapping[str, Any]) -> dict[str, str | float]:
    values = given.get("clinical") or {}
    if not isinstance(values, dict) or not all(
        isinstance(one, str | int | float) and not isinstance(one, bool) for one in values.values()
    ):
        raise Refusal("clinical", "Clinical values are numbers or texts by column.", 400)
    return {name: one for name, one in values.items() if one != ""}
