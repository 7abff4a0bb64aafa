"""Client secrets: keys that are good for a few minutes, for browsers and devices."""

from __future__ import annotations

import json
import math

import msgspec

from duologue.errors import ConnectRefused, InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.json_values import JsonObject, as_float, as_object, as_objects, as_text
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.session_writing import write_session
from duologue.secret import Secret

_SHORTEST, _LONGEST = 10, 7_200  # s


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A key for whoever opens a session on the user's behalf. A session outlives the secret that opened it.

    Attributes:
        value: The key; `value.reveal()` is what to hand over.
        expires_at: When it can no longer open a session, in s since 1970; None if the provider did not say.
        session: The session as the provider confirmed it, without keys: neither this one nor those of its tools.
    """

    value: Secret
    expires_at: float | None = None
    session: JsonObject = {}


def lifetime(seconds: float) -> int:
    """How long a secret is good for, in whole s.

    Raises:
        InvalidInput: No provider takes that.
    """
    if not (math.isfinite(seconds) and _SHORTEST <= seconds <= _LONGEST):
        raise InvalidInput(f"expires_after lies between {_SHORTEST} and {_LONGEST} s: not {seconds}.")
    return int(seconds)


def secret_session(options: SessionOptions, dialect: Dialect) -> JsonObject:
    """The session object that goes with a secret.

    Raises:
        InvalidInput: The options hold what is no part of it.
    """
    if options.history:
        raise InvalidInput("A client secret holds no history: whoever opens the session sends it.")
    return write_session(options, dialect)


def read_client_secret(body: str, provider: str) -> ClientSecret:
    """The secret that a provider made.

    Raises:
        ConnectRefused: There is none in its answer.
    """
    try:
        answer = as_object(json.loads(body))
    except (ValueError, RecursionError):
        answer = {}
    secret = as_object(answer.get("client_secret")) or answer  # nested by older servers
    value = as_text(secret.get("value"))
    if not value:
        raise ConnectRefused("The server's answer holds no client secret.", provider=provider)
    return ClientSecret(
        value=Secret.of(value),
        expires_at=as_float(secret.get("expires_at")),
        session=_without_keys(as_object(answer.get("session"))),
    )


def _without_keys(session: JsonObject) -> JsonObject:
    shown = {name: value for name, value in session.items() if name != "client_secret"}
    if "tools" in session:
        keys = ("authorization", "headers")
        tools = as_objects(session["tools"])
        shown["tools"] = [{name: value for name, value in tool.items() if name not in keys} for tool in tools]
    return shown
