"""``explain``: from the files of a patient to the maps, and to a folder with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import BY_COLUMN, FLAG, NUMBER, PATH, PATHS, TEXT, Kind, checked, either
from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.explanation.occlusion import Occlusion
from nephrograde.explanation.tracing import explain_examined, scorer_of
from nephrograde.explanation.writing import check_folder, write_explanation
from nephrograde.predict.given import given_scans
from nephrograde.predict.grader import Grader
from nephrograde.run.progress import silent

if TYPE_CHECKING:
    from nephrograde.explanation.explanation import Explanation
    from nephrograde.predict.together import Images
    from nephrograde.run.progress import Progress


@checked(
    grader=Kind(lambda value: isinstance(value, Grader), "Give what load_grader returns."),
    image=either(PATHS, Mapping, remedy="Give the path of a scan, or one by phase."),
    mask=either(PATH, Mapping, remedy="Give the path of a mask, or one by phase."),
    box=either(TEXT, Box, Mapping, remedy='Give two opposite corners, such as "i,j,k;i,j,k vox", or them by phase.'),
    point=either(TEXT, Point, Mapping, remedy='Give a place, such as "i,j,k vox", or one by phase.'),
    slice=either(TEXT, SlicePlace, Mapping, remedy='Give a place, such as "41 vox", or one by phase.'),
    kidneys=either(PATH, Mapping, remedy="Give the path of a mask, or one by phase."),
    clinical=BY_COLUMN,
    out=PATH,
    occlusion=FLAG,
    patch_mm=NUMBER,
    step_mm=NUMBER,
    fill_hu=NUMBER,
)
def explain(
    grader: Grader,
    image: Images | Mapping[str, Images],
    *,
    mask: str | Path | Mapping[str, str | Path] | None = None,
    box: str | Box | Mapping[str, str | Box] | None = None,
    point: str | Point | Mapping[str, str | Point] | None = None,
    slice: str | SlicePlace | Mapping[str, str | SlicePlace] | None = None,  # noqa: A002
    kidneys: str | Path | Mapping[str, str | Path] | None = None,
    clinical: Mapping[str, str | float] | None = None,
    out: str | Path | None = None,
    occlusion: bool = True,
    patch_mm: float | None = None,
    step_mm: float | None = None,
    fill_hu: float | None = None,
    progress: Progress = silent,
) -> Explanation:
    """Grade a patient with a packed model, and map where on the scan the answer comes from. Research use only.

    The class activation map is exact for these networks: what all places add, plus a constant, is the log odds of the
    answer. Occlusion hides one patch of the region after the other, and measures how the log odds change.

    Args:
        grader: From :func:`~nephrograde.load_grader`, of a file of ``nephrograde pack``.
        image: An image file, or a folder or zip archive with one DICOM series; for a model of several phases, one by
            phase.
        mask: The delineated tumour; for a model of several phases, this and what follows are given by phase.
        box: Two opposite corners, written as for ``Grader.grade``.
        point: A place in the tumour.
        slice: The axial slice to grade.
        kidneys: A mask of both kidneys.
        clinical: Values by column, for a model that joins them.
        out: A folder to write the maps (NIfTI, on the grid of the scan as stored), pictures and numbers to.
        occlusion: Whether to hide patches as well, which takes a minute or so.
        patch_mm: Edge of a patch; 20 mm when None, and more where that would take too long.
        step_mm: Distance between patches; half of the edge when None.
        fill_hu: What hidden pixels take, such as -100 (fat); the mean of the picture when None.
        progress: Shows what is left.

    Returns:
        The answer and the maps.

    Raises:
        InputError: The grader is not of a packed model, the scan is exported pictures, or the patches cannot be used.
        VolumeError: A scan cannot be read, or an annotation is missing or outside.
        PlaceError: A box, point or slice is not written with its unit.
        GraderError: The graph cannot be run.
        WriteError: The folder cannot be written.

    Source: Zhou 2016, arXiv:1512.04150; Zeiler & Fergus 2014, arXiv:1311.2901.
    """
    scorer_of(grader)
    folder = None if out is None else Path(out)
    if folder is not None:
        check_folder(folder)
    places = {"mask": mask, "box": box, "point": point, "slice": slice, "kidneys": kidneys}
    scans = given_scans(grader, {"image": image, **places})
    values = grader.values_of(clinical)
    examined = grader.examine(scans, values)
    hiding = Occlusion(patch_mm, step_mm, fill_hu) if occlusion else None
    found = explain_examined(grader, examined, clinical=values, occlusion=hiding, progress=progress)
    if folder is not None:
        write_explanation(found, folder)
    return found
