"""Sessions over a real socket: that they open, end and can be given up, and that nothing is left of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, CutOff, HungUp, InvalidInput, SessionClosed, UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.options import OFF, NoiseReduction, SessionOptions, Transcription
from duologue.providers import (
    AzureOpenAIRealtimeClient,
    ConnectionSettings,
    OpenAICompatibleRealtimeClient,
    OpenAIRealtimeClient,
    OpenAISessionOptions,
    RetentionRatio,
    Tracing,
    VoiceLiveRealtimeClient,
    XAIRealtimeClient,
)
from duologue.runtime.protocol_link import ProtocolLink
from duologue.transports.base import Frame
from realtime_server import (
    RealtimeServer,
    accept,
    converse,
    never_answer,
    never_confirm,
    realtime_server,
    refuse,
    say,
)
from websocket_servers import TEXT, Peer, close_frame

SETTINGS = ConnectionSettings(proxy=None)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """After every test: no task but the test's own."""
    yield
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def client_of(server: RealtimeServer, **given: Any) -> OpenAIRealtimeClient:
    return OpenAIRealtimeClient("m", **{"api_key": "sk-1", "base_url": server.url(), "connection": SETTINGS, **given})


# --- a conversation in each dialect ---

CLIENTS: dict[str, Callable[[str], RealtimeClient]] = {
    "openai": lambda url: OpenAIRealtimeClient("m", api_key="sk-1", base_url=url),
    "azure": lambda url: AzureOpenAIRealtimeClient("m", api_key="k", endpoint=url),
    "azure-preview": lambda url: AzureOpenAIRealtimeClient("m", api_key="k", endpoint=url, api_version="2025-04-01"),
    "voice-live": lambda url: VoiceLiveRealtimeClient("m", api_key="k", endpoint=url),
    "xai": lambda url: XAIRealtimeClient(api_key="xai-1", base_url=url),
    **{
        name: lambda url, name=name: OpenAICompatibleRealtimeClient(url, dialect=name, model="m")  # type: ignore[misc]
        for name in ("openai", "localai", "speaches", "speech-to-speech", "qwen")
    },
}
BETA = {"azure-preview", "voice-live", "speaches", "qwen"}


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_conversation(name: str) -> None:
    beta = name in BETA
    response = {"id": "resp_1", "status": "completed", "output": []}
    part = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    async with realtime_server() as server:
        server.replies["response.create"] = [
            {"type": "response.created", "response": {**response, "status": "in_progress"}},
            {"type": "response.audio.delta" if beta else "response.output_audio.delta", **part, "delta": "AAAA"},
            {
                "type": f"response.{'audio' if beta else 'output_audio'}_transcript.delta",
                **part,
                "delta": "Hi.",
            },
            {"type": "response.done", "response": response},
        ]
        async with CLIENTS[name](server.url()) as client, client.create_session() as session:
            await session.respond()
            seen: list[m.ServerMessage] = []
            async for message in session:
                seen.append(message)
                if isinstance(message, m.TurnDone):
                    break
        await server.all_gone()
    kinds = [type(message) for message in seen]
    assert kinds[:2] == [m.SessionCreated, m.ResponseCreated]
    assert [message.audio for message in seen if isinstance(message, m.OutputAudioDelta)] == [b"\0\0\0"]
    assert [message.text for message in seen if isinstance(message, m.OutputTranscriptDelta)] == ["Hi."]
    assert kinds[-2:] == [m.ResponseDone, m.TurnDone]
    assert server.types == ["session.update", "response.create", *(["session.finish"] if name == "qwen" else [])]


async def test_transcription_with_vllm() -> None:
    async with realtime_server() as server:
        server.created = {"type": "session.created", "id": "sess_1", "created": 1}
        server.replies["input_audio_buffer.commit"] = [
            {"type": "transcription.delta", "delta": "Good "},
            {"type": "transcription.done", "text": "Good day."},
        ]
        client = OpenAICompatibleRealtimeClient(server.url(), dialect="vllm", model="whisper")
        async with client, client.create_session() as session:
            await session.send_audio(bytes(640))
            await session.send(m.InputAudioEnd())
            texts = []
            async for message in session:
                if isinstance(message, m.InputTranscriptCompleted):
                    texts.append(message.text)
                    break
            assert texts == ["Good day."]
    assert server.types == ["session.update", "input_audio_buffer.append", "input_audio_buffer.commit"]


