"""Objects to an application entity by C-STORE, each in the transfer syntax in which it is stored."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from nephrograde.errors import ExchangeError, require_package
from nephrograde.exchange.outgoing import Outgoing, Sent, pause_s
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.dictionary import IMPLICIT, UNCOMPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pynetdicom.association import Association
    from pynetdicom.transport import AssociationSocket

    from nephrograde.exchange.destination import Entity
    from nephrograde.exchange.tls import Tls

MOST_CONTEXTS: Final = 126
"""Of the 128 of an association; one is that of C-ECHO, and an uncompressed object asks for two."""
SECONDS_TO_ANSWER: Final = 60.0
SECONDS_TO_CONNECT: Final = 15.0
_VERIFICATION = "1.2.840.10008.1.1"
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_MEANINGS = (
    (_OUT_OF_RESOURCES, "it is out of resources"),
    (range(0xA900, 0xAA00), "the object does not match its SOP class"),
    (range(0xC000, 0xD000), "it cannot understand the object"),
    (range(0x0122, 0x0123), "it does not take this SOP class"),
    (range(0x0124, 0x0125), "it does not authorise this"),
)
_WARNINGS = frozenset({0xB000, 0xB006, 0xB007})


def require_pynetdicom(place: str) -> None:
    """Refuse to go on without the package that speaks DICOM; and keep it from logging, as its messages quote headers.

    Args:
        place: The option or argument that needs it.

    Raises:
        InputError: It is not installed.
    """
    require_package(place, "pynetdicom", "pacs")
    from pynetdicom.transport import AssociationSocket

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    AssociationSocket._shutdown_socket = _close  # type: ignore[assignment, method-assign]


class StoreScu:
    """Sends objects to one application entity, over as few associations as possible.

    Args:
        to: The entity.
        own_aet: Our title.
        tls: The files of an encrypted connection; None for a plain one.
        attempts: How often a connection is tried, and an object that found the entity out of resources.
    """

    def __init__(self, to: Entity, own_aet: str, *, tls: Tls | None, attempts: int) -> None:
        require_pynetdicom("--to")
        self._to, self._own_aet, self._attempts = to, own_aet, attempts
        self._context = None if tls is None else tls.client()

    def echo(self) -> None:
        """Verify that the entity answers, by C-ECHO.

        Raises:
            ExchangeError: It does not.
        """
        with self._associated([(_VERIFICATION, IMPLICIT)]) as association:
            if not association.accepted_contexts:
                return  # it takes no C-ECHO; it has accepted the association
            status = association.send_c_echo()
            if not status or status.Status != 0:
                raise ExchangeError(f"{self._to} does not answer C-ECHO. Check the AE titles and the port.")

    def send(self, batch: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Sent]]:
        """Send objects whose contexts fit into one association.

        Args:
            batch: The objects.

        Returns:
            What became of each, as soon as it is known.

        Raises:
            ExchangeError: The entity cannot be reached.
        """
        rest = list(batch)
        for attempt in range(1, self._attempts + 1):
            again: list[Outgoing] = []
            with self._associated(_contexts_of(rest)) as association:
                while rest:
                    one = rest[0]
                    if not association.is_established:
                        break
                    sent = _store(association, one)
                    if sent is None and attempt < self._attempts:
                        again.append(rest.pop(0))  # out of resources, or no answer: later
                        continue
                    rest.pop(0)
                    yield (
                        one,
                        sent or Sent(one.path, "failed", "the destination is out of resources, or did not answer"),
                    )
            rest = [*again, *rest]
            if not rest:
                return
            time.sleep(pause_s(attempt) if attempt < self._attempts else 0)
        for one in rest:
            yield one, Sent(one.path, "failed", "the destination ended the association")

    @contextmanager
    def _associated(self, contexts: Sequence[tuple[str, str]]) -> Iterator[Association]:
        from pynetdicom import AE, _config

        _config.STORE_SEND_CHUNKED_DATASET = True  # as stored, and never whole in memory
        entity = AE(ae_title=self._own_aet)
        entity.connection_timeout = SECONDS_TO_CONNECT
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = SECONDS_TO_ANSWER
        for sop_class, syntax in contexts:
            entity.add_requested_context(sop_class, syntax)
        security: dict[str, Any] = {} if self._context is None else {"tls_args": (self._context, self._to.host)}
        for attempt in range(1, self._attempts + 1):
            association = entity.associate(self._to.host, self._to.port, ae_title=self._to.aet, **security)
            if association.is_established or association.is_rejected or attempt == self._attempts:
                break
            time.sleep(pause_s(attempt))
        if not association.is_established:
            raise ExchangeError(self._why(association))
        _send_at_once(association)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _why(self, association: Association) -> str:
        if association.is_rejected:
            return (
                f"{self._to} rejects the association of {self._own_aet}. Check both AE titles with its administrator."
            )
        if self._context is not None:
            return f"{self._to} cannot be reached with TLS. Check the address, the certificates and the name in them."
        return f"{self._to} cannot be reached. Check the address and the port."


def batches_of(outgoing: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Divide objects so that the contexts of each part fit into one association, in the given order.

    Args:
        outgoing: The objects.
    """
    batch: list[Outgoing] = []
    contexts: set[tuple[str, str]] = set()
    for one in outgoing:
        own = set(_contexts_of([one]))
        if batch and len(contexts | own) > MOST_CONTEXTS:
            yield batch
            batch, contexts = [], set()
        batch.append(one)
        contexts |= own
    if batch:
        yield batch


