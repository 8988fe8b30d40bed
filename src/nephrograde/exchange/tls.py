"""Encrypted connections: whom this program believes, and how it proves who it is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of an encrypted connection (PEM).

    Attributes:
        ca_path: Certificates that may vouch for the other side; those of the operating system when None. Who listens
            and names it accepts only peers with a certificate.
        certificate_path: Our own certificate, followed by the intermediate ones.
        key_path: Its private key, without a password; in the file of the certificate when None.
    """

    ca_path: Path | None = None
    certificate_path: Path | None = None
    key_path: Path | None = None

    def client(self) -> ssl.SSLContext:
        """Make the context of who connects; certificate and name of the other side are always checked.

        Raises:
            InputError: A file cannot be read, or is no certificate or key.
        """
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
        if self.ca_path is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return self._completed(context)

    def server(self) -> ssl.SSLContext:
        """Make the context of who listens.

        Raises:
            InputError: There is no certificate, or a file cannot be read, or is no certificate or key.
        """
        if self.certificate_path is None:
            what = "is missing, and whoever listens with TLS has to show a certificate"
            raise InputError([Problem("--tls-cert", what, "Name the certificate (PEM), and its key with --tls-key.")])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.ca_path is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return self._completed(context)

    def _completed(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Load the files. Source: DICOM PS3.15 B.9 and B.12 (BCP 195): TLS 1.2 or later."""
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_path is not None:
            try:
                context.load_verify_locations(cafile=str(self.ca_path))
            except (OSError, ssl.SSLError) as error:
                raise _unusable("--tls-ca", self.ca_path, error) from None
        if self.certificate_path is not None:
            own = self.key_path or self.certificate_path
            try:
                context.load_cert_chain(str(self.certificate_path), str(own), password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise _unusable("--tls-cert", self.certificate_path, error) from None
        return context


def _no_password() -> str:
    """Refuse a key with a password, for which OpenSSL would wait at the terminal."""
    raise ValueError("the key has a password")


def _unusable(place: str, path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    what = f"{path} cannot be used ({str(reason).replace('_', ' ').lower()})"
    return InputError([Problem(place, what, "Name a PEM file; a key must have no password.")])
