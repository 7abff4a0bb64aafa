"""Which web pages may come in: a browser sends its user's address, and whatever page it shows may use that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from duologue.gateway.grants import Refused


def check_origin(headers: Mapping[str, str], origins: Collection[str], hosts: Collection[str] | None) -> None:
    """Refuse a browser whose page comes from elsewhere, and one that took another name for this server's.

    Args:
        headers: The request's headers, by their names in lower case.
        origins: Origins that are allowed beside the server's own, such as ``"https://app.example"``; ``"*"`` for any.
        hosts: The names of this server; None: any.

    Raises:
        Refused: It may not come in.
    """
    host = headers.get("host", "")
    if hosts is not None and urlsplit(f"//{host}").hostname not in hosts:
        raise Refused(f"This server is not called {host!r}.", 403, "host_not_allowed")
    origin = headers.get("origin")
    if origin is None or origin in origins or "*" in origins:
        return
    if urlsplit(origin).netloc != host:
        raise Refused(f"Pages from {origin} may not use this server.", 403, "origin_not_allowed")