def _contexts_of(outgoing: Sequence[Outgoing]) -> list[tuple[str, str]]:
    """Each SOP class with the syntax of each object; uncompressed ones also with the syntax that everybody has."""
    asked: dict[tuple[str, str], None] = {}
    for one in outgoing:
        asked[one.header.sop_class, one.header.syntax] = None
        if one.header.syntax in UNCOMPRESSED:
            asked[one.header.sop_class, IMPLICIT] = None
    return list(asked)


def _store(association: Association, one: Outgoing) -> Sent | None:
    """Send an object; None if it should be tried again."""
    accepted = {(str(each.abstract_syntax), str(each.transfer_syntax[0])) for each in association.accepted_contexts}
    sop_class, syntax = one.header.sop_class, one.header.syntax
    try:
        with quiet():
            if (sop_class, syntax) in accepted:
                status = association.send_c_store(one.path)
            elif syntax in UNCOMPRESSED and (sop_class, IMPLICIT) in accepted:
                import pydicom

                status = association.send_c_store(pydicom.dcmread(one.path))
            else:
                return Sent(
                    one.path, "failed", f"the destination does not take its SOP class in its transfer syntax ({syntax})"
                )
    except PYDICOM_ERRORS as error:
        return Sent(one.path, "failed", f"is damaged, or lacks what sending needs ({type(error).__name__})")
    if not status or status.Status in _OUT_OF_RESOURCES:
        return None
    return _told(one, int(status.Status))


def _told(one: Outgoing, status: int) -> Sent:
    if status == 0:
        return Sent(one.path, "stored")
    if status in _WARNINGS:
        return Sent(one.path, "warning", f"the destination stored it with a warning (status 0x{status:04X})")
    meaning = next((words for numbers, words in _MEANINGS if status in numbers), "it refuses the object")
    return Sent(one.path, "failed", f"the destination says: {meaning} (status 0x{status:04X})")


def _close(carrier: AssociationSocket) -> None:
    """Close a socket also where the other side is gone: pynetdicom 3.0.4 leaves it open, as ending it fails first."""
    if carrier.socket is not None:
        with suppress(OSError):
            carrier.socket.shutdown(socket.SHUT_RDWR)
        carrier.socket.close()


def _send_at_once(association: Association) -> None:
    """Send the last packet of an object without waiting for the acknowledgement of the one before: 40 ms an object."""
    carrier = association.dul.socket
    if carrier is not None and carrier.socket is not None:
        carrier.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
