"""TLS, with one context for all connections of a process."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def shared_context() -> ssl.SSLContext:
    """The context for servers that the system trusts.

    Loading the system's certificates takes tens of milliseconds and about 1 MB, so it happens once.
    """
    return ssl.create_default_context()


def without_files(context: ssl.SSLContext) -> ssl.SSLContext:
    """`context`, so marked that picows leaves TLS to Python's own `ssl`.

    The faster way of the library below picows writes every server's certificate to a temporary file, to read it from
    there: 0.4 ms in which the event loop stands still, and no connection at all where nothing can be written.
    """
    context._aiofastnet_force_fallback_ssl = True  # type: ignore[attr-defined]
    return context