async def test_a_transcription_session() -> None:
    async with realtime_server() as server:
        client = client_of(server)
        options = SessionOptions(
            kind="transcription",
            transcription=Transcription(model="gpt-transcribe"),
            noise_reduction=NoiseReduction(),
            turn_detection=OFF,
            input_audio=PCM16_24K,
            include=("item.input_audio_transcription.logprobs",),
        )
        async with client.create_session(options) as session:
            assert session.capabilities == client.capabilities(options)
            assert not session.capabilities.explicit_response
            for message in (m.ResponseCreate(), m.Say(text="Hi."), m.ResponseCancel()):
                with pytest.raises(UnsupportedOperation):
                    await session.send(message)
        for refused in (SessionOptions(voice="alloy"), SessionOptions(instructions="x"), SessionOptions(temperature=1)):
            with pytest.raises(UnsupportedOperation):
                await client.create_session(options.merged(refused))


# --- what only OpenAI knows ---


async def test_tracing_and_truncation() -> None:
    options = OpenAISessionOptions(
        tracing=Tracing(workflow_name="w"),
        truncation=RetentionRatio(ratio=0.8, post_instructions_tokens=8_000),
        extra={"x": 1},
    )
    async with realtime_server() as server:
        async with client_of(server) as client, client.create_session(options) as session:
            await session.update(OpenAISessionOptions(truncation="disabled"))
            assert await anext(session)
            assert isinstance(await anext(session), m.SessionUpdated)
        opening, update = (event["session"] for event in server.events)
        assert opening == {
            "type": "realtime",
            "x": 1,
            "tracing": {"workflow_name": "w"},
            "truncation": {
                "type": "retention_ratio",
                "retention_ratio": 0.8,
                "token_limits": {"post_instructions": 8_000},
            },
        }
        assert update == {"type": "realtime", "truncation": "disabled"}


def test_how_options_of_openai_are_merged() -> None:
    base = OpenAISessionOptions(tracing="auto", truncation="auto", voice="alloy")
    merged = base.merged(OpenAISessionOptions(truncation=RetentionRatio(ratio=0.5)))
    assert merged.extra == {
        "tracing": "auto",
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
    }
    assert base.merged(SessionOptions(extra={"tracing": None})).extra == {"tracing": None, "truncation": "auto"}
    over = SessionOptions(voice="marin", extra={"tracing": "auto"}).merged(OpenAISessionOptions(call_id="rtc_1"))
    assert isinstance(over, OpenAISessionOptions)
    assert (over.voice, over.call_id, over.extra) == ("marin", "rtc_1", {"tracing": "auto"})
    assert base.merged(None) is base


