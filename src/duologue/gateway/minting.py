"""``POST /v1/realtime/client_secrets``: an ephemeral key for a session that is configured beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request

from duologue import messages as m
from duologue.gateway.admission import Admitted
from duologue.gateway.client_secrets import LIFETIME, LIFETIMES, ClientSecret, ClientSecrets
from duologue.gateway.grants import Grant, Refused
from duologue.gateway.models import Models
from duologue.gateway.opening import first_options
from duologue.gateway.terms import NotAllowed, Terms
from duologue.gateway.wire import GA, ClientWire
from duologue.lifecycle import new_id
from duologue.options import SessionOptions
from duologue.protocols.openai.session_writing import write_session

_MOST_BYTES = 2**20


async def mint(
    request: Request,
    grant: Grant,
    models: Models,
    terms_of: Callable[[Admitted], Terms],
    secrets: ClientSecrets,
) -> dict[str, Any]:
    """The answer to the request: the key, when it expires, and the session that it is for.

    Raises:
        Refused: The request makes no sense, or asks for what is not to be had.
    """
    asked = await _body(request)
    seconds = _lifetime(asked.get("expires_after"))
    stated = _read(asked.get("session", {"type": "realtime"}))
    name, model = models.find(stated.model, grant)
    terms = terms_of(Admitted(grant, name, model, stated.kind))
    base = first_options(terms, stated.kind, name)
    try:
        changes = terms.check(m.SessionUpdate(options=replace(stated, model=None, kind=None)), base)
    except NotAllowed as error:
        raise Refused(str(error), 403, error.code) from None
    assert isinstance(changes, m.SessionUpdate)
    expires_at = int(time.time()) + seconds
    bound = replace(grant, options=grant.options.merged(changes.options))
    value = secrets.make(ClientSecret(grant=bound, model=name, kind=stated.kind, expires_at=expires_at))
    told = replace(terms.told(base.merged(changes.options)), model=None)
    session = {"object": "realtime.session", "id": new_id("sess"), "expires_at": 0, **write_session(told, GA)}
    return {"value": value, "expires_at": expires_at, "session": {**session, "model": name}}


async def _body(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Refused("The body is too large.", 413, "body_too_large")
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused("The body is no JSON object.", 400, "invalid_json") from None


def _lifetime(expires_after: object) -> int:
    if expires_after is None:
        return LIFETIME
    seconds = expires_after.get("seconds", LIFETIME) if isinstance(expires_after, dict) else None
    shortest, longest = LIFETIMES
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not shortest <= seconds <= longest:
        raise Refused(f"expires_after.seconds is between {shortest} and {longest}.", 400, "invalid_value")
    return seconds


def _read(session: object) -> SessionOptions:
    """The options of a session object, which is as strictly read as in a ``session.update``."""
    if not isinstance(session, dict):
        raise Refused("session is an object.", 400, "invalid_type")
    frame = msgspec.json.encode({"type": "session.update", "session": session})
    messages, answers = ClientWire(GA).read(frame)
    if not messages:
        error = msgspec.json.decode(bytes(answers[0].data))["error"]
        raise Refused(error["message"], 400, error["code"])
    (update,) = messages
    assert isinstance(update, m.SessionUpdate)
    return replace(update.options, extra={})
