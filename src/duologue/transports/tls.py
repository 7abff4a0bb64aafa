"""TLS, with one context for all connections of a process."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache


@cache
def shared_context() -> ssl.SSLContext:
    """The context for servers that the system trusts.

    Loading the system's certificates takes tens of milliseconds and about 1 MB, so it happens once.
    """
    return ssl.create_default_context()


def is_fast_tls_sound() -> bool:
    """Whether TLS can be left to aiofastnet, below picows. Asyncio's own is slower, and takes more memory.

    Aiofastnet reads the server's certificate from a temporary file that it writes. Where OpenSSL is part of Python
    itself, it has another engine, which holds back what had come before reading was paused.
    """
    try:
        tempfile.gettempdir()
        from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS
    except (OSError, ImportError):
        return False
    return OPENSSL_DYN_LIBS is not None
