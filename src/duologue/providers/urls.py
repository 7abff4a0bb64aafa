"""Where a provider is: addresses as people give them, and the URLs made of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from duologue.errors import InvalidInput

_SCHEMES = {"https": "wss", "wss": "wss", "http": "ws", "ws": "ws"}
_KEY_PARAMETERS = frozenset({"key", "api_key", "api-key", "apikey", "token", "access_token", "subscription-key"})


class Address(msgspec.Struct, frozen=True):
    """The base of a provider's URLs.

    Attributes:
        secure: Whether TLS is spoken.
        authority: Host and port.
        path: Without a slash at its end; ``""`` if none was given.
        query: Parameters that every URL gets.
    """

    secure: bool
    authority: str
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{self.path}"

    def websocket(self, path: str, query: Mapping[str, str | None] | None = None) -> str:
        """The URL of a WebSocket at that path; parameters that are None are left out."""
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{path}{self._query(query or {})}"

    def http(self, path: str) -> str:
        """The URL for HTTP at that path."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{path}{self._query({})}"

    def _query(self, own: Mapping[str, str | None]) -> str:
        fixed = [(name, value) for name, value in self.query if name not in own]
        stated = [(name, value) for name, value in own.items() if value is not None]
        written = urlencode([*stated, *fixed], quote_via=quote, safe="/")
        return f"?{written}" if written else ""


def read_address(given: str, name: str, *, plain: bool = False, query: bool = False) -> Address:
    """The address that somebody gave; ``https`` and ``wss`` mean the same, and so do ``http`` and ``ws``.

    Args:
        given: What they gave.
        name: What to call it in errors, which never show it, as it may hold a key.
        plain: Whether it may do without TLS. This machine may always.
        query: Whether it may have a query.

    Raises:
        InvalidInput: It is none.
    """
    if not isinstance(given, str):
        raise InvalidInput(f"{name} is a URL as a str, not {type(given).__name__}.")
    try:
        parts = urlsplit(given)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise InvalidInput(f"{name} is malformed: its host or its port is none.") from None
    if parts.scheme not in _SCHEMES or not host:
        raise InvalidInput(f"{name} must begin with https:// (or wss://, http://, ws://), and name a host.")
    if re.search(r"[\x00-\x20\x7f]", given) or not given.isascii():
        raise InvalidInput(f"{name} holds blanks, or characters that a URL cannot have.")
    if "@" in parts.netloc:
        raise InvalidInput(f"{name} must hold no user name and no password. Give the key as api_key.")
    if parts.fragment or (parts.query and not query):
        raise InvalidInput(f"{name} must end with its path: what comes after '?' or '#' is made by the client.")
    parameters = tuple(parse_qsl(parts.query, keep_blank_values=True))
    if any(parameter.lower() in _KEY_PARAMETERS for parameter, _ in parameters):
        raise InvalidInput(f"{name} must hold no key: URLs end up in logs. Give it as api_key.")
    secure = _SCHEMES[parts.scheme] == "wss"
    if not secure and not plain and not _is_loopback(host):
        raise InvalidInput(f"{name} must begin with https:// or wss://, or the key would travel in the open.")
    authority = parts.netloc if port is not None else parts.netloc.rstrip(":")
    return Address(secure, authority, parts.path.rstrip("/"), parameters)


def with_ending(path: str, ending: str, default: str) -> str:
    """`path` with `ending`, unless it has it; `default` where there is no path at all."""
    if not path:
        return default
    return path if path.endswith(ending) else path + ending


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
