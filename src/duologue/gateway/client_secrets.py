"""Ephemeral keys: a session's configuration, and the right to open it for some minutes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

import msgspec

from duologue.gateway.grants import Grant

PREFIX = "ek_"
LIFETIMES = (10, 7_200)
"""How long they may be good for, in s."""
LIFETIME = 600
_MOST = 10_000


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """What an ephemeral key is good for.

    Attributes:
        grant: What its holder may do, bound options included.
        model: The model that it is bound to; None: any.
        kind: The kind of session that it is bound to; None: any.
        expires_at: Until when sessions can be opened with it, in s since 1970.
    """

    grant: Grant
    model: str | None = None
    kind: str | None = None
    expires_at: int


class ClientSecrets:
    """The ephemeral keys that are good. They live as long as this process.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, ClientSecret] = {}  # by hash, the oldest first

    def make(self, secret: ClientSecret) -> str:
        """A new key, good for `secret`."""
        self._forget_expired()
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        value = PREFIX + secrets.token_urlsafe(32)
        self._known[_hash(value)] = secret
        return value

    def find(self, value: str | None) -> ClientSecret | None:
        """What that key is good for; None: it is none, or has expired."""
        if value is None or not value.startswith(PREFIX):
            return None
        secret = self._known.get(_hash(value))  # a look-up by hash tells nothing of the key by its time
        return None if secret is None or secret.expires_at <= self._clock() else secret

    def _forget_expired(self) -> None:
        now = self._clock()
        for name in [name for name, secret in self._known.items() if secret.expires_at <= now]:
            del self._known[name]


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
