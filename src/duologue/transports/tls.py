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
