"""A client of a gateway that writes and reads events as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway_server import Served


class Client:
    """A client that writes and reads events as they are."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": event_type, **fields}))

    async def until(self, event_type: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                event: dict[str, Any] = json.loads(await self.connection.recv())
                self.seen.append(event)
                if event["type"] == event_type:
                    return event

    async def closed(self) -> tuple[int, str]:
        """The close code and reason, and every event before them is in `seen`."""
        try:
            async with asyncio.timeout(10):
                while True:
                    self.seen.append(json.loads(await self.connection.recv()))
        except ConnectionClosed as closed:
            end = closed.rcvd
        return (0, "") if end is None else (end.code, end.reason)

    def types(self) -> list[str]:
        return [event["type"] for event in self.seen]


@asynccontextmanager
async def talking(gateway: Served, path: str = "/v1/realtime?model=m", **options: Any) -> AsyncIterator[Client]:
    async with connect(f"{gateway.url}{path}", max_size=None, proxy=None, **options) as connection:
        yield Client(connection)


async def refused(gateway: Served, path: str = "/v1/realtime?model=m", **options: Any) -> tuple[int, str]:
    """The status, and the error's code, with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as info:
        async with talking(gateway, path, **options):
            pass
    return info.value.response.status_code, json.loads(info.value.response.body or b"")["error"]["code"]


def said(text: str) -> dict[str, Any]:
    """Something that the user wrote, as an item."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
