"""Ephemeral tokens of Google's developer API: keys that are good for a few minutes, for browsers and devices."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from duologue.errors import ConnectRefused, InvalidInput
from duologue.protocols.json_values import JsonObject, as_object, as_text
from duologue.providers.client_secrets import ClientSecret, lifetime
from duologue.secret import Secret

Locks = Literal["stated", "everything"]
"""What the user of a token cannot change."""

_LONGEST = 72_000  # s


class TokenRequest(msgspec.Struct, frozen=True):
    """A request for a token.

    Attributes:
        body: What is sent.
        expires_at: When the token can no longer open a session, in s since 1970.
    """

    body: JsonObject
    expires_at: float


def token_request(
    setup: JsonObject, *, expires_after: float, session_seconds: float, uses: int, locks: Locks
) -> TokenRequest:
    """The request for a token.

    Args:
        setup: The ``setup`` of the sessions that it opens.
        expires_after: How long it can be used to open sessions, in s.
        session_seconds: How long those may last, in s from now.
        uses: How many it opens.
        locks: What its user cannot change.

    Raises:
        InvalidInput: A number is out of bounds, or there are no such locks.
    """
    if locks not in get_args(Locks):
        raise InvalidInput(f"locks is 'stated' or 'everything', not {locks!r}.")
    if not (math.isfinite(session_seconds) and 0 < session_seconds <= _LONGEST):
        raise InvalidInput(f"session_seconds lies between 0 and {_LONGEST} s: not {session_seconds}.")
    if uses < 1:
        raise InvalidInput(f"uses is at least 1, not {uses}.")
    now = time.time()
    expires_at = now + lifetime(expires_after)
    body: JsonObject = {
        "uses": uses,
        "newSessionExpireTime": _moment(expires_at),
        "expireTime": _moment(max(expires_at, now + session_seconds)),
        "bidiGenerateContentSetup": setup,
    }
    if locks == "stated":  # without a mask all of the setup is locked, what it leaves out too
        body["fieldMask"] = ",".join(_fields(setup))
    return TokenRequest(body, expires_at)


def read_token(body: str, request: TokenRequest, provider: str) -> ClientSecret:
    """The token that the provider made.

    Raises:
        ConnectRefused: There is none in its answer.
    """
    try:
        answer = as_object(json.loads(body))
    except (ValueError, RecursionError):
        answer = {}
    name = as_text(answer.get("name"))
    if not name:
        raise ConnectRefused("The server's answer holds no token.", provider=provider)
    session = as_object(answer.get("bidiGenerateContentSetup"))
    return ClientSecret(value=Secret.of(name), expires_at=request.expires_at, session=session)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(setup: JsonObject) -> list[str]:
    """The paths of what is stated, two levels deep, as the service names them."""
    fields: list[str] = []
    for name, value in setup.items():
        fields += [f"{name}.{part}" for part in value] if isinstance(value, dict) and value else [name]
    return fields
