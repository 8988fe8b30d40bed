"""Where objects are sent to or retrieved from: an application entity of DICOM, or a DICOMweb service."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from nephrograde.errors import InputError, Problem
from nephrograde.loopback import is_loopback

AUTHORIZATION: Final = "NEPHROGRADE_DICOMWEB_AUTHORIZATION"
"""Names the variable that holds the whole header, such as ``Bearer eyJ…``."""
PASSWORD: Final = "NEPHROGRADE_DICOMWEB_PASSWORD"  # noqa: S105 (the name of the variable)
"""Names the variable that holds ``user:password``."""
OWN_AET: Final = "NEPHROGRADE"
_TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
_ENTITY = re.compile(r"(?P<aet>[^@]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:\[\]/\s]+):(?P<port>[0-9]{1,5})")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST_UID = 64


@dataclass(frozen=True, slots=True)
class Entity:
    """An application entity that speaks DICOM.

    >>> print(Entity("PACS", "10.1.2.3", 104))
    PACS@10.1.2.3:104
    """

    aet: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.aet}@{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WebService:
    """A DICOMweb service by the address before ``/studies``; it holds no secret."""

    url: str

    def __str__(self) -> str:
        return self.url

    def credentials(self) -> str | tuple[str, str] | None:
        """Read who we are from the environment: the header, a user with a password, or None.

        Raises:
            InputError: Both variables are set, the password has no user, or it would travel unencrypted to another
                machine.
        """
        header, password = os.environ.get(AUTHORIZATION, ""), os.environ.get(PASSWORD, "")
        if not header and not password:
            return None
        if header and password:
            raise InputError([Problem(PASSWORD, f"is set beside {AUTHORIZATION}", "Set one of them.")])
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            what = f"would be sent unencrypted to {self.url}"
            raise InputError([Problem(AUTHORIZATION if header else PASSWORD, what, "Use an https address.")])
        if header:
            return header
        user, colon, secret = password.partition(":")
        if not colon:
            raise InputError([Problem(PASSWORD, "does not name the user", "Write it as user:password.")])
        return user, secret


def parse_destination(text: str, *, place: str = "--to") -> Entity | WebService:
    """Read where to send to: ``AET@HOST:PORT``, or the http or https address of a DICOMweb service.

    Args:
        text: As written.
        place: What a problem is told to be in.

    Raises:
        InputError: It is neither, or holds a password.

    >>> parse_destination("PACS@10.1.2.3:104")
    Entity(aet='PACS', host='10.1.2.3', port=104)
    >>> parse_destination("https://pacs.example/dicom-web/")
    WebService(url='https://pacs.example/dicom-web')
    """
    if "://" in text:
        return _web_service(text, place)
    match = _ENTITY.fullmatch(text.strip())
    if match is None or not 0 < int(match["port"]) < 65536:
        what = f"does not name a destination: {text}"
        remedy = "Write AET@HOST:PORT, such as PACS@10.1.2.3:104, or https://HOST/dicom-web."
        raise InputError([Problem(place, what, remedy)])
    return Entity(parse_title(match["aet"], place=place), match["host"].strip("[]"), int(match["port"]))


def parse_web_service(text: str, *, place: str) -> WebService:
    """Read the address of a DICOMweb service.

    Args:
        text: As written.
        place: What a problem is told to be in.

    Raises:
        InputError: It is something else, or holds a password.
    """
    remedy = "Give the address before /studies, such as https://HOST/dicom-web."
    if "://" not in text and _ENTITY.fullmatch(text.strip()) is None:
        raise InputError([Problem(place, f"is not an address: {text}", remedy)])
    found = parse_destination(text, place=place)
    if isinstance(found, Entity):
        raise InputError([Problem(place, f"is {found}, which speaks no DICOMweb", remedy)])
    return found


def parse_title(text: str, *, place: str) -> str:
    r"""Read an AE title: 1 to 16 characters of ASCII without backslash; blanks around it do not count.

    Args:
        text: As written.
        place: What a problem is told to be in.

    Raises:
        InputError: It is no AE title.

    Source: DICOM PS3.5 6.2 (AE).

    >>> parse_title(" CT 1 ", place="--aet")
    'CT 1'
    """
    title = text.strip(" ")
    if _TITLE.fullmatch(title) is None:
        what = f"is no AE title: {text}"
        raise InputError([Problem(place, what, "An AE title has 1 to 16 characters of ASCII and no backslash.")])
    return title


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID: numbers and dots, at most 64 characters.

    Args:
        text: From a header or a person.

    Source: DICOM PS3.5 9.1; leading zeros, which some old devices write, pass.

    >>> is_uid("1.2.840.10008.1.2"), is_uid("../etc/passwd"), is_uid("")
    (True, False, False)
    """
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def _web_service(text: str, place: str) -> WebService:
    try:
        parts = urlsplit(text.strip())
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if "@" in parts.netloc:
        remedy = f"Leave it out of the address, and set {PASSWORD} to user:password."
        raise InputError([Problem(place, "holds a user or a password, which every list of processes shows", remedy)])
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine or parts.query or parts.fragment:
        what = f"does not name a DICOMweb service: {text}"
        raise InputError([Problem(place, what, "Give the address before /studies, such as https://HOST/dicom-web.")])
    return WebService(text.strip().rstrip("/"))
