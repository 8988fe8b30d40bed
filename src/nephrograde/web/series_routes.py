"""The addresses of the page on which the choice of series is reviewed, and its sentences."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nephrograde.report.text.language import HTML_LANGUAGES, Language, speaking, t
from nephrograde.report.text.messages import told
from nephrograde.sources.scan.corrections_file import EditedError
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY
from nephrograde.web.requests import UnknownError, language_of, number_of, read_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from nephrograde.web.series import SeriesReview

PAGE = "/series"


def series_routes(
    review: SeriesReview | None, *, name: str, page: Callable[[Request], Response], first: Language
) -> list[Route]:
    """Make the routes of the page; without a scan, the page says that there is none.

    Args:
        review: The choice of series; None if no scan wrote the cohort table.
        name: Of the study or the table.
        page: Answers with the page itself.
        first: The language in which it opens.
    """

    def found() -> SeriesReview:
        if review is None:
            raise UnknownError(
                "This cohort table was not written by a scan, so there is no choice of series to review."
            )
        return review

    def overview(request: Request) -> Response:
        language = language_of(request, first)
        with speaking(language):
            content = found().overview()
        about = {"name": name, "reader": found().reader, "version": __version__, "language": language}
        return JSONResponse({**about, "texts": series_texts(language), **content})

    def patient(request: Request) -> Response:
        with speaking(language_of(request, first)):
            return JSONResponse(found().patient(number_of(request, "number")))

    def picture(request: Request) -> Response:
        png = found().picture(number_of(request, "number"), number_of(request, "k"))
        return Response(png, media_type="image/png")

    async def save(request: Request) -> Response:
        number, k = number_of(request, "number"), number_of(request, "k")
        given = await read_object(request)

        def answer() -> dict[str, Any]:
            with speaking(language_of(request, first)):
                try:
                    return found().save(number, k, given)
                except EditedError as error:
                    raise HTTPException(HTTPStatus.CONFLICT, told(str(error))) from None

        return JSONResponse({"patient": await run_in_threadpool(answer)})

    one_series = "/api/series/{number}/{k}"
    return [
        Route(PAGE, page),
        Route("/api/series", overview),
        Route("/api/series/{number}", patient),
        Route(one_series, save, methods=["POST"]),
        Route(f"{one_series}/picture", picture),
    ]


def series_texts(language: Language) -> dict[str, str]:
    """Return the sentences of the page by the names that its script uses.

    Args:
        language: "en" or "zh".

    >>> series_texts("en")["automatic"]
    'Automatic'
    """
    with speaking(language):
        return {"lang": HTML_LANGUAGES[language], **_statements(), **_words(), **_keys()}


def _statements() -> dict[str, str]:
    return {
        "research_use_only": t(RESEARCH_USE_ONLY),
        "saved": t("Saved"),
        "saving": t("Saving …"),
        "refused": t("Not saved: {reason}", reason="{reason}"),
        "unreachable": t("The server does not answer."),
        "reopen": t("The server was started again. Open the address that it printed; nothing is lost."),
        "again": t("Not saved yet; it is sent again until it is."),
        "last": t("This was the last patient."),
        "none": t("The scan found no series."),
        "first": t(
            "{n} patients to be reviewed first: the phase is uncertain or contradicted, or nothing was chosen.", n="{n}"
        ),
        "pending": t("Takes effect when the same scan is run again."),
        "changed": t("Corrections are in {file}. Run the same nephrograde scan again to apply them.", file="{file}"),
        "by": t("by {reader}, {at}", reader="{reader}", at="{at}"),
        "said_phase": t("A person says: {phase}", phase="{phase}"),
        "said_out": t("A person says: leave out"),
        "was": t("A correction was taken back."),
        "contradicted": t("Words and image contradict each other"),
        "unread": t("No picture"),
    }


def _words() -> dict[str, str]:
    return {
        "annotate": t("Annotate"),
        "series": t("Series"),
        "patients": t("Patients"),
        "filter": t("Find a patient"),
        "previous": t("Previous"),
        "next": t("Next patient"),
        "help": t("Help"),
        "close": t("Close"),
        "chosen": t("chosen"),
        "not_chosen": t("not chosen"),
        "unsure": t("uncertain"),
        "mask": t("Mask"),
        "unknown": t("unknown"),
        "leave_out": t("Leave out"),
        "automatic": t("Automatic"),
        "n_series": t("{n} series", n="{n}"),
        "n_slices": t("{n} slices", n="{n}"),
        "step": t("{mm} mm apart", mm="{mm}"),
        "thickness": t("{mm} mm thick", mm="{mm}"),
    }


def _keys() -> dict[str, str]:
    return {
        "key_move": "↑ ↓",
        "key_move_does": t("Previous or next series"),
        "key_phase": t("1 to 4"),
        "key_phase_does": t("This series is the scan of that phase"),
        "key_out": "X",
        "key_out_does": t("Leave this series out"),
        "key_back": "Delete",
        "key_back_does": t("Take the correction back"),
        "key_enter": "Enter",
        "key_enter_does": t("Next patient; with Shift, the previous one"),
    }
