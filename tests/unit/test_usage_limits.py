"""Sessions that may use only so much."""

from __future__ import annotations

import asyncio
import math

import pytest

from duologue import messages as m
from duologue.errors import CutOff, InvalidAudio, InvalidInput, SessionClosed, SessionEnded, Stopped
from duologue.formats import PCM16_24K
from duologue.link import Link
from duologue.messages.base import ClientMessage
from duologue.middleware import FunctionInvocation
from duologue.middleware.usage_limits import UsageLimits, UsageLimitsLayer
from duologue.middleware.usage_totals import UsageTotals
from duologue.options import SessionOptions
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.testing import OpenAIEmulator, ScriptedClient, ScriptedReply
from duologue.tools import tool
from links import WireClient, WireLink, audio
from local_harness import LocalHarness


class Time:
    """A clock that stands until the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.now + seconds, event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        await settled()
        self.now += seconds
        for due, event in self._sleepers:
            if due <= self.now + 1e-9:
                event.set()
        await settled()


async def settled() -> None:
    """All that can happen without waiting has happened."""
    for _ in range(10):
        await asyncio.sleep(0)


async def opened(limits: UsageLimits, time: Time | None = None) -> tuple[RealtimeSession, WireLink]:
    """A session on a wire that the test holds; its SessionCreated is read."""
    time = time or Time()
    client = WireClient()

    def layer(link: Link) -> UsageLimitsLayer:
        return limits.layer(link, clock=time.clock, sleep=time.sleep)

    session = await client.with_middleware(wrap_sessions(layer)).create_session()
    await anext(session)
    return session, client.link


def created(response: str = "r1", *, out_of_band: bool = False) -> m.ResponseCreated:
    return m.ResponseCreated(response_id=response, out_of_band=out_of_band)


def done(
    response: str = "r1", total: int | None = None, *, items: tuple[m.Item, ...] = (), out_of_band: bool = False
) -> m.ResponseDone:
    usage = None if total is None else m.Usage(total_tokens=total)
    return m.ResponseDone(response_id=response, status="completed", usage=usage, items=items, out_of_band=out_of_band)


def totals_of(session: RealtimeSession) -> UsageTotals:
    totals = session.get_service(UsageTotals)
    assert totals is not None
    return totals


async def read_to_end(session: RealtimeSession) -> tuple[list[m.ServerMessage], Exception | None]:
    messages: list[m.ServerMessage] = []
    try:
        async with asyncio.timeout(10):
            async for message in session:
                messages.append(message)  # noqa: PERF401 - what was read before the end counts
    except Stopped as end:
        return messages, end
    return messages, None


# --- counting ---


async def test_totals_at_any_moment() -> None:
    time = Time()
    limits = UsageLimits(input_audio_seconds=math.inf, output_audio_seconds=math.inf)
    session, link = await opened(limits, time)
    assert totals_of(session).tokens == m.Usage()
    await session.send_audio(bytes(PCM16_24K.bytes_for(250)))
    await session.send_audio(bytes(PCM16_24K.bytes_for(250)), PCM16_24K)
    call = m.FunctionCall(call_id="c", name="f", status="completed")
    link.push(created(), audio(500), audio(250), done("r1", 7, items=(call,)))
    link.push(m.InputTranscriptCompleted(item_id="u", text="Hi", usage=m.Usage(seconds=1.5)))
    time.now += 3
    totals = totals_of(session)
    assert totals == UsageTotals(
        tokens=m.Usage(total_tokens=7),
        transcription=m.Usage(seconds=1.5),
        input_audio_seconds=0.5,
        output_audio_seconds=0.75,
        session_seconds=3.0,
        responses=1,
        function_calls=1,
    )
    await session.aclose()
    time.now += 5
    assert totals_of(session).session_seconds == 3.0
    assert session.ended is not None
    assert type(session.ended) is SessionClosed


async def test_that_audio_without_a_limit_is_neither_watched_nor_counted() -> None:
    session, link = await opened(UsageLimits(total_tokens=10))
    await session.send_audio(bytes(480))
    link.push(created(), audio(100))
    totals = totals_of(session)
    assert (totals.input_audio_seconds, totals.output_audio_seconds) == (None, None)
    layer = session.get_service(UsageLimitsLayer)
    assert layer is not None
    assert layer.watches is not None
    assert m.OutputAudioDelta not in layer.watches
    await session.aclose()


async def test_that_refused_audio_does_not_count() -> None:
    session, _ = await opened(UsageLimits(input_audio_seconds=1))
    with pytest.raises(InvalidAudio):
        await session.send_audio(b"odd")
    assert totals_of(session).input_audio_seconds == 0
    await session.aclose()


# --- warnings and ends ---


async def test_that_the_reader_is_warned_and_then_told_of_the_end() -> None:
    session, link = await opened(UsageLimits(total_tokens=100))
    link.push(created(), done("r1", 80))
    link.push(created("r2"), done("r2", 30))
    messages, end = await read_to_end(session)
    warnings = [message for message in messages if isinstance(message, m.ErrorReported)]
    assert [(warning.kind, warning.error.code) for warning in warnings] == [("limit", "total_tokens")]
    assert "80 of total_tokens=100" in warnings[0].error.message
    assert isinstance(messages[-1], m.TurnDone)
    assert isinstance(end, Stopped)
    assert (end.code, end.provider, end.retryable) == ("total_tokens", "wire", False)
    assert session.ended is end
    assert link.hang_ups == 1
    with pytest.raises(Stopped):
        await session.send_text("More?")
    with pytest.raises(Stopped):
        await session.drain()
    await session.aclose()


async def test_that_the_layers_inside_see_an_orderly_end() -> None:
    ends: list[type[Exception]] = []

    class Inside(SessionLayer):
        def ended(self, end: SessionEnded) -> None:
            ends.append(type(end))
            super().ended(end)

    client = WireClient()
    session = await client.with_middleware(UsageLimits(total_tokens=1), wrap_sessions(Inside)).create_session()
    client.link.push(created(), done("r1", 1))
    _, end = await read_to_end(session)
    assert isinstance(end, Stopped)
    assert ends == [SessionClosed]


async def test_that_an_answer_comes_to_its_end() -> None:
    time = Time()
    session, link = await opened(UsageLimits(output_audio_seconds=1, grace_seconds=10), time)
    link.push(created(), audio(900))
    link.push(audio(200))
    await settled()
    assert session.ended is None
    link.push(audio(300), done())
    messages, end = await read_to_end(session)
    assert [message.type for message in messages] == [
        "response_created",
        "output_audio_delta",
        "error_reported",
        "output_audio_delta",
        "output_audio_delta",
        "response_done",
        "turn_done",
    ]
    assert isinstance(end, Stopped)
    assert end.code == "output_audio_seconds"


async def test_that_the_grace_has_a_bound() -> None:
    time = Time()
    session, link = await opened(UsageLimits(output_audio_seconds=1, grace_seconds=10), time)
    link.push(created(), audio(1000))
    await time.advance(9.9)
    assert session.ended is None
    await time.advance(0.1)
    assert isinstance(session.ended, Stopped)


async def test_a_hard_limit() -> None:
    session, link = await opened(UsageLimits(output_audio_seconds=1, grace_seconds=0))
    link.push(created(), audio(1000))
    await settled()
    assert isinstance(session.ended, Stopped)


async def test_that_a_response_beside_the_conversation_is_waited_for() -> None:
    session, link = await opened(UsageLimits(responses=1))
    link.push(created("o", out_of_band=True))
    await settled()
    assert session.ended is None
    link.push(done("o", out_of_band=True))
    await settled()
    assert isinstance(session.ended, Stopped)


async def test_that_such_a_response_does_not_end_the_turn() -> None:
    session, link = await opened(UsageLimits(responses=2))
    call = m.FunctionCall(call_id="c", name="f", status="completed")
    link.push(created("r1"), done("r1", items=(call,)))
    link.push(created("o", out_of_band=True), done("o", out_of_band=True))
    await settled()
    assert session.ended is None  # the call is not answered yet
    await session.send(m.ItemCreate(item=m.FunctionResult(call_id="c", output="1")))
    await session.send(m.ResponseCreate(follow_up=True))
    link.push(created("r2"), done("r2"))
    await settled()
    assert isinstance(session.ended, Stopped)


async def test_that_the_first_limit_counts() -> None:
    session, link = await opened(UsageLimits(responses=1, total_tokens=10))
    link.push(created(), done("r1", 20))
    messages, end = await read_to_end(session)
    assert isinstance(end, Stopped)
    assert end.code == "responses"
    assert "error_reported" not in [message.type for message in messages]


async def test_that_a_layer_which_fails_at_the_end_is_not_hidden() -> None:
    class Fails(SessionLayer):
        def ended(self, end: SessionEnded) -> None:
            raise RuntimeError("no end")

    client = WireClient()
    session = await client.with_middleware(UsageLimits(responses=1), wrap_sessions(Fails)).create_session()
    client.link.push(created(), done())
    await settled()
    with pytest.raises(RuntimeError, match="no end"):
        async for _ in session:
            pass
    await session.aclose()


async def test_what_may_still_be_sent_at_the_end() -> None:
    session, link = await opened(UsageLimits(responses=1))
    link.push(created())
    before = len(link.written)
    refused: list[ClientMessage] = [
        m.ItemCreate(item=m.MessageItem.user("More?")),
        m.ResponseCreate(),
        m.Say(text="More!"),
        m.InputAudioCommit(),
        m.UserTurnEnd(),
    ]
    for message in refused:
        with pytest.raises(Stopped):
            await session.send(message)
    await session.send_audio(bytes(480))  # a microphone that runs is no error
    assert len(link.written) == before
    result = m.ItemCreate(item=m.FunctionResult(call_id="c", output="1"))
    allowed: list[ClientMessage] = [result, m.ResponseCancel(), m.OutputAudioClear()]
    for message in allowed:
        await session.send(message)
    assert [message.type for message in link.written[before:]] == [
        "item_create",
        "response_cancel",
        "response_cancel",
    ]
    await session.aclose()
    assert type(session.ended) is SessionClosed  # our side was first


async def test_the_time_of_a_session() -> None:
    time = Time()
    session, link = await opened(UsageLimits(session_seconds=60, warn_at=0.5), time)
    await time.advance(29)
    link.push(created())
    await time.advance(1)
    await time.advance(30)
    assert session.ended is None
    link.push(done())
    messages, end = await read_to_end(session)
    assert [message.type for message in messages] == [
        "response_created",
        "error_reported",
        "response_done",
        "turn_done",
    ]
    assert isinstance(end, Stopped)
    assert end.code == "session_seconds"


async def test_audio_that_is_sent() -> None:
    session, link = await opened(UsageLimits(input_audio_seconds=1))
    for _ in range(8):
        await session.send_audio(bytes(PCM16_24K.bytes_for(125)))
    messages, end = await read_to_end(session)
    assert [message.type for message in messages] == ["error_reported"]
    assert isinstance(end, Stopped)
    assert len(link.written) == 8


async def test_that_another_end_stays_what_it_is() -> None:
    session, link = await opened(UsageLimits(responses=1))
    link.push(created())
    link.cut()
    with pytest.raises(CutOff):
        [message async for message in session]
    await session.aclose()


@pytest.mark.parametrize(
    "settings",
    [
        {"total_tokens": 0},
        {"session_seconds": -1},
        {"responses": math.nan},
        {"warn_at": 1.0},
        {"warn_at": 0.0},
        {"grace_seconds": -1},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        UsageLimits(**settings)


# --- with other middleware, and over providers ---


@tool
def get_weather(city: str) -> str:
    """The weather."""
    return f"It rains in {city}."


async def test_that_the_calls_of_the_last_turn_are_answered() -> None:
    client = ScriptedClient([ScriptedReply.call("get_weather", {"city": "Oslo"}), "It rains.", "Too much."])
    layered = client.with_middleware(FunctionInvocation(), UsageLimits(responses=1, warn_at=None))
    async with layered.create_session(SessionOptions(tools=(get_weather,))) as session:
        await session.send_text("What is the weather in Oslo?")
        messages, end = await read_to_end(session)
    assert isinstance(end, Stopped)
    assert [message.text for message in messages if isinstance(message, m.OutputTranscriptDone)] == ["It rains."]
    assert isinstance(messages[-1], m.TurnDone)


async def test_over_the_emulator() -> None:
    async with OpenAIEmulator(["One, two, three.", "Four."]) as emulator:
        client = OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key")
        limits = UsageLimits(output_audio_seconds=0.2, warn_at=None)
        async with client, client.with_middleware(limits).create_session() as session:
            await session.send_text("Count.")
            messages, end = await read_to_end(session)
        assert isinstance(end, Stopped)
        assert "One, two, three." in [
            message.text for message in messages if isinstance(message, m.OutputTranscriptDone)
        ]
        assert isinstance(messages[-1], m.TurnDone)
        closed = await emulator.session.wait_closed()
        assert closed.code == 1000


async def test_over_the_local_provider() -> None:
    async with LocalHarness().make_client() as client:
        layered = client.with_middleware(UsageLimits(responses=2, warn_at=None))
        async with layered.create_session() as session:
            await session.send_text("Hello?")
            while not isinstance(await anext(session), m.TurnDone):
                pass
            await session.send_text("Hello again?")
            messages, end = await read_to_end(session)
    assert isinstance(end, Stopped)
    assert end.code == "responses"
    assert isinstance(messages[-1], m.TurnDone)
