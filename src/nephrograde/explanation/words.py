"""An explanation in words, in the language of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.explanation.explanation import LIMITS
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import decimal
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.explanation.explanation import Explanation, PictureShare, ScanMap
    from nephrograde.explanation.lattice import Peak

_MOST_PICTURES = 24


def describe(explanation: Explanation) -> list[str]:
    """Return the lines that say what was found and what it cannot show.

    Args:
        explanation: What was found.
    """
    grading = explanation.grading
    mark = t(" (trained on SYNTHETIC data)") if grading.synthetic else ""
    lines = [
        t("Model {model}{mark}: p(high) = {p_high}", model=grading.model, mark=mark, p_high=f"{grading.p_high:.3f}"),
        t(
            "Log odds of the answer: {odds} = {constant} of no place + {adds} of the pictures",
            odds=decimal(explanation.log_odds),
            constant=decimal(explanation.constant),
            adds=decimal(sum(one.adds for one in explanation.pictures)),
        ),
        *(_picture(one) for one in explanation.pictures[:_MOST_PICTURES]),
    ]
    if len(explanation.pictures) > _MOST_PICTURES:
        lines.append(t("… and {n} more in explanation.json", n=len(explanation.pictures) - _MOST_PICTURES))
    for one in explanation.cam.values():
        lines += [t("Class activation map, {phase}:", phase=one.phase), *_places(one, explanation.folds)]
    for one in explanation.occlusion.values():
        lines += [t("Occlusion, {phase}:", phase=one.phase), *_places(one, explanation.folds)]
    if explanation.patches is not None:
        lines.append(_hidden(explanation))
    lines.append(t("What these maps cannot show:"))
    lines += [f"- {told(limit)}" for limit in LIMITS]
    lines += [t("warning: {text}", text=told(warning)) for warning in grading.warnings]
    return [*lines, t(RESEARCH_USE_ONLY)]


def _picture(one: PictureShare) -> str:
    weight, adds = decimal(one.weight), decimal(one.adds)
    if one.slice is None:
        return t("  {phase}, box: weight {weight}, adds {adds}", phase=one.phase, weight=weight, adds=adds)
    return t(
        "  {phase}, slice {slice}: weight {weight}, adds {adds}",
        phase=one.phase,
        slice=one.slice,
        weight=weight,
        adds=adds,
    )


def _places(found: ScanMap, folds: int) -> Iterator[str]:
    sizes = " × ".join(f"{one:.0f}" for one in found.resolution_mm)
    if found.high is not None:
        yield t("  strongest towards high grade: {place}", place=_place(found.high, folds))
    if found.low is not None:
        yield t("  strongest towards low grade: {place}", place=_place(found.low, folds))
    if found.high is None and found.low is None and found.limit > 0:
        yield t("  one value for the whole region: no place is stronger than another")
    elif found.high is None and found.low is None:
        yield t("  0 everywhere: nothing in the pictures changes the answer")
    yield t("  details below {sizes} mm (along x, y, z of the scan) cannot be told apart", sizes=sizes)


def _place(peak: Peak, folds: int) -> str:
    place = t(
        "{value} at {mm} mm (LPS), {vox} vox",
        value=decimal(peak.value),
        mm=",".join(f"{one:.1f}" for one in peak.position_mm),
        vox=",".join(map(str, peak.vox)),
    )
    if peak.agree is None:
        return place
    return t("{place}; {n} of {folds} networks agree", place=place, n=peak.agree, folds=folds)


def _hidden(explanation: Explanation) -> str:
    if explanation.patches is None:
        return ""
    patch_mm, step_mm, count = explanation.patches
    fill = t("the mean of the picture")
    if explanation.fill_hu is not None:
        fill = t("{hu} HU", hu=f"{explanation.fill_hu:g}")
    return t(
        "Hidden: {n} patches of {patch} mm, {step} mm apart, filled with {fill}",
        n=count,
        patch=f"{patch_mm:.1f}",
        step=f"{step_mm:.1f}",
        fill=fill,
    )
