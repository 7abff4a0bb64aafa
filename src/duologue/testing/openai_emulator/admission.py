"""Who may come in: keys and ephemeral keys."""

from __future__ import annotations

import json
import time
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

import msgspec

from duologue.lifecycle import new_id
from duologue.testing.loopback import HandshakeRequest, HttpRequest, HttpResponse, Refusal

_SUBPROTOCOL = "realtime"
_KEY_PREFIXES = ("openai-insecure-api-key.", "xai-client-secret.")
_SECRETS = "/client_secrets"
_SECONDS = 600.0


class _Secret(NamedTuple):
    """An ephemeral key: the session that it is for, and until when, in s since 1970."""

    session: dict[str, Any]
    expires_at: float


class Admission:
    """Answers handshakes, and requests for ephemeral keys, as hosted servers do.

    Args:
        api_key: The only key that is right; None: any will do, and none.
    """

    def __init__(self, api_key: str | None) -> None:
        self._api_key = api_key
        self._secrets: dict[str, _Secret] = {}

    def admit(self, request: HandshakeRequest, calls: Container[str]) -> Refusal | str | None:
        """A refusal, or the subprotocol of the connection.

        Args:
            request: The handshake.
            calls: Those that can be joined.
        """
        key = _key_of(request)
        secret = self._secrets.get(key or "")
        if secret is not None and secret.expires_at < time.time():
            return _error(401, "invalid_api_key", "The client secret has expired.")
        if self._api_key is not None and key != self._api_key and secret is None:
            return _error(401, "invalid_api_key", "Incorrect API key provided.")
        call_id = request.query.get("call_id")
        if call_id is not None and call_id not in calls:
            return _error(404, "call_not_found", f"No session found for call_id {call_id}.")
        return _SUBPROTOCOL if _SUBPROTOCOL in request.subprotocols else None

    def session_of(self, request: HandshakeRequest) -> dict[str, Any]:
        """The session that the connection's ephemeral key is bound to; empty: none."""
        secret = self._secrets.get(_key_of(request) or "")
        return {} if secret is None else secret.session

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request that is no handshake."""
        if not request.path.endswith(_SECRETS):
            return None
        if request.method != "POST":
            return _answer(405, {"error": {"message": "Use POST.", "type": "invalid_request_error", "code": None}})
        if self._api_key is not None and _bearer(request.headers) != self._api_key:
            return _error(401, "invalid_api_key", "Incorrect API key provided.").as_response()
        try:
            asked = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            return _error(400, "invalid_json", "The body is no JSON object.").as_response()
        expires_after = asked.get("expires_after")
        seconds = expires_after.get("seconds", _SECONDS) if isinstance(expires_after, dict) else _SECONDS
        session = asked.get("session")
        value = new_id("ek")
        secret = _Secret(session if isinstance(session, dict) else {}, time.time() + seconds)
        self._secrets[value] = secret
        return _answer(200, {"value": value, "expires_at": int(secret.expires_at), "session": secret.session})


def _key_of(request: HandshakeRequest) -> str | None:
    for name in request.subprotocols:
        for prefix in _KEY_PREFIXES:
            if name.startswith(prefix):
                return name.removeprefix(prefix)
    return _bearer(request.headers)


def _bearer(headers: Mapping[str, str]) -> str | None:
    return headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ") or None


def _error(status: int, code: str, message: str) -> Refusal:
    error = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return Refusal(status, {"content-type": "application/json"}, json.dumps(error).encode())


def _answer(status: int, body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(body).encode())
