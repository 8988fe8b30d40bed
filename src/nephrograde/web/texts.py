"""The sentences of the page, in the language that it is asked for."""

from __future__ import annotations

from nephrograde.report.text.language import HTML_LANGUAGES, Language, speaking, t
from nephrograde.vocabulary import RESEARCH_USE_ONLY


def page_texts(language: Language) -> dict[str, str]:
    """Return the sentences of the page by the names that its modules use.

    Args:
        language: "en" or "zh".

    >>> page_texts("en")["saved"]
    'Saved'
    """
    with speaking(language):
        return {"lang": HTML_LANGUAGES[language], **_statements(), **_actions(), **_keys(), **_masks()}


def _statements() -> dict[str, str]:
    return {
        "research_use_only": t(RESEARCH_USE_ONLY),
        "patients": t("Patients"),
        "series": t("Series"),
        "filter": t("Find a patient"),
        "n_done": t("{n} of {total} done", n="{n}", total="{total}"),
        "saved": t("Saved"),
        "saving": t("Saving …"),
        "unsaved": t("Not saved: {n}. Kept in this browser and sent again.", n="{n}"),
        "reopen": t("The server was started again. Open the address that it printed; nothing is lost."),
        "refused": t("Not saved: {reason}", reason="{reason}"),
        "conflict": t(
            "Changed in two places. The later one counts; draw it again or press {key} to settle it.", key="A"
        ),
        "unreachable": t("The server does not answer."),
        "reading": t("Reading the scan …"),
        "unreadable": t("This scan cannot be shown: {reason}", reason="{reason}"),
        "slice_of": t("slice {k} of {n}, {z} mm", k="{k}", n="{n}", z="{z}"),
        "carried": t("dashed: from {phase}", phase="{phase}"),
        "none": t("No tumour here"),
        "unusable": t("Cannot be judged"),
        "kidneys_searching": t("Looking for the kidneys …"),
        "kidneys_none": t("No kidney found; look for it by scrolling."),
        "kidneys_found": t("Kidneys found: {key} shows them", key="K"),
        "kidney_only_right": t("Right kidney found: {key} shows it", key="K"),
        "kidney_only_left": t("Left kidney found: {key} shows it", key="K"),
        "right_kidney": t("right kidney"),
        "left_kidney": t("left kidney"),
        "right_side": t("right side"),
        "left_side": t("left side"),
        "moving": t("{part}: arrows, Page up and Page down; Enter saves, Escape leaves it", part="{part}"),
        "part_point": t("Moving the point"),
        "part_slice": t("Moving the slice"),
        "part_box": t("Moving the box"),
        "part_mask": t("Moving the mask"),
        "part_high": t("Moving its lower right corner"),
        "part_low": t("Moving its upper left corner"),
        "last": t("This was the last patient."),
    }


def _actions() -> dict[str, str]:
    return {
        "previous": t("Previous"),
        "next": t("Next patient"),
        "undo": t("Undo"),
        "redo": t("Redo"),
        "mark_slice": t("This slice"),
        "accept": t("Accept dashed"),
        "remove": t("Remove"),
        "comment": t("Comment"),
        "kidney_next": t("Right or left kidney"),
        "views": t("Coronal and sagittal"),
        "coronal": t("Coronal"),
        "sagittal": t("Sagittal"),
        "help": t("Help"),
        "close": t("Close"),
        "window_kidney": t("Kidney"),
        "window_soft": t("Soft tissue"),
        "window_bone": t("Bone"),
        "window_full": t("Full range"),
    }


def _keys() -> dict[str, str]:
    return {
        "key_click": t("Click, or P at the cross"),
        "key_click_does": t("Point in the tumour"),
        "key_drag": t("Drag, or B at two corners"),
        "key_drag_does": t(
            "Box on this slice; a second one on another slice makes it a box in 3D, a third starts again"
        ),
        "key_s": t("This slice shows the tumour best"),
        "key_n": t("No tumour here, or take it back"),
        "key_u": t("Cannot be judged, or take it back"),
        "key_a": t("Accept what is dashed, from another phase, and the imported mask"),
        "key_delete": t("Remove the labels of this phase"),
        "key_undo": t("Undo; with Shift, redo"),
        "key_enter": t("Done, next patient; with Shift, the previous one"),
        "key_scroll": t("Wheel, ↑ ↓, Page up, Page down"),
        "key_scroll_does": t("Scroll all phases together"),
        "key_move": t("Shift + arrows"),
        "key_move_does": t("Move the cross by 5 mm; with Ctrl, by 1 mm"),
        "key_zoom": t("Ctrl + wheel, + −, 0"),
        "key_zoom_does": t("Zoom, and back to the whole image"),
        "key_pan": t("Shift + drag, or the middle button"),
        "key_pan_does": t("Move the image"),
        "key_window": t("Right button and drag, 1 to 9"),
        "key_window_does": t("Brightness and contrast"),
        "key_phase": "Tab",
        "key_phase_does": t("Next phase"),
        "key_touch": t("Two fingers"),
        "key_touch_does": t("Scroll and zoom"),
        "key_c": t("Write a comment"),
        "key_grab": t("Drag a label"),
        "key_grab_does": t(
            "Move it; an edge or a corner resizes a box. "
            "A dashed label, dragged at its middle, becomes one of this phase"
        ),
        "key_alt": t("Alt + drag"),
        "key_alt_does": t("Draw a new box over one that is there"),
        "key_m": t("Move the next label with the arrows: by 1 mm, with Shift by 5 mm; Page up, Page down: by a slice"),
        "key_r": t("While a box is moved: move only its lower right corner, then only its upper left one"),
        "key_k": t("Show the right kidney, then the left one"),
        "key_escape": t("Leave a label where it was; forget the first corner of a box; put the brush away"),
        "key_ends": t("To the head, to the feet"),
        "key_v": t("Coronal and sagittal views; click in them to move the cross and the slice"),
    }


def _masks() -> dict[str, str]:
    return {
        "brush": t("Brush"),
        "eraser": t("Eraser"),
        "smaller": t("Smaller brush"),
        "larger": t("Larger brush"),
        "brush_size": t("{mm} mm", mm="{mm}"),
        "interpolate": t("Fill between slices"),
        "refuse": t("Refuse mask"),
        "nothing_between": t("There is no empty slice between two drawn ones."),
        "mask_imported": t("Imported mask: A accepts it, the brush corrects it, X refuses it."),
        "mask_accepted": t("Imported mask, accepted"),
        "mask_corrected": t("Imported mask, corrected"),
        "mask_refused": t("Imported mask, refused"),
        "mask_unusable": t("The imported mask cannot be used: {reason}", reason="{reason}"),
        "key_brush": t("Brush or eraser for a mask, on and off"),
        "key_paint": t("Drag, or P at the cross"),
        "key_paint_does": t("With the brush or the eraser: mark voxels, or unmark them"),
        "key_size": t("Smaller or larger brush"),
        "key_interpolate": t("Fill the empty slices between drawn ones"),
        "key_refuse": t("Refuse the imported mask"),
        "assist": t("Mask from the point"),
        "assist_waiting": t("Asking the server for a mask …"),
        "assist_offered": t("Mask from the point: A accepts it, the brush corrects it, X drops it."),
        "assist_licence": t("Licence of its network: {licence}.", licence="{licence}"),
        "assist_no_click": t("Click on the tumour first: the mask is made around the point."),
        "assist_has_mask": t("This phase has a mask; remove it before you ask for another one."),
        "key_assist": t("Mask around the point, from the server that was named"),
    }
