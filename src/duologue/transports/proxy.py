"""Which proxy leads to a server."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from duologue.errors import InvalidInput
from duologue.secret import Secret
from duologue.transports.handshake import Server

ProxyChoice = str | Secret | Literal[True] | None
"""The URL of a proxy, True for the environment's or the system's, None for a direct connection."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks5": 1080}


def proxy_for(server: Server, choice: ProxyChoice) -> str | None:
    """The URL of the proxy to go through, or None.

    With True, that is what ``HTTPS_PROXY`` (``HTTP_PROXY`` for ``ws://``) or ``ALL_PROXY`` name, unless ``NO_PROXY``
    exempts the server. The proxy resolves the server's name, SOCKS4 apart.

    Raises:
        InvalidInput: The proxy's URL is wrong, or of a kind that is not supported.
    """
    if choice is True:
        choice = _from_environment(server)
    if isinstance(choice, Secret):
        choice = choice.reveal()
    return None if choice is None else _normal(choice)


def _from_environment(server: Server) -> str | None:
    if proxy_bypass(f"{server.host}:{server.port}") or proxy_bypass(server.host):
        return None
    proxies = getproxies()
    for scheme in ("wss", "https", "all") if server.secure else ("ws", "http", "all"):
        if proxies.get(scheme):
            return proxies[scheme]
    return None


def _normal(url: str) -> str:
    """With a port, and with the names of schemes that picows and websockets both know."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"socks5h": "socks5", "socks4a": "socks4", "socks": "socks5"}.get(parts.scheme, parts.scheme)
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidInput(f"The proxy's URL must be one of {', '.join(_DEFAULT_PORTS)}, and name a host.")
    try:
        port = parts.port
    except ValueError:
        raise InvalidInput("The port in the proxy's URL is no port.") from None
    authority = parts.netloc if port else f"{parts.netloc.rstrip(':')}:{_DEFAULT_PORTS[scheme]}"
    return f"{scheme}://{authority}"
