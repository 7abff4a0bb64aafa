"""What goes wrong around a gateway ends one session, with a reason, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from duologue.client import RealtimeClient
from duologue.gateway import BridgeSettings, GatewaySettings, create_app
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.testing import OpenAIEmulator
from duologue.testing.loopback import Cut
from gateway_client import Client, refused, said, talking
from gateway_server import Served, gateway_to, served, serving
from local_harness import LocalHarness


@pytest.fixture
async def local() -> AsyncIterator[RealtimeClient]:
    async with LocalHarness().make_client() as client:
        yield client


@pytest.fixture(autouse=True)
async def _nothing_is_left() -> AsyncIterator[None]:
    """No task outlives a test."""
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(10):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so that nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_empty(gateway: Served) -> None:
    """Wait until no session is open, and no connection."""
    await until(lambda: not len(gateway.sessions))
    await until(lambda: not gateway.server.server_state.connections)


async def still_answers(gateway: Served) -> None:
    """The gateway serves others as ever."""
    async with talking(gateway) as talk:
        await talk.send("conversation.item.create", item=said("Hello."))
        await talk.send("response.create")
        await talk.until("response.done")


def malformed(number: int) -> Iterator[str | bytes]:
    """Frames that are no events, or not quite; the same ones every time."""
    chance = random.Random(7)
    good = [
        {"type": "session.update", "session": {"type": "realtime", "instructions": "x"}},
        {"type": "conversation.item.create", "item": said("x")},
        {"type": "response.cancel", "response_id": "r"},
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1},
    ]
    for _ in range(number):
        text = list(json.dumps(chance.choice(good)))
        for _ in range(chance.randint(1, 6)):
            text[chance.randrange(len(text))] = chance.choice('{}[]",:0x\\\ud7ff\x01')
        frame = "".join(text)
        yield frame if chance.random() < 0.9 else frame.encode()


async def test_ten_thousand_malformed_frames(local: RealtimeClient) -> None:
    settings = GatewaySettings(sessions=BridgeSettings(events_a_second=1e6, events_at_once=1e6))
    async with gateway_to(local, settings=settings) as gateway:
        async with talking(gateway) as talk:
            counted = asyncio.create_task(_count(talk, "the last one"))
            for frame in malformed(10_000):
                await talk.connection.send(frame)
            await talk.send("no.such.event", event_id="the last one")
            assert await counted > 5_000  # errors; the rest happened to make sense
        await still_answers(gateway)
        await until_empty(gateway)


async def _count(talk: Client, last: str) -> int:
    errors = 0
    async for frame in talk.connection:
        event = json.loads(frame)
        if event["type"] == "error":
            errors += 1
            if event["error"]["event_id"] == last:
                return errors
    raise AssertionError(f"The connection ended after {errors} errors.")


async def test_a_thousand_connections_that_never_speak(local: RealtimeClient) -> None:
    """Half of them never even ask for a WebSocket."""
    settings = GatewaySettings(sessions=BridgeSettings(idle_timeout=0.5))
    app = create_app(local, settings=settings)
    async with served(app, handshake_timeout=1.0) as gateway, contextlib.AsyncExitStack() as stack:
        for _ in range(500):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
            stack.callback(writer.close)
            await stack.enter_async_context(connect(f"{gateway.url}/v1/realtime?model=m", proxy=None))
        await still_answers(gateway)
        await until_empty(gateway)  # every one of them said nothing for too long


async def test_a_server_that_is_full_says_so(local: RealtimeClient) -> None:
    async with gateway_to(local, settings=GatewaySettings(most_sessions=20)) as gateway:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(talking(gateway))
            assert await refused(gateway) == (429, "server_full")
        await until_empty(gateway)
        await still_answers(gateway)


async def test_a_client_that_never_reads_is_cut_off(local: RealtimeClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "duologue.gateway.session")
    settings = GatewaySettings(sessions=BridgeSettings(send_timeout=0.3, max_queued_bytes=500_000))
    async with gateway_to(local, settings=settings) as gateway:
        deaf = socket.create_connection(("127.0.0.1", gateway.server.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader, writer = await asyncio.open_connection(sock=deaf, limit=1_024)
        try:
            writer.write(_handshake(gateway))
            await reader.readuntil(b"\r\n\r\n")
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(_frame({"type": "conversation.item.create", "item": said(LocalHarness.long_prompt)}))
            writer.write(_frame({"type": "response.create"}))
            await writer.drain()
            await until(lambda: caplog.records)
            await until_empty(gateway)
        finally:
            writer.close()
        assert vars(caplog.records[0])["duologue_end"] == "slow_client"
        await still_answers(gateway)


def _handshake(gateway: Served) -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET /v1/realtime?model=m HTTP/1.1\r\nHost: 127.0.0.1:{gateway.server.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _frame(event: dict[str, Any]) -> bytes:
    """A masked text frame, whose mask is zeros."""
    text = json.dumps(event).encode()
    return bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2) + bytes(4) + text


@pytest.mark.parametrize(
    "stage",
    [
        "conversation.item.create",
        "response.create",
        "response.created",
        "response.output_audio.delta",
        "response.done",
    ],
)
async def test_an_upstream_that_is_cut(stage: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "duologue.gateway.session")
    async with (
        OpenAIEmulator() as emulator,
        OpenAIRealtimeClient("up", base_url=emulator.url, api_key="k") as client,
        gateway_to(client) as gateway,
    ):
        emulator.inject(Cut(), at=stage)
        async with talking(gateway) as talk:
            await talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
            await talk.send("conversation.item.create", item=said("Hello."))
            await talk.send("response.create")
            code, reason = await talk.closed()
            assert code == 1011
            assert reason
            assert talk.seen[-1]["error"]["code"] in ("upstream_lost", "upstream_refused")
            begun, ended = talk.types().count("response.created"), talk.types().count("response.done")
            assert begun == ended  # a client never waits for the end of a response
        await until_empty(gateway)
        assert vars(caplog.records[0])["duologue_end"] in ("upstream_lost", "upstream_refused")
        await still_answers(gateway)


@pytest.mark.parametrize("stage", ["session.update", "session.updated"])
async def test_an_upstream_that_is_cut_while_it_opens_is_asked_again(stage: str) -> None:
    async with (
        OpenAIEmulator() as emulator,
        OpenAIRealtimeClient("up", base_url=emulator.url, api_key="k") as client,
        gateway_to(client) as gateway,
        talking(gateway) as talk,
    ):
        emulator.inject(Cut(), at=stage)
        await talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        assert (await talk.until("session.updated"))["session"]["instructions"] == "Be brief."
        assert len(emulator.requests) == 2


async def test_a_client_that_leaves_while_the_upstream_opens() -> None:
    async with (
        OpenAIEmulator() as emulator,
        OpenAIRealtimeClient("up", base_url=emulator.url, api_key="k") as client,
        gateway_to(client) as gateway,
    ):
        async with talking(gateway) as talk:
            await talk.send("response.create")
        await until_empty(gateway)
        await still_answers(gateway)
        assert len(emulator.sessions) <= 2


async def test_a_signal_under_a_hundred_live_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_LOG", "json")
    monkeypatch.setenv("DUOLOGUE_DRAIN_SECONDS", "20")
    async with serving() as (process, port), contextlib.AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=m"
        talks = []
        for _ in range(100):
            connection = await stack.enter_async_context(connect(url, max_size=None, proxy=None))
            talks.append(Client(connection))
        await asyncio.gather(*(_begin(talk) for talk in talks))
        process.send_signal(signal.SIGTERM)
        ends = await asyncio.gather(*(talk.closed() for talk in talks))
        assert {code for code, _ in ends} == {1001}
        assert all(reason for _, reason in ends)
        assert all(talk.types().count("response.done") == 1 for talk in talks)  # each said what it had to say
        _, written = await asyncio.wait_for(process.communicate(), 30)
        lines = [json.loads(line) for line in written.splitlines() if line.startswith(b"{")]
        records = [line for line in lines if line["logger"] == "duologue.gateway.session"]
        assert [record["end"] for record in records] == ["going_away"] * 100
        assert not [line for line in lines if line["level"] == "error"]
        assert process.returncode in (0, -signal.SIGTERM)


async def _begin(talk: Client) -> None:
    await talk.send("conversation.item.create", item=said("What can you do?"))
    await talk.send("response.create")
    await talk.until("response.created")
