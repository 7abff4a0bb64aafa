"""Texts of others, without the keys that they may repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable

from duologue.secret import Secret

_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|rk|ek|gsk|xai)[-_][\w*.\-]{3,}[\w*]"  # of OpenAI, xAI and those who follow them
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"  # a JSON web token
    r"|(?<=Bearer )\S+",
    re.IGNORECASE,
)
_SHORTEST = 4  # characters; what is shorter is no key, and would be found in any text


def masked(text: str, secrets: Iterable[Secret] = ()) -> str:
    """`text` with ``***`` in place of `secrets`, and of whatever looks like a key."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    return _LOOKS_LIKE_A_KEY.sub("***", text)
