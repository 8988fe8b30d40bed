"""A DICOMweb service: storing objects (STOW), finding series (QIDO) and retrieving them (WADO)."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nephrograde.errors import ExchangeError, require_package
from nephrograde.exchange.outgoing import Sent, pause_s
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomweb_client.web import DICOMwebClient
    from pydicom import Dataset
    from requests import HTTPError

    from nephrograde.exchange.destination import WebService
    from nephrograde.exchange.outgoing import Outgoing
    from nephrograde.exchange.tls import Tls

_SECONDS: Final = (15.0, 300.0)
"""To connect, and to wait for bytes."""
_LARGEST_PLAIN_BODY = 1 << 30
"""Larger bodies are sent in chunks, which not every service takes."""
_BUSY = frozenset({408, 413, 429, 500, 502, 503, 504, 507})
_REASONS = {
    400: "it does not understand the request",
    401: "it asks for a user or a token",
    403: "it does not permit this",
    404: "there is no such address, study or series",
    405: "there is no such service at this address",
    409: "it refuses the object",
    413: "the object is too large for it",
    415: "it does not take this kind of object",
    507: "it is out of storage",
}


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series that a service knows.

    Attributes:
        study_uid: Of its study.
        series_uid: Its own.
        modality: Such as "CT" or "SR".
        description: What the scanner or a person called it. Keep it out of logs.
        n_images: How many objects it has; None if the service does not say.
    """

    study_uid: str
    series_uid: str
    modality: str = ""
    description: str = ""
    n_images: int | None = None


class Web:
    """A DICOMweb service, with who we are from the environment.

    Redirections to other hosts lose the credentials; proxies and ``.netrc`` are not looked at.

    Args:
        service: Its address.
        tls: The files of an encrypted connection; what the operating system trusts when None.
        attempts: How often a request is tried.

    Raises:
        InputError: dicomweb-client is not installed, a file of ``tls`` cannot be used, or the credentials must not be
            sent.
    """

    def __init__(self, service: WebService, *, tls: Tls | None, attempts: int) -> None:
        self.service, self._attempts = service, attempts
        self._client = _client_of(service, tls)

    def store(self, one: Outgoing) -> Sent:
        """Store an object.

        Args:
            one: The object.

        Raises:
            ExchangeError: The service cannot be reached.
        """
        from xml.etree.ElementTree import ParseError

        import pydicom
        from requests import HTTPError, RequestException
        from requests.exceptions import InvalidJSONError

        try:
            with quiet():
                dataset = pydicom.dcmread(one.path)
        except PYDICOM_ERRORS as error:
            return Sent(one.path, "failed", f"is damaged ({type(error).__name__})")
        for attempt in range(1, self._attempts + 1):
            try:
                with quiet():
                    answer = self._client.store_instances([dataset])
                return _answered(one, answer)
            except HTTPError as error:
                status = _status_of(error)
                if status not in _BUSY or attempt == self._attempts:
                    return Sent(one.path, "failed", f"the service says: {_reason(status)} (HTTP {status})")
            except (InvalidJSONError, ParseError):
                return Sent(one.path, "failed", "the service answers something else than DICOM")
            except RequestException as error:
                if attempt == self._attempts:
                    raise self._unreachable(error) from None
            except PYDICOM_ERRORS as error:
                return Sent(one.path, "failed", f"cannot be written as stored ({type(error).__name__})")
            time.sleep(pause_s(attempt))
        raise AssertionError  # the last attempt returns or raises

    def search(self, study_uid: str | None, filters: dict[str, str]) -> list[FoundSeries]:
        """Find series.

        Args:
            study_uid: Of one study; all studies when None.
            filters: Values by keyword of DICOM, such as ``{"Modality": "SR"}``.

        Raises:
            ExchangeError: The service cannot be reached, or refuses.
        """
        with self._asking(), quiet():
            rows = self._client.search_for_series(study_uid, search_filters=filters or None)
            return [_found(row, study_uid or "") for row in rows]

    def retrieve(self, study_uid: str, series_uid: str) -> Iterator[Dataset]:
        """Retrieve the objects of a series one by one, each in the transfer syntax in which it is stored.

        Args:
            study_uid: Of the study.
            series_uid: Of the series.

        Raises:
            ExchangeError: The service cannot be reached, refuses, or sends something else.
        """
        stored = (("application/dicom", "*"),)
        with self._asking(), quiet():
            yield from self._client.iter_series(study_uid, series_uid, media_types=stored)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        from requests import HTTPError, RequestException
        from requests.exceptions import InvalidJSONError

        try:
            yield
        except HTTPError as error:
            status = _status_of(error)
            raise ExchangeError(f"{self.service} says: {_reason(status)} (HTTP {status}).") from None
        except InvalidJSONError:
            raise ExchangeError(f"{self.service} sends something else than DICOM. Check the address.") from None
        except RequestException as error:
            raise self._unreachable(error) from None
        except PYDICOM_ERRORS:
            raise ExchangeError(f"{self.service} sends something else than DICOM. Check the address.") from None

    def _unreachable(self, error: Exception) -> ExchangeError:
        from requests.exceptions import SSLError

        if isinstance(error, SSLError):
            return ExchangeError(
                f"{self.service} cannot be trusted. Name who vouches for its certificate with --tls-ca."
            )
        return ExchangeError(f"{self.service} cannot be reached. Check the address.")


