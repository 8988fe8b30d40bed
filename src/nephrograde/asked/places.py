"""What a patient to grade is given on the command line: one scan, or the scans of several phases by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations of options
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.predict.grader import Grader

_NUMBER = "pixel_mm"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the tumour is, and clinical values, as typed."""

    mask: list[Path] | None = None
    box: list[str] | None = None
    point: list[str] | None = None
    slice_: list[str] | None = None
    kidneys: list[Path] | None = None
    clinical: list[str] | None = None

    def texts(self) -> dict[str, list[str]]:
        """The values of each option that was given but for clinical ones, as typed."""
        given = {"mask": self.mask, "box": self.box, "point": self.point, "slice": self.slice_, "kidneys": self.kidneys}
        return {name: [str(one) for one in values] for name, values in given.items() if values}


def places_of(
    grader: Grader, images: Sequence[Path], options: Places, *, picture: Path | None = None
) -> dict[str, Any]:
    """Return the images with what was given for them, as a grader takes it: by phase where it sees several.

    Args:
        grader: Of the command.
        images: As typed.
        options: Of the command.
        picture: The file of ``--picture``, which is drawn of a single scan only.

    Raises:
        InputError: As of :func:`by_name` or :func:`by_phase`.
    """
    texts, clinical = options.texts(), options.clinical or []
    if grader.is_joined:
        by = by_phase([str(one) for one in images], texts, grader.phases, picture=picture)
        return {**by, "clinical": by_column(clinical)}
    own = by_name({**texts, **({"clinical": clinical} if clinical else {})})
    return {"image": images, **own, **({"picture": picture} if picture else {})}


def by_name(texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the options of a single scan.

    Args:
        texts: The values of each option that was given, as typed.

    Raises:
        InputError: If an option was repeated, is not a number, or is for models that join clinical values.

    >>> by_name({"mask": ["a.nii.gz"], "pixel_mm": ["0.7"]})
    {'mask': 'a.nii.gz', 'pixel_mm': 0.7}
    """
    problems = [
        Problem(f"--{name.replace('_', '-')}", "is given twice", "Give it once: the model sees one phase.")
        for name, values in texts.items()
        if len(values) > 1 and name != "clinical"
    ]
    if "clinical" in texts:
        remedy = "Leave it out, or name a model that joins them."
        problems.append(Problem("--clinical", "is given, but the model joins no clinical values", remedy))
    if problems:
        raise InputError(problems)
    return {name: _value(name, values[0]) for name, values in texts.items()}


def by_phase(
    images: Sequence[str], texts: Mapping[str, Sequence[str]], phases: Sequence[str], *, picture: Path | None = None
) -> dict[str, dict[str, Any]]:
    """Return the images and options of a patient by phase, as they are written: ``cmp=IMAGE``.

    Args:
        images: As typed; several of one phase are exported pictures.
        texts: The values of each option that was given, as typed.
        phases: Those of the model.
        picture: The file of ``--picture``, which is drawn of a single scan only.

    Raises:
        InputError: If a phase is missing or unknown, or an option of a phase is repeated.

    >>> by_phase(["cmp=a.nii.gz", "np=b.nii.gz"], {"mask": ["cmp=m.nii.gz"]}, ["cmp", "np"])
    {'image': {'cmp': ['a.nii.gz'], 'np': ['b.nii.gz']}, 'mask': {'cmp': 'm.nii.gz'}}
    """
    found: dict[str, dict[str, Any]] = {"image": {}}
    problems = []
    if picture is not None:
        problems.append(Problem("--picture", "is drawn of one scan", "Grade with the model of a single phase."))
    typed = {"image": images, **texts}
    for name, text in ((name, one) for name, values in typed.items() for one in values):
        phase, sign, value = text.partition("=")
        place = "IMAGE" if name == "image" else f"--{name.replace('_', '-')}"
        if not sign or not value or phase not in phases:
            remedy = (
                f"Write the phase before it, such as {phases[0]}={value or text}; it is one of {', '.join(phases)}."
            )
            problems.append(Problem(place, f"does not name a phase of the model: {text}", remedy))
        elif name == "image":
            found["image"].setdefault(phase, []).append(value)
        elif phase in found.setdefault(name, {}):
            problems.append(Problem(place, f"is given twice for {phase}", "Give it once for each phase."))
        else:
            found[name][phase] = _value(name, value)
    if problems:
        raise InputError(problems)
    return found


def by_column(texts: Sequence[str]) -> dict[str, str]:
    """Return clinical values by column.

    Args:
        texts: As typed.

    Raises:
        InputError: If a text is not of the form ``COLUMN=VALUE``.

    >>> by_column(["age_years=61", "sex=F"])
    {'age_years': '61', 'sex': 'F'}
    """
    pairs = [text.partition("=") for text in texts]
    problems = [
        Problem("--clinical", f"is {column}", "Write the column and the value, such as age_years=61.")
        for column, sign, value in pairs
        if not (column and sign and value)
    ]
    if problems:
        raise InputError(problems)
    return {column: value for column, _, value in pairs}


def _value(name: str, text: str) -> str | float:
    if name != _NUMBER:
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError([Problem("--pixel-mm", f"is {text}, not a number", "Give the size in mm.")]) from None
