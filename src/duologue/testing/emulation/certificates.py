"""Certificates for a server on this machine, thrown away with it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from duologue.errors import MissingDependency

if TYPE_CHECKING:
    import trustme

_HOSTS = ("localhost", "127.0.0.1")


class ThrowAwayCertificate:
    """A certificate for ``localhost``, of an authority that nobody else knows.

    Raises:
        MissingDependency: trustme is not installed.
    """

    def __init__(self) -> None:
        self._authority = _authority()
        self._certificate = self._authority.issue_cert(*_HOSTS)

    def server_context(self) -> ssl.SSLContext:
        """For the server."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificate.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client: it trusts this authority, beside those of the system."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


def _authority() -> trustme.CA:
    try:
        import trustme
    except ImportError as missing:
        raise MissingDependency("trustme", 'Run: pip install "duologue[testing]"') from missing
    return trustme.CA()
