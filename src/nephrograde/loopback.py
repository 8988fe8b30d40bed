"""Which addresses only this machine can reach."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, and nobody else can be meant.

    Args:
        host: A name or an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "LocalHost", "0.0.0.0", "192.168.1.7")]
    [True, True, True, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
