"""Who may come in: keys, ephemeral tokens, and what those bind the session to."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from duologue.lifecycle import new_id
from duologue.protocols.json_values import JsonObject, as_int, as_object, as_text
from duologue.testing.loopback import HandshakeRequest, HttpRequest, HttpResponse, Refusal

_METHODS = ("BidiGenerateContent", "BidiGenerateContentConstrained")
_TOKENS = "/auth_tokens"
_TOKEN = "auth_tokens/"
_SECONDS = 60.0

BAD_KEY = "API key not valid. Please pass a valid API key."
BAD_TOKEN = "Auth token is invalid, expired or used up."
NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)


@dataclass
class Token:
    """An ephemeral token.

    Attributes:
        setup: The setup that it binds sessions to; empty: none.
        fields: The paths in it that are bound; None: all of it.
        uses: How many sessions it still opens; None: any number.
        expires_at: Until when, in s since 1970.
    """

    setup: JsonObject
    fields: tuple[str, ...] | None
    uses: int | None
    expires_at: float

    def is_good(self) -> bool:
        """Whether it opens one more session."""
        return self.uses != 0 and time.time() < self.expires_at

    def used(self) -> None:
        """It has opened a session."""
        if self.uses is not None:
            self.uses -= 1

    def over(self, setup: JsonObject) -> JsonObject:
        """What a client's setup becomes."""
        if self.fields is None:
            return {**self.setup, "sessionResumption": setup.get("sessionResumption", {})} if self.setup else setup
        for path in self.fields:
            bound: Any = self.setup
            names = path.split(".")
            for name in names:
                bound = as_object(bound).get(name)
            if bound is not None:
                inner = setup
                for name in names[:-1]:
                    inner = inner.setdefault(name, {})
                inner[names[-1]] = bound
        return setup


class Admission:
    """Answers handshakes, and requests for ephemeral tokens, as Google does.

    Args:
        service: The developer API lets everybody connect, and hangs up on those whose key is wrong; Vertex AI refuses
            their handshake.
        api_key: The only key, or access token, that is right; None: any will do, and none.
    """

    def __init__(self, service: Literal["developer", "vertex"], api_key: str | None) -> None:
        self._service = service
        self._api_key = api_key
        self._tokens: dict[str, Token] = {}

    def admit(self, request: HandshakeRequest) -> Refusal | None:
        """A refusal, if the handshake is to be refused."""
        if request.path.replace("/", ".").rpartition(".")[2] not in _METHODS:
            return _error(404, "NOT_FOUND", "Requested entity was not found.").as_refusal()
        if self._service == "vertex" and self._api_key not in (None, _bearer(request), _key(request)):
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.").as_refusal()
        return None

    def objection(self, request: HandshakeRequest) -> tuple[int, str] | None:
        """The close code and the reason for a client that may connect, and not come in."""
        if self._service == "vertex":
            return None
        token = _token(request)
        if token is not None:
            known = self._tokens.get(token)
            constrained = request.path.endswith("Constrained")
            if not constrained:
                return (1008, NO_KEY)
            return None if known is not None and known.is_good() else (1008, BAD_TOKEN)
        if self._api_key in (None, _key(request)):
            return None
        return (1007, BAD_KEY) if _key(request) else (1008, NO_KEY)

    def token(self, request: HandshakeRequest) -> Token | None:
        """The ephemeral token that the connection was opened with."""
        return self._tokens.get(_token(request) or "")

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request that is no handshake."""
        if self._service == "vertex" or not request.path.endswith(_TOKENS):
            return None
        if request.method != "POST":
            return _error(405, "UNIMPLEMENTED", "Use POST.")
        if self._api_key not in (None, request.headers.get("x-goog-api-key"), request.query.get("key")):
            return _error(400, "INVALID_ARGUMENT", BAD_KEY, reason="API_KEY_INVALID")
        try:
            asked = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
            expires_at = _moment(asked.get("newSessionExpireTime"))
        except ValueError:
            return _error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        mask = as_text(asked.get("fieldMask"))
        uses = as_int(asked.get("uses"))
        name = _TOKEN + new_id("token")
        self._tokens[name] = Token(
            setup=as_object(asked.get("bidiGenerateContentSetup")),
            fields=None if mask is None else tuple(mask.split(",")),
            uses=None if uses == 0 else uses or 1,
            expires_at=expires_at,
        )
        return _answer(200, {"name": name})


def _key(request: HandshakeRequest) -> str | None:
    return request.headers.get("x-goog-api-key") or request.query.get("key")


def _bearer(request: HandshakeRequest) -> str | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return value if kind == "Bearer" else None


def _token(request: HandshakeRequest) -> str | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    found = value if kind == "Token" else request.query.get("access_token") or _key(request) or ""
    return found if found.startswith(_TOKEN) else None


def _moment(written: object) -> float:
    if not isinstance(written, str):
        return time.time() + _SECONDS
    return datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp()


class _Answer(HttpResponse, frozen=True):
    def as_refusal(self) -> Refusal:
        return Refusal(self.status, self.headers, self.body)


def _error(status: int, name: str, message: str, *, reason: str | None = None) -> _Answer:
    error: JsonObject = {"code": status, "message": message, "status": name}
    if reason is not None:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return _answer(status, {"error": error})


def _answer(status: int, body: Mapping[str, Any]) -> _Answer:
    return _Answer(status, {"content-type": "application/json"}, json.dumps(body).encode())
