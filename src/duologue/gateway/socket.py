"""A client's WebSocket, as ASGI has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from duologue.transports.base import Frame

ABORT = "duologue.abort"
"""The ASGI extension with which `serve` lets go of a connection whose client takes nothing any more."""


class ClientLeft(Exception):
    """The client has closed the connection, or it was lost.

    Args:
        code: The close code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ClientSocket:
    """Text frames in both directions."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._send = websocket.send

    async def accept(self, subprotocol: str | None) -> None:
        """Accept the connection, unless that was done."""
        if self._websocket.application_state is WebSocketState.CONNECTING:
            await self._websocket.accept(subprotocol=subprotocol)

    async def receive(self) -> Frame:
        """The next frame.

        Raises:
            ClientLeft: There is none any more.
        """
        event: Any = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise ClientLeft(event.get("code", 1005))
        text: str | None = event.get("text")
        return bytes(event["bytes"]) if text is None else text

    async def send(self, frame: Frame) -> None:
        """Send a frame; waits while the client is slow.

        Raises:
            ClientLeft: Nothing can be sent any more.
        """
        text = frame if isinstance(frame, str) else frame.decode()
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (WebSocketDisconnect, OSError, RuntimeError):
            raise ClientLeft(1006) from None

    async def close(self, code: int, reason: str, patience: float) -> None:
        """Close the connection. A client that does not take the goodbye within `patience` s is let go of."""
        try:
            async with asyncio.timeout(patience):
                await self._websocket.close(code, reason)
        except TimeoutError:
            self.abort()
        except (WebSocketDisconnect, OSError, RuntimeError):
            pass  # it was closed already

    def abort(self) -> None:
        """Let go of the connection, if the server has a way to."""
        abort: Callable[[], None] | None = self._websocket.scope.get("extensions", {}).get(ABORT, {}).get("abort")
        if abort is not None:
            abort()
