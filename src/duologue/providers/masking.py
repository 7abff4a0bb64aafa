"""Texts of others, without the keys that they may repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from duologue.secret import Secret

_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|rk|ek|gsk|xai)[-_][\w*.\-]{3,}[\w*]"  # of OpenAI, xAI and those who follow them
    r"|\bAIza[\w-]{10,}|\bya29\.[\w.-]+|\bauth_tokens/[\w.-]+"  # of Google
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"  # a JSON web token
    r"|(?<=Bearer )\S+",
    re.IGNORECASE,
)
_SHORTEST = 4  # characters; what is shorter is no key, and would be found in any text


def secrets_of(headers: Mapping[str, str | Secret], subprotocols: Iterable[str | Secret] = ()) -> list[Secret]:
    """What of a handshake must not show: header values, and the bare keys, as servers may repeat those alone.

    Args:
        headers: Those that hold a `Secret` count, ``Bearer KEY`` for one.
        subprotocols: ``openai-insecure-api-key.KEY`` for one.
    """
    values = [value.reveal() for value in headers.values() if isinstance(value, Secret)]
    keys = [value.split()[1] for value in values if len(value.split()) == 2]
    keys += [Secret.of(name).reveal().partition(".")[2] for name in subprotocols]
    return [Secret.of(text) for text in (*values, *keys)]


def masked(text: str, secrets: Iterable[Secret] = ()) -> str:
    """`text` with ``***`` in place of `secrets`, and of whatever looks like a key."""
    for value in sorted((secret.reveal() for secret in secrets), key=len, reverse=True):  # one may be part of another
        if len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    return _LOOKS_LIKE_A_KEY.sub("***", text)
