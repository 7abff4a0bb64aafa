"""`ReplayClient`: recordings as providers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, CutOff, HungUp, InvalidAudio, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_8K, PCM16_24K
from duologue.messages.base import Message, ServerMessage
from duologue.middleware.audio_conversion import AudioConversion
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.recording import Recording, read_recording
from duologue.options import OFF, SessionOptions
from duologue.providers import OpenAIRealtimeClient
from duologue.testing import SCRIPTED_CAPABILITIES, OpenAIEmulator, ScriptedClient, ScriptedReply
from duologue.testing.replay import ReplayClient
from links import WireClient
from local_harness import LocalHarness
from replays import OPTIONS, ask, content, get_weather, record, replay, shorten, turn


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "call.jsonl"


# --- recordings of every kind of provider ---


async def test_that_a_scripted_session_replays(path: Path) -> None:
    read = await record(path, "Weather?", "And now?", audio=b"\1\2" * 100)
    assert await ask(replay(path), "Weather?", "And now?", audio=b"\3\4" * 100) == read


async def test_that_a_session_of_the_emulator_replays(path: Path) -> None:
    async with OpenAIEmulator(["Hello there.", "It is noon."]) as emulator:
        client = OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="sk-secret-1")
        async with client:
            read = await ask(client.with_middleware(FunctionInvocation(), Recording(path)), "Hi", "What time is it?")
    assert b"sk-secret-1" not in content(path)
    assert await ask(replay(path), "Hi", "What time is it?") == read


async def test_that_a_spoken_session_of_the_local_provider_replays(path: Path) -> None:
    harness = LocalHarness()

    async def speak(client: RealtimeClient) -> list[ServerMessage]:
        async with client.create_session(SessionOptions(turn_detection=OFF)) as session:
            speech = await harness.speech("good day", PCM16_24K)
            for start in range(0, len(speech), 4_800):
                await session.send_audio(speech[start : start + 4_800])
            await session.send(m.UserTurnEnd())
            return await turn(session)

    async with harness.make_client() as client:
        read = await speak(client.with_middleware(Recording(path)))
    assert any(isinstance(message, m.OutputAudioDelta) for message in read)
    assert await speak(ReplayClient(path, speed=None)) == read


@pytest.mark.parametrize("speed", [None, 4.0])
async def test_that_an_interruption_replays_and_its_recording_is_the_same(
    path: Path, tmp_path: Path, speed: float | None
) -> None:
    harness = LocalHarness()

    async def interrupt(client: RealtimeClient) -> None:
        async with client.create_session() as session:
            for _ in range(2):
                speech = await harness.speech("good day", PCM16_24K) + bytes(PCM16_24K.bytes_for(1_500))
                for start in range(0, len(speech), 4_800):
                    await session.send_audio(speech[start : start + 4_800])
                async for message in session:
                    if isinstance(message, m.OutputAudioDelta):
                        break
            async for message in session:
                if isinstance(message, m.TurnDone) and message.outcome == "completed":
                    break

    async with harness.make_client() as client:
        await interrupt(client.with_middleware(Recording(path)))
    await interrupt(ReplayClient(path, speed=speed).with_middleware(Recording(tmp_path / "again.jsonl")))
    (first,), (again,) = read_recording(path), read_recording(tmp_path / "again.jsonl")
    assert any(isinstance(message, m.Interrupted) for message in first.received)
    assert again.received == first.received


async def test_that_layers_inside_of_the_recording_are_part_of_it(path: Path) -> None:
    pytest.importorskip("numpy")
    options = SessionOptions(output_audio=PCM16_8K)
    client = ScriptedClient([ScriptedReply.speech("Hello.", 200)])
    read = await ask(client.with_middleware(Recording(path), AudioConversion()), "Hi", options=options)
    assert await ask(ReplayClient(path, speed=None), "Hi", options=options) == read


async def test_that_cut_audio_replays_as_silence(path: Path) -> None:
    client = ScriptedClient([ScriptedReply.speech("Hello.", 200)])
    read = await ask(client.with_middleware(Recording(path, audio="cut")), "Hi", options=None, audio=b"\1\2" * 50)
    again = await ask(ReplayClient(path, speed=None), "Hi", options=None, audio=b"\3\4" * 50)
    assert [message.type for message in again] == [message.type for message in read]
    lengths = [
        [len(one.audio) for one in messages if isinstance(one, m.OutputAudioDelta)] for messages in (read, again)
    ]
    assert lengths[0] == lengths[1] != []


async def test_that_metadata_capabilities_and_options_are_those_of_the_recording(path: Path) -> None:
    await record(path, "Weather?")
    client = ReplayClient(path, speed=None)
    assert client.metadata.model == "script"
    assert client.capabilities() == ScriptedClient().capabilities()
    async with client.with_middleware(FunctionInvocation()).create_session(OPTIONS) as session:
        created = await anext(session)
        assert isinstance(created, m.SessionCreated)
        assert created.options.tools == (get_weather,)
        function = session.options.function("get_weather")
        assert function is get_weather
        assert session.options == OPTIONS
        assert created.meta is not None


async def test_that_sessions_play_in_the_order_of_the_file(path: Path) -> None:
    for question in ("Weather?", "And now?"):
        await record(path, question)
    client = replay(path)
    for question in ("Weather?", "And now?"):
        await ask(client, question)
    with pytest.raises(InvalidInput, match="All sessions of the recording"):
        await ask(client, "Weather?")


async def test_that_each_session_has_the_capabilities_of_its_own(path: Path) -> None:
    silent = msgspec.structs.replace(SCRIPTED_CAPABILITIES, say="none")
    for can in (SCRIPTED_CAPABILITIES, silent):
        async with ScriptedClient(["a"], capabilities=can).with_middleware(Recording(path)).create_session():
            pass
    client = ReplayClient(path, speed=None)
    for can in (SCRIPTED_CAPABILITIES, silent):
        assert client.capabilities() == can
        async with client.create_session() as session:
            assert session.capabilities == can


# --- causality and time ---


async def test_that_nothing_comes_before_the_application_has_sent_its_part(path: Path) -> None:
    await record(path, "Weather?")
    async with replay(path).create_session(OPTIONS) as session:
        await anext(session)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(session), 0.05)
        await session.send_text("Weather?", respond=False)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(session), 0.05)
        await session.respond()
        assert isinstance(await anext(session), m.ItemAdded)
        await turn(session)


async def test_that_audio_is_waited_for_by_its_length(path: Path) -> None:
    client = WireClient()
    session = await client.with_middleware(Recording(path)).create_session()
    await session.send_audio(bytes(960))
    client.link.push(m.InputSpeechStarted(item_id="i1"))
    await session.aclose()
    async with ReplayClient(path, speed=None).create_session() as session:
        await anext(session)
        await session.send_audio(bytes(958))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(session), 0.05)
        await session.send_audio(bytes(100))
        assert isinstance(await anext(session), m.InputSpeechStarted)


@pytest.mark.parametrize(("speed", "waits"), [(1.0, [0.5, 1.5]), (2.0, [0.25, 0.75]), (None, [])])
async def test_that_messages_come_at_their_times(path: Path, speed: float | None, waits: list[float]) -> None:
    clock, client = Time(), WireClient()
    session = await client.with_middleware(Recording(path, clock=clock)).create_session()
    for seconds in (0.5, 2.0):
        clock.now = seconds
        client.link.push(m.InputAudioCleared())
    await session.aclose()
    time = Time()
    async with ReplayClient(path, speed=speed, clock=time, sleep=time.sleep).create_session() as session:
        for _ in range(3):
            await anext(session)
    assert time.slept == waits


async def test_that_an_answer_takes_as_long_after_a_late_question(path: Path) -> None:
    clock, client = Time(), WireClient()
    session = await client.with_middleware(Recording(path, clock=clock)).create_session()
    clock.now = 1.0
    await session.send_text("Hello", respond=False)
    clock.now = 1.5
    client.link.push(m.InputAudioCleared())
    await session.aclose()
    time = Time()
    async with ReplayClient(path, clock=time, sleep=time.sleep).create_session() as session:
        await anext(session)
        time.now = 60.0
        await asyncio.sleep(0)
        await session.send_text("Hello", respond=False)
        await anext(session)
    assert time.slept == [0.5]


async def test_that_nothing_is_awaited_without_a_check(path: Path) -> None:
    read = await record(path, "Weather?")
    async with ReplayClient(path, speed=None, check=None).create_session() as session:
        await session.send_text("something else")
        again = [message async for message in session]
    assert [message.type for message in again] == [message.type for message in read]


async def test_that_a_reader_that_is_far_behind_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = WireClient()
    session = await client.with_middleware(Recording(path)).create_session()
    client.link.push(*[m.InputAudioCleared()] * 30)
    await session.aclose()
    monkeypatch.setattr("duologue.inbox.Inbox.__init__.__kwdefaults__", {"max_bytes": 10**9, "max_messages": 9})
    async with ReplayClient(path, speed=None).create_session() as session:
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(session._inbox) < 12
        for _ in range(31):
            await anext(session)


# --- refusals and ends ---


async def test_that_what_was_refused_is_refused_again(path: Path) -> None:
    client = WireClient()
    session = await client.with_middleware(Recording(path)).create_session()
    for error in (InvalidAudio("Half a sample."), InvalidInput("Odd.")):
        client.link.refuses[m.ItemDelete] = error
        with pytest.raises(type(error)):
            await session.send(m.ItemDelete(item_id="i"))
    await session.aclose()
    async with ReplayClient(path, speed=None).create_session() as session:
        with pytest.raises(InvalidAudio, match=r"Half a sample\."):
            await session.send(m.ItemDelete(item_id="i"))
        with pytest.raises(InvalidInput, match=r"Odd\."):
            await session.send(m.ItemDelete(item_id="i"))


async def test_that_what_the_provider_cannot_do_is_refused_in_the_same_way(path: Path) -> None:
    can = msgspec.structs.replace(SCRIPTED_CAPABILITIES, delete=False)

    async def act(client: RealtimeClient) -> None:
        async with client.create_session() as session:
            with pytest.raises(UnsupportedOperation, match="deleting an item"):
                await session.send(m.ItemDelete(item_id="i"))

    await act(ScriptedClient(capabilities=can).with_middleware(Recording(path)))
    await act(ReplayClient(path, speed=None))


async def test_that_the_provider_hangs_up_as_it_did(path: Path) -> None:
    client = ScriptedClient()
    session = await client.with_middleware(Recording(path)).create_session()
    client.link.hang_up(HungUp("Bye.", close_code=1000))
    with pytest.raises(HungUp):
        async for _ in session:
            pass
    await session.aclose()
    async with ReplayClient(path, speed=None).create_session() as session:
        with pytest.raises(HungUp, match="Bye") as caught:
            async for _ in session:
                pass
        assert caught.value.close_code == 1000
        with pytest.raises(HungUp):
            await session.respond()


async def test_that_a_recording_without_its_end_is_cut_off(path: Path) -> None:
    await record(path, "Weather?")
    shorten(path, 20)
    async with replay(path).create_session(OPTIONS) as session:
        await session.send_text("Weather?")
        await turn(session)
        with pytest.raises(CutOff, match="stops here"):
            await anext(session)


async def test_that_a_session_that_did_not_open_does_not_open_again(path: Path) -> None:
    client = ScriptedClient(refusal=ConnectRefused("No.", code="x"))
    with pytest.raises(ConnectRefused):
        await client.with_middleware(Recording(path)).create_session()
    with pytest.raises(ConnectRefused) as caught:
        await ReplayClient(path).create_session()
    assert caught.value.code == "x"


async def test_that_closing_the_client_ends_what_plays(path: Path) -> None:
    await record(path, "Weather?")
    client = ReplayClient(path)
    session = await client.create_session()
    await client.aclose()
    assert session.ended is not None
    assert [task for task in asyncio.all_tasks() if task.get_name() == "replay"] == []


def test_that_settings_and_gaps_are_refused(path: Path) -> None:
    path.write_bytes(
        b'{"line":"opened","session":"s","version":1,"duologue":"","started_at":"","provider":"p"}\n'
        b'{"line":"lost","session":"s","at":1.0,"count":3}\n'
    )
    with pytest.raises(InvalidInput, match="3 messages are missing"):
        ReplayClient(path)
    with pytest.raises(InvalidInput, match="speed"):
        ReplayClient(path, speed=0)
    with pytest.raises(InvalidInput, match="check"):
        ReplayClient(path, check="loose")  # type: ignore[arg-type]


async def test_that_updates_change_the_options(path: Path) -> None:
    async def act(client: RealtimeClient) -> SessionOptions:
        async with client.create_session(OPTIONS) as session:
            await session.update(SessionOptions(voice="echo"))
            read: list[Message] = [await anext(session), await anext(session)]
            assert isinstance(read[1], m.SessionUpdated)
            assert read[1].options == session.options
            return session.options

    client = ScriptedClient()
    expected = await act(client.with_middleware(FunctionInvocation(), Recording(path)))
    assert await act(replay(path)) == expected == msgspec.structs.replace(OPTIONS, voice="echo")
