"""Objects from application entities by C-STORE, acknowledged when they are whole on the disk."""

from __future__ import annotations

import io
import ipaddress
import socket
import socketserver
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nephrograde.errors import ExchangeError
from nephrograde.exchange.events import Event
from nephrograde.exchange.headers import read_header
from nephrograde.exchange.spool import SpoolFullError
from nephrograde.exchange.store_scu import require_pynetdicom
from nephrograde.export.printable import printable
from nephrograde.volume.dicom.dictionary import IMPLICIT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pynetdicom.association import Association
    from pynetdicom.events import Event as Received
    from pynetdicom.transport import ThreadedAssociationServer

    from nephrograde.exchange.events import Tell
    from nephrograde.exchange.spool import Spool

STORED: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
NOT_AS_ANNOUNCED: Final = 0xA900
NOT_UNDERSTOOD: Final = 0xC000
MOST_ASSOCIATIONS: Final = 64
_SECONDS_IDLE = 60.0
_SECONDS_TO_BEGIN = 10.0
"""A connection that asks for nothing, such as a probe, takes the place of an association for so long."""
_SECONDS_BETWEEN_LINES = 10.0
_JPEG = "1.2.840.10008.1.2.4."
READABLE_SYNTAXES: Final = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    *(f"{_JPEG}{kind}" for kind in ("50", "51", "57", "70", "80", "81", "90", "91")),
    "1.2.840.10008.1.2.5",
)
"""What can be read and therefore is taken; a sender that has it in another one converts it, or is refused."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may send.

    Attributes:
        own_aet: The title by which we must be called.
        callers: The titles that may call; empty for all.
        peers: The networks from which they may call; empty for this machine alone.
    """

    own_aet: str
    callers: frozenset[str] = frozenset()
    peers: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    def admits(self, address: str) -> bool:
        """Tell whether a connection from an address is accepted.

        Args:
            address: Of the peer.

        >>> Access("A").admits("127.0.0.1"), Access("A").admits("10.1.2.3")
        (True, False)
        >>> Access("A", peers=(ipaddress.ip_network("10.1.2.0/24"),)).admits("::ffff:10.1.2.3")
        True
        """
        found = ipaddress.ip_address(address.partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        if not self.peers:
            return found.is_loopback
        return any(found.version == one.version and found in one for one in self.peers)


@dataclass(slots=True)
class _Arrivals:
    """What one association has brought, how many bytes of its next object are in memory, and how it ends."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    keys: set[str] = field(default_factory=set)
    pending_bytes: int = 0
    is_releasing: bool = False
    has_ended: bool = False


class StoreScp:
    """Receives objects into a spool.

    Args:
        spool: Where they are kept.
        access: Who may send.
        tell: Is told what happens.
        touched: Is given the key of each series that has received an object, or whose sender has ended.
        memory_bytes: What the objects that are being received may take in memory, all senders together.
    """

    def __init__(
        self, spool: Spool, access: Access, *, tell: Tell, touched: Callable[[str], None], memory_bytes: int
    ) -> None:
        require_pynetdicom("listen")
        self._spool, self._access, self._tell, self._touched = spool, access, tell, touched
        self._memory_bytes = memory_bytes
        self._arrivals: dict[int, _Arrivals] = {}
        self._lock = threading.Lock()
        self._told_full = float("-inf")
        self._server: ThreadedAssociationServer | None = None
        self._thread: threading.Thread | None = None

    def start(self, host: str, port: int, *, context: ssl.SSLContext | None) -> int:
        """Listen, in threads of its own.

        Args:
            host: The address to bind.
            port: The port; 0 for a free one.
            context: Of encrypted connections; None for plain ones.

        Returns:
            The port.

        Raises:
            ExchangeError: The address cannot be bound.
        """
        from pynetdicom import AE, AllStoragePresentationContexts, evt

        entity = AE(ae_title=self._access.own_aet)
        entity.require_called_aet = True
        entity.require_calling_aet = sorted(self._access.callers)
        entity.maximum_associations = MOST_ASSOCIATIONS
        entity.network_timeout = entity.dimse_timeout = _SECONDS_IDLE
        entity.acse_timeout = _SECONDS_TO_BEGIN
        for one in AllStoragePresentationContexts:
            entity.add_supported_context(str(one.abstract_syntax), list(READABLE_SYNTAXES))
        entity.add_supported_context("1.2.840.10008.1.1", IMPLICIT)  # C-ECHO
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_PDU_RECV, self._count),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_RELEASED, self._end),
            (evt.EVT_ABORTED, self._end),
            (evt.EVT_CONN_CLOSE, self._end),
        ]
        try:
            server = entity.make_server(
                (host, port), ssl_context=context, evt_handlers=handlers, server_class=_server_class(self._admitted)
            )
        except OSError as error:
            raise ExchangeError(f"{host}:{port} cannot be listened on: {error.strerror or error}.") from None
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="store-scp", daemon=True)
        self._thread.start()
        return int(server.server_address[1])

    def stop(self) -> None:
        """Stop listening, and abort what is open."""
        if self._server is not None:
            socketserver.BaseServer.shutdown(self._server)
            for association in self._server.active_associations:
                association.abort()
            self._server.server_close()
            self._server = None

    def _admitted(self, address: str) -> bool:
        if self._access.admits(address):
            return True
        self._tell(Event("refused", values={"why": "address", "peer": address}))
        return False

    def _rejected(self, event: Received) -> None:
        title = printable(str(event.assoc.requestor.ae_title), most=16)
        peer = str(event.assoc.requestor.address)
        self._tell(Event("refused", values={"why": "title", "peer": f"{title}@{peer}"}))

    def _count(self, event: Received) -> None:
        """Note the wish to end; abort the association that would take more memory than all may have."""
        from pynetdicom.pdu import A_RELEASE_RQ

        items = getattr(event.pdu, "presentation_data_value_items", ())
        with self._lock:
            arrivals = self._arrivals.setdefault(id(event.assoc), _Arrivals())
            arrivals.is_releasing |= isinstance(event.pdu, A_RELEASE_RQ)
            arrivals.pending_bytes += sum(len(one.presentation_data_value) for one in items)
            is_too_much = sum(one.pending_bytes for one in self._arrivals.values()) > self._memory_bytes
        if is_too_much:
            self._tell_full("memory")
            _hang_up(event.assoc)

    def _store(self, event: Received) -> int:
        """Keep an object. Source: DICOM PS3.4 B.2.3 for the status."""
        with self._lock:
            arrivals = self._arrivals.setdefault(id(event.assoc), _Arrivals())
        try:
            content = event.encoded_dataset()
            header = read_header(io.BytesIO(content))
            if header is None or not header.is_valid:
                return NOT_UNDERSTOOD
            announced = (getattr(event.request, f"AffectedSOP{what}UID") for what in ("Class", "Instance"))
            if (header.sop_class, header.sop_uid) != tuple(map(str, announced)):
                return NOT_AS_ANNOUNCED
            key = self._spool.store(content, header, arrivals.name)
            with self._lock:
                arrivals.keys.add(key)
                has_ended = arrivals.has_ended
            if has_ended:  # while the object was written
                self._spool.release(key, arrivals.name, whole=False)
            self._touched(key)
        except SpoolFullError:
            self._tell_full("spool")
            return OUT_OF_RESOURCES
        except OSError:
            self._tell_full("disk")
            return OUT_OF_RESOURCES
        finally:
            with self._lock:
                arrivals.pending_bytes = 0
        return STORED

    def _tell_full(self, what: str) -> None:
        """Tell that there is no room, but not for every object of a series."""
        now = time.monotonic()
        if now - self._told_full > _SECONDS_BETWEEN_LINES:
            self._told_full = now
            self._tell(Event("full", values={"what": what}))

    def _end(self, event: Received) -> None:
        """Note how an association has ended: a connection that closes after a release was asked for is whole."""
        with self._lock:
            arrivals = self._arrivals.pop(id(event.assoc), None)
            if arrivals is None:
                return
            arrivals.has_ended = True
        for key in arrivals.keys:
            self._spool.release(key, arrivals.name, whole=arrivals.is_releasing)
            self._touched(key)


def _hang_up(association: Association) -> None:
    """Close the connection: an abort would wait for the thread in which this is called."""
    carrier = association.dul.socket
    if carrier is not None and carrier.socket is not None:
        with suppress(OSError):
            carrier.socket.shutdown(socket.SHUT_RDWR)


def _server_class(admitted: Callable[[str], bool]) -> type[ThreadedAssociationServer]:
    """A server that closes a connection from elsewhere before it reads a byte of it."""
    from pynetdicom.transport import ThreadedAssociationServer

    class Server(ThreadedAssociationServer):
        request_queue_size = 64
        daemon_threads = True

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = self.socket.accept()  # type: ignore[union-attr]
            if not admitted(str(address[0])):
                connection.close()
                raise OSError("not admitted")  # which the server takes for a connection that has gone
            connection.settimeout(_SECONDS_IDLE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.ssl_context is not None:  # the handshake is for the thread of the association: it may take its time
                connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

    return Server
