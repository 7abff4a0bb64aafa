"""Which proxy leads to a server."""

from __future__ import annotations

import os
import sys
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from duologue.errors import InvalidInput
from duologue.secret import Secret
from duologue.transports.handshake import Server

ProxyChoice = str | Secret | Literal[True] | None
"""The URL of a proxy, True for the environment's or the system's, None for a direct connection."""

_ONLY_VARIABLES = sys.platform not in ("win32", "darwin")  # those also have settings of the system
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
    check_proxy_choice(choice)
    return _normal(choice) if isinstance(choice, str) else None


def check_proxy_choice(choice: object) -> None:
    """Refuse what is no choice at all.

    Raises:
        InvalidInput: It is neither a URL nor True nor None.
    """
    if not (choice is True or choice is None or isinstance(choice, str | Secret)):
        raise InvalidInput(
            f"proxy is a URL, True for the environment's, or None for none, not {type(choice).__name__}."
        )


def _from_environment(server: Server) -> str | None:
    schemes = ("wss", "https", "all") if server.secure else ("ws", "http", "all")
    if _ONLY_VARIABLES and not any(
        os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme}_proxy".upper()) for scheme in schemes
    ):
        return None
    proxies = getproxies()  # looks at every variable there is, and so does `proxy_bypass`: a tenth of connecting
    proxy = next((proxies[scheme] for scheme in schemes if proxies.get(scheme)), None)
    if proxy is None or proxy_bypass(f"{server.host}:{server.port}") or proxy_bypass(server.host):
        return None
    return proxy


def _normal(url: str) -> str:
    """With a port, and with the names of schemes that picows and websockets both know."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        raise InvalidInput("The proxy's URL is malformed.") from None
    scheme = {"socks5h": "socks5", "socks4a": "socks4", "socks": "socks5"}.get(parts.scheme, parts.scheme)
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidInput(f"The proxy's URL must be one of {', '.join(_DEFAULT_PORTS)}, and name a host.")
    try:
        port = parts.port
    except ValueError:
        raise InvalidInput("The port in the proxy's URL is no port.") from None
    _check_login(parts)
    authority = parts.netloc if port else f"{parts.netloc.rstrip(':')}:{_DEFAULT_PORTS[scheme]}"
    return f"{scheme}://{authority}"


def _check_login(parts: SplitResult) -> None:
    """Below, half a login would be left out, or shown in an exception."""
    if parts.username is not None and parts.password is None:
        raise InvalidInput("The proxy's URL has a user and no password: write user:password@host, or user:@host.")
    try:
        for name in (parts.username, parts.password):
            unquote(name or "", errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("The login in the proxy's URL is no UTF-8 once its %xx are read.") from None