@pytest.mark.parametrize("given", [lambda: RetentionRatio(ratio=1.1), lambda: OpenAISessionOptions(call_id=" ")])
def test_options_of_openai_that_are_wrong(given: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        given()


@pytest.mark.parametrize("greets", [True, False])
async def test_a_call_that_runs_elsewhere(greets: bool) -> None:
    async with realtime_server() as server:
        server.greets = greets
        options = OpenAISessionOptions(call_id="rtc_1", instructions="Be brief.")
        async with client_of(server) as client, client.create_session(options) as session:
            created = await anext(session)
            assert isinstance(created, m.SessionCreated)
            assert session.capabilities.tracks_playback
            assert created.session_id == ("sess_1" if greets else None)
            assert session.options.instructions == "Be brief."
            await session.send(m.OutputAudioClear(id="clear"))
        assert server.types == ["session.update", "output_audio_buffer.clear"]
    assert not client.capabilities().tracks_playback


# --- the end ---


def hang_up_after(event: str, code: int | None) -> Callable[[Peer, RealtimeServer], Any]:
    """Converse until that event comes, then close the connection, or cut it."""

    async def step(peer: Peer, server: RealtimeServer) -> None:
        await accept(peer, server, b"X-Request-Id: req_socket\r\n")
        say(peer, server.created)
        while event.encode() not in await peer.receive_kind(TEXT):
            say(peer, {"type": "session.updated", "session": {}})
        if code is None:
            peer.reset()
            return
        peer.send(close_frame(code, "enough"))
        await peer.at_end()

    return step


@pytest.mark.parametrize(("code", "kind"), [(1001, HungUp), (4000, HungUp), (None, CutOff)])
async def test_that_the_end_names_the_request(code: int | None, kind: type[HungUp | CutOff]) -> None:
    async with realtime_server(hang_up_after("input_audio_buffer.clear", code)) as server:
        async with client_of(server) as client, client.create_session() as session:
            await session.send(m.InputAudioClear())
            with pytest.raises(kind) as raised:
                async for _ in session:
                    pass
        assert raised.value.request_id == "req_socket"
        assert raised.value.provider == "openai"
        assert raised.value.close_code == code


async def test_that_closing_a_client_ends_its_sessions() -> None:
    async with realtime_server() as server:
        client = client_of(server)
        first, second = await client.create_session(), await client.create_session()
        assert len(server.requests) == 2
        await client.aclose()
        assert isinstance(first.ended, SessionClosed)
        assert isinstance(second.ended, SessionClosed)
        await server.all_gone()
        with pytest.raises(InvalidInput, match="This client is closed"):
            await client.create_session()


@pytest.mark.parametrize("step", [never_answer, never_confirm])
async def test_that_closing_a_client_ends_what_is_just_opening(
    step: Callable[[Peer, RealtimeServer], Any],
) -> None:
    async with realtime_server(step) as server:
        client = client_of(server)
        opening = asyncio.ensure_future(_open(client))
        await server.connected.wait()
        await client.aclose()
        with pytest.raises(InvalidInput, match="This client is closed"):
            await opening
        await server.all_gone()
        assert len(server.requests) == 1


async def test_that_closing_a_client_ends_all_that_is_opening_and_only_once() -> None:
    pausing = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    settings = ConnectionSettings(sleep=sleep, proxy=None)
    async with realtime_server(refuse(503), refuse(503)) as server:
        client = client_of(server, connection=settings)
        openings = [asyncio.ensure_future(_open(client)) for _ in range(2)]
        await pausing.wait()
        await asyncio.gather(client.aclose(), client.aclose())
        for opening in openings:
            with pytest.raises(InvalidInput, match="This client is closed"):
                await opening
            assert not opening.cancelled()


async def test_that_a_closed_client_tries_no_more() -> None:
    fetched = asyncio.Event()

    async def key() -> str:
        fetched.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectRefused("Not now.", provider="the vault", retryable=True)  # in place of the cancellation

    client = OpenAIRealtimeClient("m", api_key=key, connection=SETTINGS)
    opening = asyncio.ensure_future(_open(client))
    await fetched.wait()
    fetched.clear()
    await client.aclose()
    with pytest.raises(InvalidInput, match="This client is closed"):
        await opening
    assert not fetched.is_set()


async def _open(client: RealtimeClient) -> object:
    return await client.create_session()


# --- cancellation ---


@pytest.mark.parametrize("step", [never_answer, never_confirm])
async def test_that_opening_can_be_cancelled(step: Callable[[Peer, RealtimeServer], Any]) -> None:
    async with realtime_server(step) as server, client_of(server) as client:
        opening = asyncio.ensure_future(_open(client))
        await server.connected.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await server.all_gone()


async def test_that_opening_can_time_out() -> None:
    async with realtime_server(never_confirm) as server, client_of(server) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.create_session()
        await server.all_gone()


async def test_that_a_pause_between_attempts_can_be_cancelled() -> None:
    pausing = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    settings = ConnectionSettings(sleep=sleep, proxy=None)
    async with realtime_server(refuse(503)) as server, client_of(server, connection=settings) as client:
        opening = asyncio.ensure_future(_open(client))
        await pausing.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert len(server.requests) == 1


async def test_a_cancellation_in_the_moment_of_success(monkeypatch: pytest.MonkeyPatch) -> None:
    async with realtime_server() as server, client_of(server) as client:
        links: list[ProtocolLink] = []
        received = ProtocolLink.frame_received

        def and_cancel(link: ProtocolLink, frame: Frame) -> None:
            received(link, frame)
            if not links and link._changed.is_set():  # it is open, and who waits for it has not gone on yet
                links.append(link)
                opening.cancel()

        monkeypatch.setattr(ProtocolLink, "frame_received", and_cancel)
        opening = asyncio.ensure_future(_open(client))
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert isinstance(links[0].end, SessionClosed)
        await server.all_gone()


# --- the other transport ---


async def test_that_the_websockets_transport_does_the_same() -> None:
    pytest.importorskip("websockets")
    settings = ConnectionSettings(transport="websockets", proxy=None)
    async with realtime_server(refuse(503, Retry_After="0"), converse) as server:
        settings = ConnectionSettings(transport="websockets", proxy=None, sleep=lambda seconds: asyncio.sleep(0))
        async with client_of(server, connection=settings) as client, client.create_session() as session:
            assert isinstance(await anext(session), m.SessionCreated)
            assert type(session._link._transport).__module__ == "duologue.transports.websockets_transport"  # type: ignore[attr-defined]
        await server.all_gone()
        assert server.targets == ["/v1/realtime?model=m"] * 2


# --- who it is ---


async def test_what_a_session_tells_of_the_provider() -> None:
    async with realtime_server() as server:
        client = client_of(server, defaults=SessionOptions(voice="alloy"))
        assert client.metadata.model == "m"
        assert client.metadata.endpoint == server.url()
        assert repr(client) == f"OpenAIRealtimeClient(provider='openai', model='m', endpoint='{server.url()}')"
        async with client, client.create_session(SessionOptions(model="m2")) as session:
            assert session.metadata.model == "m2"
            assert session.metadata.provider == "openai"
            assert session.options.voice == "alloy"