def _client_of(service: WebService, tls: Tls | None) -> DICOMwebClient:
    require_package(service.url, "dicomweb-client", "pacs")
    import requests
    from dicomweb_client.web import DICOMwebClient

    logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL + 1)  # its messages hold UIDs
    session = requests.Session()
    session.trust_env = False
    credentials = service.credentials()
    if isinstance(credentials, tuple):
        session.auth = credentials
    elif credentials is not None:
        session.headers["Authorization"] = credentials
    if tls is not None:
        tls.client()  # refuses what cannot be used, by name
        if tls.ca_path is not None:
            session.verify = str(tls.ca_path)
        if tls.certificate_path is not None:
            session.cert = (str(tls.certificate_path), str(tls.key_path or tls.certificate_path))
    client = DICOMwebClient(service.url, session=session, chunk_size=_LARGEST_PLAIN_BODY, timeout=_SECONDS)
    client.set_http_retry_params(retry=False)  # its own would send an empty body again
    return client


def _answered(one: Outgoing, answer: Dataset) -> Sent:
    """What the answer of STOW says of an object; an empty one says nothing against it."""
    failed = answer.get("FailedSOPSequence") or []
    if failed:
        reason = failed[0].get("FailureReason")
        status = f" (reason 0x{int(reason):04X})" if reason is not None else ""
        return Sent(one.path, "failed", f"the service refuses the object{status}")
    stored = answer.get("ReferencedSOPSequence") or []
    if stored and stored[0].get("WarningReason"):
        return Sent(one.path, "warning", f"the service stored it with a warning (0x{int(stored[0].WarningReason):04X})")
    return Sent(one.path, "stored")


def _found(row: dict[str, Any], study_uid: str) -> FoundSeries:
    from pydicom import Dataset

    found = Dataset.from_json(row)
    count = found.get("NumberOfSeriesRelatedInstances")
    return FoundSeries(
        str(found.get("StudyInstanceUID") or study_uid),
        str(found.get("SeriesInstanceUID") or ""),
        str(found.get("Modality") or ""),
        str(found.get("SeriesDescription") or ""),
        None if count is None else int(count),
    )


def _status_of(error: HTTPError) -> int:
    return 0 if error.response is None else error.response.status_code


def _reason(status: int) -> str:
    return _REASONS.get(status, "it cannot do this now" if status >= 500 else "it refuses")
