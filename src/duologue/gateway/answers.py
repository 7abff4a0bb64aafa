"""Answers over HTTP, and refusals of connections, in the words of OpenAI's API."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from duologue.gateway.grants import Refused


def error_response(refused: Refused) -> JSONResponse:
    """The answer to a request that was refused."""
    kind = {401: "authentication_error", 429: "rate_limit_error", 503: "server_error"}
    error: dict[str, Any] = {
        "message": str(refused),
        "type": kind.get(refused.status, "invalid_request_error"),
        "param": None,
        "code": refused.code,
    }
    headers = {} if refused.retry_after is None else {"retry-after": str(max(1, round(refused.retry_after)))}
    return JSONResponse({"error": error}, refused.status, headers)


async def deny(websocket: WebSocket, refused: Refused) -> None:
    """Refuse a connection with an HTTP status, where the server can, or by closing it."""
    with suppress(OSError):
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(error_response(refused))
        else:
            await websocket.close(1008, str(refused)[:60])
