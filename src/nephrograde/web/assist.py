"""A mask from clicks, by a server of nnInteractive whose address the user gives; nothing is sent anywhere without one.

What is sent are the voxels of one scan, its spacing and the clicks, and neither an identifier nor a path. The client
library, ``nninteractive-client``, is under Apache-2.0. The weights have a licence of their own, which the server says:
those that the authors publish are under CC BY-NC-SA 4.0, for non-commercial use only.
"""

from __future__ import annotations

import importlib.util
import struct
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from nephrograde.annotations.voxels import voxels_of
from nephrograde.cohort.place import parse_point
from nephrograde.errors import InputError, NephrogradeError, PlaceError, Problem, RunError
from nephrograde.web.requests import number_of, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from starlette.requests import Request
    from starlette.responses import Response

    from nephrograde.vocabulary import Triple
    from nephrograde.web.scans import Slices
    from nephrograde.web.session import Session

PACKAGE: Final = "nnInteractive.inference.remote"
MOST_CLICKS: Final = 100
_UNKNOWN_LICENCE: Final = ("", "!!MISSING!!")  # the second is what a server says that does not know
_REMEDY: Final = "Check that the server runs, or draw the mask by hand."


class AssistError(RunError):
    """The server does not answer, or not as it should."""


class Assistant:
    """A server of nnInteractive. Its session is kept, so that a scan is sent once for all clicks on it.

    The key of a server that asks for one is in the environment variable ``NN_INTERACTIVE_API_KEY``.

    Args:
        address: Such as ``http://127.0.0.1:1527``.

    Raises:
        InputError: It is not such an address, or the client is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = _checked(address)
        self._lock = threading.Lock()
        self._remote: Any = None
        self._key: object = None

    def mask(
        self, slices: Slices, key: object, *, inside: Sequence[Triple], outside: Sequence[Triple] = ()
    ) -> tuple[npt.NDArray[np.bool_], str]:
        """Ask for the mask of the structure that was clicked.

        Args:
            slices: The scan.
            key: What identifies the scan in this process.
            inside: Positions in the structure, LPS, mm; at least one.
            outside: Positions that do not belong to it.

        Returns:
            The mask (z, y, x), and the licence of the weights as the server says it, empty if it does not know.

        Raises:
            AssistError: The server cannot be reached, has no free place, or its reply cannot be used.
        """
        with self._lock:
            for is_last in (False, True):
                try:
                    return self._predict(slices, key, inside=inside, outside=outside)
                except _expected_errors() as error:
                    self._end()
                    if is_last or not _is_expired(error):
                        raise _refusal(self.address, error) from None
        raise AssistError(f"{self.address} ended the session twice. {_REMEDY}")

    def close(self) -> None:
        """End the session on the server, so that its place is free."""
        with self._lock:
            self._end()

    def _predict(
        self, slices: Slices, key: object, *, inside: Sequence[Triple], outside: Sequence[Triple]
    ) -> tuple[npt.NDArray[np.bool_], str]:
        if self._remote is None:
            from nnInteractive.inference.remote import nnInteractiveRemoteInferenceSession

            self._remote = nnInteractiveRemoteInferenceSession(self.address)
        remote = self._remote
        if self._key != key:
            spacing_mm = [float(step) for step in reversed(slices.grid.spacing_mm)]
            remote.set_image(slices.values[np.newaxis], {"spacing": spacing_mm})
            self._key = key
        mask = np.zeros(slices.values.shape, dtype=np.uint8)
        remote.set_target_buffer(mask)
        remote.reset_interactions()
        clicks = [(position, True) for position in inside] + [(position, False) for position in outside]
        for number, (position, is_inside) in enumerate(clicks, start=1):
            voxel = [round(index) for index in reversed(slices.grid.to_index(position))]
            remote.add_point_interaction(voxel, include_interaction=is_inside, run_prediction=number == len(clicks))
        licence = str(remote.license or "")
        return mask > 0, "" if licence in _UNKNOWN_LICENCE else licence

    def _end(self) -> None:
        remote, self._remote, self._key = self._remote, None, None
        if remote is not None:
            remote.close()


def assist_routes(session: Session, assistant: Assistant | None) -> list[Route]:
    """Make the address that asks for a mask; without a server it says that none was named.

    Args:
        session: What the page works on.
        assistant: The server.
    """

    def answer(number: int, phase: str, given: Mapping[str, Any]) -> dict[str, Any]:
        slices = session.slices(number, phase)
        if assistant is None:
            raise InputError(
                [Problem("assist", "no server was named", "Start with: nephrograde annotate --assist URL")]
            )
        inside, outside = _clicks(given, slices)
        mask, licence = assistant.mask(slices, (number, phase), inside=inside, outside=outside)
        if not mask.any():
            raise NoMaskError("The server found nothing at the clicks. Click again, or draw the mask by hand.")
        return {"value": voxels_of(mask, slices.grid).text(), "licence": licence}

    async def assist(request: Request) -> Response:
        number, given = number_of(request, "number"), await read_object(request)
        return JSONResponse(await run_in_threadpool(answer, number, request.path_params["phase"], given))

    return [Route("/api/patients/{number}/phases/{phase}/assist", assist, methods=["POST"])]


class NoMaskError(NephrogradeError):
    """The server has answered with an empty mask."""


def _clicks(given: Mapping[str, Any], slices: Slices) -> tuple[list[Triple], list[Triple]]:
    problems = [Problem(key, "is not a key of a request", "Remove it.") for key in given if key not in _KEYS]
    found: dict[str, list[Triple]] = {key: [] for key in _KEYS}
    for key in _KEYS:
        texts = given.get(key, [])
        if not isinstance(texts, list) or len(texts) > MOST_CLICKS or not all(isinstance(one, str) for one in texts):
            problems.append(Problem(key, f"is not a list of at most {MOST_CLICKS} places", "Write them as x,y,z mm."))
            continue
        for text in texts:
            try:
                point = parse_point(text)
            except PlaceError as error:
                problems.append(Problem(key, error.what, error.remedy))
                continue
            if point.unit != "mm" or not slices.holds(point.position):
                problems.append(Problem(key, f"{text[:80]!r} is outside the image", "Click on the image."))
            found[key].append(point.position)
    if not problems and not found["inside"]:
        problems.append(Problem("inside", "is empty", "Click in the structure at least once."))
    if problems:
        raise InputError(problems)
    return found["inside"], found["outside"]


_KEYS: Final = ("inside", "outside")


def _checked(address: str) -> str:
    parts = urlsplit(address)
    try:
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.password:
        what = f"{parts.hostname or address!r} is not the address of a server"
        raise InputError([Problem("--assist", what, "Write it such as http://127.0.0.1:1527.")])
    if not _is_installed():
        what = "the client of nnInteractive is not installed"
        raise InputError([Problem("--assist", what, 'Run: pip install "nephrograde[assist]"')])
    return address.rstrip("/")


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec(PACKAGE) is not None
    except ModuleNotFoundError:
        return False


def _expected_errors() -> tuple[type[Exception], ...]:
    """What the client raises on a server that is gone, full, or answers with something else."""
    import httpx

    return httpx.HTTPError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, struct.error


def _is_expired(error: Exception) -> bool:
    from nnInteractive.inference.remote import SessionExpiredError

    return isinstance(error, SessionExpiredError)


def _refusal(address: str, error: Exception) -> AssistError:
    import httpx
    from nnInteractive.inference.remote import ServerAtCapacityError

    if isinstance(error, ServerAtCapacityError):
        return AssistError(f"{address} has no free place. Try again later.")
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        hint = " Set NN_INTERACTIVE_API_KEY to its key." if status == HTTPStatus.UNAUTHORIZED else ""
        return AssistError(f"{address} refused with status {status}.{hint or f' {_REMEDY}'}")
    if isinstance(error, httpx.HTTPError):
        return AssistError(f"{address} does not answer ({type(error).__name__}). {_REMEDY}")
    return AssistError(f"{address} answered with something that cannot be used ({type(error).__name__}). {_REMEDY}")
