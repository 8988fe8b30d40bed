"""What a process does with a chosen region: grade it, and write what is handed out of the answer."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.errors import GraderError, InputError, NephrogradeError, RunError, VolumeError
from nephrograde.explanation.drawing import draw_panels
from nephrograde.explanation.tracing import explain_examined
from nephrograde.export.dicom.objects import write_objects
from nephrograde.export.dicom.stamp import Stamp
from nephrograde.export.grader_file import read_grader_file
from nephrograde.export.loading import grader_of
from nephrograde.predict.refusals import reason_without_override
from nephrograde.predict.together import Annotated
from nephrograde.report.pages.grading_page import write_grading_page
from nephrograde.report.pages.pdf import write_pdf
from nephrograde.report.text.language import speaking
from nephrograde.volume.volume import write_image
from nephrograde.web.grading.drawn import write_drawn
from nephrograde.web.grading.names import ANSWER, CAPTURE, OVERLAY, OVERLAY_VOLUME, PICTURE, REPORT, report_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nephrograde.cohort.clinical import Value
    from nephrograde.predict.examined import Examined
    from nephrograde.predict.grader import Grader
    from nephrograde.report.text.language import Language

_PLACES = ("point", "box", "slice")


class Graders:
    """The models of one process, each loaded for the first scan that it grades.

    Args:
        paths: The grader files by model.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths
        self._loaded: dict[str, Grader] = {}

    def get(self, model: str) -> Grader:
        """Return a model.

        Args:
            model: Its id.
        """
        if model not in self._loaded:
            self._loaded[model] = grader_of(read_grader_file(self._paths[model]))
        return self._loaded[model]


def grade(graders: Graders, order: Mapping[str, Any], *, step: Callable[[str], None]) -> dict[str, Any]:
    """Grade a patient.

    Args:
        graders: The models.
        order: ``model``, ``scans`` by phase, ``clinical`` values, and the ``folder`` of the answer.
        step: Called with the name of each step.

    Returns:
        The answer without the name of any file, and which files there are.

    Raises:
        NephrogradeError: As ``Grader.examine``.
    """
    grader, folder = graders.get(order["model"]), Path(order["folder"])
    for phase, given in order["scans"].items():
        if "drawn" in given:
            given["mask"] = str(folder / f"drawn-{phase}.nii.gz")
            write_drawn(given["drawn"], Path(given["mask"]))
    scans = {
        phase: Annotated(
            given["path"], mask=given.get("mask"), **{name: given[name] for name in _PLACES if given.get(name)}
        ).as_scan(phase)
        for phase, given in order["scans"].items()
    }
    step("grading")
    values = grader.values_of(order["clinical"]) if order["clinical"] else {}
    examined = grader.examine(scans, values, picture=folder / PICTURE)
    answer = _answer(examined, order["scans"])
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")
    files, remarks = [PICTURE], []
    step("explaining")
    try:
        _explain(grader, examined, values, folder)
        files += [OVERLAY, OVERLAY_VOLUME]
    except (InputError, GraderError, RunError) as error:  # the answer stands
        remarks.append(f"No map was made: {_in_one_line(error)}")
    step("writing")
    if all(given["kind"] == "dicom" for given in order["scans"].values()) and find_spec("highdicom"):
        try:
            files += [REPORT, CAPTURE, *write_objects(grader, examined, folder, stamp=Stamp.now())]
        except VolumeError as error:  # the answer stands, whatever the headers lack
            remarks.append(f"No DICOM objects were made: {error.message} {error.remedy}")
    return {"answer": answer, "files": files, "remarks": remarks}


def _explain(grader: Grader, examined: Examined, values: Mapping[str, Value], folder: Path) -> None:
    """Write the class activation map of the first scan, as a picture and on the grid of the scan as stored."""
    found = explain_examined(grader, examined, clinical=values)
    of_first = found.cam[examined.first]
    (folder / OVERLAY).write_bytes(draw_panels(found, of_first))
    native = of_first.volume.native
    write_image(
        of_first.stored(),
        folder / OVERLAY_VOLUME,
        spacing_mm=native.spacing_mm,
        origin_mm=native.origin_mm,
        direction=native.direction,
        note="log odds of high grade; research use only",
    )


def _answer(examined: Examined, given: Mapping[str, Any]) -> dict[str, Any]:
    """The answer without the names of files: a scan is called by the number of its series."""
    names = [str(path) for one in given.values() for path in (one["path"], one.get("mask")) if path]
    grading = examined.grading
    numbers = {phase: str(one["series"]) for phase, one in given.items()}
    neutral = replace(
        grading,
        image=numbers[examined.first],
        scans=tuple(replace(one, image=numbers[one.phase]) for one in grading.scans),
        warnings=tuple(_without(names, text) for text in grading.warnings),
        picture=None,
    )
    said = {f"warning: {text}" for text in neutral.warnings} | {neutral.research_use_only}
    lines = [line for line in neutral.as_text().splitlines() if line not in said]
    answer = {**neutral.as_dict(), "lines": lines}
    del answer["picture"]
    return answer


def _without(names: Sequence[str], text: str) -> str:
    for name in names:
        text = text.replace(f"{name}: ", "").replace(name, "the scan")
    return text


def print_report(order: Mapping[str, Any]) -> dict[str, Any]:
    """Print the page of an answer as PDF.

    Args:
        order: The ``folder`` of the answer, the ``language``, and the ``title`` of the model.

    Raises:
        NephrogradeError: WeasyPrint or a font is missing.
    """
    folder, language = Path(order["folder"]), _language(order["language"])
    answer = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    html_path = folder / f"{report_name(language)}.html"
    with speaking(language):
        picture = (folder / PICTURE).read_bytes()
        overlay = (folder / OVERLAY).read_bytes() if (folder / OVERLAY).is_file() else None
        write_grading_page(answer, picture, html_path, study=order["study"], overlay=overlay)
    try:
        write_pdf(html_path)
    finally:
        html_path.unlink(missing_ok=True)
    return {}


def _language(text: str) -> Language:
    return "zh" if text == "zh" else "en"


def reason_of(error: NephrogradeError, folder: str) -> tuple[str, str, int]:
    """Return the code, the reason and the status of an error, without the names of files.

    Args:
        error: What was raised.
        folder: What is not to be named.
    """
    if isinstance(error, VolumeError):
        return error.code, reason_without_override(error), 422
    return "refused", _without([folder], _in_one_line(error)), 422


def _in_one_line(error: NephrogradeError) -> str:
    """What an error says, without the line that counts the problems."""
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in (lines[1:] if len(lines) > 1 else lines))
