"""What leaves the process beside the session, in logs and recordings, holds no keys; what is logged, no media either.

Everything here works on messages as plain JSON values, so that it finds what is wrapped in any depth of any message,
and in the frames that the library does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from duologue.messages import Message, to_json
from duologue.providers.masking import masked

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"(^|_)((auth\w*|proxy)_)?(authorization|cookie|password|passwd|passphrase|signature|secret|key|token)$|apikey$"
)
# All that is in those is secret.
_HOLDER_NAME = re.compile(r"(^|_)(headers?|cookies|credentials?|authorization|client_secret)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BASE64_NAME = frozenset({"audio", "binary"})
_MEDIA_NAME = frozenset({"blob", "b64_json", "bytes", "data", "delta", "image", "image_url", "pcm"})
_DATA_URI = re.compile(r"data:[\w/+.;=-]*,[^\s\"']*")
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{64,}")  # no word is that long
_ADDRESS = re.compile(r"\b((?:https?|wss?)://)(?:[^\s/@\"']+@)?([^\s?#\"']+)(\?[^\s#\"']*)?")


def plain(message: Message) -> dict[str, Any]:
    """The message as JSON values: audio and pictures in base64."""
    value: dict[str, Any] = msgspec.json.decode(to_json(message))
    return value


def without_secrets(value: Any) -> Any:
    """A copy of JSON values with ``***`` in place of keys, tokens, passwords and the values of headers."""
    return _walked(value, _recordable)


def for_log(message: Message) -> dict[str, Any]:
    """What may be logged of a message: no secrets, and sizes in place of audio, pictures and whatever looks encoded."""
    shown: dict[str, Any] = _walked(plain(message), _loggable)
    return shown


def loggable_text(text: str) -> str:
    """`text` without what looks like a key, and with sizes in place of encoded data."""
    text = _DATA_URI.sub(_size, text)
    text = _ENCODED.sub(_size, text)
    text = _ADDRESS.sub(lambda found: found[1] + found[2] + ("?" + HIDDEN if found[3] else ""), text)
    return masked(text)


def base64_bytes(text: str) -> int:
    """How many bytes the base64 `text` stands for."""
    return len(text) // 4 * 3 - text[-2:].count("=")


def _walked(value: Any, text: Callable[[str, str], Any], name: str = "") -> Any:
    match value:
        case str():
            return text(value, name)
        case list():
            return [_walked(member, text, name) for member in value]
        case dict():
            if name == "properties":  # of a JSON schema: names of arguments, which hold no values
                return {key: _walked(member, text) for key, member in value.items()}
            return {key: _member(value, key, text) for key, member in value.items()}
        case _:
            return value


def _member(parent: dict[str, Any], key: str, text: Callable[[str, str], Any]) -> Any:
    value = parent[key]
    name = _CAMEL.sub("_", key).lower().replace("-", "_")
    if _HOLDER_NAME.search(name):
        return _hidden(value)
    if _SECRET_NAME.search(name) and isinstance(value, str | list) and not _is_harmless(parent, name):
        return _hidden(value)
    return _walked(value, text, name)


def _is_harmless(parent: dict[str, Any], name: str) -> bool:
    """Whether it only looks like a secret: a key of a telephone, a word of a transcript."""
    return (name == "key" and parent.get("type") == "dtmf_received") or (name == "token" and "logprob" in parent)


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return HIDDEN
        case list():
            return [_hidden(member) for member in value]
        case dict():
            return {key: _hidden(member) for key, member in value.items()}
        case _:
            return value


def _recordable(text: str, name: str) -> str:
    if name == "data" and text[:1] in ("{", "["):  # a raw frame, as text
        found = _parsed(text)
        clean = without_secrets(found)
        return text if clean == found else msgspec.json.encode(clean).decode()
    return masked(text) if name == "message" else text  # an error may repeat the key that it is about


def _loggable(text: str, name: str) -> str:
    if name in _BASE64_NAME:
        return f"<{base64_bytes(text)} bytes>"
    if name in _MEDIA_NAME:
        return f"<{len(text)} characters>"
    if text[:1] in ("{", "[") and (found := _parsed(text)) is not None:  # arguments and results are JSON as text
        return msgspec.json.encode(_walked(found, _loggable)).decode()
    return loggable_text(text)


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _size(found: re.Match[str]) -> str:
    return f"<{len(found[0])} characters>"
