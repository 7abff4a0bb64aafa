"""API keys: known by their hashes only, and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Any

from duologue.gateway.grants import Grant, Refused, Scope

SUBPROTOCOL_KEY = "openai-insecure-api-key."
"""What a browser, which can set no headers, puts before its key among the subprotocols."""

_SCHEME = "sha256:"


def new_key() -> str:
    """A key that nobody can guess."""
    return f"dk-{secrets.token_urlsafe(32)}"


def hashed(key: str) -> str:
    """What is kept of a key. Keys are long and random, so a plain hash of one tells nothing of it."""
    return _SCHEME + hashlib.sha256(key.encode()).hexdigest()


def is_hash(text: str) -> bool:
    """Whether `text` is what `hashed` gives."""
    digits = text.removeprefix(_SCHEME)
    return text.startswith(_SCHEME) and len(digits) == 64 and set(digits) <= set("0123456789abcdef")


def key_of(scope: Scope) -> str | None:
    """The key that a connection or a request shows: in ``Authorization``, in ``api-key``, or in a subprotocol."""
    headers: Iterable[Any] = scope["headers"]
    found = {bytes(name).lower(): bytes(value) for name, value in headers}
    scheme, _, token = found.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if b"api-key" in found:
        return found[b"api-key"].decode("latin-1").strip() or None
    for name in scope.get("subprotocols", ()):
        if name.startswith(SUBPROTOCOL_KEY):
            return str(name)[len(SUBPROTOCOL_KEY) :] or None
    return None


class Keys:
    """Lets in who shows a key that is known: ``create_app(client, authorize=Keys({hashed(key): Grant(who="web")}))``.

    Args:
        grants: What each key may do, by the key's hash.
    """

    def __init__(self, grants: dict[str, Grant]) -> None:
        self._grants = dict(grants)

    async def __call__(self, scope: Scope) -> Grant:
        """Decide about a connection or a request.

        Raises:
            Refused: It shows no key, or none that is known.
        """
        key = key_of(scope)
        if key is None:
            raise Refused("No API key was given. Send it as a bearer token.", 401, "missing_api_key")
        shown = hashed(key)
        found = None
        for known, grant in self._grants.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, shown):
                found = grant
        if found is None:
            raise Refused("Incorrect API key provided.")
        return found
