"""Sending objects to a PACS: the function behind ``nephrograde send``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import COUNT, PATH, PATHS, TEXT, Kind, checked
from nephrograde.exchange.destination import OWN_AET, Entity, parse_destination, parse_title
from nephrograde.exchange.dicomweb import Web
from nephrograde.exchange.journal import open_journal
from nephrograde.exchange.outgoing import Outgoing, SendReport, Sent, find_outgoing
from nephrograde.exchange.store_scu import StoreScu, batches_of
from nephrograde.exchange.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.exchange.destination import WebService


@checked(
    sources=PATHS,
    to=TEXT,
    own_aet=TEXT,
    tls=Kind(lambda value: isinstance(value, Tls), "Give a Tls, or None for what the address says."),
    attempts=COUNT,
    journal=PATH,
)
def send(
    sources: str | Path | Sequence[str | Path],
    to: str,
    *,
    own_aet: str = OWN_AET,
    tls: Tls | None = None,
    attempts: int = 3,
    journal: str | Path | None = None,
) -> SendReport:
    """Send DICOM objects to a PACS, by C-STORE or to a DICOMweb service (STOW).

    An application entity is first asked whether it answers (C-ECHO). Each object is sent in the transfer syntax in
    which it is stored; an uncompressed one as Implicit VR Little Endian if the entity takes nothing else. Research use
    only.

    Args:
        sources: Files, and folders that are searched at any depth.
        to: ``AET@HOST:PORT``, or the http or https address of a DICOMweb service before ``/studies``. Its user or token
            comes from the environment: ``NEPHROGRADE_DICOMWEB_PASSWORD`` (``user:password``) or
            ``NEPHROGRADE_DICOMWEB_AUTHORIZATION`` (the whole header).
        own_aet: Our AE title.
        tls: The files of an encrypted connection; None for a plain one to an entity, and for what the operating system
            trusts to a service.
        attempts: How often a connection and an object are tried.
        journal: A file that notes what was acknowledged (SHA-256, no name). With it, a later call leaves these files
            out; without it, nobody knows, and every file is sent again.

    Returns:
        What became of each file.

    Raises:
        InputError: The destination is not written as required, a file does not exist, or a package is missing.
        ExchangeError: The destination cannot be reached, or rejects the association.
        RunError: The journal is none, or another process is writing it.
        WriteError: The journal cannot be written.
    """
    destination = parse_destination(to, place="to")
    title = parse_title(own_aet, place="own_aet")
    listed = [sources] if isinstance(sources, str | Path) else sources
    with open_journal(None if journal is None else Path(journal), str(destination)) as noted:
        files: list[Sent] = []
        new: list[Outgoing] = []
        for found in find_outgoing(listed):
            if isinstance(found, Sent):
                files.append(found)
            elif found.sha256 in noted:
                files.append(Sent(found.path, "known"))
            else:
                new.append(found)
        for one, sent in _send(new, destination, own_aet=title, tls=tls, attempts=attempts):
            files.append(sent)
            if sent.state in {"stored", "warning"}:
                noted.add(one.sha256)
        return SendReport(str(destination), tuple(files), noted.is_kept)


def _send(
    new: Sequence[Outgoing], destination: Entity | WebService, *, own_aet: str, tls: Tls | None, attempts: int
) -> Iterator[tuple[Outgoing, Sent]]:
    if isinstance(destination, Entity):
        scu = StoreScu(destination, own_aet, tls=tls, attempts=attempts)
        scu.echo()
        for batch in batches_of(new):
            yield from scu.send(batch)
        return
    web = Web(destination, tls=tls, attempts=attempts)
    for one in new:
        yield one, web.store(one)
